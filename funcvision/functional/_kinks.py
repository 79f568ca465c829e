"""Simple functions whose derivative at one point, a kink, or at NaN is torch's and not that of the `jnp` function."""

import jax
import jax.numpy as jnp
from jax import lax

__all__ = ["absolute", "at_least", "hinge", "sign"]


def absolute(x: jax.Array) -> jax.Array:
    """`|x|`, with derivative 0 at 0 and NaN; `jnp.abs` has 1 at 0."""
    return jnp.where(x > 0, x, jnp.where(x < 0, -x, lax.stop_gradient(jnp.abs(x))))


def sign(x: jax.Array) -> jax.Array:
    """The derivative of `absolute`: 1, -1, or 0 at 0 and NaN, where `jnp.sign` has NaN."""
    return (x > 0).astype(x.dtype) - (x < 0).astype(x.dtype)


@jax.custom_jvp
def at_least(x: jax.Array, low: float) -> jax.Array:
    """`max(x, low)`, with derivative 1 everywhere. Torch clamps some denominators without recording it for autograd."""
    return jnp.maximum(x, low)


at_least.defjvps(lambda tangent, y, x, low: tangent, None)


def hinge(x: jax.Array) -> jax.Array:
    """`max(x, 0)`, with derivative 1 at 0, as in torch's `clamp`; `relu` has 0 there. NaN stays, with derivative 0."""
    return jnp.where(x >= 0, x, lax.stop_gradient(jnp.maximum(x, 0)))
