"""The eager face's generator of random numbers, which torch's users expect: in the floors below nothing is hidden.

A function that is given a `key` uses that one instead.
"""

import itertools
from collections.abc import Iterator

import jax
import numpy as np

__all__ = ["manual_seed", "next_key"]

_generator: tuple[int, Iterator[int]] = (0, itertools.count())


def manual_seed(seed: int) -> None:
    """Starts the generator anew, so that what follows draws the same numbers every time.

    Modules do not use it: they have their own `seed`.
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
