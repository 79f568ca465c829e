"""Finds the weights in what a torch checkpoint holds: in an entry of a dict, or in a whole pickled model."""

from typing import Any

from .._weight_files.pickles import Global, Placeholder
from .._weight_files.torch_pickle import QuantizedTensor, Tensor, why_unreadable
from ..functional._check import listed

__all__ = ["find_state_dict"]

_ENTRIES = (
    "state_dict", "model_state_dict", "model", "model_state", "net", "network", "module", "weights", "params",
    "model_ema", "ema", "state_dict_ema", "ema_state_dict", "params_ema",
)
"""Where training programs put the weights in a checkpoint. The first of these that is there is taken."""
_OPTIMIZERS = "optim"  # entries whose names begin so hold the state of optimizers, some of it under names of weights
_MAX_DEPTH = 3  # dicts inside each other
_MAX_MODULE_DEPTH = 100  # modules inside each other in a pickled model
_MAX_MODULES = 1 << 16  # modules of a pickled model: shared modules can make their number exponential
_MODULE_ATTRIBUTES = ("_parameters", "_buffers", "_modules")
_COMPILED_MODULE = "torch._dynamo.eval_frame.OptimizedModule"  # what torch.compile makes of a module
_EXTRA_STATE = "_extra_state"  # the last part of the name under which torch saves what a module keeps besides tensors

_PACKED = "._packed_params."
_QUANTISED_DTYPES = ("torch.qint8", "torch.float16")

Path = tuple[str, ...]


def find_state_dict(content: Any, entry: str | None) -> tuple[dict[str, Tensor | QuantizedTensor], str | None]:
    """The dict of tensors in what a checkpoint holds.

    Args:
        content: what a `TorchFile` holds.
        entry: where the dict is, `"student.backbone"` for nested dicts. By default the usual entries are tried, and
            then every dict of tensors under any other key.

    Returns:
        The dict, and a sentence about the choice where several entries hold weights; None where only one does. The
        sentence reads on from the name of the file.

    Raises:
        ValueError: there is no such dict, or something in it is not a tensor. The message reads on from the name of the
            file.
    """
    path: Path = ()
    if entry is not None:
        content, path = _entry(content, entry)
    found = _weights_in(content)
    choice = None
    if found:
        content, others = found[0][1], [".".join((*path, *below)) for below, _ in found[1:]]
        path = (*path, *found[0][0])
        if others:
            names = listed(repr(name[:80]) for name in others)
            taken = repr(".".join(path)[:80])
            choice = f"has weights in its entry {taken}, which are read, and in {names}: choose with entry= or --entry"
    where = f"in its entry {'.'.join(path)!r}" if path else "at its top"
    if _structure(content):
        content = _tensors_of_module(content)
    return _checked(_unpacked(content) if type(content) is dict else content, where), choice


def _entry(content: Any, entry: str) -> tuple[Any, Path]:
    """What is in an entry, and the keys that lead there. A key may itself contain dots."""
    path: Path = ()
    rest = entry
    while rest:
        parts = rest.split(".")
        heads = [".".join(parts[:count]) for count in range(len(parts), 0, -1)]
        head = next((one for one in heads if type(content) is dict and one in content), None)
        if head is None:
            where = f"in its entry {'.'.join(path)!r}" if path else "at its top"
            raise ValueError(f"has no entry {parts[0]!r} {where}: there {_describe(content)}")
        content, path, rest = content[head], (*path, head), rest[len(head) + 1 :]
    return content, path


def _weights_in(content: Any) -> list[tuple[Path, Any]]:
    """The models and the dicts of weights below the top of a checkpoint, with their keys, the likeliest first.

    Under usual keys a dict of weights is one with a tensor in it, so that an error can say what else it holds. Under
    other keys all of its values are tensors, one of them with an axis, and they are more than the tensors beside it.
    """
    found = []
    level: list[tuple[Path, Any]] = [((), content)]
    seen = set()  # a pickle can describe a dict that contains itself
    for _ in range(_MAX_DEPTH):
        below = []
        for path, parent in level:
            if type(parent) is not dict or id(parent) in seen:
                continue
            seen.add(id(parent))
            beside = sum(_is_tensor(value) for value in parent.values())
            for name, value in parent.items():
                if type(name) is not str:  # optimizers number the parameters
                    continue
                here = (*path, name)
                if _structure(value) or _is_state_dict(value, usual=name in _ENTRIES, beside=beside):
                    found.append((here, value))
                elif not name.startswith(_OPTIMIZERS):
                    below.append((here, value))
        level = below
    return sorted(found, key=lambda one: _likelihood(*one))


def _is_state_dict(value: Any, *, usual: bool, beside: int) -> bool:
    """Whether a value is a dict of weights, given whether its key is a usual one and how many tensors lie beside it."""
    if type(value) is not dict:
        return False
    tensors = [one for one in value.values() if _is_tensor(one)]
    if usual:
        return bool(tensors)
    shapes = any(type(one) is Tensor and one.shape for one in tensors)
    return shapes and len(tensors) == len(value) > beside and all(type(name) is str for name in value)


