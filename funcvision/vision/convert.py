"""Weights between torch's checkpoint files and funcvision's `(params, state)`, without torch.

A file, `.pth` or `.safetensors`, always has torch's names and torch's axis orders, so that any other program reads it.
`from_torch` and `load` turn its tensors into the layout in which funcvision computes, guided by the declarations of
the model; `to_torch` and `save` turn them back.

    params, state = convert.load("resnet50-11ad3fa6.pth", models.resnet50())
    convert.save("resnet50.safetensors", models.resnet50(), params, state)
"""

import os
import re
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .. import nn
from ..functional._check import listed
from ..nn._misfits import described, misfits
from . import _mapping, _safetensors_file, _torch_file
from ._element_types import BY_DTYPE
from ._torch_pickle import Tensor

__all__ = [
    "conform", "from_torch", "load", "modern_names", "read", "read_torch", "save", "strip_prefixes", "to_torch",
    "write",
]

Tensors = dict[str, np.ndarray]

_ENTRIES = ("state_dict", "model_state_dict", "model", "model_ema", "ema", "net", "network", "module", "weights")
"""Where training programs put the weights in a checkpoint, the first of these that is there."""
_DEPTH = 3  # such entries inside each other
_PREFIXES = ("module.", "_orig_mod.")
"""What DataParallel and DistributedDataParallel, and torch.compile, put before every name."""
_OLD_NAMES = (
    (re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)"), r"\1\2"),  # DenseNet, before torch 0.4
    (re.compile(r"(encoder_layer_\d+\.mlp)\.linear_1\."), r"\1.0."),  # vision transformers, before torchvision 0.14
    (re.compile(r"(encoder_layer_\d+\.mlp)\.linear_2\."), r"\1.3."),
)
"""What torchvision's hosted files still call otherwise than its models do."""
_COUNTER = "num_batches_tracked"
_ROOM = 64 << 20  # bytes that a file may declare beyond 16 times its size


# Files to tensors


def read_torch(path: str | os.PathLike[str], *, entry: str | None = None) -> Tensors:
    """The tensors of a torch checkpoint (`.pth`, `.pt`, `.bin`), with torch's names, axis orders and dtypes.

    Reads the zip format of torch 1.6 and later and the one before it, without torch and without running anything in
    the file. The arrays are read-only views of the mapped file: nothing is read before it is used, and the file must
    not be changed while they are. bfloat16 and float8 come as the types of `ml_dtypes`.

    A checkpoint with more in it than the weights is opened at the usual places, `state_dict`, `model` and the like.
    Names are left as they are; see `strip_prefixes` for those of DataParallel.

    Args:
        path: the file.
        entry: where in the checkpoint the weights lie, `"model_ema"`, or `"student.backbone"` for nested dicts.

    Raises:
        ValueError: the file is damaged or not a checkpoint, names anything but tensors and plain data (nothing in it
            is run), or has no weights where they are looked for.
    """
    file = _torch_file.TorchFile(path)
    try:
        found = _state_dict(file.content, entry)
        total = sum(tensor.nbytes for tensor in found.values())
        if total > 16 * file.size + _ROOM:
            raise ValueError(f"declares {total} bytes of tensors in a file of {file.size}")
        return {name: file.array(tensor) for name, tensor in found.items()}
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)} {error}") from error


def read(path: str | os.PathLike[str], *, entry: str | None = None) -> Tensors:
    """The tensors of a `.safetensors` file or a torch checkpoint; which it is, is told by the content.

    See `read_torch` for the arguments, for what comes back and for what is refused.
    """
    with open(path, "rb") as stream:
        start = stream.read(9)
    if not _safetensors_file.looks_like(start):
        return read_torch(path, entry=entry)
    if entry is not None:
        raise ValueError(f"{os.fspath(path)} is a safetensors file, which has no entries such as {entry!r}")
    return _safetensors_file.read(path)


