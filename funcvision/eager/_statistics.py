"""Medians, modes, quantiles and other statistics over axes, with torch's choices among equal values."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ._base import TensorBase
from ._elementwise import canonical, kind, together
from ._lift import lift
from ._norms import vector_norm
from ._reductions import Dim, Extremes, amax, amin, std, var
from ._reductions import sum as total
from ._shapes import axis_of
from .dtypes import default_dtype

__all__ = ["StatisticsMethods"]


class Range(NamedTuple):
    """The smallest and the largest value."""

    min: Any
    max: Any


# Order statistics


@jax.custom_jvp
def _spread(value: jax.Array, x: jax.Array) -> jax.Array:
    """`value`, whose gradient the elements of `x` share that are equal to it; if it is NaN, those that are NaN."""
    return value


@_spread.defjvp
def _(primals: tuple[jax.Array, jax.Array], tangents: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
    (value, x), (_, dx) = primals, tangents
    chosen = ((x == value) | (jnp.isnan(x) & jnp.isnan(value))).astype(x.dtype)
    return value, jnp.sum(chosen / jnp.sum(chosen) * dx)


def _at(x: jax.Array, order: jax.Array, places: jax.Array, dim: int, keepdim: bool) -> Extremes:
    """The elements that `order` has at `places`, which have size 1 in axis `dim`, and their indices."""
    indices = jnp.take_along_axis(order, places, dim)
    values = jnp.take_along_axis(x, indices, dim)
    return Extremes(values, indices) if keepdim else Extremes(jnp.squeeze(values, dim), jnp.squeeze(indices, dim))


def _ordered(x: jax.Array, dim: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The order that sorts an axis, with NaN last; the number of elements that are not NaN; whether one is NaN."""
    missing = jnp.isnan(x) if jnp.issubdtype(x.dtype, jnp.inexact) else jnp.zeros(x.shape, bool)
    count = jnp.sum(~missing, dim, keepdims=True)
    return jnp.argsort(x, dim, stable=True), count, jnp.any(missing, dim, keepdims=True)


def _require_elements(function: str, x: jax.Array, dim: int) -> None:
    if x.ndim and not x.shape[axis_of(x, dim)]:
        raise IndexError(f"{function} of no elements is not defined: axis {dim} of shape {x.shape}")


def median(input: jax.Array, dim: int | None = None, keepdim: bool = False) -> Any:
    """The lower median of all elements or, with an axis, (values, indices) over it. With NaN it is NaN."""
    return _median("median", input, dim, keepdim, ignores_nan=False)


def nanmedian(input: jax.Array, dim: int | None = None, keepdim: bool = False) -> Any:
    """The lower median of the elements that are not NaN; with an axis, (values, indices) over it."""
    return _median("nanmedian", input, dim, keepdim, ignores_nan=True)


def _median(function: str, x: jax.Array, dim: int | None, keepdim: bool, *, ignores_nan: bool) -> Any:
    if dim is None:
        if not x.size:
            return jnp.asarray(jnp.nan, x.dtype)
        flat = x.reshape(-1)
        value = _median(function, flat, 0, False, ignores_nan=ignores_nan).values
        return _spread(lax.stop_gradient(value), flat) if jnp.issubdtype(x.dtype, jnp.floating) else value
    if not x.ndim:
        return Extremes(x, jnp.zeros((), canonical(int)))
    _require_elements(function, x, dim)
    dim = axis_of(x, dim)
    order, count, any_missing = _ordered(x, dim)
    places = jnp.maximum(count - 1, 0) // 2
    return _at(x, order, places if ignores_nan else jnp.where(any_missing, count, places), dim, keepdim)


def kthvalue(input: jax.Array, k: int, dim: int = -1, keepdim: bool = False) -> Extremes:
    """The `k`-th smallest value over an axis, counted from 1, as (values, indices).

    Raises:
        RuntimeError: `k` is not between 1 and the size of the axis.
    """
    _require_elements("kthvalue", input, dim)
    if not 1 <= k <= (input.shape[dim] if input.ndim else 1):
        raise RuntimeError(f"kthvalue takes k from 1 to the size of axis {dim} of shape {input.shape}; got {k}")
    if not input.ndim:
        return Extremes(input, jnp.zeros((), canonical(int)))
    order = jnp.argsort(input, dim, stable=True)
    shape = tuple(1 if axis == dim % input.ndim else size for axis, size in enumerate(input.shape))
    return _at(input, order, jnp.full(shape, k - 1), dim, keepdim)


def mode(input: jax.Array, dim: int = -1, keepdim: bool = False) -> Extremes:
    """The most frequent value over an axis, the smallest of several, and the index of its last occurrence."""
    if not input.ndim:
        return Extremes(input, jnp.zeros((), canonical(int)))
    _require_elements("mode", input, dim)
    axis = dim % input.ndim
    order = jnp.argsort(input, axis, stable=True)
    values = jnp.take_along_axis(input, order, axis)
    places = lax.broadcasted_iota(order.dtype, input.shape, axis)
    previous = jnp.roll(values, 1, axis)
    starts = lax.cummax(jnp.where((places == 0) | (values != previous), places, 0), axis)
    return _at(input, order, jnp.argmax(places - starts, axis, keepdims=True).astype(order.dtype), axis, keepdim)


