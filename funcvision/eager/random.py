"""The global random generator of the eager face, as in torch. The rest of funcvision has no hidden state.

A function that gets a `key` uses that key and not the generator.
"""

import itertools
import operator
from collections.abc import Iterator

import jax
import numpy as np

from ._modes import mode

__all__ = ["initial_seed", "manual_seed", "next_key"]

_generator: tuple[int, Iterator[int]] = (0, itertools.count())


def manual_seed(seed: int) -> None:
    """Resets the generator, so that the draws that follow are the same every time.

    Functions that get no `key` draw from it, and each `Module` that gets no `seed` takes a key from it. A `DataLoader`
    shuffles by a seed of its own: pass `seed=initial_seed()`.
    """
    global _generator
    _generator = operator.index(seed), itertools.count()


def initial_seed() -> int:
    """The seed that `manual_seed` got last; 0 before that."""
    return _generator[0]


def next_key() -> jax.Array:
    """A new key from the generator; in a compiled function one that differs in every call."""
    if mode.trace is not None and (key := mode.trace.next_key()) is not None:
        return key
    seed, count = _generator
    return _key(np.uint32(seed & 0xFFFFFFFF), np.uint32(seed >> 32 & 0xFFFFFFFF), np.uint32(next(count)))


@jax.jit
def _key(low: np.uint32, high: np.uint32, count: np.uint32) -> jax.Array:
    """A key from a seed of 64 bits, and the count of the draws from it."""
    key = jax.random.key(low)
    return jax.random.fold_in(jax.random.fold_in(key, high), count)
