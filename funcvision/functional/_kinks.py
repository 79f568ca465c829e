"""Simple functions whose derivative at one point, a kink, is torch's and not that of the `jnp` function."""

import jax
import jax.numpy as jnp
from jax import lax

__all__ = ["absolute", "at_least", "hinge"]


def absolute(x: jax.Array) -> jax.Array:
    """`|x|`, with derivative 0 at 0; `jnp.abs` has 1 there."""
    return x * jnp.sign(x)


def at_least(x: jax.Array, low: float) -> jax.Array:
    """`max(x, low)`, with derivative 1 everywhere. Torch clamps some denominators without recording it for autograd."""
    return lax.stop_gradient(jnp.maximum(x, low)) + (x - lax.stop_gradient(x))


def hinge(x: jax.Array) -> jax.Array:
    """`max(x, 0)`, with derivative 1 at 0, as in torch's `clamp`; `relu` has 0 there."""
    return jnp.where(x >= 0, x, 0)
