"""Seeds for numpy's generators, drawn from the generators of the eager face."""

import weakref
from typing import Any

import jax
import numpy as np

from ...random import next_key

__all__ = ["drawn_seed"]

_draws: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()  # for generators that give no keys


def drawn_seed(generator: Any = None) -> int:
    """A new seed, which `manual_seed` decides.

    Args:
        generator: draw from this generator; by default from the global one.
    """
    if generator is not None and not hasattr(generator, "key"):
        count = _draws[generator] = _draws.get(generator, 0) + 1
        return int(np.random.SeedSequence([generator.initial_seed(), count]).generate_state(1, np.uint64)[0])
    key = next_key() if generator is None else generator.key()
    high, low = np.asarray(jax.random.key_data(key))[-2:].tolist()
    return high << 32 | low
