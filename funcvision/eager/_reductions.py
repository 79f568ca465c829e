"""Sums, extremes, sorting and other functions over axes, with torch's options, dtypes and derivatives."""

import builtins
import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .. import functional as F
from ._arithmetic import maximum, minimum
from ._elementwise import together
from ._norms import nuclear_norm, vector_norm
from ._rules import with_rules
from .dtypes import canonical

__all__ = [
    "Extremes", "all", "amax", "amin", "any", "argmax", "argmin", "argsort", "cumsum", "log_softmax", "logsumexp",
    "max", "mean", "min", "norm", "prod", "softmax", "sort", "std", "sum", "topk", "var",
]  # fmt: skip

Dim = int | tuple[int, ...] | list[int] | None


class Extremes(NamedTuple):
    """Values and their indices in an axis."""

    values: Any
    indices: Any


def _axes(dim: Dim) -> int | tuple[int, ...] | None:
    """Axes as numpy takes them. An empty list means all axes in torch."""
    return (tuple(dim) or None) if isinstance(dim, tuple | list) else dim


def sum(x: jax.Array, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None) -> jax.Array:
    """Sum over one, several or all axes. Integers are summed in int64, or in int32 without jax_enable_x64."""
    return jnp.sum(x, _axes(dim), dtype=_sum_dtype(x, dtype), keepdims=keepdim)


def prod(x: jax.Array, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None) -> jax.Array:
    """Product over one axis or all, in the dtype of `sum`."""
    return jnp.prod(x, dim, dtype=_sum_dtype(x, dtype), keepdims=keepdim)


def cumsum(x: jax.Array, dim: int, *, dtype: Any = None) -> jax.Array:
    """Cumulative sum along an axis, in the dtype of `sum`."""
    return jnp.cumsum(x, dim, dtype=_sum_dtype(x, dtype))


def _sum_dtype(x: jax.Array, dtype: Any) -> np.dtype:
    if dtype is not None:
        return canonical(dtype)
    return x.dtype if jnp.issubdtype(x.dtype, jnp.inexact) else canonical(int)


def mean(x: jax.Array, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None) -> jax.Array:
    """Mean over one, several or all axes, in `dtype` if it is given.

    Raises:
        RuntimeError: the array has integers. Convert it by `.float()`.
    """
    x = x if dtype is None else x.astype(canonical(dtype))
    _require_real("mean", x)
    return jnp.mean(x, _axes(dim), keepdims=keepdim)


def var(
    x: jax.Array, dim: Dim = None, unbiased: bool = True, keepdim: bool = False, *, correction: float | None = None
) -> jax.Array:
    """Variance over one, several or all axes. The divisor is the count minus `correction` (1 if `unbiased`, else 0)."""
    _require_real("var", x)
    variance = _variance_of(x, _axes(dim), float(unbiased) if correction is None else float(correction))
    return _squeezed(variance, dim, keepdim)


def std(
    x: jax.Array, dim: Dim = None, unbiased: bool = True, keepdim: bool = False, *, correction: float | None = None
) -> jax.Array:
    """Standard deviation: the square root of `var`. Where it is 0, its derivative is 0."""
    _require_real("std", x)
    variance = _variance_of(x, _axes(dim), float(unbiased) if correction is None else float(correction))
    return _squeezed(_deviation(variance), dim, keepdim)


def _squeezed(x: jax.Array, dim: Dim, keepdim: bool) -> jax.Array:
    return x if keepdim else jnp.squeeze(x, _axes(dim))


_deviation = with_rules(jnp.sqrt, lambda t, y, x: jnp.where(y == 0, 0, t) / (2 * jnp.where(y == 0, 1, y)))


def _variance_of(x: jax.Array, axes: Any, correction: float) -> jax.Array:
    """The variance over axes, which are kept: for complex numbers the sum of those of both parts."""
    if not jnp.issubdtype(x.dtype, jnp.complexfloating):
        return _variance(x, axes, correction)
    return _variance(jnp.real(x), axes, correction) + _variance(jnp.imag(x), axes, correction)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1, 2))
