"""Reading and writing at arrays of indices: `gather`, `scatter`, `index_add` and their kin, with torch's derivatives.

Indices are checked on the host before the compiled function runs. Traced indices are not checked.
"""

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ._base import TensorBase, as_array
from ._elementwise import kind
from ._lift import lift
from ._limits import fitted
from ._tiered import on_device

__all__ = ["ScatteringMethods", "checked_index"]

Number = complex | float | int


def checked_index(index: Any, size: int, axis: int | None, error: type[Exception] = IndexError) -> jax.Array:
    """The index array with negative ones counted from the end. Traced indices are not checked.

    Raises:
        IndexError: an index is out of range.
        RuntimeError: the index has no integers.
    """
    array = as_array(index)
    if not jnp.issubdtype(array.dtype, jnp.integer):
        raise RuntimeError(f"an index array has integers; got {array.dtype}")
    if isinstance(array, Tracer):
        return jnp.where(array < 0, array + size, array)
    values = np.asarray(array)
    if values.size and not (-size <= values.min() and values.max() < size):
        where = "the flattened array" if axis is None else f"axis {axis}"
        raise error(f"indices from {values.min()} to {values.max()} are out of range for {where} of {size} elements")
    return on_device(np.where(values < 0, values + size, values).astype(np.int32))


def _checked(function: Callable[..., Any], error: type[Exception] = IndexError) -> Callable[..., Any]:
    """Lifts a function of (array, axis, index, ...), whose index is checked. Numbers after it do not compile anew."""
    lifted = lift(function)

    @functools.wraps(function)
    def called(input: Any, dim: int, index: Any, *args: Any, **kwargs: Any) -> Any:
        if not -max(input.ndim, 1) <= dim < max(input.ndim, 1):
            raise IndexError(f"axis {dim} is out of range for an array of shape {tuple(input.shape)}")
        size = input.shape[dim] if input.ndim else 1
        args = tuple(_as_argument(value) for value in args)
        kwargs = {name: _as_argument(value) for name, value in kwargs.items()}
        return lifted(input, dim, checked_index(index, size, dim, error), *args, **kwargs)

    return called


def _as_argument(value: Any) -> Any:
    return jnp.asarray(value) if isinstance(value, Number) and not isinstance(value, bool) else value


def _flat_places(input: jax.Array, dim: int, index: jax.Array) -> tuple[jax.Array, ...]:
    """The index arrays of the elements that `index` addresses in axis `dim`."""
    places = [jnp.arange(size, dtype=index.dtype) for size in index.shape]
    grids = [place.reshape(*(-1 if i == axis else 1 for i in range(index.ndim))) for axis, place in enumerate(places)]
    grids[dim] = index
    return tuple(jnp.broadcast_to(grid, index.shape) for grid in grids)


