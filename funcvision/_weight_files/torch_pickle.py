"""What the names in the pickles of torch's files mean: tensors, storages, shapes and types.

`TorchPickle` reads such pickles. Tensors become `Tensor`s, which say where in the file the numbers lie. Quantised
tensors become `QuantizedTensor`s, which hold their integers, scales and zero points. Everything else that a pickle
names, an `argparse.Namespace` or a whole `torch.nn.Module`, becomes an inert `Placeholder`.
"""

import dataclasses
import math
from typing import Any

import numpy as np

from .element_types import BY_STORAGE, BY_TORCH
from .pickles import Global, PickleReader, Placeholder

__all__ = ["QuantizedTensor", "Storage", "Tensor", "TorchPickle", "why_unreadable"]

_MAX_AXES = 64  # torch's and numpy's limit
_MAX_SIZE = 1 << 62  # no tensor has as many elements along an axis, or as large a stride
_UNTYPED = ("torch.storage.UntypedStorage", "torch.UntypedStorage")


@dataclasses.dataclass(frozen=True)
class Storage:
    """A flat run of elements in the file.

    Attributes:
        key: the name of the storage in the file.
        dtype: the type of the elements.
        size: the number of elements.
        start: the first element that tensors may use. It is not zero only for the storage views of torch before 0.4.
        view_size: the number of elements that tensors may use; None means all.
        location: the device on which the storage was, `"cpu"` or `"cuda:0"`.
        quantised: whether the elements are the integers of quantised tensors.
    """

    key: str
    dtype: np.dtype
    size: int
    start: int = 0
    view_size: int | None = None
    location: str = "cpu"
    quantised: bool = False

    @property
    def readable(self) -> int:
        """The number of bytes that tensors may use."""
        return (self.size if self.view_size is None else self.view_size) * self.dtype.itemsize


@dataclasses.dataclass(frozen=True)
class Tensor:
    """A tensor as a view of its storage. Offset and strides count elements, as torch's do.

    Attributes:
        storage: where the numbers lie.
        dtype: the type of the numbers; that of the storage may differ.
        offset: the first element.
        shape: the size of each axis.
        strides: the distance of neighbours along each axis.
        conjugate: whether the numbers are the complex conjugates of those in the storage.
        negative: whether the numbers are the negatives of those in the storage.
        requires_grad: whether the tensor requires a gradient.
        parameter: whether it is a `torch.nn.Parameter`.
    """

    storage: Storage
    dtype: np.dtype
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    conjugate: bool = False
    negative: bool = False
    requires_grad: bool = False
    parameter: bool = False

    @property
    def nbytes(self) -> int:
        """The size of all elements in bytes. Elements that share memory are counted each time."""
        return math.prod(self.shape) * self.dtype.itemsize


@dataclasses.dataclass(frozen=True, eq=False)
class QuantizedTensor:
    """A quantised tensor: the numbers `(integers - zero_point) * scale`.

    Attributes:
        integers: the stored integers.
        scale: of all numbers, or one for each channel.
        zero_point: as `scale`.
        axis: of the channels; None if scale and zero point are those of all numbers.
    """

    integers: Tensor
    scale: Tensor | np.ndarray
    zero_point: Tensor | np.ndarray
    axis: int | None

    @property
    def nbytes(self) -> int:
        """The size of the integers, scales and zero points in bytes."""
        return self.integers.nbytes + self.scale.nbytes + self.zero_point.nbytes


class TorchPickle(PickleReader):
    """Reads the pickles of one file.

    Attributes:
        storages: every storage that the pickles refer to, by its key.
        foreign: the names that are neither tensors nor plain data; see `PickleReader`.
    """

    def __init__(self):
        super().__init__(_CALLS, known=_KNOWN, persistent=self._persistent)
        self.storages: dict[str, Storage] = {}

    def _persistent(self, identifier: Any) -> Storage | Placeholder | Global:
        """What a persistent id stands for: a storage, or in files from before the zip format the class of a module."""
        match identifier:
            case ("module", Global() as cls, *_):
                return cls
            case ("storage", Global(name), str(key), location, int(size), *rest) if size >= 0:
                location = location if type(location) is str else "cpu"
                quantised = name.removeprefix("torch.") in _QUANTISED_STORAGES
                storage = Storage(key, _storage_dtype(name), size, location=location, quantised=quantised)
            case _:
                raise ValueError("refers to something outside the pickle that is not a storage")
        if self.storages.setdefault(key, storage) != storage:
            raise ValueError(f"declares storage {key[:40]!r} twice, with different types or sizes")
        if name.removeprefix("torch.") in _STORAGES_OF_SMALL_INTEGERS:
            return self.placeholder(name, ())
        match rest:
            case [] | [None]:
                return storage
            case [(_, int(start), int(view_size))] if start >= 0 and 0 <= view_size <= size - start:
                return dataclasses.replace(storage, start=start, view_size=view_size)
        raise ValueError(f"has a view of storage {key[:40]!r} that lies outside it")


