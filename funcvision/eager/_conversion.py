"""Methods that change the dtype or the device of a Tensor, or tell how it is stored."""

import operator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from . import _elementwise as ew
from . import devices, layouts
from ._base import TensorBase
from ._lift import lift
from ._limits import check_integers
from ._views import contiguous_strides
from .dtypes import canonical, dtype, is_name, named

__all__ = ["TYPES", "ConversionMethods", "is_place"]

TYPES = {
    "FloatTensor": "float32", "DoubleTensor": "float64", "HalfTensor": "float16", "BFloat16Tensor": "bfloat16",
    "ByteTensor": "uint8", "CharTensor": "int8", "ShortTensor": "int16", "IntTensor": "int32", "LongTensor": "int64",
    "BoolTensor": "bool", "ComplexFloatTensor": "complex64", "ComplexDoubleTensor": "complex128",
    "UInt16Tensor": "uint16", "UInt32Tensor": "uint32", "UInt64Tensor": "uint64",
}  # fmt: skip
"""The dtypes of torch's types of Tensors."""
_NAMES_OF_TYPES = {name: type for type, name in TYPES.items()}

_cast = lift(ew.cast)
_place = lift(jax.device_put, jit=False)


def is_place(target: Any) -> bool:
    """Whether `target` is a device or a sharding, and not a dtype."""
    if isinstance(target, str):
        return not is_name(target)
    return isinstance(target, jax.Device | jax.sharding.Sharding | devices.device)


def _check_long(array: jax.Array) -> None:
    """Raises OverflowError if a conversion to int64, which is int32 without jax_enable_x64, changes a value."""
    wider = jnp.issubdtype(array.dtype, jnp.inexact) or array.dtype == jnp.uint32
    if wider and not isinstance(array, Tracer):
        check_integers(np.trunc(np.asarray(array, np.float64)), np.dtype(np.int32), "a conversion to int64 would give")


