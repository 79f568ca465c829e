"""Methods that write a whole Tensor, change its shape in place, or tell something of its values."""

from collections.abc import Callable, Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np

from . import _arithmetic as arithmetic
from ._base import TensorBase, as_array
from ._elementwise import common_shape
from ._graph import is_grad_enabled
from ._lift import lift
from ._shapes import as_shape

__all__ = ["EverydayMethods"]

_clamp = lift(arithmetic.clamp, numbers=True)


class EverydayMethods(TensorBase):
    """Writes of the whole Tensor, changes of shape, and questions."""

    __slots__ = ()

    # Questions

    def is_same_size(self, other: TensorBase) -> bool:
        """Whether another Tensor has the same shape."""
        return self.shape == other.shape

    def is_nonzero(self) -> bool:
        """Whether the only element is not 0."""
        if self.numel() != 1:
            raise RuntimeError(f"is_nonzero is for Tensors with one element; this one has shape {tuple(self.shape)}")
        return bool(self)

    def is_set_to(self, tensor: TensorBase) -> bool:
        """Whether another Tensor shows the same elements."""
        return self is tensor or (self._writes is tensor._writes and self.array is tensor.array)

    def dim_order(self) -> tuple[int, ...]:
        """The axes, from the one with the largest stride to that with the smallest."""
        return tuple(sorted(range(self.ndim), key=lambda axis: -self.strides[axis]))

    def __contains__(self, element: Any) -> bool:
        return bool((self == element).any())  # pyright: ignore[reportAttributeAccessIssue]

    def __reversed__(self) -> Any:
        return self.flip(*range(self.ndim)) if self.ndim else self  # pyright: ignore[reportAttributeAccessIssue]

    def __complex__(self) -> complex:
        return complex(self.item())

    def __dir__(self) -> Iterator[str]:
        return iter(object.__dir__(self))

    # Limits

    def clamp_min(self, min: Any) -> Any:
        """Elements that are at least `min`."""
        return _clamp(self, min=min)

    def clamp_max(self, max: Any) -> Any:
        """Elements that are at most `max`."""
        return _clamp(self, max=max)

    # Writes of the whole Tensor

    def copy_(self: Any, src: Any, non_blocking: bool = False) -> Any:
        """Takes the elements of another Tensor, which is broadcast and converted to the dtype of this one."""
        if common_shape((tuple(np.shape(src)), self._data.shape)) != self._data.shape:
            raise RuntimeError(f"copy_ cannot broadcast shape {tuple(np.shape(src))} to {tuple(self.shape)}")
        return self._take(src)

    def fill_(self: Any, value: Any) -> Any:
        """Fills the Tensor with a number, or a Tensor without axes."""
        if np.ndim(value):
            raise RuntimeError(f"fill_ takes a number or a Tensor without axes; got shape {tuple(np.shape(value))}")
        return self._take(value)

    def apply_(self: Any, callable: Callable[[Any], Any]) -> Any:
        """Replaces each element by a Python function of it. It is slow."""
        values = [callable(element) for element in self.array.reshape(-1).tolist()]
        return self._become(self.wrap(jnp.asarray(np.asarray(values, self.array.dtype).reshape(self.shape))))

    def map_(self: Any, tensor: TensorBase, callable: Callable[[Any, Any], Any]) -> Any:
        """Replaces each element by a Python function of it and the element of another Tensor. It is slow."""
        others = np.broadcast_to(tensor.array, self.shape).reshape(-1).tolist()
        values = [callable(*pair) for pair in zip(self.array.reshape(-1).tolist(), others, strict=True)]
        return self._become(self.wrap(jnp.asarray(np.asarray(values, self.array.dtype).reshape(self.shape))))

    def map2_(self: Any, x: TensorBase, y: TensorBase, callable: Callable[[Any, Any, Any], Any]) -> Any:
        """Replaces each element by a Python function of it and the elements of two other Tensors. It is slow."""
        others = (np.broadcast_to(other.array, self.shape).reshape(-1).tolist() for other in (x, y))
        values = [callable(*three) for three in zip(self.array.reshape(-1).tolist(), *others, strict=True)]
        return self._become(self.wrap(jnp.asarray(np.asarray(values, self.array.dtype).reshape(self.shape))))

    def fill_diagonal_(self: Any, fill_value: Any, wrap: bool = False) -> Any:
        """Writes a value to the main diagonal. With `wrap` it begins again below, in a matrix with more rows."""
        if self.ndim < 2 or (self.ndim > 2 and len(set(self.shape)) > 1):
            raise RuntimeError(f"fill_diagonal_ takes a matrix, or axes of one length; got shape {tuple(self.shape)}")
        mask = np.zeros(self.shape, bool)
        np.fill_diagonal(mask, True, wrap)
        return self.masked_fill_(self.wrap(jnp.asarray(mask)), fill_value)

    # Other elements and shapes

    def detach_(self) -> Any:
        """Forgets the history: the Tensor becomes a leaf that requires no gradient."""
        if self._view is not None:
            raise RuntimeError("a view cannot be detached in place: use .detach()")
        self._node, self._index, self._requires_grad = None, 0, False
        return self

    def set_(self, source: Any = None) -> Any:
        """Takes the elements and the shape of another Tensor; without one, none."""
        self.data = jnp.zeros(0, self._data.dtype) if source is None else source
        return self

    def resize_(self, *sizes: Any, memory_format: Any = None) -> Any:
        """Changes the shape. Elements stay in their order; those that are added are 0."""
        if is_grad_enabled() and self.requires_grad:
            raise RuntimeError("a Tensor that requires a gradient cannot be resized")
        shape = tuple(as_shape(sizes))
        count = int(np.prod(shape, dtype=np.int64))
        flat = as_array(self).reshape(-1)
        missing = max(0, count - flat.size)
        if shape != self.shape:
            self.data = jnp.concatenate([flat[:count], jnp.zeros(missing, flat.dtype)]).reshape(shape)
        return self

    def resize_as_(self, tensor: TensorBase, memory_format: Any = None) -> Any:
        """Changes the shape to that of another Tensor; see `resize_`."""
        return self.resize_(*tensor.shape)

    def _turn_into(self: Any, method: Callable[[Any], Any]) -> Any:
        """Becomes the view that `method` makes of what this Tensor was."""
        if is_grad_enabled():
            self._check_writable()
        former = self.result.wrap(self.array, self._node, self._index)
        former._view, former._version, former._writes = self._view, self._version, self._writes
        former._requires_grad = self._requires_grad
        self._writes.append((self, former))  # for the views of this Tensor
        view = method(former)
        self._data, self._node, self._index, self._view = view._data, view._node, view._index, view._view
        self._version, self._writes = view._version, view._writes
        return self