def why_unreadable(value: Any) -> str | None:
    """Why a value that is a tensor to torch cannot be read, as a sentence; None if the value is no such tensor."""
    if isinstance(value, QuantizedTensor):
        return "holds a quantised tensor, which has no counterpart here: save its `dequantize()`"
    if not isinstance(value, Global | Placeholder):
        return None
    if kind := _OTHER_TENSORS.get(value.name):
        return f"holds {kind} ({value.name}), which has no counterpart here: make it a plain dense tensor"
    if isinstance(value, Placeholder) and value.name in _TYPES_WITHOUT_NUMPY:
        return f"has a tensor of type {value.name}, which numpy does not have"
    return None


def _storage_dtype(name: str) -> np.dtype:
    """The type of the elements of a storage class."""
    if name in _UNTYPED:
        return np.dtype(np.uint8)
    name = name.removeprefix("torch.")
    return _QUANTISED_STORAGES[name] if name in _QUANTISED_STORAGES else BY_STORAGE[name].dtype


# Calls that describe tensors; see the functions of the same names in torch/_utils.py


def _tensor_v2(arguments: tuple[Any, ...]) -> Any:
    """(storage, offset, shape, strides, requires_grad, hooks, metadata); the metadata may be missing."""
    match arguments:
        case (Storage(quantised=True), *_):
            return Placeholder("torch._utils._rebuild_qtensor", arguments)  # without scale and zero point
        case (Storage() as storage, *view):
            return _tensor(storage, storage.dtype, view[:4], *view[5:6])
        case (Placeholder() as quantised, *_):
            return quantised
    return NotImplemented


def _tensor_v3(arguments: tuple[Any, ...]) -> Any:
    """(storage, offset, shape, strides, requires_grad, hooks, dtype, metadata), over an untyped storage."""
    match arguments:
        case (Storage() as storage, *view) if len(view) > 5:
            match view[5]:
                case Global(name) if known := BY_TORCH.get(name.removeprefix("torch.")):
                    return _tensor(storage, known.dtype, view[:4], *view[6:7])
                case Global(name) if name in _TYPES_WITHOUT_NUMPY:
                    return Placeholder(name, arguments)
            raise ValueError(
                f"has a tensor of type {getattr(view[5], 'name', '?')}, which numpy does not have"
            )
    return NotImplemented


def _quantized_tensor(arguments: tuple[Any, ...]) -> Any:
    """(storage, offset, shape, strides, quantiser, requires_grad, hooks).

    The quantiser is (scheme, scale, zero point), for channels (scheme, scales, zero points, axis). Old files have lists
    of scales and zero points.
    """
    match arguments:
        case (Placeholder() as unreadable, *_):
            return unreadable
        case (Storage(quantised=True) as storage, offset, shape, strides, tuple(quantiser), *_):
            integers = _tensor(storage, storage.dtype, [offset, shape, strides])
            match quantiser:
                case (Global("torch.per_tensor_affine"), float(scale), int(zero_point)):
                    return QuantizedTensor(integers, _numbers(scale, np.float64), _numbers(zero_point, np.int64), None)
                case (Global("torch.per_channel_affine"), scales, zero_points, int(axis)):
                    scale, zero_point = _numbers(scales, np.float64), _numbers(zero_points, np.int64)
                    count = integers.shape[axis : axis + 1] if axis >= 0 else ()
                    if (scale.shape, zero_point.shape) == (count, count) != ((), ()):
                        return QuantizedTensor(integers, scale, zero_point, axis)
            raise ValueError("has a quantised tensor whose scales and zero points are not what torch writes")
    return NotImplemented


def _numbers(value: Any, dtype: Any) -> Tensor | np.ndarray:
    """Scales or zero points: a tensor as it is, an array of numbers that are in the pickle."""
    if isinstance(value, Tensor):
        return value
    kind = float if dtype is np.float64 else int
    listed = value if type(value) is list else [value]
    if not all(type(one) is kind and (kind is float or abs(one) < _MAX_SIZE) for one in listed):
        raise ValueError("has a quantised tensor whose scales and zero points are not numbers")
    return np.array(value, dtype)


def _parameter(arguments: tuple[Any, ...]) -> Any:
    """(tensor, requires_grad, hooks, state); the state may be missing."""
    match arguments:
        case (Tensor() as data, *rest):
            return dataclasses.replace(data, requires_grad=rest[:1] == [True], parameter=True)
        case (Placeholder() | QuantizedTensor() as data, *_):
            return data
    return NotImplemented