class ConversionMethods(TensorBase):
    """Conversions of dtype and device."""

    __slots__ = ()

    def to(
        self: Any, *args: Any, dtype: Any = None, device: Any = None, other: Any = None, non_blocking: "bool" = False,
        copy: "bool" = False, memory_format: Any = None,
    ) -> Any:
        """The Tensor in another dtype or on another device. If nothing changes, the same Tensor is returned.

        Args:
            args: a dtype; a device, with a dtype or without; or a Tensor, for its dtype and device. A sharding, "cpu",
                "cuda" and "tpu" are devices, too. The flags `non_blocking` and `copy` may follow.
            dtype: the dtype.
            device: the device.
            other: a Tensor, for its dtype and device.
            non_blocking: accepted as in torch. jax never waits.
            copy: return a copy even if nothing changes.
            memory_format: accepted as in torch.
        """
        flags = [given for given in args if isinstance(given, bool)]
        copy = copy or (len(flags) > 1 and flags[1])
        for given in (*args, other):
            if given is None or isinstance(given, bool | layouts.memory_format):
                continue
            if isinstance(given, TensorBase):
                device, dtype = given.device, given.dtype
            elif is_place(given) or (isinstance(given, int) and not isinstance(given, bool)):
                device = given
            else:
                dtype = given
        result = self if dtype is None else self._in_dtype(dtype)
        result = result if device is None else result._on(devices.resolved(device))
        return result.clone() if copy and result is self else result

    def _in_dtype(self, wanted: Any) -> Any:
        found = canonical(wanted)
        long = wanted.name == "int64" if isinstance(wanted, dtype) else wanted is int or np.dtype(wanted) == np.int64
        if long and found == np.int32:
            _check_long(self.array)
        return self if found == self._data.dtype else _cast(self, found)

    def _on(self, place: Any) -> Any:
        array = self.array
        if isinstance(array, Tracer) and isinstance(place, jax.Device):
            return self  # a compiled function runs where its arguments are
        return self if place == array.device else _place(self, place)

    def type(self, dtype: Any = None, non_blocking: "bool" = False) -> Any:
        """The name of the type, such as "torch.FloatTensor"; with a dtype or such a name, the Tensor in that dtype."""
        if dtype is None:
            place = "" if getattr(self.device, "type", "cpu") == "cpu" else f"{self.device.type}."
            return f"torch.{place}{_NAMES_OF_TYPES[self.dtype.name]}"
        name = str(dtype).rpartition(".")[2]
        if isinstance(dtype, str) and name not in TYPES:
            raise ValueError(f"{dtype!r} is no type of Tensors: give a dtype or a name such as torch.FloatTensor")
        return self.to(named(TYPES[name]) if name in TYPES else dtype)

    def type_as(self, other: TensorBase) -> Any:
        """The Tensor in the dtype of another one."""
        return self.to(other.dtype)

    def cpu(self, memory_format: Any = None) -> Any:
        """The Tensor on the CPU."""
        return self.to("cpu")

    def cuda(self, device: Any = None, non_blocking: "bool" = False, memory_format: Any = None) -> Any:
        """The Tensor on a GPU: the first one, if none is given."""
        return self.to(device="cuda" if device is None else device)

    # How the Tensor is stored

    @property
    def is_cuda(self) -> "bool":
        """Whether the Tensor is on a GPU."""
        return getattr(self.device, "type", None) == "cuda"

    @property
    def is_cpu(self) -> "bool":
        """Whether the Tensor is on the CPU."""
        return getattr(self.device, "type", None) == "cpu"

    is_sparse = is_quantized = is_meta = is_mps = is_xpu = is_nested = False
    layout = layouts.strided

    def get_device(self) -> "int":
        """The number of the GPU; -1 on the CPU."""
        return -1 if self.is_cpu else self.device.index or 0

    @property
    def itemsize(self) -> "int":
        """The number of bytes in which an element is stored."""
        return self._data.dtype.itemsize

    def element_size(self) -> "int":
        """The number of bytes in which an element is stored."""
        return self.itemsize

    @property
    def nbytes(self) -> "int":
        """The number of bytes in which the elements are stored."""
        return self.itemsize * self.numel()

    def stride(self, dim: "int | None" = None) -> Any:
        """The distance of neighbours along each axis, in elements, as torch counts it; or along one axis."""
        return self.strides if dim is None else self.strides[dim]

    def storage_offset(self) -> "int":
        """The place of the first element in what this Tensor is a view of, in elements, as torch counts it."""
        view = self._view
        if view is None:
            return 0
        starts = view.key[1] if view.key else ()
        return view.base.storage_offset() + sum(map(operator.mul, starts, view.base.strides))

    def is_contiguous(self, memory_format: Any = layouts.contiguous_format) -> "bool":
        """Whether torch would store the elements in the order of the axes."""
        if memory_format is layouts.channels_last:
            return self.ndim == 4 and self.strides[1] == 1 and not self.is_contiguous()
        pairs = zip(self.shape, self.strides, contiguous_strides(self.shape), strict=True)
        return not self.numel() or all(size == 1 or ours == theirs for size, ours, theirs in pairs)

    def contiguous(self: Any, memory_format: Any = layouts.contiguous_format) -> Any:
        """The Tensor itself, or a copy if it is a view that torch would not store in the order of its axes."""
        return self if self.is_contiguous() else self.clone()

    def data_ptr(self) -> "int":
        """The address of the array in memory."""
        return self.array.unsafe_buffer_pointer()

    const_data_ptr = data_ptr

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()  # pyright: ignore[reportAttributeAccessIssue]

    def pin_memory(self, device: Any = None) -> Any:
        """The Tensor itself: jax copies to accelerators without pinned memory."""
        return self

    def is_pinned(self, device: Any = None) -> "bool":
        """False: jax copies to accelerators without pinned memory."""
        return False

    def share_memory_(self) -> Any:
        """The Tensor itself: processes exchange copies."""
        return self

    def is_distributed(self) -> "bool":
        """False; see `device` for an array on several devices."""
        return False

    def to_dense(self, dtype: Any = None, *, masked_grad: "bool" = True) -> Any:
        """The Tensor itself, which is never sparse; in `dtype` if it is given."""
        return self.to(dtype)

    def xpu(self, device: Any = None, non_blocking: "bool" = False, memory_format: Any = None) -> Any:
        """The Tensor on a GPU of Intel, which jax does not use here."""
        return self.to(device="xpu")

    def is_shared(self) -> "bool":
        """False: processes exchange copies."""
        return False

    # What the dtype is. These come last, because in the class body they hide the built-ins of the same names

    def is_signed(self) -> "bool":
        """Whether the elements can be negative."""
        return self.dtype.is_signed

    def half(self, memory_format: Any = None) -> Any:
        """The Tensor in float16."""
        return self.to(np.float16)

    def bfloat16(self, memory_format: Any = None) -> Any:
        """The Tensor in bfloat16."""
        return self.to(jnp.bfloat16)

    def float(self, memory_format: Any = None) -> Any:
        """The Tensor in float32."""
        return self.to(np.float32)

    def double(self, memory_format: Any = None) -> Any:
        """The Tensor in float64, which needs jax_enable_x64."""
        return self.to(np.float64)

    def cfloat(self, memory_format: Any = None) -> Any:
        """The Tensor in complex64."""
        return self.to(np.complex64)

    def cdouble(self, memory_format: Any = None) -> Any:
        """The Tensor in complex128, which needs jax_enable_x64."""
        return self.to(np.complex128)

    def byte(self, memory_format: Any = None) -> Any:
        """The Tensor in uint8."""
        return self.to(np.uint8)

    def char(self, memory_format: Any = None) -> Any:
        """The Tensor in int8."""
        return self.to(np.int8)

    def short(self, memory_format: Any = None) -> Any:
        """The Tensor in int16."""
        return self.to(np.int16)

    def int(self, memory_format: Any = None) -> Any:
        """The Tensor in int32."""
        return self.to(np.int32)

    def long(self, memory_format: Any = None) -> Any:
        """The Tensor in int64, which is int32 without jax_enable_x64."""
        return self.to(np.int64)

    def bool(self, memory_format: Any = None) -> Any:
        """Whether each element is not 0."""
        return self.to(np.bool_)
