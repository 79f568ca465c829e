"""The global random generator of the eager face, as in torch. The rest of funcvision has no hidden state.

A function that gets a `key` uses that key and not the generator.
"""

import itertools
from collections.abc import Iterator

import jax
import numpy as np

__all__ = ["manual_seed", "next_key"]

_generator: tuple[int, Iterator[int]] = (0, itertools.count())


def manual_seed(seed: int) -> None:
    """Resets the generator, so that the draws that follow are the same every time.

    Modules do not use the generator. Each has a `seed` of its own.
    """
    global _generator
    _generator = seed, itertools.count()


def next_key() -> jax.Array:
    """A new key from the generator."""
    seed, count = _generator
    return _key(seed, np.uint32(next(count)))


@jax.jit
def _key(seed: int, count: np.uint32) -> jax.Array:
    return jax.random.fold_in(jax.random.key(seed), count)
