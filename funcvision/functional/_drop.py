"""What every kind of dropout shares: one decision for each element of a shape that broadcasts to that of the input."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from ._random import require_key

__all__ = ["check_probability", "drop", "to_zero"]


def drop(
    function: str, x: jax.Array, shape: tuple[int, ...], p: float, training: bool, key: jax.Array | None,
    replaced: Callable[[jax.Array, jax.Array, float], jax.Array],
) -> jax.Array:
    """One decision for each element of `shape`, which broadcasts to that of `x`; `replaced` says what comes of it."""
    check_probability(function, p)
    if not training or p == 0:
        return x
    if p == 1:
        return jnp.zeros_like(x)
    kept = jax.random.bernoulli(require_key(key, function), 1 - p, shape)
    return replaced(x, kept, p)


def to_zero(x: jax.Array, kept: jax.Array, p: float) -> jax.Array:
    """What is not kept becomes 0, and the rest is scaled up so that the mean stays."""
    return jnp.where(kept, x / (1 - p), 0)


def check_probability(name: str, p: float) -> None:
    """Raises unless a function or layer can drop with this probability."""
    if not 0 <= p <= 1:
        raise ValueError(f"{name} drops with a probability from 0 to 1; p={p}")