def _tensor_with_attributes(arguments: tuple[Any, ...]) -> Any:
    """(function, class, its arguments, attributes). The attributes of a plain tensor are left out."""
    match arguments:
        case (Global(function), Global(cls), tuple(inner), *_):
            if cls in _PLAIN_TENSORS and function in _CALLS and function != _TENSOR_WITH_ATTRIBUTES:
                return _CALLS[function](inner)
            return Placeholder(_TENSOR_WITH_ATTRIBUTES, arguments)
    return NotImplemented


def _shape(arguments: tuple[Any, ...]) -> Any:
    match arguments:
        case (tuple(shape),):
            return shape
    return NotImplemented


def _device(arguments: tuple[Any, ...]) -> Any:
    """The name of a device: `"cuda:0"`."""
    match arguments:
        case (str(kind),):
            return kind
        case (str(kind), int(index)):
            return f"{kind}:{index}"
    return NotImplemented


def _tensor(storage: Storage, dtype: np.dtype, view: list[Any], flags: Any = None) -> Tensor:
    """A tensor that is known to lie inside its storage."""
    match view:
        case [int(offset), tuple(shape), tuple(strides), *_] if len(shape) == len(strides) <= _MAX_AXES and offset >= 0:
            pass
        case _:
            raise ValueError("has a tensor whose offset, shape and strides are not what torch writes")
    if not all(type(n) is int and 0 <= n < _MAX_SIZE for n in (*shape, *strides)):
        raise ValueError("has a tensor with a shape or strides that are not natural numbers")
    needed = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True)) + 1 if all(shape) else 0
    if needed * dtype.itemsize > storage.readable:
        raise ValueError(
            f"has a tensor of shape {shape} and strides {strides} that reaches outside its storage of "
            f"{storage.readable} bytes"
        )
    flags = flags if type(flags) is dict else {}
    return Tensor(
        storage, dtype, offset, shape, strides, flags.get("conj") is True, flags.get("neg") is True,
        requires_grad=view[3:] == [True],
    )


_TENSOR_WITH_ATTRIBUTES = "torch._tensor._rebuild_from_type_v2"
_PLAIN_TENSORS = ("torch.Tensor", "torch._tensor.Tensor", "torch.nn.parameter.Parameter")
_CALLS = {
    "torch._utils._rebuild_tensor": _tensor_v2,
    "torch._utils._rebuild_tensor_v2": _tensor_v2,
    "torch._utils._rebuild_tensor_v3": _tensor_v3,
    "torch._utils._rebuild_qtensor": _quantized_tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    _TENSOR_WITH_ATTRIBUTES: _tensor_with_attributes,
    "torch.Size": _shape,
    "torch.device": _device,
}
_QUANTISED_STORAGES = {
    f"{name}Storage": np.dtype(dtype)
    for name, dtype in
    {"QUInt8": np.uint8, "QInt8": np.int8, "QInt32": np.int32, "QUInt4x2": np.uint8, "QUInt2x4": np.uint8}.items()
}  # fmt: skip
_STORAGES_OF_SMALL_INTEGERS = ("QUInt4x2Storage", "QUInt2x4Storage")  # several integers in a byte
_QUANTISERS = ("torch.per_tensor_affine", "torch.per_channel_affine")
_TYPES_WITHOUT_NUMPY = tuple(
    f"torch.{name}"
    for name in ("complex32", "quint8", "qint8", "qint32", "quint4x2", "quint2x4", "float4_e2m1fn_x2")
)
_KNOWN = frozenset({
    *_UNTYPED, *_PLAIN_TENSORS, *_TYPES_WITHOUT_NUMPY, *_QUANTISERS,
    *(f"torch.{name}" for name in _QUANTISED_STORAGES if name not in _STORAGES_OF_SMALL_INTEGERS),
    *(f"torch.{storage}" for storage in BY_STORAGE), *(f"torch.{name}" for name in BY_TORCH),
})  # fmt: skip
_OTHER_TENSORS = {
    "torch._utils._rebuild_sparse_tensor": "a sparse tensor",
    "torch._utils._rebuild_sparse_csr_tensor": "a sparse tensor",
    "torch._utils._rebuild_qtensor": "a quantised tensor",
    "torch._utils._rebuild_nested_tensor": "a nested tensor",
    "torch._utils._rebuild_meta_tensor_no_storage": "a meta tensor",
    "torch._utils._rebuild_wrapper_subclass": "a tensor subclass",
    _TENSOR_WITH_ATTRIBUTES: "a tensor subclass",
    "torch._utils._rebuild_device_tensor_from_numpy": "a tensor of another device's own kind",
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": "a tensor of another device's own kind",
    **{f"torch.{name}": "a quantised tensor" for name in _QUANTISED_STORAGES},
}  # fmt: skip
