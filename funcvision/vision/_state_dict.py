"""Finds the weights in what a torch checkpoint holds: in an entry of a dict, or in a whole pickled model."""

from typing import Any

from ..functional._check import listed
from ._pickle import Global, Placeholder
from ._torch_pickle import Tensor, why_unreadable

__all__ = ["find_state_dict"]

_ENTRIES = ("state_dict", "model_state_dict", "model", "model_ema", "ema", "net", "network", "module", "weights")
"""Where training programs put the weights in a checkpoint. The first of these that is there is taken."""
_MAX_DEPTH = 3  # such entries inside each other
_MAX_MODULE_DEPTH = 100  # modules inside each other in a pickled model
_MAX_MODULES = 1 << 16  # modules of a pickled model: shared modules can make their number exponential


def find_state_dict(content: Any, entry: str | None) -> dict[str, Tensor]:
    """The dict of tensors in what a checkpoint holds.

    Args:
        content: what a `TorchFile` holds.
        entry: where the dict is, `"student.backbone"` for nested dicts. By default the usual entries are tried.

    Raises:
        ValueError: there is no such dict, or something in it is not a tensor. The message reads on from the name of the
            file.
    """
    where = "at its top"
    if entry is not None:
        for part in entry.split("."):
            if type(content) is not dict or part not in content:
                raise ValueError(f"has no entry {part!r} {where}: there {_describe(content)}")
            content, where = content[part], f"in its entry {entry!r}"
    for _ in range(_MAX_DEPTH):  # bounded: a pickle can describe a dict that contains itself
        if (name := next((name for name in _ENTRIES if _holds_tensors(content, name)), None)) is None:
            break
        content, where = content[name], f"in its entry {name!r}"
    if _is_module(content):
        content = _tensors_of_module(content)
    if type(content) is not dict or not content or not all(type(name) is str for name in content):
        raise ValueError(why_unreadable(content) or f"has no state dict {where}: there {_describe(content)}")
    if others := [name for name, value in content.items() if type(value) is not Tensor]:
        if reason := next(filter(None, (why_unreadable(content[name]) for name in others)), None):
            raise ValueError(reason)
        verb = "is not a tensor" if len(others) == 1 else "are not tensors"
        raise ValueError(
            f"has no plain state dict {where}: {listed(others)} {verb}. "
            "Say where the weights are: entry=..., or --entry on the command line"
        )
    return content


def _holds_tensors(content: Any, name: str, depth: int = _MAX_DEPTH) -> bool:
    """Whether an entry of a checkpoint is a model or a dict of tensors, or a dict with such an entry."""
    if type(content) is not dict or (inside := content.get(name)) is None:
        return False
    if _is_module(inside):
        return True
    if type(inside) is not dict:
        return False
    if any(type(value) is Tensor for value in inside.values()):
        return True
    return depth > 1 and any(_holds_tensors(inside, below, depth - 1) for below in _ENTRIES)


def _is_module(value: Any) -> bool:
    """Whether a placeholder has the attributes of a `torch.nn.Module`."""
    return (
        isinstance(value, Placeholder)
        and type(value.state) is dict
        and all(type(value.state.get(name)) is dict for name in ("_parameters", "_buffers", "_modules"))
    )


def _tensors_of_module(module: Placeholder) -> dict[str, Any]:
    """What the `state_dict` of a pickled model holds, by name: parameters, then buffers, then those of its parts."""
    found: dict[str, Any] = {}
    waiting = [("", module, 0)]
    for _ in range(_MAX_MODULES):
        if not waiting:
            return found
        prefix, part, depth = waiting.pop()
        hidden = part.state.get("_non_persistent_buffers_set")
        hidden = hidden if type(hidden) is list else []
        for attribute in ("_parameters", "_buffers"):
            for name, value in part.state[attribute].items():
                if value is not None and not (attribute == "_buffers" and name in hidden):
                    found[f"{prefix}{name}"] = value
        parts = [(f"{prefix}{name}.", one, depth + 1) for name, one in part.state["_modules"].items()]
        waiting += [one for one in reversed(parts) if _is_module(one[1])]
        if depth > _MAX_MODULE_DEPTH:
            break
    raise ValueError("holds a model that is nested too deeply, or that contains itself")


def _describe(content: Any) -> str:
    """What an error says about content that is no state dict, after the word "there"."""
    if type(content) is dict:
        return f"are {listed(str(name)[:80] for name in content)}" if content else "is an empty dict"
    if isinstance(content, Global | Placeholder):
        return f"is an object named {content.name[:60]!r}"
    return f"is a {'tensor' if type(content) is Tensor else type(content).__name__}"
