"""Steps that several optimizers share, with torch's order of operations, so that they round and overflow as torch's."""

from typing import Any

import jax
import jax.numpy as jnp

__all__ = ["add_decay", "lerp", "mean_of_squares"]


def add_decay(options: Any, n: Any, gradient: jax.Array, param: jax.Array) -> jax.Array:
    """The gradient with coupled weight decay: the gradient of `weight_decay / 2 * |param|^2` is added."""
    return gradient + n.weight_decay * param if options.uses("weight_decay") else gradient


def lerp(start: jax.Array, end: jax.Array, weight: Any) -> jax.Array:
    """`start + weight * (end - start)`, computed from the nearer end."""
    difference = end - start
    return jnp.where(weight < 0.5, start + weight * difference, end - difference * (1 - weight))


def mean_of_squares(mean: jax.Array, gradient: jax.Array, decay: Any, weight: Any) -> jax.Array:
    """The running mean of squares after one more gradient. Its square alone may overflow."""
    return mean * decay + weight * gradient * gradient
