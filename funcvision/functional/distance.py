"""Norms and distances of vectors that lie along one axis, in float32 at least, with torch's derivatives at 0."""

import math

import jax
import jax.numpy as jnp

from ._kinks import absolute, at_least
from ._precision import at_least_float32

__all__ = ["cosine_similarity", "normalize", "pairwise_distance"]


def normalize(x: jax.Array, p: float = 2.0, dim: int = -1, *, eps: float = 1e-12) -> jax.Array:
    """`x` divided by its p-norm over axis `dim`, or by `eps` where the norm is less.

    The default axis is the last, the features of [..., features]; torch's is 1.

    Raises:
        ValueError: `p` is not positive.

    >>> normalize(jnp.array([[3.0, 4.0], [0.0, 0.0]]))
    Array([[0.6, 0.8],
           [0. , 0. ]], dtype=float32)
    """
    wide = at_least_float32(x)
    return (wide / jnp.maximum(_norm(wide, p, dim), eps)).astype(x.dtype)


def cosine_similarity(x1: jax.Array, x2: jax.Array, dim: int = -1, *, eps: float = 1e-8) -> jax.Array:
    """The cosine of the angle between vectors along axis `dim`, whose lengths count as `eps` at least.

    The two are broadcast to one shape, which `dim` refers to; torch's default axis is 1.
    """
    wide = [at_least_float32(x) for x in jnp.broadcast_arrays(x1, x2.astype(x1.dtype))]
    unit1, unit2 = (x / at_least(_norm(x, 2.0, dim), eps) for x in wide)
    return jnp.sum(unit1 * unit2, dim).astype(x1.dtype)


def pairwise_distance(
    x1: jax.Array, x2: jax.Array, p: float = 2.0, *, eps: float = 1e-6, keepdim: bool = False
) -> jax.Array:
    """The p-norm of `x1 - x2 + eps` over the last axis, for [..., features] broadcast to one shape.

    Raises:
        ValueError: `p` is not positive.
    """
    wide1, wide2 = (at_least_float32(x) for x in jnp.broadcast_arrays(x1, x2.astype(x1.dtype)))
    distance = _norm(wide1 - wide2 + eps, p, -1).astype(x1.dtype)
    return distance if keepdim else distance.squeeze(-1)


def _norm(x: jax.Array, p: float, dim: int) -> jax.Array:
    """The p-norm over an axis, which stays with size 1. Its derivative is 0 where the norm is, as in torch, not NaN."""
    if p <= 0:
        raise ValueError(f"norms are taken for a positive p; it is {p}")
    size = absolute(x)
    if math.isinf(p):
        return jnp.max(size, dim, keepdims=True)
    if p == 1:
        return jnp.sum(size, dim, keepdims=True)
    total = jnp.sum(_power(size, p), dim, keepdims=True)
    return _power(total, 1 / p)


def _power(x: jax.Array, exponent: float) -> jax.Array:
    """`x ** exponent` for x >= 0, with derivative 0 at 0, where that of a root is infinite."""
    zero = x == 0
    return jnp.where(zero, 0, jnp.where(zero, 1, x) ** exponent)
