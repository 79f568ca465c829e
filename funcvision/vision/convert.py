"""Converts weights between torch's checkpoint files and funcvision's `(params, state)`, without torch.

A file, `.pth` or `.safetensors`, always has torch's names and torch's axis orders, so that any other program reads it.
`from_torch` and `load` transpose its tensors into the layout in which funcvision computes, as the declarations of the
model say. `to_torch` and `save` transpose them back.

    params, state = convert.load("resnet50-11ad3fa6.pth", models.resnet50())
    convert.save("resnet50.safetensors", models.resnet50(), params, state)
"""

import logging
import os
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .. import nn
from .._weight_files import mapping, safetensors_file, torch_file
from .._weight_files.element_types import BY_DTYPE
from .._weight_files.torch_pickle import QuantizedTensor, Tensor
from ..functional._check import listed
from ..nn._array_faults import array_faults, describe_faults
from ..nn._declarations import Declaration
from . import _names
from ._state_dict import find_state_dict

__all__ = [
    "conform", "from_torch", "load", "match_names", "modern_names", "read", "read_torch", "save", "strip_prefixes",
    "to_torch", "write",
]

Tensors = dict[str, np.ndarray]

_KINDS = {"floating": jnp.floating, "integer": jnp.integer, "complex": jnp.complexfloating, "boolean": jnp.bool_}
_COUNTER = "num_batches_tracked"
_MAX_INT64 = 2**63 - 1
_LARGE_COUNT = 1 << 30  # stands for a count of batches that does not fit int32; training can still count on from it

_log = logging.getLogger(__name__)


# Files to tensors


def read_torch(path: str | os.PathLike[str], *, entry: str | None = None) -> Tensors:
    """The tensors of a torch checkpoint (`.pth`, `.pt`, `.bin`), with torch's names, axis orders and dtypes.

    Both formats are read, that of torch 1.6 and later and the one before it. Torch is not needed. The arrays are
    read-only views of the mapped file: nothing is read before it is used, and the file must not change as long as the
    arrays are in use. Arrays of bfloat16 and float8 have the types of `ml_dtypes`.

    Nothing in the file is imported, called or run. Where a checkpoint holds more than tensors and plain data, say the
    `argparse.Namespace` of a training script, the tensors are read, and a warning of the logger
    `funcvision.vision.convert` names the rest. A whole model (`torch.save(model, path)`) gives its tensors under the
    names that its `state_dict` has. What modules keep besides tensors (`_extra_state`) is left out.

    A quantised tensor gives two arrays: its integers under its own name, and under `NAME_scale` its scale in float32,
    for all numbers or for each index of the first axis. If a zero point is not 0, `NAME_zero_point` holds the zero
    points. The packed parameters of a quantised linear layer, `fc._packed_params`, become `fc.weight` and `fc.bias`.

    If a checkpoint holds more than the weights, the usual entries are tried: `state_dict`, `model` and the like, and
    then any other entry that is a dict of tensors. Where several entries hold weights, a warning of the same logger
    says which one is read. Names are left as they are; see `match_names` for those of wrapped models.

    Args:
        path: the file.
        entry: the entry of the checkpoint that holds the weights: `"model_ema"`, or `"student.backbone"` for nested
            dicts.

    Raises:
        ValueError: the file is damaged or is not a checkpoint, has no weights where they are looked for, or something
            among the weights is not a dense tensor of a type that numpy has.
    """
    file = torch_file.TorchFile(path)
    try:
        found, choice = find_state_dict(file.content, entry)
        file.check_expansion(found.values())
        arrays = {}
        for name, tensor in found.items():
            quantised = isinstance(tensor, QuantizedTensor)
            arrays |= _quantised(file, name, tensor) if quantised else {name: file.array(tensor)}
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)} {error}{file.foreign_clause()}") from error
    if file.foreign:
        names = listed(repr(name[:100]) for name in file.foreign)
        _log.warning("%s names %s: nothing of it was imported, called or run", os.fspath(path), names)
    if choice:
        _log.warning("%s %s", os.fspath(path), choice)
    return arrays


def _quantised(file: torch_file.TorchFile, name: str, tensor: QuantizedTensor) -> Tensors:
    """The arrays of a quantised tensor; see `read_torch`."""
    if tensor.axis not in (0, None):
        what = f"a quantised tensor {name[:80]!r} with scales for the indices of axis {tensor.axis}, not 0"
        raise ValueError(f"has {what}")
    scale, zero_point = (
        file.array(one) if isinstance(one, Tensor) else one for one in (tensor.scale, tensor.zero_point)
    )
    arrays = {name: file.array(tensor.integers), f"{name}_scale": scale.astype(np.float32)}
    return arrays | ({f"{name}_zero_point": zero_point} if np.any(zero_point) else {})