def _variance(x: jax.Array, axes: Any, correction: float) -> jax.Array:
    """The variance over axes, which are kept with size 1."""
    freedom = _freedom(x, axes, correction)
    squares = jnp.sum(jnp.square(_centred(x, axes)), axes, keepdims=True)
    return squares / jnp.asarray(builtins.max(freedom, 0), x.dtype)


@_variance.defjvp
def _(axes: Any, correction: float, primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[Any, Any]:
    (x,), (dx,) = primals, tangents
    freedom = _freedom(x, axes, correction)
    if axes is None and freedom <= 0:  # torch has this rule for all axes only
        slope = jnp.where(_centred(x, axes) == 0, jnp.nan, jnp.inf).astype(x.dtype)
    else:
        slope = (2 / jnp.asarray(freedom, x.dtype)) * _centred(x, axes)
    return _variance(x, axes, correction), jnp.sum(slope * dx, axes, keepdims=True)


def _count(x: jax.Array, axes: Any) -> int:
    """The number of elements over which axes reduce."""
    reduced = range(x.ndim) if axes is None else (axes,) if isinstance(axes, int) else axes
    return math.prod(x.shape[axis] for axis in reduced)


def _freedom(x: jax.Array, axes: Any, correction: float) -> Any:
    """The divisor of a variance. It is an integer if the correction is one, because a size may be a symbol."""
    return _count(x, axes) - (int(correction) if correction.is_integer() else correction)


def _centred(x: jax.Array, axes: Any) -> jax.Array:
    return x - jnp.broadcast_to(jnp.mean(x, axes, keepdims=True), x.shape)


def norm(x: jax.Array, p: float | str | None = "fro", dim: Dim = None, keepdim: bool = False) -> jax.Array:
    """The p-norm of vectors over one, several or all axes.

    Args:
        x: floating-point.
        p: any number, with infinity for the largest and -infinity for the smallest absolute value; "fro" or None for 2;
            "nuc" for the nuclear norm of matrices.
        dim: the axes.
        keepdim: whether to keep the axes with size 1.

    Raises:
        RuntimeError: the array has integers. Convert it by `.float()`.
        RuntimeError: `p` is another text, the axes are not those of matrices, or there are no elements.
    """
    _require_real("norm", x)
    if p == "nuc":
        return nuclear_norm(x, dim, keepdim)
    if isinstance(p, str) and p != "fro":
        raise RuntimeError(f'norm takes a number, "fro" or "nuc" as p; got {p!r}')
    return vector_norm(x, 2.0 if p is None or isinstance(p, str) else float(p), _axes(dim), keepdim)


def logsumexp(x: jax.Array, dim: Dim, keepdim: bool = False) -> jax.Array:
    """`log(sum(exp(x)))` over one or several axes, without overflow. Integers become float32."""
    (x,) = together(x, real=True)
    return jax.scipy.special.logsumexp(x, _axes(dim), keepdims=keepdim)


def softmax(x: jax.Array, dim: int, dtype: Any = None) -> jax.Array:
    """`exp(x)` divided by its sum over an axis, in `dtype` if it is given."""
    return F.softmax(x if dtype is None else x.astype(canonical(dtype)), dim)


def log_softmax(x: jax.Array, dim: int, dtype: Any = None) -> jax.Array:
    """The logarithm of `softmax`, computed so that neither step overflows or underflows."""
    return F.log_softmax(x if dtype is None else x.astype(canonical(dtype)), dim)


def all(x: jax.Array, dim: Dim = None, keepdim: bool = False) -> jax.Array:
    """Whether all elements over one, several or all axes are true, that is, not 0."""
    return jnp.all(x, _axes(dim), keepdims=keepdim)


def any(x: jax.Array, dim: Dim = None, keepdim: bool = False) -> jax.Array:
    """Whether any element over one, several or all axes is true, that is, not 0."""
    return jnp.any(x, _axes(dim), keepdims=keepdim)


def amax(x: jax.Array, dim: Dim = None, keepdim: bool = False) -> jax.Array:
    """The largest value over one, several or all axes. Equal values share the gradient."""
    return jnp.max(x, _axes(dim), keepdims=keepdim)


def amin(x: jax.Array, dim: Dim = None, keepdim: bool = False) -> jax.Array:
    """The smallest value over one, several or all axes. Equal values share the gradient."""
    return jnp.min(x, _axes(dim), keepdims=keepdim)


def max(x: jax.Array, dim: Any = None, keepdim: bool = False) -> Any:
    """The largest value; with an axis, (values, indices) over it; with another array, the elementwise maximum."""
    if dim is None:
        return _largest(x) if jnp.issubdtype(x.dtype, jnp.floating) else amax(x)
    return _extremes(x, jnp.argmax(x, dim), dim, keepdim) if isinstance(dim, int) else maximum(x, dim)


def min(x: jax.Array, dim: Any = None, keepdim: bool = False) -> Any:
    """The smallest value; with an axis, (values, indices) over it; with another array, the elementwise minimum."""
    if dim is None:
        return -_largest(-x) if jnp.issubdtype(x.dtype, jnp.floating) else amin(x)
    return _extremes(x, jnp.argmin(x, dim), dim, keepdim) if isinstance(dim, int) else minimum(x, dim)


@jax.custom_jvp
def _largest(x: jax.Array) -> jax.Array:
    """The largest element, or NaN. Those that are equal to it share the gradient: with NaN, those that are NaN."""
    return jnp.max(x)


@_largest.defjvp
def _(primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[jax.Array, jax.Array]:
    (x,), (dx,) = primals, tangents
    value = _largest(x)
    chosen = ((x == value) | (jnp.isnan(x) & jnp.isnan(value))).astype(x.dtype)
    return value, jnp.sum(chosen / jnp.sum(chosen) * dx)


def _extremes(x: jax.Array, indices: jax.Array, dim: int, keepdim: bool) -> Extremes:
    indices = jnp.expand_dims(indices, dim)
    values = jnp.take_along_axis(x, indices, dim)
    return Extremes(values, indices) if keepdim else Extremes(jnp.squeeze(values, dim), jnp.squeeze(indices, dim))


def argmax(x: jax.Array, dim: int | None = None, keepdim: bool = False) -> jax.Array:
    """The index of the largest value in an axis or in the flattened array; of equal values the first."""
    return jnp.argmax(x, dim, keepdims=keepdim)


def argmin(x: jax.Array, dim: int | None = None, keepdim: bool = False) -> jax.Array:
    """The index of the smallest value in an axis or in the flattened array; of equal values the first."""
    return jnp.argmin(x, dim, keepdims=keepdim)


def argsort(x: jax.Array, dim: int = -1, descending: bool = False, stable: bool = True) -> jax.Array:
    """The indices that sort an axis. Equal elements keep their order, whatever `stable` is."""
    return jnp.argsort(x, dim, stable=True, descending=descending)


def sort(x: jax.Array, dim: int = -1, descending: bool = False, stable: bool = True) -> Extremes:
    """(values, indices), sorted along an axis. Equal elements keep their order, whatever `stable` is."""
    indices = argsort(x, dim, descending)
    return Extremes(jnp.take_along_axis(x, indices, dim), indices)


def topk(x: jax.Array, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Extremes:
    """(values, indices) of the `k` largest or smallest elements along an axis, in order, whatever `sorted` is."""
    if not 0 <= k <= x.shape[dim]:
        raise RuntimeError(f"k={k} is not between 0 and the size of axis {dim} of an array of shape {x.shape}")
    indices = lax.slice_in_dim(argsort(x, dim, largest), 0, k, axis=dim)
    return Extremes(jnp.take_along_axis(x, indices, dim), indices)


def _require_real(function: str, x: jax.Array) -> None:
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        raise RuntimeError(f"{function} takes floating-point numbers; got {x.dtype}: call .float() first")
