"""Methods that make new Tensors of the dtype and on the device of a Tensor."""

from typing import Any

from ._base import TensorBase
from ._filling import converted, filled, from_sizes_or_data
from ._shapes import as_shape
from .devices import placed
from .dtypes import canonical

__all__ = ["NewMethods"]


class NewMethods(TensorBase):
    """`new_zeros` and the like."""

    __slots__ = ()

    def _new(
        self, size: tuple[Any, ...], value: Any, dtype: Any, device: Any, requires_grad: bool, storage: dict[str, Any]
    ) -> Any:
        unknown = storage.keys() - {"layout", "memory_format", "pin_memory", "names"}
        if unknown:
            raise TypeError(f"got an unexpected argument {sorted(unknown)[0]!r}")
        array = filled(tuple(as_shape(size)), value, canonical(dtype or self.dtype))
        made = self.result.wrap(placed(array, self.device if device is None else device))
        return made.requires_grad_(requires_grad)

    def new(self, *data: Any, device: Any = None) -> Any:
        """A Tensor of these sizes or of a sequence, of the dtype and on the device of this one. See `new_tensor`."""
        array = from_sizes_or_data(data, self.dtype)
        return self.result.wrap(placed(array, self.device if device is None else device))

    def new_zeros(
        self, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, **storage: Any
    ) -> Any:
        """Zeros of a shape, by default of the dtype and on the device of this Tensor."""
        return self._new(_given(size, storage), 0, dtype, device, requires_grad, storage)

    def new_ones(
        self, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, **storage: Any
    ) -> Any:
        """Ones of a shape, by default of the dtype and on the device of this Tensor."""
        return self._new(_given(size, storage), 1, dtype, device, requires_grad, storage)

    def new_empty(
        self, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, **storage: Any
    ) -> Any:
        """A Tensor of a shape, whose values are not to be used, by default of the dtype and device of this one."""
        return self._new(_given(size, storage), 0, dtype, device, requires_grad, storage)

    def new_empty_strided(self, size: Any, stride: Any, **options: Any) -> Any:
        """`new_empty`. The strides have no effect: XLA chooses the order of elements in memory."""
        return self.new_empty(size, **options)

    def new_full(
        self, size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
        **storage: Any,
    ) -> Any:
        """A Tensor filled with one value, by default of the dtype and on the device of this Tensor."""
        value = fill_value.array if isinstance(fill_value, TensorBase) else fill_value
        return self._new((size,), value, dtype, device, requires_grad, storage)

    def new_tensor(
        self, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, **storage: Any
    ) -> Any:
        """A Tensor of data, by default of the dtype and on the device of this Tensor."""
        array = placed(converted(data, dtype or self.dtype), self.device if device is None else device)
        return self.result.wrap(array).requires_grad_(requires_grad)


def _given(size: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, ...]:
    """The sizes, which are given one by one, or as one sequence, also by the name `size`."""
    return (options.pop("size"),) if "size" in options else size
