"""Functions whose results have a shape that depends on values, and histograms. They run on the host, in numpy.

Gradients do not flow through them, as in torch.
"""

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ._base import TensorBase, as_array
from ._elementwise import canonical
from ._limits import fitted
from ._named import named

__all__ = [
    "CountingMethods", "bucketize", "cartesian_prod", "combinations", "histogramdd", "searchsorted", "unravel_index",
]  # fmt: skip


class Histogram(NamedTuple):
    """The counts or densities, and the edges of the bins."""

    hist: Any
    bin_edges: Any


def on_host(function: Callable[..., Any]) -> Callable[..., Any]:
    """Makes a function of Tensors from a function of numpy arrays. It is not recorded."""

    def given(leaf: Any) -> Any:
        return np.asarray(as_array(leaf)) if isinstance(leaf, TensorBase | jax.Array) else leaf

    def wrapped(leaf: Any) -> Any:
        return TensorBase.result.wrap(fitted(np.asarray(leaf)))

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = jax.tree.map(given, (args, kwargs))
        return jax.tree.map(wrapped, function(*args, **kwargs))

    called.__name__ = called.__qualname__ = function.__name__.lstrip("_")
    return called


# Distinct values


def unique(
    input: np.ndarray, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The distinct elements, or slices along an axis, in order.

    Args:
        input: any array.
        sorted: is accepted. The result is sorted in any case.
        return_inverse: also return the index of each element in the result.
        return_counts: also return how often each one occurs.
        dim: the axis; by default the array is flattened.

    Returns:
        The distinct elements, or a tuple with what else is asked for.
    """
    values, inverse, counts = np.unique(input, return_inverse=True, return_counts=True, axis=dim, equal_nan=False)
    inverse = inverse.reshape(input.shape if dim is None else -1)
    return _those(values, return_inverse, inverse, return_counts, counts)


def unique_consecutive(
    input: np.ndarray, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The elements, or slices along an axis, without those that are equal to the one before.

    Args:
        input: any array.
        return_inverse: also return the index of each element in the result.
        return_counts: also return how often each one occurs in succession.
        dim: the axis; by default the array is flattened.

    Returns:
        The elements that are left, or a tuple with what else is asked for.
    """
    rows = input.reshape(-1) if dim is None else np.moveaxis(input, dim, 0)
    flat = rows.reshape(len(rows), math.prod(rows.shape[1:]))
    starts = np.ones(len(rows), bool)
    starts[1:] = (flat[1:] != flat[:-1]).any(1)
    counts = np.diff(np.append(np.flatnonzero(starts), len(rows)))
    values = rows[starts] if dim is None else np.moveaxis(rows[starts], 0, dim)
    inverse = np.cumsum(starts) - 1
    inverse = inverse.reshape(input.shape) if dim is None else inverse
    return _those(values, return_inverse, inverse, return_counts, counts)


def _those(values: np.ndarray, wants_inverse: bool, inverse: Any, wants_counts: bool, counts: Any) -> Any:
    found = [values, *([inverse] if wants_inverse else []), *([counts] if wants_counts else [])]
    return tuple(found) if len(found) > 1 else values


# Counts


def bincount(input: np.ndarray, weights: np.ndarray | None = None, minlength: int = 0) -> np.ndarray:
    """How often each integer from 0 on occurs, or the sum of its weights.

    Raises:
        RuntimeError: the array has another shape than [n], or negative numbers, or no integers.
    """
    if input.ndim != 1 or input.dtype.kind not in "iu" or (input.size and input.min() < 0) or minlength < 0:
        raise RuntimeError(f"bincount takes one axis of integers from 0 on; got {input.dtype} of shape {input.shape}")
    if weights is not None and weights.shape != input.shape:
        raise RuntimeError(f"bincount takes a weight for each of {input.size} elements; got shape {weights.shape}")
    counts = np.bincount(input, weights, minlength)
    if weights is None:
        return counts
    return counts.astype(np.float32 if weights.dtype == np.float32 else jax.dtypes.canonicalize_dtype(np.float64))


def histc(input: np.ndarray, bins: int = 100, min: float = 0, max: float = 0) -> np.ndarray:
    """The numbers of elements in `bins` intervals of one width from `min` to `max`: by default, of all elements.

    Raises:
        RuntimeError: there are no bins, or the ends are infinite or in the wrong order.
    """
    low, high = float(min), float(max)
    if not jnp.issubdtype(input.dtype, jnp.floating):
        raise NotImplementedError(f"histc takes floating-point numbers; got {input.dtype}: call .float() first")
    if low == high and input.size:
        low, high = float(input.min()), float(input.max())
    if low == high:
        low, high = low - 1, high + 1
    if bins <= 0 or not low < high or not np.isfinite([low, high]).all():
        raise RuntimeError(f"histc takes bins=1 or more from a finite min to a larger max; got {bins}, {low}, {high}")
    inside = input[(input >= low) & (input <= high)]
    start, width = inside.dtype.type(low), inside.dtype.type(high) - inside.dtype.type(low)
    places = ((inside - start) * bins / width).astype(np.int64)  # rounded as torch rounds
    return np.bincount(np.minimum(places, bins - 1), minlength=bins).astype(input.dtype)


def histogram(
    input: np.ndarray, bins: Any, *, range: tuple[float, float] | None = None, weight: np.ndarray | None = None,
    density: bool = False,
) -> Histogram:
    """The numbers of elements in bins, and the edges of these.

    Args:
        input: floating-point numbers.
        bins: their number, or an array of their edges.
        range: the first and the last edge; by default those of the elements.
        weight: counts for each element, of its shape.
        density: whether to divide by the sum and by the width of each bin.
    """
    edges = _edges(input, bins, range)
    weights = None if weight is None else weight.reshape(-1)
    counts = np.histogram(input.reshape(-1), edges, weights=weights, density=density)[0]
    return Histogram(counts.astype(input.dtype), edges.astype(input.dtype))


def _edges(x: np.ndarray, bins: Any, range: tuple[float, float] | None) -> np.ndarray:
    if isinstance(bins, np.ndarray):
        return bins
    low, high = range or ((x.min(), x.max()) if x.size else (0.0, 0.0))
    if low == high:
        low, high = (low, high + 1) if range is None and not x.size else (low - 0.5, high + 0.5)
    return np.linspace(low, high, bins + 1).astype(x.dtype)


def _histogramdd(
    input: np.ndarray, bins: Any, *, range: Any = None, weight: np.ndarray | None = None, density: bool = False
) -> Histogram:
    """The numbers of points in the cells of a grid, and the edges of its bins in each axis.

    Args:
        input: [..., axes], the coordinates of points.
        bins: their number in all axes or in each, or arrays of edges.
        range: the first and the last edge of each axis, in one list.
        weight: counts for each point.
        density: whether to divide by the sum and by the volume of each cell.
    """
    points = input.reshape(-1, input.shape[-1])
    each = list(bins) if isinstance(bins, list | tuple) else [bins] * points.shape[1]
    ends = [None] * len(each) if range is None else list(zip(range[::2], range[1::2], strict=True))
    edges = [_edges(points[:, i], one, ends[i]) for i, one in enumerate(each)]
    weights = None if weight is None else weight.reshape(-1)
    counts = np.histogramdd(points, edges, weights=weights, density=density)[0]
    return Histogram(counts.astype(input.dtype), tuple(edge.astype(input.dtype) for edge in edges))


# Sorted sequences


def _searchsorted(
    sorted_sequence: jax.Array, input: Any, *, out_int32: bool = False, right: bool = False, side: str | None = None,
    sorter: jax.Array | None = None,
) -> jax.Array:
    """The places at which elements would be put into sorted sequences, so that these stay sorted.

    Args:
        sorted_sequence: [..., n], sorted along the last axis; [n] for all elements.
        input: the elements, with the leading axes of the sequences; or a number.
        out_int32: whether to give int32.
        right: whether to put an element behind those that are equal to it.
        side: "left" or "right"; the same as `right`.
        sorter: the order that sorts the sequences, if they are not sorted.

    Raises:
        RuntimeError: `side` contradicts `right`, or the leading axes differ.
    """
    if side not in (None, "left", "right") or (side == "left" and right):
        raise RuntimeError(f'searchsorted takes side="left" or side="right", alone; got {side!r} and right={right}')
    sequence = sorted_sequence
    if sorter is not None:
        sequence = jnp.take_along_axis(sequence, sorter, -1)
    values = jnp.asarray(input)
    if not sequence.ndim:
        raise RuntimeError("searchsorted takes sequences with an axis; got a number")
    if sequence.ndim > 1 and sequence.shape[:-1] != values.shape[:-1]:
        raise RuntimeError(f"leading axes of sequences and elements differ: {sequence.shape}, {values.shape}")
    with jax.numpy_dtype_promotion("standard"):
        dtype = jnp.result_type(sequence, values)
    sequence, values = sequence.astype(dtype), values.astype(dtype)

    def places(row: jax.Array, elements: jax.Array) -> jax.Array:
        return jnp.searchsorted(row, elements, side="right" if right or side == "right" else "left")

    if not values.size:
        found = jnp.zeros(values.shape, int)
    elif sequence.ndim == 1:
        found = places(sequence, values)
    else:
        rows, elements = sequence.reshape(-1, sequence.shape[-1]), values.reshape(-1, values.shape[-1])
        found = jax.vmap(places)(rows, elements).reshape(values.shape)
    return found.astype(jnp.int32 if out_int32 else canonical(int))


def _bucketize(input: Any, boundaries: jax.Array, *, out_int32: bool = False, right: bool = False) -> jax.Array:
    """The number of the bucket of each element: bucket `i` ends at boundary `i`, which it includes unless `right`."""
    if boundaries.ndim != 1:
        raise RuntimeError(f"bucketize takes one axis of boundaries; got shape {boundaries.shape}")
    return _searchsorted(boundaries, input, out_int32=out_int32, right=right)


def _unravel_index(indices: jax.Array, shape: Any) -> tuple[jax.Array, ...]:
    """The index in each axis of an array of this shape, from indices of the flattened array.

    Raises:
        ValueError: an index is beyond the array.
    """
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    if not jnp.issubdtype(indices.dtype, jnp.integer):
        raise ValueError(f"unravel_index takes integers; got {indices.dtype}")
    return tuple(jnp.asarray(place, canonical(int)) for place in jnp.unravel_index(indices, sizes))


# Products of sets


def _combinations(input: jax.Array, r: int = 2, with_replacement: bool = False) -> jax.Array:
    """The combinations of `r` elements of a vector, one in each row.

    Raises:
        RuntimeError: the array has another shape than [n].
    """
    if input.ndim != 1 or r < 0:
        raise RuntimeError(f"combinations takes one axis and r of 0 or more; got shape {input.shape} and r={r}")
    chosen = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    places = np.array(list(chosen(range(len(input)), r)), np.int64).reshape(-1, r)
    return input[places]


def _cartesian_prod(*tensors: jax.Array) -> jax.Array:
    """All tuples with one element of each vector, one in each row."""
    if any(tensor.ndim != 1 for tensor in tensors):
        raise RuntimeError(f"cartesian_prod takes vectors; got shapes {[tensor.shape for tensor in tensors]}")
    if len(tensors) == 1:
        return tensors[0]
    return jnp.stack([grid.reshape(-1) for grid in jnp.meshgrid(*tensors, indexing="ij")], -1)



searchsorted, bucketize = named(_searchsorted, "searchsorted"), named(_bucketize, "bucketize")
cartesian_prod, unravel_index = named(_cartesian_prod, "cartesian_prod"), named(_unravel_index, "unravel_index")
combinations, histogramdd = named(_combinations, "combinations"), on_host(_histogramdd)


class CountingMethods(TensorBase):
    """Functions that count as methods."""

    __slots__ = ()

    unique, unique_consecutive, bincount = map(on_host, (unique, unique_consecutive, bincount))
    histc, histogram = on_host(histc), on_host(histogram)
