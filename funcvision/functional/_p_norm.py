"""The p-norm with torch's derivative, which is finite where the derivative of a root is not."""

import functools
import math

import jax
import jax.numpy as jnp

from ._kinks import sign

__all__ = ["p_norm"]


@functools.partial(jax.custom_jvp, nondiff_argnums=(1, 2))
def p_norm(x: jax.Array, p: float, axes: tuple[int, ...]) -> jax.Array:
    """The p-norm over axes.

    The derivative is 0 where the norm is 0. For an infinite p, elements that share the largest absolute value share the
    gradient. An element that is NaN makes the norm NaN.

    Args:
        x: any shape; floating-point.
        p: order of the norm, above 0; infinity for the largest absolute value.
        axes: the axes of the vectors, which are kept with size 1.

    Raises:
        ValueError: `p` is not positive, or it is infinite and the axes are empty.
    """
    if not p > 0:
        raise ValueError(f"norms are taken for a positive p; it is {p}")
    if math.isinf(p):
        if not math.prod(x.shape[axis] for axis in axes):
            raise ValueError(f"the largest absolute value of nothing is not defined: axes {axes} of shape {x.shape}")
        return jnp.max(jnp.abs(x), axes, keepdims=True)
    if p == 1:
        return jnp.sum(jnp.abs(x), axes, keepdims=True)
    if p == 2:
        return jnp.sqrt(jnp.sum(jnp.square(x), axes, keepdims=True))
    return jnp.sum(jnp.abs(x) ** p, axes, keepdims=True) ** (1 / p)


@p_norm.defjvp
def _(
    p: float, axes: tuple[int, ...], primals: tuple[jax.Array], tangents: tuple[jax.Array]
) -> tuple[jax.Array, jax.Array]:
    (x,), (dx,) = primals, tangents
    norm = p_norm(x, p, axes)
    return norm, jnp.sum(_slope(x, norm, p, axes) * dx, axes, keepdims=True)


def _slope(x: jax.Array, norm: jax.Array, p: float, axes: tuple[int, ...]) -> jax.Array:
    """The derivative of the norm with respect to each element."""
    if p == 1:
        return sign(x)
    if math.isinf(p):
        largest = ((jnp.abs(x) == norm) | jnp.isnan(x)).astype(x.dtype)
        return sign(x) * largest / jnp.sum(largest, axes, keepdims=True)
    zero = norm == 0
    norm = jnp.where(zero, 1, norm)  # so that derivatives of this derivative are finite, too
    if p == 2:
        return jnp.where(zero, 0, x / norm)
    if p > 2:
        return jnp.where(zero, 0, x * jnp.abs(x) ** (p - 2) / norm ** (p - 1))
    origin = x == 0  # the power of 0 is infinite for p below 1
    power = jnp.where(origin, 0, jnp.where(origin, 1, jnp.abs(x)) ** (p - 1))
    return jnp.where(zero, 0, sign(x) * power / norm ** (p - 1))
