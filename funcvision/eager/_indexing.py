"""Indexing with torch's semantics: integers, slices, None and ... first, then index arrays and masks on the result.

On the host an index is split into numbers and arrays, which are arguments of a compiled function, and a static
description of the rest. So `x[i]` and `x[i : i + 32]` are compiled once for all `i`. Masks become indices on the host,
because the shape of the result depends on the number of elements that they select.
"""

import dataclasses
import functools
import math
import operator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ._tiered import on_device

__all__ = ["Index", "element", "get", "in_range", "integers", "parse", "put"]


@dataclasses.dataclass(frozen=True, slots=True)
class Index:
    """The static part of an index.

    Attributes:
        sizes: the size of the slice of each axis of the array; an integer is a slice of size 1.
        steps: the steps of these slices.
        dropped: the axes that integers index.
        added: the new axes, as axes of the result of the slicing.
        indexed: the axes of that result that index arrays address, one for each array.
    """

    sizes: tuple[int, ...]
    steps: tuple[int, ...]
    dropped: tuple[int, ...]
    added: tuple[int, ...]
    indexed: tuple[int, ...]

    def strides(self, strides: tuple[int, ...]) -> tuple[int, ...]:
        """The strides of the result in torch, from those of the array. There are no index arrays."""
        kept = [
            stride * step for axis, (stride, step) in enumerate(zip(strides, self.steps, strict=True))
            if axis not in self.dropped
        ]
        for axis in self.added:
            kept.insert(axis, kept[axis] if axis < len(kept) else 1)
        return tuple(kept)


def parse(index: Any, shape: tuple[int, ...]) -> tuple[Index, list[int], list[jax.Array]]:
    """The static part, the start of the slice of every axis, and the index arrays.

    Raises:
        IndexError: there are too many indices, one is out of range, or a mask has another shape than the array.
        TypeError: an index is of an unsupported type.
        ValueError: a slice has a negative step.
    """
    shape = tuple(shape)  # quicker to index than a Size
    items = [_item(item) for item in (index if isinstance(index, tuple) else (index,))]
    items = _with_every_axis(items, shape)
    starts, sizes, steps, dropped, added, indexed, arrays = [], [], [], [], [], [], []
    axis = place = 0  # axes of the array, and of the result of the slicing
    for item in items:
        if item is None:
            added.append(place)
            place += 1
        elif isinstance(item, int):
            if not -shape[axis] <= item < shape[axis]:
                raise IndexError(f"index {item} is out of range for axis {axis} of an array of shape {shape}")
            start, size, step = item % shape[axis], 1, 1
            dropped.append(axis)
            starts, sizes, steps = [*starts, start], [*sizes, size], [*steps, step]
            axis += 1
        elif isinstance(item, slice):
            if item.step is not None and item.step <= 0:
                raise ValueError(f"slices need a positive step; got {item}: use flip")
            start, stop, step = item.indices(shape[axis])
            starts, sizes, steps = [*starts, start], [*sizes, len(range(start, stop, step))], [*steps, step]
            axis, place = axis + 1, place + 1
        else:
            for picked in _picks(item, shape, axis):
                arrays.append(picked)
                indexed.append(place)
                starts, sizes, steps = [*starts, 0], [*sizes, shape[axis]], [*steps, 1]
                axis, place = axis + 1, place + 1
    return Index(*map(tuple, (sizes, steps, dropped, added, indexed))), starts, arrays


def integers(index: Any, shape: tuple[int, ...]) -> tuple[Index, tuple[int, ...]] | None:
    """The static part and the places, if the index has Python integers only, one for each of the first axes.

    Raises:
        IndexError: an index is out of range.
    """
    items = index if type(index) is tuple else (index,)
    if len(items) > len(shape):
        return None
    places = []
    for axis, item in enumerate(items):
        if type(item) is not int:
            return None
        size = shape[axis]
        if not -size <= item < size:
            raise IndexError(f"index {item} is out of range for axis {axis} of an array of shape {shape}")
        places.append(item % size)
    return _of_integers(shape, len(places)), tuple(places)


@functools.lru_cache(4096)
def _of_integers(shape: tuple[int, ...], count: int) -> Index:
    sizes = (1,) * count + shape[count:]
    return Index(sizes, (1,) * len(shape), tuple(range(count)), (), ())