def strip_prefixes(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """The tensors without the prefixes that wrappers put before every name.

    These are `module.` (DataParallel, DistributedDataParallel and AveragedModel, whose counter `n_averaged` goes with
    it) and `_orig_mod.` (torch.compile). A prefix that not every name has is left.

    >>> strip_prefixes({"module.fc.weight": 1, "module.fc.bias": 2})
    {'fc.weight': 1, 'fc.bias': 2}
    """
    tensors = dict(tensors)
    while True:
        names = [name for name in tensors if name != "n_averaged"]
        prefix = next((one for one in _PREFIXES if names and all(name.startswith(one) for name in names)), None)
        if prefix is None:
            return tensors
        tensors = {name.removeprefix(prefix): tensors[name] for name in names}


def modern_names(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """The tensors under the names that torchvision's models have now, without the prefixes of wrappers.

    >>> modern_names({"features.denseblock1.denselayer1.norm.1.weight": 1})
    {'features.denseblock1.denselayer1.norm1.weight': 1}
    """
    renamed = {}
    for name, tensor in strip_prefixes(tensors).items():
        for old, new in _OLD_NAMES:
            name = old.sub(new, name)
        renamed[name] = tensor
    return renamed


def _state_dict(content: Any, entry: str | None) -> dict[str, Tensor]:
    """The dict of nothing but tensors in what a checkpoint holds."""
    where = "at its top"
    if entry is not None:
        for part in entry.split("."):
            if type(content) is not dict or part not in content:
                raise ValueError(f"has no entry {part!r} {where}: there {_describe(content)}")
            content, where = content[part], f"in its entry {entry!r}"
    for _ in range(_DEPTH):  # not until the end: a pickle can describe a dict that is in itself
        if (name := next((name for name in _ENTRIES if _holds_tensors(content, name)), None)) is None:
            break
        content, where = content[name], f"in its entry {name!r}"
    if type(content) is not dict or not content or not all(type(name) is str for name in content):
        raise ValueError(f"has no state dict {where}: there {_describe(content)}")
    if others := [name for name, value in content.items() if type(value) is not Tensor]:
        verb = "is not a tensor" if len(others) == 1 else "are not tensors"
        raise ValueError(
            f"has no plain state dict {where}: {listed(others)} {verb}. "
            "Say where the weights are: entry=..., or --entry on the command line"
        )
    return content


def _holds_tensors(content: Any, name: str, depth: int = _DEPTH) -> bool:
    """Whether an entry of a checkpoint is a dict of tensors, or a dict with such an entry."""
    if type(content) is not dict or type(inside := content.get(name)) is not dict:
        return False
    if any(type(value) is Tensor for value in inside.values()):
        return True
    return depth > 1 and any(_holds_tensors(inside, below, depth - 1) for below in _ENTRIES)


def _describe(content: Any) -> str:
    if type(content) is dict:
        return f"are {listed(str(name)[:80] for name in content)}" if content else "is an empty dict"
    return f"is a {'tensor' if type(content) is Tensor else type(content).__name__}"


# Tensors to arrays


def conform(model: nn.Module, tensors: Mapping[str, Any], *, what: str = "these tensors") -> dict[str, Any]:
    """The tensors of a torch state dict in the order of the model's declarations, all of them.

    Missing `num_batches_tracked` are added as int64 zeros: checkpoints of torch before 0.4.1 lack them.

    Raises:
        ValueError: one list of every name that is missing or unexpected, and of every shape (in torch's axis order)
            and kind of dtype that differs; `what` names the tensors in it.
    """
    declared = model.declarations()
    counters = {name: np.zeros(one.shape, np.int64) for name, one in declared.items() if name.endswith(_COUNTER)}
    tensors = counters | dict(tensors)
    faults = misfits(declared, tensors, torch_order=True)
    kinds = {name: _kind(declaration.dtype_for(jnp.float32)) for name, declaration in declared.items()}
    if wrong := [
        f"{name} is {tensors[name].dtype}, not {kind}" for name, kind in kinds.items()
        if name in tensors and _kind(tensors[name].dtype) != kind
    ]:  # fmt: skip
        faults["of another dtype"] = wrong
    if faults:
        raise ValueError(f"{what} do not fit {type(model).__name__}; {described(faults)}")
    return {name: tensors[name] for name in declared}


def _kind(dtype: Any) -> str:
    kinds = {"floating": jnp.floating, "integer": jnp.integer, "complex": jnp.complexfloating, "boolean": jnp.bool_}
    return next((name for name, kind in kinds.items() if jnp.issubdtype(dtype, kind)), str(dtype))


def from_torch(
    model: nn.Module, tensors: Mapping[str, Any], *, dtype: Any = None, share: bool = False
) -> tuple[dict[str, jax.Array], dict[str, jax.Array]]:
    """`(params, state)` of a model from a torch state dict.

    Every array is transposed from torch's axis order as the model's declaration says. All names and shapes must fit;
    only `num_batches_tracked` may be missing and is then zero. Names are brought up to date (`modern_names`).

    Args:
        model: the description.
        tensors: numpy arrays, or whatever `np.asarray` takes, by torch's names.
        dtype: of floating-point parameters (running statistics are then float32 at least); without it every array
            keeps the dtype that it has. Integers always take the dtype that the model declares.
        share: take over, without a copy, read-only arrays that lie in memory as jax wants them on a CPU. Whatever
            they are views of, a mapped file for instance, must not change afterwards.

    Raises:
        ValueError: a list of everything missing, unexpected, or of another shape or kind of dtype; or a tensor has a
            64-bit type that jax would narrow.
    """
    return _from_torch(model, tensors, dtype, share, "these tensors")


def load(
    path: str | os.PathLike[str], model: nn.Module, *, dtype: Any = None, entry: str | None = None
) -> tuple[dict[str, jax.Array], dict[str, jax.Array]]:
    """`(params, state)` of a model from a `.safetensors` file or a torch checkpoint.

    Memory is needed for the result and a few megabytes beside it. See `read_torch` and `from_torch` for the arguments
    and the errors.
    """
    return _from_torch(model, read(path, entry=entry), dtype, False, f"the tensors of {os.fspath(path)}")


def _from_torch(
    model: nn.Module, tensors: Mapping[str, Any], dtype: Any, share: bool, what: str
) -> tuple[dict[str, jax.Array], dict[str, jax.Array]]:
    if dtype is not None and _kind(dtype) != "floating":
        raise ValueError(f"dtype={dtype!r} is not a floating-point type")
    declared = model.declarations()
    tensors = {name: np.asarray(tensor) for name, tensor in tensors.items()}
    if not tensors.keys() <= declared.keys():
        tensors = modern_names(tensors)
    params, state = {}, {}
    for name, array in conform(model, tensors, what=what).items():
        declaration = declared[name]
        keep = dtype is None and _kind(array.dtype) == "floating"
        target = array.dtype if keep else declaration.dtype_for(dtype or jnp.float32)
        arrays = params if isinstance(declaration, nn.Param) else state
        arrays[name] = jax.device_put(_stored(name, array, declaration.axes, target, share))
    return params, state


def _stored(name: str, array: np.ndarray, axes: tuple[int, ...], dtype: np.dtype, share: bool) -> np.ndarray:
    """A transposed copy, made in pieces so that the pages of a mapped array can go while it grows.

    It is aligned to 64 bytes: such memory jax takes over on a CPU instead of copying it once more. With `share` a
    read-only array that needs no change is not copied either.
    """
    if jax.dtypes.canonicalize_dtype(dtype) != dtype:
        raise ValueError(f"{name} is {dtype} and jax would narrow it: pass dtype=jnp.float32, or set jax_enable_x64")
    if _kind(dtype) == "integer" and not np.array_equal(array.astype(dtype), array):
        raise ValueError(f"{name} has numbers that do not fit {dtype}")
    stored = array.transpose(axes)
    aligned = stored.flags.c_contiguous and stored.ctypes.data % 64 == 0
    if share and aligned and stored.dtype == dtype and not stored.flags.writeable:
        return stored
    memory = np.empty(array.size * dtype.itemsize + 64, np.uint8)
    aligned = memory[-memory.ctypes.data % 64 :][: array.size * dtype.itemsize].view(dtype)
    copy = aligned.reshape(stored.shape)
    source, target = np.atleast_1d(array), np.atleast_1d(copy.transpose(np.argsort(axes)))
    for rows in _mapping.blocks(source):
        target[rows] = source[rows]
        _mapping.release(source[rows])
    return copy


# Arrays to tensors, tensors to files


def to_torch(model: nn.Module, params: Mapping[str, Any], state: Mapping[str, Any]) -> Tensors:
    """The state dict of a model: C-contiguous numpy arrays with torch's names, order and axis orders.

    Integers become int64, as torch's counters and indices are.

    Raises:
        ValueError: `params` and `state` are not those of the model; everything that differs is listed.
    """
    return {name: np.array(view, order="C") for name, view in _torch_views(model, params, state).items()}


def save(
    path: str | os.PathLike[str], model: nn.Module, params: Mapping[str, Any], state: Mapping[str, Any],
    *, overwrite: bool = False,
) -> None:
    """Writes a model's weights as a torch state dict, `.pth` or `.safetensors` by the file's ending.

    A `.pth` loads with `torch.load(path, weights_only=True)` and then `load_state_dict(..., strict=True)`. The file
    appears when it is whole. See `to_torch` and `write` for the errors.
    """
    write(path, _torch_views(model, params, state), overwrite=overwrite)


def _torch_views(model: nn.Module, params: Mapping[str, Any], state: Mapping[str, Any]) -> Tensors:
    """A state dict of views, which for a model on a CPU are of jax's own memory."""
    what = "these arrays, in torch's axis order,"
    views = {name: np.asarray(array) for name, array in {**params, **state}.items()}
    for name, declaration in model.declarations().items():
        if name in views and views[name].ndim == len(declaration.axes):
            views[name] = views[name].transpose(np.argsort(declaration.axes))
    views = conform(model, views, what=what)
    return {name: view.astype(np.int64) if _kind(view.dtype) == "integer" else view for name, view in views.items()}


def write(
    path: str | os.PathLike[str], tensors: Mapping[str, Any], *, overwrite: bool = False,
    model_name: str | None = None, axes: Mapping[str, tuple[int, ...]] | None = None,
    progress: Callable[[int], object] = lambda _: None,
) -> None:
    """Writes a state dict, given in torch's axis orders, as `.pth` (or `.pt`) or `.safetensors` by the file's ending.

    The file appears under its name when it is whole; after an error nothing is left. Tensors are written one after
    the other, so that mapped ones (`read`) need no memory.

    Args:
        path: the file.
        tensors: numpy arrays by name.
        overwrite: replace a file that exists.
        model_name: noted in a `.safetensors` file under `funcvision.model`.
        axes: for tensors that a `.safetensors` file shall hold otherwise than in torch's axis order, torch's axes in
            the order of the file. `read` turns them back; other programs do not, so this is for private files.
        progress: called with a number of bytes whenever these have been written.

    Raises:
        FileExistsError: the file exists and `overwrite` is not set.
        ValueError: the ending or a dtype has no place in these formats, or there are no tensors.
    """
    ending = os.path.splitext(path)[1].lower()
    if ending not in (".pth", ".pt", ".safetensors"):
        raise ValueError(f"{os.fspath(path)} ends in {ending or 'nothing'!r}; it can be .safetensors, .pth or .pt")
    if not tensors:
        raise ValueError("there are no tensors to write")
    native = {name: _native(name, np.asarray(tensor)) for name, tensor in tensors.items()}
    with _mapping.replacing(path, overwrite) as stream:
        if ending == ".safetensors":
            metadata = {"format": "pt"} | ({"funcvision.model": model_name} if model_name else {})
            _safetensors_file.write(stream, native, metadata, axes or {}, progress)
        else:
            _torch_file.write(stream, native, progress)


def _native(name: str, array: np.ndarray) -> np.ndarray:
    """The array in the machine's byte order, of a type that files have."""
    if array.dtype.newbyteorder("=") not in BY_DTYPE:
        raise ValueError(f"{name} is {array.dtype}, which torch does not have")
    return array.astype(array.dtype.newbyteorder("="), copy=False)
