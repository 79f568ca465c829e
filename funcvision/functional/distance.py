"""Norms and distances of vectors along one axis, computed in float32 at least, with torch's derivatives at 0."""

import jax
import jax.numpy as jnp
import numpy as np

from ._check import axis_index
from ._kinks import at_least
from ._p_norm import p_norm
from ._precision import at_least_float32

__all__ = ["cosine_similarity", "normalize", "pairwise_distance", "pdist"]


def normalize(x: jax.Array, p: float = 2.0, dim: int = -1, *, eps: float = 1e-12) -> jax.Array:
    """`x` divided by its p-norm over axis `dim`, or by `eps` where the norm is smaller.

    Args:
        x: any shape; floating-point.
        p: order of the norm, above 0; infinity for the largest absolute value.
        dim: axis of the vectors; the last by default, 1 in torch.
        eps: lower bound of the norm.

    Returns:
        An array of the shape and dtype of `x`.

    Raises:
        ValueError: `p` is not positive.
        TypeError: `x` is not floating-point.

    >>> normalize(jnp.array([[3.0, 4.0], [0.0, 0.0]]))
    Array([[0.6, 0.8],
           [0. , 0. ]], dtype=float32)
    """
    wide = at_least_float32(x)
    return (wide / jnp.maximum(p_norm(wide, p, (axis_index(dim, x, "normalize"),)), eps)).astype(x.dtype)


def cosine_similarity(x1: jax.Array, x2: jax.Array, dim: int = -1, *, eps: float = 1e-8) -> jax.Array:
    """The cosine of the angle between vectors along axis `dim`.

    Args:
        x1: any shape; floating-point.
        x2: a shape that broadcasts with that of `x1`; cast to its dtype.
        dim: axis of the vectors in the common shape; the last by default, 1 in torch.
        eps: lower bound of each vector's length.

    Returns:
        The common shape without axis `dim`, from -1 to 1, in the dtype of `x1`.
    """
    wide = [at_least_float32(x) for x in jnp.broadcast_arrays(x1, x2.astype(x1.dtype))]
    dim = axis_index(dim, wide[0], "cosine_similarity")
    unit1, unit2 = (x / at_least(p_norm(x, 2.0, (dim,)), eps) for x in wide)
    return jnp.sum(unit1 * unit2, dim).astype(x1.dtype)


def pairwise_distance(
    x1: jax.Array, x2: jax.Array, p: float = 2.0, *, eps: float = 1e-6, keepdim: bool = False
) -> jax.Array:
    """The p-norm of `x1 - x2 + eps` over the last axis.

    Args:
        x1: [..., features], floating-point.
        x2: a shape that broadcasts with that of `x1`; cast to its dtype.
        p: order of the norm, above 0.
        eps: added to each difference, as in torch.
        keepdim: keep the last axis, with size 1.

    Returns:
        [...] in the dtype of `x1`.

    Raises:
        ValueError: `p` is not positive.
    """
    wide1, wide2 = (at_least_float32(x) for x in jnp.broadcast_arrays(x1, x2.astype(x1.dtype)))
    distance = p_norm(wide1 - wide2 + eps, p, (-1,)).astype(x1.dtype)
    return distance if keepdim else distance.squeeze(-1)


def pdist(input: jax.Array, p: float = 2.0) -> jax.Array:
    """The distance between every two rows.

    Args:
        input: [n, features], floating-point.
        p: order of the norm, 0 or more; 0 counts the features that differ.

    Returns:
        [n * (n - 1) / 2] in the dtype of `input`: rows (0, 1), (0, 2), ..., (1, 2), ... The derivative is 0 where the
        distance is.

    Raises:
        ValueError: `p` is negative, or `input` has not two axes.
        TypeError: `input` is not floating-point.

    >>> pdist(jnp.array([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]]))
    Array([5.       , 1.       , 4.2426405], dtype=float32)
    """
    if input.ndim != 2:
        raise ValueError(f"pdist takes [n, features] and got an array of shape {input.shape}")
    first, second = np.triu_indices(len(input), 1)
    wide = at_least_float32(input)
    difference = wide[first] - wide[second]
    if p == 0:
        return jnp.sum(difference != 0, -1).astype(input.dtype)
    if not input.shape[1]:
        return jnp.sum(difference, -1).astype(input.dtype)
    return p_norm(difference, p, (-1,)).squeeze(-1).astype(input.dtype)