def _likelihood(path: Path, value: Any) -> tuple[Any, ...]:
    """The order in which dicts of weights are tried: those under usual keys, then the outermost, then the largest."""
    unusual = [name not in _ENTRIES for name in path]
    ranks = [_ENTRIES.index(name) if name in _ENTRIES else len(_ENTRIES) for name in path]
    return any(unusual), len(path) if any(unusual) else 0, ranks, -len(value) if type(value) is dict else 0


def _is_tensor(value: Any) -> bool:
    """Whether a value is a tensor to torch, readable here or not."""
    return type(value) is Tensor or why_unreadable(value) is not None


def _unpacked(content: dict[Any, Any]) -> dict[Any, Any]:
    """The content with the packed parameters of quantised linear layers under the names of the layers.

    Torch packs them as `fc._packed_params._packed_params`, a tuple of weight and bias, and before torch 1.6 as
    `fc._packed_params.weight` and `.bias`. Beside them is `fc._packed_params.dtype`, which is that of the weight.
    """
    found: dict[Any, Any] = {}
    for name, value in content.items():
        layer, packed, last = name.rpartition(_PACKED) if type(name) is str else ("", "", "")
        if packed and last == "dtype" and isinstance(value, Global) and value.name in _QUANTISED_DTYPES:
            continue
        if packed and last == "_packed_params" and type(value) is tuple and len(value) == 2:
            weight, bias = value
            found |= {f"{layer}.weight": weight} | ({} if bias is None else {f"{layer}.bias": bias})
        else:
            found[f"{layer}.{last}" if packed and last in ("weight", "bias") else name] = value
    return found


def _checked(content: Any, where: str) -> dict[str, Tensor | QuantizedTensor]:
    """The content if it is a dict of tensors by name, without the extra state of modules."""
    if type(content) is not dict or not content or not all(type(name) is str for name in content):
        raise ValueError(why_unreadable(content) or f"has no state dict {where}: there {_describe(content)}")
    others = [name for name, value in content.items() if not isinstance(value, Tensor | QuantizedTensor)]
    others = [name for name in others if name.rpartition(".")[2] != _EXTRA_STATE]
    if others:
        if reason := next(filter(None, (why_unreadable(content[name]) for name in others)), None):
            raise ValueError(reason)
        verb = "is not a tensor" if len(others) == 1 else "are not tensors"
        raise ValueError(
            f"has no plain state dict {where}: {listed(others)} {verb}. "
            "Say where the weights are: entry=..., or --entry on the command line"
        )
    return {name: value for name, value in content.items() if isinstance(value, Tensor | QuantizedTensor)}


# Whole models


def _structure(value: Any) -> dict[str, dict[Any, Any]] | None:
    """The parameters, buffers and parts of a pickled `torch.nn.Module`; None for anything else.

    They are in the state of the placeholder, or in an argument of its function: a `torch.fx.GraphModule` is saved so.
    """
    if not isinstance(value, Placeholder):
        return None
    if value.name == _COMPILED_MODULE and value.arguments:
        return {"_parameters": {}, "_buffers": {}, "_modules": {"_orig_mod": value.arguments[0]}}
    for one in (value.state, *value.arguments):
        if type(one) is dict and all(type(one.get(name)) is dict for name in _MODULE_ATTRIBUTES):
            return one
    return None


def _tensors_of_module(module: Placeholder) -> dict[str, Any]:
    """What the `state_dict` of a pickled model holds, by name: parameters, then buffers, then those of its parts."""
    found: dict[str, Any] = {}
    waiting: list[tuple[str, Any, int]] = [("", module, 0)]
    for _ in range(_MAX_MODULES):
        if not waiting:
            return found
        prefix, part, depth = waiting.pop()
        structure = _structure(part)
        if structure is None:
            raise ValueError(f"holds a model whose part {prefix[:-1][:80]!r} does not show its tensors: {_a(part)}")
        hidden = structure.get("_non_persistent_buffers_set")
        hidden = hidden if type(hidden) is list else []
        for attribute in ("_parameters", "_buffers"):
            for name, value in structure[attribute].items():
                if value is not None and not (attribute == "_buffers" and name in hidden):
                    found[f"{prefix}{name}"] = value
        parts = [(f"{prefix}{name}.", one, depth + 1) for name, one in structure["_modules"].items()]
        waiting += [one for one in reversed(parts) if one[1] is not None]
        if depth > _MAX_MODULE_DEPTH:
            break
    raise ValueError("holds a model that is nested too deeply, or that contains itself")


def _describe(content: Any) -> str:
    """What an error says about content that is no state dict, after the word "there"."""
    if type(content) is dict:
        return f"are {listed(str(name)[:80] for name in content)}" if content else "is an empty dict"
    return f"is {_a(content)}"


def _a(value: Any) -> str:
    if isinstance(value, Global | Placeholder):
        return f"an object named {value.name[:60]!r}"
    return f"a {'tensor' if type(value) is Tensor else type(value).__name__}"