def read(path: str | os.PathLike[str], *, entry: str | None = None) -> Tensors:
    """The tensors of a `.safetensors` file or a torch checkpoint. The content decides which it is, not the name.

    See `read_torch` for the arguments, the result and the errors.
    """
    with open(path, "rb") as stream:
        start = stream.read(9)
    if not safetensors_file.looks_like(start):
        return read_torch(path, entry=entry)
    if entry is not None:
        raise ValueError(f"{os.fspath(path)} is a safetensors file, which has no entries such as {entry!r}")
    return safetensors_file.read(path)


def strip_prefixes(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """The tensors without the prefixes that wrappers put before every name.

    These are `module.` (DataParallel, DistributedDataParallel and AveragedModel, whose counter `n_averaged` is dropped
    too), `_orig_mod.` (torch.compile), those of FSDP and of activation checkpointing, and `model.` (Lightning). A
    prefix is kept if some name does not have it. Where the model is known, `match_names` does more.

    >>> strip_prefixes({"module.fc.weight": 1, "module.fc.bias": 2})
    {'fc.weight': 1, 'fc.bias': 2}
    """
    return _renamed(tensors, _names.without_common_wrappers(tensors))


def modern_names(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """The tensors under the names in torchvision's current models, without the prefixes of wrappers.

    >>> modern_names({"features.denseblock1.denselayer1.norm.1.weight": 1})
    {'features.denseblock1.denselayer1.norm1.weight': 1}
    """
    return {_names.modern(name): tensor for name, tensor in strip_prefixes(tensors).items()}


def match_names(model: nn.Module, tensors: Mapping[str, Any], *, what: str = "these tensors") -> dict[str, Any]:
    """The tensors under the names that the model declares for them.

    What wrappers add to a name is left out wherever the rest is a declared name: `module`, `_orig_mod`,
    `_fsdp_wrapped_module`, `_checkpoint_wrapped_module`, Lightning's `model` and the like, at the front or inside.
    A first part of another kind, `student.`, is left out if all names have it and the rest is declared. Old names are
    replaced (see `modern_names`). A name for which the model declares nothing stays as it is.

    Raises:
        ValueError: two names would become one, or a name could become several; `what` names the tensors in the message.

    >>> tensors = {"_orig_mod.0.module.weight": 1, "_orig_mod.0.module.bias": 2}
    >>> match_names(nn.Sequential(nn.Linear(2, 3)), tensors)
    {'0.weight': 1, '0.bias': 2}
    """
    try:
        return _renamed(tensors, _names.matched(tensors, model.declarations()))
    except ValueError as error:
        raise ValueError(f"{what} do not fit {type(model).__name__}: {error}") from error


def _renamed(tensors: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """The tensors under other names. Those without another name are left out."""
    return {names[name]: tensor for name, tensor in tensors.items() if name in names}


# Tensors to arrays


def conform(model: nn.Module, tensors: Mapping[str, Any], *, what: str = "these tensors") -> dict[str, Any]:
    """The tensors of a torch state dict in the order of the model's declarations, all of them.

    What torch's strict `load_state_dict` takes is taken. A tensor of one element stands for a scalar. Where the model
    declares integers, other numbers lose their fraction and become int64. Of complex numbers the real part is taken,
    with a warning of the logger `funcvision.vision.convert`. Missing `num_batches_tracked` are added as int64 zeros:
    checkpoints of torch before 0.4.1 lack them.

    Raises:
        ValueError: one list of every name that is missing or unexpected, of every shape (in torch's axis order) that
            differs, and of every array that does not hold numbers; `what` names the tensors in it.
    """
    declared = model.declarations()
    counters = {name: np.zeros(one.shape, np.int64) for name, one in declared.items() if name.endswith(_COUNTER)}
    tensors = counters | {
        name: _as_torch_loads(name, tensor, declared[name]) if name in declared else tensor
        for name, tensor in tensors.items()
    }
    faults = array_faults(declared, tensors, torch_order=True)
    if wrong := [
        f"{name} is {tensor.dtype}, which is not a type of numbers" for name, tensor in tensors.items()
        if name in declared and _kind(tensor.dtype) not in _KINDS
    ]:  # fmt: skip
        faults["of another dtype"] = wrong
    if faults:
        raise ValueError(f"{what} do not fit {type(model).__name__}; {describe_faults(faults)}")
    return {name: tensors[name] for name in declared}


def _as_torch_loads(name: str, tensor: Any, declaration: Declaration) -> Any:
    """The tensor with the shape and the kind of numbers with which torch's `load_state_dict` copies it."""
    if tensor.shape == (1,) and declaration.shape == ():
        tensor = tensor.reshape(())
    kind, wanted = _kind(tensor.dtype), _kind(declaration.dtype_for(jnp.float32))
    if kind == "complex" != wanted:
        _log.warning("%s is %s: the imaginary part is left out, as by torch", name, tensor.dtype)
        tensor = tensor.real
    if wanted == "integer" != kind and kind in _KINDS:
        tensor = _whole_numbers(name, np.asarray(tensor))
    return tensor


def _whole_numbers(name: str, array: np.ndarray) -> np.ndarray:
    """The numbers without their fraction, as int64.

    A count of batches that does not fit int64, or is NaN, becomes the largest int64.
    """
    numbers = np.trunc(array.astype(np.float64))
    fits = np.abs(numbers) < _MAX_INT64  # False for NaN
    if not (np.all(fits) or name.endswith(_COUNTER)):
        raise ValueError(f"{name} has numbers that do not fit int64")
    return np.where(fits, np.where(fits, numbers, 0).astype(np.int64), _MAX_INT64)


def _kind(dtype: Any) -> str:
    """Whether a dtype is floating, integer, complex or boolean; the name of the dtype if none of these."""
    return next((name for name, kind in _KINDS.items() if jnp.issubdtype(dtype, kind)), str(dtype))


def from_torch(
    model: nn.Module, tensors: Mapping[str, Any], *, dtype: Any = None, share: bool = False
) -> tuple[dict[str, jax.Array], dict[str, jax.Array]]:
    """`(params, state)` of a model from a torch state dict.

    Every array is transposed from torch's axis order as the model's declaration says. All names and shapes must fit.
    Only `num_batches_tracked` may be missing; it is then zero. Names may be old or those of a wrapped model (see
    `match_names`).

    Args:
        model: the description.
        tensors: numpy arrays, or whatever `np.asarray` takes, by torch's names.
        dtype: the dtype of floating-point parameters; running statistics are then float32 at least. By default every
            floating-point array keeps its dtype. Other numbers take the dtype that the model declares. A count of
            batches that does not fit int32 becomes 2^30, with a warning of the logger `funcvision.vision.convert`.
        share: use read-only arrays without a copy if their memory has the layout that jax needs on a CPU. What they are
            views of, a mapped file for instance, must not change afterwards.

    Returns:
        What is trained, and what is not, by name.

    Raises:
        ValueError: tensors are missing, unexpected, of another shape, or do not hold numbers; the message lists them
            all. Or a tensor has a 64-bit floating-point type that jax would narrow.
    """
    return _from_torch(model, tensors, dtype, share, "these tensors")


def load(
    path: str | os.PathLike[str], model: nn.Module, *, dtype: Any = None, entry: str | None = None
) -> tuple[dict[str, jax.Array], dict[str, jax.Array]]:
    """`(params, state)` of a model from a `.safetensors` file or a torch checkpoint.

    It needs memory for the result and a few megabytes besides. See `read_torch` and `from_torch` for the arguments and
    the errors.
    """
    return _from_torch(model, read(path, entry=entry), dtype, False, f"the tensors of {os.fspath(path)}")


def _from_torch(
    model: nn.Module, tensors: Mapping[str, Any], dtype: Any, share: bool, what: str
) -> tuple[dict[str, jax.Array], dict[str, jax.Array]]:
    if dtype is not None and _kind(dtype) != "floating":
        raise ValueError(f"dtype={dtype!r} is not a floating-point type")
    declared = model.declarations()
    tensors = {name: np.asarray(tensor) for name, tensor in tensors.items()}
    tensors = match_names(model, tensors, what=what)
    params, state = {}, {}
    for name, array in conform(model, tensors, what=what).items():
        declaration = declared[name]
        if name.endswith(_COUNTER) and np.any(array != array.astype(np.int32)):
            _log.warning("%s is %s, which does not fit int32: it becomes %s", name, array, _LARGE_COUNT)
            array = np.where(array != array.astype(np.int32), _LARGE_COUNT, array)
        keep = dtype is None and _kind(array.dtype) == "floating"
        target = array.dtype if keep else declaration.dtype_for(dtype or jnp.float32)
        arrays = params if isinstance(declaration, nn.Param) else state
        arrays[name] = jax.device_put(_stored(name, array, declaration.axes, target, share))
    return params, state


def _stored(name: str, array: np.ndarray, axes: tuple[int, ...], dtype: np.dtype, share: bool) -> np.ndarray:
    """A transposed copy. It is made in pieces, and the memory of a mapped array is released after each piece.

    The copy is aligned to 64 bytes, because jax uses such memory on a CPU without another copy. With `share` a
    read-only array that needs no change is returned as it is.
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
    for rows in mapping.blocks(source):
        target[rows] = source[rows]
        mapping.release(source[rows])
    return copy


# Arrays to tensors, tensors to files


def to_torch(model: nn.Module, params: Mapping[str, Any], state: Mapping[str, Any]) -> Tensors:
    """The state dict of a model: C-contiguous numpy arrays with torch's names, order and axis orders.

    Integers become int64, the type of torch's counters and indices; 8-bit ones, which are weights, stay as they are.

    Raises:
        ValueError: `params` and `state` do not fit the model; the message lists everything that differs.
    """
    return {name: np.array(view, order="C") for name, view in _torch_views(model, params, state).items()}


def save(
    path: str | os.PathLike[str], model: nn.Module, params: Mapping[str, Any], state: Mapping[str, Any],
    *, overwrite: bool = False,
) -> None:
    """Writes a model's weights as a torch state dict, `.pth` or `.safetensors` by the file's ending.

    A `.pth` file can be loaded with `torch.load(path, weights_only=True)` and then `load_state_dict(..., strict=True)`.
    The file appears when it is whole. See `to_torch` and `write` for the errors.
    """
    write(path, _torch_views(model, params, state), overwrite=overwrite)


def _torch_views(model: nn.Module, params: Mapping[str, Any], state: Mapping[str, Any]) -> Tensors:
    """A state dict of views. For a model on a CPU they are views of jax's own memory."""
    what = "these arrays, in torch's axis order,"
    views = {name: np.asarray(array) for name, array in {**params, **state}.items()}
    for name, declaration in model.declarations().items():
        if name in views and views[name].ndim == len(declaration.axes):
            views[name] = views[name].transpose(np.argsort(declaration.axes))
    views = conform(model, views, what=what)
    types = {name: one.dtype_for(jnp.float32) for name, one in model.declarations().items()}
    integers = {name for name, dtype in types.items() if _kind(dtype) == "integer" and dtype.itemsize > 1}
    return {name: view.astype(np.int64) if name in integers else view for name, view in views.items()}


def write(
    path: str | os.PathLike[str], tensors: Mapping[str, Any], *, overwrite: bool = False,
    model_name: str | None = None, axes: Mapping[str, tuple[int, ...]] | None = None,
    progress: Callable[[int], object] = lambda _: None,
) -> None:
    """Writes a state dict, given in torch's axis orders, as `.pth` (or `.pt`) or `.safetensors` by the file's ending.

    The file appears under its name when it is whole. After an error nothing is left. Tensors are written one after
    the other, so that mapped arrays, as `read` returns them, need no memory.

    Args:
        path: the file.
        tensors: numpy arrays by name.
        overwrite: replace a file that exists.
        model_name: stored in the metadata of a `.safetensors` file as `funcvision.model`.
        axes: for tensors that a `.safetensors` file stores in another axis order than torch's, torch's axes in the
            order of the file. `read` transposes them back. Other programs do not, so this is for private files.
        progress: called with a number of bytes whenever these have been written.

    Raises:
        FileExistsError: the file exists and `overwrite` is not set.
        ValueError: the ending is of another format, the format lacks a dtype, or there are no tensors.
    """
    ending = os.path.splitext(path)[1].lower()
    if ending not in (".pth", ".pt", ".safetensors"):
        raise ValueError(f"{os.fspath(path)} ends in {ending or 'nothing'!r}; it can be .safetensors, .pth or .pt")
    if not tensors:
        raise ValueError("there are no tensors to write")
    native = {name: _native(name, np.asarray(tensor)) for name, tensor in tensors.items()}
    with mapping.replacing(path, overwrite) as stream:
        if ending == ".safetensors":
            metadata = {"format": "pt"} | ({"funcvision.model": model_name} if model_name else {})
            safetensors_file.write(stream, native, metadata, axes or {}, progress)
        else:
            torch_file.write(stream, torch_file.state_dict(native), progress)


def _native(name: str, array: np.ndarray) -> np.ndarray:
    """The array in the machine's byte order; ValueError unless torch has its type."""
    if array.dtype.newbyteorder("=") not in BY_DTYPE:
        raise ValueError(f"{name} is {array.dtype}, which torch does not have")
    return array.astype(array.dtype.newbyteorder("="), copy=False)
