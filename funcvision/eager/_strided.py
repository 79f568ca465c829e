"""Tensors with strides that are given: views of what lies in memory, as torch counts it."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._base import TensorBase
from ._lift import lift
from ._shapes import as_shape

__all__ = ["StridedMethods", "as_strided", "as_strided_scatter"]


def _take(x: jax.Array, places: jax.Array) -> jax.Array:
    return x.reshape(-1)[places]


def _replace(x: jax.Array, places: jax.Array, value: jax.Array) -> jax.Array:
    return x.reshape(-1).at[places.reshape(-1)].set(value.reshape(-1).astype(x.dtype)).reshape(x.shape)


_taken, _replaced = lift(_take), lift(_replace)


def _places(tensor: TensorBase, size: Any, stride: Any, offset: int) -> jax.Array:
    """The places of the elements in memory: those of the first element, plus the strides times the indices.

    Raises:
        RuntimeError: the sizes and strides do not match, or leave the memory.
    """
    size, stride = tuple(as_shape((size,))), tuple(as_shape((stride,)))
    if len(size) != len(stride) or min((*size, *stride, offset), default=0) < 0:
        raise RuntimeError(f"as_strided takes as many sizes as strides, none negative; got {size}, {stride}, {offset}")
    places = np.full(size, offset, np.int32)
    for axis, (length, step) in enumerate(zip(size, stride, strict=True)):
        places += (np.arange(length, dtype=np.int32) * step).reshape(-1, *(1,) * (len(size) - axis - 1))
    if places.size and places.max() >= tensor.numel():
        raise RuntimeError(f"as_strided reaches element {places.max()} of {tensor.numel()} in memory")
    return jnp.asarray(places)


class StridedMethods(TensorBase):
    """Views with given strides."""

    __slots__ = ()

    def as_strided(self, size: Any, stride: Any, storage_offset: int | None = None) -> Any:
        """A view of the memory of this Tensor, with these sizes and strides, from an offset on."""
        offset = self.storage_offset() if storage_offset is None else storage_offset  # pyright: ignore
        root: TensorBase = self
        while root._view is not None and root._view.has_history:
            root = root._view.base
        places = _places(root, size, stride, offset)
        result = _taken(root, places)
        distinct = np.unique(np.asarray(places)).size == places.size
        return root._has_view(
            result, lambda base: _taken(base, places),
            (lambda base, value: _replaced(base, places, value)) if distinct else None,
            tuple(as_shape((stride,))), None,
        )  # fmt: skip

    def as_strided_scatter(self, src: TensorBase, size: Any, stride: Any, storage_offset: int | None = None) -> Any:
        """A copy whose elements at `as_strided(size, stride, storage_offset)` are those of `src`."""
        return _replaced(self, _places(self, size, stride, storage_offset or 0), src)


as_strided, as_strided_scatter = StridedMethods.as_strided, StridedMethods.as_strided_scatter