def msort(input: jax.Array) -> jax.Array:
    """The array sorted along its first axis."""
    return jnp.take_along_axis(input, jnp.argsort(input, 0, stable=True), 0) if input.ndim else input


def quantile(
    input: jax.Array, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> jax.Array:
    """The quantiles `q`, from 0 to 1, over one axis or all. If `q` has an axis, it is the first of the result.

    Args:
        input: float32 or float64.
        q: a number, or an array of the dtype of `input` with at most one axis.
        dim: the axis.
        keepdim: whether to keep the axis with size 1.
        interpolation: "linear", "lower", "higher", "midpoint" or "nearest": what lies between two elements.

    Raises:
        RuntimeError: an argument has another dtype or shape, or there are no elements.
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation, ignores_nan=False)


def nanquantile(
    input: jax.Array, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> jax.Array:
    """`quantile` of the elements that are not NaN."""
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, ignores_nan=True)


def _quantile(
    function: str, x: jax.Array, q: Any, dim: int | None, keepdim: bool, interpolation: str, *, ignores_nan: bool
) -> jax.Array:
    if x.dtype not in (jnp.float32, jnp.float64):
        raise RuntimeError(f"{function} takes float32 or float64; got {x.dtype}")
    fractions = jnp.asarray(q, x.dtype if isinstance(q, float | int) else None)
    if fractions.dtype != x.dtype or fractions.ndim > 1:
        given = f"{fractions.dtype} of shape {fractions.shape}"
        raise RuntimeError(f"{function} takes q as a number or a vector of {x.dtype}; got {given}")
    if interpolation not in ("linear", "lower", "higher", "midpoint", "nearest"):
        raise RuntimeError(f"{function} has no interpolation {interpolation!r}")
    if not x.size:
        raise RuntimeError(f"{function} of no elements is not defined: shape {x.shape}")
    axis = 0 if dim is None or not x.ndim else dim % x.ndim
    rows = x.reshape(-1) if dim is None or not x.ndim else jnp.moveaxis(x, axis, -1)
    order, count, any_missing = _ordered(rows, -1)
    rows = jnp.take_along_axis(rows, order, -1)
    last = jnp.maximum(count - 1, 0) if ignores_nan else jnp.full_like(count, rows.shape[-1] - 1)
    places = fractions.reshape(*(1,) * (rows.ndim - 1), -1) * last.astype(x.dtype)
    if not ignores_nan:  # the last element is NaN
        places = jnp.where(any_missing, jnp.asarray(rows.shape[-1] - 1, x.dtype), places)
    result = jnp.moveaxis(_between(rows, places, interpolation), -1, 0)
    if keepdim and x.ndim:
        result = result.reshape(-1, *(1,) * x.ndim) if dim is None else jnp.expand_dims(result, axis + 1)
    return result if fractions.ndim else result[0]


def _between(rows: jax.Array, places: jax.Array, interpolation: str) -> jax.Array:
    """The values at these places of sorted rows, which can lie between two elements."""
    if interpolation in ("lower", "higher", "nearest"):
        rounded = {"lower": jnp.floor, "higher": jnp.ceil, "nearest": jnp.round}[interpolation](places)
        return jnp.take_along_axis(rows, rounded.astype(jnp.int32), -1)
    below = jnp.floor(places)
    low = jnp.take_along_axis(rows, below.astype(jnp.int32), -1)
    high = jnp.take_along_axis(rows, jnp.ceil(places).astype(jnp.int32), -1)
    weight = jnp.full_like(places, 0.5) if interpolation == "midpoint" else places - below
    return jnp.where(weight < 0.5, low + weight * (high - low), high - (high - low) * (1 - weight))


def aminmax(input: jax.Array, *, dim: int | None = None, keepdim: bool = False) -> Range:
    """The smallest and the largest value over one axis or all. Equal values share the gradient."""
    if input.ndim and not (input.size if dim is None else input.shape[axis_of(input, dim)]):
        raise RuntimeError(f"aminmax of no elements is not defined: shape {input.shape}")
    return Range(amin(input, dim, keepdim), amax(input, dim, keepdim))


# Means and sums


def nansum(input: jax.Array, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None) -> jax.Array:
    """Sum of the elements that are not NaN, over one, several or all axes."""
    return total(_without_nan(input), dim, keepdim, dtype=dtype)


def nanmean(input: jax.Array, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None) -> jax.Array:
    """Mean of the elements that are not NaN, over one, several or all axes.

    Raises:
        RuntimeError: the array has integers.
    """
    _require_floats("nanmean", input)
    summed = nansum(input, dim, keepdim, dtype=dtype)
    return summed / total((~jnp.isnan(input)).astype(summed.dtype), dim, keepdim)


def _without_nan(x: jax.Array) -> jax.Array:
    return jnp.where(jnp.isnan(x), 0, x) if jnp.issubdtype(x.dtype, jnp.inexact) else x


def var_mean(
    input: jax.Array, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: float | None = None
) -> tuple[jax.Array, jax.Array]:
    """(variance, mean) over one, several or all axes."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    _require_floats("var_mean", input)
    return var(input, dim, unbiased, keepdim, correction=correction), _mean(input, dim, keepdim)


def std_mean(
    input: jax.Array, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: float | None = None
) -> tuple[jax.Array, jax.Array]:
    """(standard deviation, mean) over one, several or all axes."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    _require_floats("std_mean", input)
    return std(input, dim, unbiased, keepdim, correction=correction), _mean(input, dim, keepdim)


def _require_floats(function: str, x: jax.Array) -> None:
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        raise RuntimeError(f"{function} takes floating-point or complex numbers; got {x.dtype}: call .float() first")


def _mean(x: jax.Array, dim: Dim, keepdim: bool) -> jax.Array:
    axes = (tuple(dim) or None) if isinstance(dim, tuple | list) else dim
    return jnp.mean(x, axes, keepdims=keepdim)


def count_nonzero(input: jax.Array, dim: Dim = None) -> jax.Array:
    """The number of elements that are not 0, over one, several or all axes."""
    axes = (tuple(dim) or None) if isinstance(dim, tuple | list) else dim
    return jnp.sum(input != 0, axes, dtype=canonical(int))


# Distances and correlations


def dist(input: jax.Array, other: jax.Array, p: float = 2) -> jax.Array:
    """The p-norm of the difference."""
    x, y = together(input, other)
    _require_floats("dist", x)
    return vector_norm((x - y).reshape(-1), float(p), None, False)


def renorm(input: jax.Array, p: float, dim: int, maxnorm: float) -> jax.Array:
    """The slices along axis `dim`, those with a larger p-norm than `maxnorm` scaled down to it.

    Raises:
        RuntimeError: `p` is not positive, or there are fewer than two axes.
    """
    if p <= 0 or input.ndim < 2:
        raise RuntimeError(f"renorm takes a positive p and two or more axes; got p={p} and shape {input.shape}")
    _require_floats("renorm", input)
    axes = tuple(axis for axis in range(input.ndim) if axis != axis_of(input, dim))
    norms = vector_norm(input, float(p), axes, True)
    larger = norms > maxnorm
    return input * jnp.where(larger, maxnorm / (jnp.where(larger, norms, 1) + 1e-7), 1)


def cov(
    input: jax.Array, *, correction: int = 1, fweights: jax.Array | None = None, aweights: jax.Array | None = None
) -> jax.Array:
    """The covariance matrix of variables, one for each row; the columns are observations.

    Args:
        input: [variables, observations], or [observations] of one variable.
        correction: is subtracted from the number of observations.
        fweights: integers [observations], how often each observation was made.
        aweights: [observations], the importance of each observation.

    Raises:
        RuntimeError: there are more than two axes.
    """
    if input.ndim > 2 or input.dtype == jnp.bool_:
        raise RuntimeError(f"cov takes numbers with at most two axes; got {input.dtype} of shape {input.shape}")
    (x,) = together(input, real=True)
    rows = x if x.ndim == 2 else x.reshape(1, x.size)
    given = [weights for weights in (fweights, aweights) if weights is not None]
    default = default_dtype()
    weights = jnp.asarray(math.prod([w.astype(default) for w in given], start=jnp.ones(rows.shape[1], default)))
    mass = jnp.sum(weights) if given else jnp.asarray(rows.shape[1], default)
    centred = rows - (jnp.sum(rows * weights[None].astype(x.dtype), 1, keepdims=True) / mass.astype(x.dtype))
    lost = jnp.asarray(correction, default)
    if aweights is not None:
        lost = lost * jnp.sum(weights * aweights.astype(default)) / mass
    freedom = jnp.maximum(mass - lost, 0).astype(x.dtype)
    matrix = (centred * weights[None].astype(x.dtype)) @ jnp.conj(centred).T / freedom
    return matrix if input.ndim == 2 else matrix[0, 0]


def corrcoef(input: jax.Array) -> jax.Array:
    """The correlation coefficients of variables, one for each row; the columns are observations."""
    matrix = cov(input)
    if not matrix.ndim:
        return matrix / matrix
    deviations = jnp.sqrt(jnp.diagonal(matrix))
    ratio = matrix / deviations[:, None] / deviations[None]
    return ratio if kind(ratio.dtype) == 3 else jnp.clip(ratio, -1, 1)


class StatisticsMethods(TensorBase):
    """Statistics as methods."""

    __slots__ = ()

    median, nanmedian, kthvalue, mode, msort = map(lift, (median, nanmedian, kthvalue, mode, msort))
    quantile, nanquantile, aminmax = map(lift, (quantile, nanquantile, aminmax))
    nansum, nanmean, var_mean, std_mean = map(lift, (nansum, nanmean, var_mean, std_mean))
    count_nonzero, dist, renorm, cov, corrcoef = map(lift, (count_nonzero, dist, renorm, cov, corrcoef))
