"""Special functions with torch's derivatives."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy import special

from .._rules import with_rules

__all__ = ["xlogy"]



def _by_x(tangent: Any, result: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
    is_masked = (x == 0) & (y <= 0)
    return jnp.where(is_masked, 0, tangent) * jnp.log(jnp.where(is_masked, 1, y))


def _by_y(tangent: Any, result: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
    return tangent * (x / y)


xlogy = with_rules(special.xlogy, _by_x, _by_y)
"""x log(y), which is 0 where x is 0. There the derivative with respect to x is 0 if y is 0, too."""
