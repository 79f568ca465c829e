"""Cumulative functions along an axis, differences and integrals."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ._base import TensorBase
from ._elementwise import together
from ._lift import lift
from ._limits import fitting
from ._named import named
from ._reductions import Extremes
from ._reductions import prod as total_product
from ._shapes import axis_of

__all__ = ["CumulativeMethods", "cumulative_trapezoid", "gradient", "trapezoid", "trapz"]


def cumprod(input: jax.Array, dim: int, *, dtype: Any = None) -> jax.Array:
    """Cumulative product along an axis. Integers are multiplied in int64, or in int32 without jax_enable_x64."""
    wanted = total_product(input[:0] if input.ndim else input, dtype=dtype).dtype
    return jnp.cumprod(input, axis_of(input, dim), dtype=wanted) if input.ndim else input.astype(wanted)


def logcumsumexp(input: jax.Array, dim: int) -> jax.Array:
    """`log(cumsum(exp(input)))` along an axis, without overflow."""
    if not jnp.issubdtype(input.dtype, jnp.inexact):
        raise NotImplementedError(f"logcumsumexp takes floating-point numbers; got {input.dtype}: call .float() first")
    return lax.cumlogsumexp(input, axis_of(input, dim)) if input.ndim else input


def cummax(input: jax.Array, dim: int) -> Extremes:
    """The largest value so far along an axis, and its index; of equal values the last. NaN is the largest."""
    return _running(input, dim, lambda new, old: new >= old)


def cummin(input: jax.Array, dim: int) -> Extremes:
    """The smallest value so far along an axis, and its index; of equal values the last. NaN is the smallest."""
    return _running(input, dim, lambda new, old: new <= old)


def _running(x: jax.Array, dim: int, beats: Any) -> Extremes:
    if not x.ndim:
        return Extremes(x, jnp.zeros((), int))

    def later(old: tuple[jax.Array, jax.Array], new: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        takes = beats(new[0], old[0])
        if jnp.issubdtype(x.dtype, jnp.inexact):
            takes = jnp.isnan(new[0]) | (~jnp.isnan(old[0]) & takes)
        return jnp.where(takes, new[0], old[0]), jnp.where(takes, new[1], old[1])

    axis = axis_of(x, dim)
    places = lax.broadcasted_iota(jnp.arange(0).dtype, x.shape, axis)
    _, indices = lax.associative_scan(later, (lax.stop_gradient(x), places), axis=axis)
    return Extremes(jnp.take_along_axis(x, indices, axis), indices)


def diff(
    input: jax.Array, n: int = 1, dim: int = -1, prepend: jax.Array | None = None, append: jax.Array | None = None
) -> jax.Array:
    """The differences of neighbours along an axis, taken `n` times; of bools, whether they differ.

    Args:
        input: has at least one axis.
        n: how often differences are taken.
        dim: the axis.
        prepend: is put in front of `input` in this axis.
        append: is put behind it.

    Raises:
        RuntimeError: `input` has no axis, or `n` is negative.
    """
    if not input.ndim or n < 0:
        raise RuntimeError(f"diff takes one or more axes and n of 0 or more; got shape {input.shape} and n={n}")
    dim = axis_of(input, dim)
    parts = [part for part in (prepend, input, append) if part is not None]
    x = jnp.concatenate(parts, dim) if len(parts) > 1 else input
    for _ in range(min(n, x.shape[dim])):
        before = lax.slice_in_dim(x, 0, max(x.shape[dim] - 1, 0), axis=dim)
        after = lax.slice_in_dim(x, min(1, x.shape[dim]), None, axis=dim)
        x = after ^ before if x.dtype == jnp.bool_ else after - before
    return x


def _areas(y: jax.Array, x: jax.Array | None, dx: float | None, dim: int) -> jax.Array:
    """The areas under the line between neighbours along an axis, which is the last of the result."""
    if not y.ndim or y.dtype == jnp.bool_:
        kind = IndexError if y.dtype != jnp.bool_ else RuntimeError
        raise kind(f"trapezoid takes numbers with an axis; got {y.dtype} of shape {y.shape}")
    (y,) = together(y, real=True)
    y = jnp.moveaxis(y, axis_of(y, dim), -1)
    means = (y[..., 1:] + y[..., :-1]) / 2
    if x is None:
        return means * (1 if dx is None else dx)
    if dx is not None:
        raise RuntimeError("give the points x or their distance dx, not both")
    width = jnp.diff(x) if x.ndim == 1 else jnp.diff(jnp.moveaxis(x, dim, -1))
    means, width = together(means, width)
    return means * width


def _trapezoid(y: jax.Array, x: jax.Array | None = None, *, dx: float | None = None, dim: int = -1) -> jax.Array:
    """The integral along an axis by the trapezoidal rule, over points `x` or points at distance `dx`."""
    return jnp.sum(_areas(y, x, dx, dim), -1)


def _cumulative_trapezoid(
    y: jax.Array, x: jax.Array | None = None, *, dx: float | None = None, dim: int = -1
) -> jax.Array:
    """The integrals up to each point along an axis by the trapezoidal rule."""
    return jnp.moveaxis(jnp.cumsum(_areas(y, x, dx, dim), -1), -1, dim)


def _gradient(input: jax.Array, *, spacing: Any = 1, dim: Any = None, edge_order: int = 1) -> tuple[jax.Array, ...]:
    """The derivative along each axis, estimated from neighbours by differences of second order.

    Args:
        input: the values of a function at points of a grid.
        spacing: the distance of the points, one for each axis, or arrays of coordinates.
        dim: the axes; by default all.
        edge_order: 1 or 2, the order of the differences at the ends.

    Raises:
        RuntimeError: an axis has fewer than `edge_order + 1` points.
    """
    axes = range(input.ndim) if dim is None else [dim] if isinstance(dim, int) else dim
    given = list(spacing) if isinstance(spacing, Sequence) else [spacing] * len(axes)
    (x,) = together(input, real=True)
    results = []
    for axis, distance in zip(axes, given, strict=True):
        size = x.shape[axis]
        if size < edge_order + 1:
            raise RuntimeError(f"gradient needs {edge_order + 1} points in axis {axis}; got shape {x.shape}")
        steps = jnp.diff(distance).astype(x.dtype) if getattr(distance, "ndim", 0) else jnp.full(size - 1, distance)
        results.append(_slope(x, steps.astype(x.dtype), axis, edge_order))
    return tuple(results)


def _slope(x: jax.Array, steps: jax.Array, axis: int, edge_order: int) -> jax.Array:
    y = jnp.moveaxis(x, axis, -1)
    steps = steps.reshape((1,) * (y.ndim - 1) + (-1,))
    slopes = (y[..., 1:] - y[..., :-1]) / steps
    before, after = steps[..., :-1], steps[..., 1:]
    inner = (after * slopes[..., :-1] + before * slopes[..., 1:]) / (before + after)
    first, last = slopes[..., :1], slopes[..., -1:]
    if edge_order == 2:  # the line through the slopes of two intervals, at the ends of the outer ones
        bend = (slopes[..., 1:] - slopes[..., :-1]) / (before + after)
        first, last = first - bend[..., :1] * steps[..., :1], last + bend[..., -1:] * steps[..., -1:]
    return jnp.moveaxis(jnp.concatenate([first, inner, last], -1), -1, axis)



trapezoid = trapz = named(_trapezoid, "trapezoid")
gradient = named(_gradient, "gradient")
cumulative_trapezoid = named(_cumulative_trapezoid, "cumulative_trapezoid")


class CumulativeMethods(TensorBase):
    """Cumulative functions as methods."""

    __slots__ = ()

    cumprod = fitting(lift(cumprod), lambda x, dim, *, dtype=None: np.cumprod(x, dim))
    logcumsumexp, cummax, cummin, diff = map(lift, (logcumsumexp, cummax, cummin, diff))