def _with_axis(input: jax.Array, index: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Both with at least one axis.

    Raises:
        RuntimeError: the numbers of axes differ.
    """
    x, index = (array.reshape(1) if not array.ndim else array for array in (input, index))
    if x.ndim != index.ndim:
        raise RuntimeError(f"the index must have as many axes as the array; got shapes {index.shape} and {x.shape}")
    return x, index


def _beginning(x: jax.Array, shape: Sequence[int]) -> jax.Array:
    """The first elements of every axis, as many as `shape` says."""
    return x[tuple(map(slice, shape))]


# Along one axis, an index for each element


def gather(input: jax.Array, dim: int, index: jax.Array, *, sparse_grad: bool = False) -> jax.Array:
    """Elements of axis `dim` at `index`, which has as many axes as `input` and may be shorter in the others."""
    x, places = _with_axis(input, index)
    if not places.size:
        return jnp.zeros(index.shape, input.dtype)
    return x[_flat_places(x, dim, places)].reshape(index.shape)


def take_along_dim(input: jax.Array, indices: jax.Array, dim: int | None = None) -> jax.Array:
    """Elements of axis `dim` at `indices`; the other axes of both are broadcast. Without axis both are flattened."""
    if dim is None:
        return input.reshape(-1)[indices.reshape(-1)]
    axis = dim % input.ndim
    kept = [1 if i == axis else size for i, size in enumerate(input.shape)]
    shape = jnp.broadcast_shapes(kept, [1 if i == axis else size for i, size in enumerate(indices.shape)])
    full, places = list(shape), list(shape)
    full[axis], places[axis] = input.shape[axis], indices.shape[axis]
    return jnp.take_along_axis(jnp.broadcast_to(input, full), jnp.broadcast_to(indices, places), axis)


def scatter(
    input: jax.Array, dim: int, index: jax.Array, src: Any = None, *, value: Any = None, reduce: str | None = None
) -> jax.Array:
    """`input` with the elements of `src`, or one number, written to `index` of axis `dim`: the inverse of `gather`.

    Args:
        input: the array.
        dim: the axis.
        index: has as many axes as `input`, and may be shorter in all.
        src: has at least the sizes of `index`; or a number.
        value: the number.
        reduce: "add" or "multiply" combines with what is there.
    """
    given = value if src is None else src
    if reduce is not None:
        if reduce not in ("add", "multiply"):
            raise RuntimeError(f'scatter takes reduce="add" or "multiply"; got {reduce!r}')
        return scatter_reduce(input, dim, index, given, "sum" if reduce == "add" else "prod")
    x, places = _with_axis(input, index)
    at = x.at[_flat_places(x, dim, places)]
    return at.set(_source(given, x, places, exact=getattr(given, "ndim", 0) > 0)).reshape(input.shape)


def _source(src: Any, x: jax.Array, index: jax.Array, exact: bool = True) -> jax.Array:
    """The elements of `src` that are written, in the shape of `index`.

    Raises:
        RuntimeError: `src` has another dtype than the array, or is too small.
    """
    values = jnp.asarray(src)
    if exact and values.dtype != x.dtype:
        raise RuntimeError(f"src and the array must have one dtype; got {values.dtype} and {x.dtype}")
    values = values.astype(x.dtype)
    if not values.ndim:
        return jnp.broadcast_to(values, index.shape)
    if values.ndim != index.ndim or any(own < size for own, size in zip(values.shape, index.shape, strict=True)):
        raise RuntimeError(f"src must have at least the sizes of the index; got {values.shape} and {index.shape}")
    return _beginning(values, index.shape)


def scatter_add(input: jax.Array, dim: int, index: jax.Array, src: jax.Array) -> jax.Array:
    """`input` with the elements of `src` added at `index` of axis `dim`."""
    x, places = _with_axis(input, index)
    return _added(x, _flat_places(x, dim, places), _source(src, x, places)).reshape(input.shape)


def _added(x: jax.Array, places: Any, values: jax.Array) -> jax.Array:
    """`x` with values added at places. Of bools it is whether one of them is true."""
    at = x.at[places]
    return at.max(values) if x.dtype == jnp.bool_ else at.add(values)


def scatter_reduce(
    input: jax.Array, dim: int, index: jax.Array, src: Any, reduce: str, *, include_self: bool = True
) -> jax.Array:
    """`input` with the elements of `src` combined at `index` of axis `dim`.

    Args:
        input: the array.
        dim: the axis.
        index: has as many axes as `input`, and may be shorter in all.
        src: has at least the sizes of `index`.
        reduce: "sum", "prod", "mean", "amax" or "amin".
        include_self: whether the element that is there counts; otherwise it stays only where no index points.
    """
    x, places = _with_axis(input, index)
    flat = _flat_places(x, dim, places)
    values = _source(src, x, places)
    return _combined(x, values, flat, reduce, include_self).reshape(input.shape)


_NEUTRAL = {"sum": 0, "mean": 0, "prod": 1}


def _combined(x: jax.Array, values: jax.Array, places: Any, reduce: str, include_self: bool) -> jax.Array:
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError(f'reduce is "sum", "prod", "mean", "amax" or "amin"; got {reduce!r}')
    hit = jnp.zeros(x.shape, jnp.int32).at[places].add(1)
    if not include_self:
        x = jnp.where(hit > 0, _neutral(x.dtype, reduce), x)
    if reduce == "sum":
        return x.at[places].add(values)
    if reduce == "mean":
        total, count = x.at[places].add(values), jnp.maximum(hit + int(include_self), 1).astype(x.dtype)
        return total / count if jnp.issubdtype(x.dtype, jnp.inexact) else jnp.floor_divide(total, count)
    return _extreme(x, values, places, reduce)


def _neutral(dtype: Any, reduce: str) -> jax.Array:
    if reduce in _NEUTRAL:
        return jnp.asarray(_NEUTRAL[reduce], dtype)
    if kind(dtype) == 2:
        return jnp.asarray(-jnp.inf if reduce == "amax" else jnp.inf, dtype)
    if kind(dtype) == 0:
        return jnp.asarray(reduce == "amin")
    return jnp.asarray(jnp.iinfo(dtype).min if reduce == "amax" else jnp.iinfo(dtype).max, dtype)


@functools.partial(jax.custom_jvp, nondiff_argnums=(3,))
def _extreme(x: jax.Array, values: jax.Array, places: Any, reduce: str) -> jax.Array:
    """Products and extremes: jax has no derivative for their scatters."""
    at = x.at[places]
    return {"prod": at.multiply, "amax": at.max, "amin": at.min}[reduce](values)


@_extreme.defjvp
def _(reduce: str, primals: Any, tangents: Any) -> tuple[jax.Array, jax.Array]:
    (x, values, places), (dx, dvalues, _) = primals, tangents
    result = _extreme(x, values, places, reduce)
    if reduce == "prod":
        own, others = _slopes_of_product(x, values, places)
    else:
        own, chosen = (x == result).astype(x.dtype), (values == result[places]).astype(x.dtype)
        count = own.at[places].add(chosen)
        own, others = own / jnp.maximum(count, 1), chosen / jnp.maximum(count, 1)[places]
    return result, (own * dx).at[places].add(others * dvalues)


def _slopes_of_product(x: jax.Array, values: jax.Array, places: Any) -> tuple[jax.Array, jax.Array]:
    """The product of the other factors, for each element of both arrays."""
    own = _extreme(jnp.ones_like(x), values, places, "prod")
    is_zero = (values == 0).astype(jnp.int32)
    zeros = (x == 0).astype(jnp.int32).at[places].add(is_zero)[places]
    nonzero, others = jnp.where(x == 0, 1, x), jnp.where(values == 0, 1, values)
    product = _extreme(nonzero, others, places, "prod")[places]
    return own, jnp.where(zeros > is_zero, 0, product / others)


# Along one axis, an index for each slice


def index_select(input: jax.Array, dim: int, index: jax.Array) -> jax.Array:
    """The slices of axis `dim` at these indices."""
    x = input.reshape(1) if not input.ndim else input
    result = jnp.take(x, index.reshape(-1), dim, mode="clip") if x.size else jnp.zeros(
        [index.size if axis == dim % x.ndim else size for axis, size in enumerate(x.shape)], x.dtype
    )
    return result if input.ndim else result.reshape(())


def _slices(input: jax.Array, dim: int, index: jax.Array) -> Any:
    """`input.at[...]` for the slices of axis `dim`."""
    return input.at[(*(slice(None),) * (dim % max(input.ndim, 1)), index.reshape(-1))]


def index_add(input: jax.Array, dim: int, index: jax.Array, source: jax.Array, *, alpha: Any = 1) -> jax.Array:
    """`input` with the slices of `alpha * source` added at these indices of axis `dim`."""
    x, source = (array.reshape(1) if not array.ndim else array for array in (input, _same_dtype(input, source)))
    if x.dtype != jnp.bool_:
        source = source * jnp.asarray(alpha).astype(x.dtype)
    places = (*(slice(None),) * (dim % x.ndim), index.reshape(-1))
    return _added(x, places, source).reshape(input.shape)


def index_copy(input: jax.Array, dim: int, index: jax.Array, source: jax.Array) -> jax.Array:
    """`input` with the slices of `source` written at these indices of axis `dim`."""
    x, source = (array.reshape(1) if not array.ndim else array for array in (input, _same_dtype(input, source)))
    return _slices(x, dim, index).set(source).reshape(input.shape)


def _same_dtype(x: jax.Array, source: jax.Array) -> jax.Array:
    if x.dtype != source.dtype:
        raise RuntimeError(f"source and the array must have one dtype; got {source.dtype} and {x.dtype}")
    return source


def index_fill(input: jax.Array, dim: int, index: jax.Array, value: Any) -> jax.Array:
    """`input` with one number written to the slices at these indices of axis `dim`."""
    x = input.reshape(1) if not input.ndim else input
    return _slices(x, dim, index).set(jnp.asarray(value).astype(x.dtype)).reshape(input.shape)


def index_reduce(
    input: jax.Array, dim: int, index: jax.Array, source: jax.Array, reduce: str, *, include_self: bool = True
) -> jax.Array:
    """`input` with the slices of `source` combined at these indices: by "prod", "mean", "amax" or "amin"."""
    shape = [-1 if axis == dim % source.ndim else 1 for axis in range(source.ndim)]
    places = jnp.broadcast_to(index.reshape(shape), source.shape)
    return scatter_reduce(input, dim, places, source, reduce, include_self=include_self)


# In the flattened array, and at tuples of indices


def _take(input: jax.Array, index: jax.Array) -> jax.Array:
    """The elements of the flattened array at these indices, in the shape of `index`."""
    return input.reshape(-1)[index]


def _put(input: jax.Array, index: jax.Array, source: jax.Array, accumulate: bool = False) -> jax.Array:
    """`input` with the elements of `source` written to, or added at, these indices of the flattened array."""
    at = input.reshape(-1).at[index.reshape(-1)]
    values = _same_dtype(input, source).reshape(-1)
    return (at.add(values) if accumulate else at.set(values)).reshape(input.shape)


def _index_put(input: jax.Array, indices: tuple[Any, ...], values: jax.Array, accumulate: bool = False) -> jax.Array:
    """`input[indices] = values`, or `+=`. None stands for a whole axis."""
    at = input.at[tuple(slice(None) if index is None else index for index in indices)]
    values = _same_dtype(input, values)
    return at.add(values) if accumulate else at.set(values)


_lifted_take, _lifted_put, _lifted_index_put = map(lift, (_take, _put, _index_put))


def masked_scatter(input: jax.Array, mask: jax.Array, source: jax.Array) -> jax.Array:
    """`input` with the elements of `source`, in order, where the mask is true.

    Raises:
        RuntimeError: the mask has no bools, or the dtypes differ.
    """
    if mask.dtype != jnp.bool_:
        raise RuntimeError(f"masked_scatter takes a mask of bools; got {mask.dtype}")
    values = _same_dtype(input, source).reshape(-1)
    shape = jnp.broadcast_shapes(input.shape, mask.shape)
    chosen = jnp.broadcast_to(mask, shape)
    if not values.size:
        return jnp.broadcast_to(input, shape)
    places = jnp.clip(jnp.cumsum(chosen.reshape(-1)) - 1, 0, values.size - 1).reshape(shape)
    return jnp.where(chosen, values[places], jnp.broadcast_to(input, shape))


# Copies with a part replaced


def select_scatter(input: jax.Array, src: jax.Array, dim: int, index: int) -> jax.Array:
    """`input` with `src` as its slice `index` of axis `dim`."""
    axis = operator.index(dim) % input.ndim
    if not -input.shape[axis] <= index < input.shape[axis]:
        raise IndexError(f"index {index} is out of range for axis {dim} of shape {input.shape}")
    if src.shape != input.shape[:axis] + input.shape[axis + 1 :]:
        raise RuntimeError(f"src has shape {src.shape}, and a slice of axis {dim} of shape {input.shape} has not")
    return input.at[(*(slice(None),) * axis, index)].set(src.astype(input.dtype))


def slice_scatter(
    input: jax.Array, src: jax.Array, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> jax.Array:
    """`input` with `src` as its slice `start:end:step` of axis `dim`."""
    at = input.at[(*(slice(None),) * (dim % input.ndim), slice(start, end, step))]
    if src.shape != jax.eval_shape(at.get).shape:
        raise RuntimeError(f"src has shape {src.shape}, and slice {start}:{end}:{step} of shape {input.shape} has not")
    return at.set(src.astype(input.dtype))


def diagonal_scatter(input: jax.Array, src: jax.Array, offset: int = 0, dim1: int = 0, dim2: int = 1) -> jax.Array:
    """`input` with `src` as its diagonal in the axes `dim1` and `dim2`."""
    moved = jnp.moveaxis(input, (dim1, dim2), (-2, -1))
    rows, columns = _diagonal(moved.shape[-2], moved.shape[-1], offset)
    if src.shape != (*moved.shape[:-2], len(rows)):
        raise RuntimeError(f"src has shape {src.shape}; the diagonal has shape {(*moved.shape[:-2], len(rows))}")
    return jnp.moveaxis(moved.at[..., rows, columns].set(src.astype(input.dtype)), (-2, -1), (dim1, dim2))


def _diagonal(rows: int, columns: int, offset: int) -> tuple[np.ndarray, np.ndarray]:
    length = max(0, min(rows + min(offset, 0), columns - max(offset, 0)))
    places = np.arange(length)
    return places - min(offset, 0), places + max(offset, 0)


# Repetition


def _repeated(x: jax.Array, repeats: Any, dim: int | None, length: int) -> jax.Array:
    """The elements, or slices along an axis, each repeated."""
    return jnp.repeat(x, repeats, dim, total_repeat_length=length)


_lifted_repeat = lift(_repeated)


def _of_numbers(array: np.ndarray) -> Any:
    """A Tensor of an array of numpy."""
    return TensorBase.result.wrap(fitted(array))


class ScatteringMethods(TensorBase):
    """Reading and writing at arrays of indices as methods."""

    __slots__ = ()

    gather, scatter, scatter_add = (_checked(f, RuntimeError) for f in (gather, scatter, scatter_add))
    scatter_reduce = _checked(scatter_reduce, RuntimeError)
    index_select, index_add, index_copy = map(_checked, (index_select, index_add, index_copy))
    index_fill, index_reduce = map(_checked, (index_fill, index_reduce))
    masked_scatter, select_scatter = lift(masked_scatter), lift(select_scatter)
    slice_scatter, diagonal_scatter = lift(slice_scatter), lift(diagonal_scatter)
    _take_along_dim = lift(take_along_dim)

    def take_along_dim(self, indices: Any, dim: int | None = None) -> Any:
        """Elements of axis `dim` at `indices`, both broadcast in the other axes. Without axis both are flattened."""
        size = self.numel() if dim is None else self.shape[dim]
        return self._take_along_dim(checked_index(indices, size, dim, RuntimeError), dim)

    def take(self, index: Any) -> Any:
        """The elements of the flattened Tensor at these indices, in the shape of `index`."""
        return _lifted_take(self, checked_index(index, self.numel(), None))

    def put(self, index: Any, source: Any, accumulate: bool = False) -> Any:
        """A copy with the elements of `source` written to, or added at, these indices of the flattened Tensor."""
        return _lifted_put(self, checked_index(index, self.numel(), None), source, accumulate)

    def index_put(self, indices: Any, values: Any, accumulate: bool = False) -> Any:
        """A copy with `copy[indices] = values`, or `+=`.

        Args:
            indices: a tuple of index arrays and masks.
            values: are broadcast to the shape of what is indexed.
            accumulate: whether to add; each of several equal indices counts.
        """
        places: list[Any] = []
        for index in indices:
            array = as_array(index)
            if array.dtype == jnp.bool_:
                places += [on_device(place.astype(np.int32)) for place in np.nonzero(np.asarray(array))]
            else:
                places.append(checked_index(index, self.shape[len(places)], len(places)))
        return _lifted_index_put(self, tuple(places), values, accumulate)

    def argwhere(self) -> Any:
        """The indices of the elements that are not 0: one row for each element."""
        return _of_numbers(np.argwhere(np.asarray(as_array(self))))

    def nonzero(self, *, as_tuple: bool = False) -> Any:
        """The indices of the elements that are not 0: one row for each element, or one Tensor for each axis."""
        array = np.asarray(as_array(self))
        if as_tuple:
            return tuple(map(_of_numbers, np.nonzero(np.atleast_1d(array))))
        return _of_numbers(np.argwhere(array))

    def nonzero_static(self, *, size: int, fill_value: int = -1) -> Any:
        """The first `size` rows of `nonzero`, filled up with `fill_value`."""
        found = np.argwhere(np.asarray(as_array(self)))[:size]
        rows = np.full((size, self.ndim), fill_value, found.dtype)
        rows[: len(found)] = found
        return _of_numbers(rows)

    def repeat_interleave(self, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None) -> Any:
        """The elements of the flattened Tensor, or the slices along an axis, each repeated.

        Args:
            repeats: a number, or an array with one for each. Without it this Tensor is the repeats: the result has 0 as
                often as its first element says, and so on.
            dim: the axis.
            output_size: the size of the axis in the result.
        """
        if repeats is None:
            counts = np.asarray(as_array(self))
            return _of_numbers(np.repeat(np.arange(len(counts)), counts))
        counts = np.asarray(repeats if isinstance(repeats, int) else as_array(repeats)).reshape(-1)
        if (counts < 0).any():
            raise RuntimeError("repeats are 0 or more")
        length = self.numel() if dim is None else self.shape[dim]
        if counts.size not in (1, length):
            raise RuntimeError(f"there are {counts.size} repeats for {length} elements")
        every = np.broadcast_to(counts, (length,))
        flat = self.reshape(-1) if dim is None else self  # pyright: ignore[reportAttributeAccessIssue]
        return _lifted_repeat(flat, jnp.asarray(every), 0 if dim is None else dim, int(every.sum()))
