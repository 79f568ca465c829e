"""The formulas of weight and spectral normalisation, which old and new functions share."""

from typing import Any

import jax
import jax.numpy as jnp

from ..._lift import lift

__all__ = ["largest_singular_value", "norm_except_dim", "normalized", "power_iteration", "weight_norm"]


def _norm_except(v: jax.Array, dim: int) -> jax.Array:
    """The norms of the slices of `v` along one axis, which is kept; of all of `v` if `dim` is -1."""
    if dim == -1:
        return jnp.sqrt(jnp.sum(v * v))
    others = tuple(axis for axis in range(v.ndim) if axis != dim)
    return jnp.sqrt(jnp.sum(v * v, axis=others, keepdims=True))


@lift
def norm_except_dim(v: Any, dim: int) -> Any:
    """The norms of the slices of a Tensor along one axis; of all of it if `dim` is -1."""
    return _norm_except(v, dim)


@lift
def weight_norm(v: Any, g: Any, dim: int) -> Any:
    """`g * v / norm(v)`."""
    scale = g / _norm_except(v, dim)
    return v * scale.reshape(scale.shape + (1,) * (v.ndim - scale.ndim))


def _as_matrix(weight: jax.Array, dim: int) -> jax.Array:
    return jnp.moveaxis(weight, dim, 0).reshape(weight.shape[dim], -1)


def _normalized(x: jax.Array, eps: float) -> jax.Array:
    return x / jnp.maximum(jnp.linalg.norm(x), eps)


@lift
def normalized(x: Any, eps: float) -> Any:
    """A vector of length 1."""
    return _normalized(x, eps)


@lift
def power_iteration(weight: Any, u: Any, v: Any, dim: int, iterations: int, eps: float, v_first: bool) -> Any:
    """(u, v), closer to the singular vectors of the largest singular value.

    Args:
        weight: the weight, whose axis `dim` is that of the rows of the matrix.
        u: an approximation of the left singular vector.
        v: an approximation of the right singular vector.
        dim: the axis of the rows.
        iterations: the number of iterations.
        eps: the least length that a vector is divided by.
        v_first: whether `v` is computed before `u`.
    """
    matrix = _as_matrix(weight, dim)
    for _ in range(iterations):
        if v_first:
            v = _normalized(matrix.T @ u, eps)
            u = _normalized(matrix @ v, eps)
        else:
            u = _normalized(matrix @ v, eps)
            v = _normalized(matrix.T @ u, eps)
    return u, v


@lift
def largest_singular_value(weight: Any, u: Any, v: Any, dim: int) -> Any:
    """The largest singular value, from its singular vectors, through which no gradient flows."""
    return jnp.vdot(jax.lax.stop_gradient(u), _as_matrix(weight, dim) @ jax.lax.stop_gradient(v))
