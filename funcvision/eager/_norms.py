"""Norms of vectors and of matrices, with torch's derivatives."""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp

from ..functional._p_norm import p_norm
from ._elementwise import sign
from ._shapes import axis_of

__all__ = ["nuclear_norm", "vector_norm"]


def nuclear_norm(x: jax.Array, dim: Any, keepdim: bool) -> jax.Array:
    """The sum of the singular values of matrices, whose axes are `dim`: by default the two of a matrix.

    Raises:
        RuntimeError: there are not two axes.
    """
    axes = tuple(range(x.ndim)) if dim is None else dim
    if not isinstance(axes, tuple | list) or len(axes) != 2:
        raise RuntimeError(f'norm(p="nuc") takes matrices: give the two axes as dim; got shape {x.shape} and dim={dim}')
    values = jnp.linalg.svd(jnp.moveaxis(x, tuple(axes), (-2, -1)), compute_uv=False)
    total = jnp.sum(values, -1)
    return jnp.expand_dims(total, sorted(axis % x.ndim for axis in axes)) if keepdim else total


def vector_norm(x: jax.Array, p: float, dim: Any, keepdim: bool) -> jax.Array:
    """The p-norm over axes, for any `p`: the number of elements that are not 0 if it is 0.

    Raises:
        RuntimeError: there are no elements and `p` is negative or infinite.
    """
    axes = tuple(range(x.ndim)) if dim is None else tuple(dim) if isinstance(dim, tuple | list) else (dim,)
    axes = tuple(axis_of(x, axis) for axis in axes) if x.ndim else ()
    if (p < 0 or math.isinf(p)) and not math.prod(x.shape[axis] for axis in axes):
        raise RuntimeError(f"the {p}-norm of no elements is not defined: axes {axes} of shape {x.shape}")
    norm = p_norm if p > 0 else _norm
    norm = norm(jnp.abs(x) if jnp.issubdtype(x.dtype, jnp.complexfloating) else x, p, axes)
    return norm if keepdim else jnp.squeeze(norm, axes)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1, 2))
def _norm(x: jax.Array, p: float, axes: tuple[int, ...]) -> jax.Array:
    """The norm over axes, which are kept with size 1, for a `p` that is not positive."""
    size = jnp.abs(x)
    if p == -math.inf:
        return jnp.min(size, axes, keepdims=True)
    if p == 0:
        return jnp.sum((x != 0).astype(x.dtype), axes, keepdims=True)
    return jnp.sum(size**p, axes, keepdims=True) ** (1 / p)


@_norm.defjvp
def _(
    p: float, axes: tuple[int, ...], primals: tuple[jax.Array], tangents: tuple[jax.Array]
) -> tuple[jax.Array, jax.Array]:
    (x,), (dx,) = primals, tangents
    norm = _norm(x, p, axes)
    return norm, jnp.sum(_slope(x, norm, p, axes) * dx, axes, keepdims=True)


def _slope(x: jax.Array, norm: jax.Array, p: float, axes: tuple[int, ...]) -> jax.Array:
    """The derivative of the norm with respect to each element: 0 where it is not defined and torch has 0."""
    norm = jnp.broadcast_to(norm, x.shape)
    if p == 0:
        return jnp.zeros_like(x)
    if math.isinf(p):  # elements of the same size, and those that are NaN, share the gradient
        chosen = ((jnp.abs(x) == norm) | jnp.isnan(x)).astype(x.dtype)
        return sign(x) * chosen / jnp.broadcast_to(jnp.sum(chosen, axes, keepdims=True), x.shape)
    zero, origin = norm == 0, x == 0
    base = jnp.where(zero, 1, norm)
    power = jnp.where(origin, 0, jnp.where(origin, 1, jnp.abs(x)) ** (p - 1))
    return sign(x) * power * jnp.where(zero, 0.0 ** (1 - p), base ** (1 - p))
