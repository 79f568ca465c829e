"""Sums, extremes, sorting and other functions over axes, with torch's options, dtypes and derivatives."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ._elementwise import canonical, maximum, minimum

__all__ = [
    "Extremes", "all", "amax", "amin", "any", "argmax", "argmin", "argsort", "cumsum", "logsumexp", "max", "mean",
    "min", "norm", "prod", "sort", "std", "sum", "topk", "var",
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


def mean(x: jax.Array, dim: Dim = None, keepdim: bool = False) -> jax.Array:
    """Mean over one, several or all axes.

    Raises:
        TypeError: the array has integers. Convert it by `.float()`.
    """
    _require_real("mean", x)
    return jnp.mean(x, _axes(dim), keepdims=keepdim)


def var(
    x: jax.Array, dim: Dim = None, unbiased: bool = True, keepdim: bool = False, *, correction: int | None = None
) -> jax.Array:
    """Variance over one, several or all axes. The divisor is the count minus `correction` (1 if `unbiased`, else 0)."""
    _require_real("var", x)
    return jnp.var(x, _axes(dim), ddof=int(unbiased) if correction is None else correction, keepdims=keepdim)


def std(
    x: jax.Array, dim: Dim = None, unbiased: bool = True, keepdim: bool = False, *, correction: int | None = None
) -> jax.Array:
    """Standard deviation: the square root of `var`."""
    return jnp.sqrt(var(x, dim, unbiased, keepdim, correction=correction))


def norm(x: jax.Array, p: float = 2.0, dim: Dim = None, keepdim: bool = False) -> jax.Array:
    """The p-norm over one, several or all axes. Where it is 0, its derivative is 0."""
    _require_real("norm", x)
    size, axes = jnp.abs(x), _axes(dim)
    if p == float("inf"):
        return jnp.max(size, axes, keepdims=keepdim)
    size = jnp.where(size > 0, x * jnp.sign(x), 0)
    total = jnp.sum(size if p == 1 else size**p, axes, keepdims=keepdim)
    return total if p == 1 else jnp.where(total > 0, jnp.where(total > 0, total, 1) ** (1 / p), 0)


def logsumexp(x: jax.Array, dim: Dim, keepdim: bool = False) -> jax.Array:
    """`log(sum(exp(x)))` over one or several axes, without overflow."""
    return jax.scipy.special.logsumexp(x, _axes(dim), keepdims=keepdim)


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
        return amax(x)
    return _extremes(x, jnp.argmax(x, dim), dim, keepdim) if isinstance(dim, int) else maximum(x, dim)


def min(x: jax.Array, dim: Any = None, keepdim: bool = False) -> Any:
    """The smallest value; with an axis, (values, indices) over it; with another array, the elementwise minimum."""
    if dim is None:
        return amin(x)
    return _extremes(x, jnp.argmin(x, dim), dim, keepdim) if isinstance(dim, int) else minimum(x, dim)


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


def argsort(x: jax.Array, dim: int = -1, descending: bool = False) -> jax.Array:
    """The indices that sort an axis. Equal elements keep their order."""
    return jnp.argsort(x, dim, stable=True, descending=descending)


def sort(x: jax.Array, dim: int = -1, descending: bool = False) -> Extremes:
    """(values, indices), sorted along an axis. Equal elements keep their order."""
    indices = argsort(x, dim, descending)
    return Extremes(jnp.take_along_axis(x, indices, dim), indices)


def topk(x: jax.Array, k: int, dim: int = -1, largest: bool = True) -> Extremes:
    """(values, indices) of the `k` largest or smallest elements along an axis, in order."""
    if not 0 <= k <= x.shape[dim]:
        raise ValueError(f"k={k} is not between 0 and the size of axis {dim} of an array of shape {x.shape}")
    indices = lax.slice_in_dim(argsort(x, dim, largest), 0, k, axis=dim)
    return Extremes(jnp.take_along_axis(x, indices, dim), indices)


def _require_real(function: str, x: jax.Array) -> None:
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        raise TypeError(f"{function} takes floating-point numbers; got {x.dtype}: call .float() first")