def _item(item: Any) -> Any:
    """One of None, Ellipsis, a slice of integers, an integer, or an array of integers or bools."""
    if item is None or item is Ellipsis or type(item) is int:
        return item
    if isinstance(item, slice):
        return slice(*(None if part is None else operator.index(part) for part in (item.start, item.stop, item.step)))
    array = np.asarray(item) if not isinstance(item, jax.Array) else item
    if array.dtype == np.bool_ and array.ndim > 0:
        return np.asarray(array)
    if not np.issubdtype(array.dtype, np.integer):
        kind = TypeError if isinstance(item, str) else IndexError
        raise kind(f"an index is an integer, a slice, None, ..., an array of integers or a mask; got {item!r}")
    return operator.index(array.item()) if array.ndim == 0 else array


def _with_every_axis(items: list[Any], shape: tuple[int, ...]) -> list[Any]:
    """The items, with `:` added for each axis that they do not mention."""
    used = sum(getattr(item, "ndim", 1) if getattr(item, "dtype", None) == np.bool_ else 1 for item in items)
    used -= sum(item is None or item is Ellipsis for item in items)
    if used > len(shape):
        raise IndexError(f"there are {used} indices for an array of shape {shape}")
    rest = [slice(None)] * (len(shape) - used)
    at = next((place for place, item in enumerate(items) if item is Ellipsis), None)
    if at is None:
        return [*items, *rest]
    if any(item is Ellipsis for item in items[at + 1 :]):
        raise IndexError("an index can contain only one ...")
    return [*items[:at], *rest, *items[at + 1 :]]


def _picks(item: Any, shape: tuple[int, ...], axis: int) -> list[jax.Array]:
    """An index array or a mask as index arrays without negative indices."""
    if item.dtype == np.bool_:
        if item.shape != shape[axis : axis + item.ndim]:
            raise IndexError(f"a mask of shape {item.shape} does not match shape {shape} from axis {axis} on")
        return [on_device(places.astype(np.int32)) for places in np.nonzero(item)]
    return [in_range(item, shape[axis], axis)]


def in_range(index: Any, size: int, axis: int) -> jax.Array:
    """The index array with negative ones counted from the end.

    Raises:
        IndexError: an index is out of range. On an accelerator this check waits for the array.
    """
    values = np.asarray(index)
    if values.size and not (-size <= values.min() and values.max() < size):
        raise IndexError(
            f"indices from {values.min()} to {values.max()} are out of range for axis {axis}, which has {size} elements"
        )
    return on_device(np.where(values < 0, values + size, values).astype(np.int32))


def get(x: jax.Array, starts: list[Any], arrays: list[jax.Array], index: Index) -> jax.Array:
    """`x[index]`."""
    whole = [0 if size == 0 else (size - 1) * step + 1 for size, step in zip(index.sizes, index.steps, strict=True)]
    if tuple(whole) != x.shape:
        x = lax.dynamic_slice(x, [jnp.asarray(start, jnp.int32) for start in starts], whole)
    x = lax.slice(x, (0,) * x.ndim, x.shape, index.steps) if x.ndim else x
    x = jnp.expand_dims(jnp.squeeze(x, index.dropped), index.added)
    if not arrays:
        return x
    shape = jnp.broadcast_shapes(*(array.shape for array in arrays))
    places = {axis: jnp.broadcast_to(array, shape) for axis, array in zip(index.indexed, arrays, strict=True)}
    return x[tuple(places.get(axis, slice(None)) for axis in range(x.ndim))]


def element(x: jax.Array, *places: Any) -> jax.Array:
    """`x[places]`."""
    return get(x, [*places, *(0,) * (x.ndim - len(places))], [], _of_integers(x.shape, len(places)))


def put(x: jax.Array, value: Any, starts: list[jax.Array], arrays: list[jax.Array], index: Index) -> jax.Array:
    """A copy of `x` with `x[index] = value`, which is broadcast and cast to the dtype of `x`."""
    numbers = jnp.arange(math.prod(x.shape), dtype=jnp.int32).reshape(x.shape)
    chosen = get(numbers, starts, arrays, index)
    value = jnp.asarray(value)
    extra = max(0, value.ndim - chosen.ndim)  # axes of size 1 in front, which torch allows here
    value = jnp.broadcast_to(jnp.squeeze(value, tuple(range(extra))).astype(x.dtype), chosen.shape)
    return x.reshape(-1).at[chosen.reshape(-1)].set(value.reshape(-1)).reshape(x.shape)
