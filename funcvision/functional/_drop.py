"""The part that all kinds of dropout share: one random decision for each element of a given shape."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from ._random import require_key

__all__ = ["check_probability", "drop", "to_zero"]


def drop(
    function: str, x: jax.Array, shape: tuple[int, ...], p: float, training: bool, key: jax.Array | None,
    replaced: Callable[[jax.Array, jax.Array, float], jax.Array],
) -> jax.Array:
    """Drops elements of `x` at random.

    Args:
        function: the caller's name, for errors.
        x: [...].
        shape: one decision is drawn for each element of this shape, which broadcasts to that of `x`.
        p: the probability to drop, from 0 to 1.
        training: if false, `x` is returned unchanged.
        key: random key; needed while training unless `p` is 0 or 1.
        replaced: `replaced(x, kept, p)` gives the result; `kept` is boolean of the given shape.

    Returns:
        An array of the shape of `x`; all zeros if `p` is 1.

    Raises:
        ValueError: `p` is not a probability, or the key is missing.
    """
    check_probability(function, p)
    if not training or p == 0:
        return x
    if p == 1:
        return jnp.zeros_like(x)
    kept = jax.random.bernoulli(require_key(key, function), 1 - p, shape)
    return replaced(x, kept, p)


def to_zero(x: jax.Array, kept: jax.Array, p: float) -> jax.Array:
    """Sets what is not kept to 0, and divides the rest by `1 - p` so that the expected value stays the same."""
    return jnp.where(kept, x / (1 - p), 0)


def check_probability(name: str, p: float) -> None:
    """Raises ValueError unless `p` is from 0 to 1; `name` is the function or layer that is checked."""
    if not 0 <= p <= 1:
        raise ValueError(f"{name} drops with a probability from 0 to 1; p={p}")
