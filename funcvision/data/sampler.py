"""Samplers give the order of samples in every epoch, as a function of the number of the epoch alone."""

from collections.abc import Sized
from typing import Protocol

import numpy as np

from ._numbers import whole_number

__all__ = ["RandomSampler", "Sampler", "SequentialSampler"]


class Sampler(Protocol):
    """What gives a loader its order: `sampler(epoch)` returns `len(sampler)` numbers of samples.

    The same epoch gives the same order, whatever was asked before. This makes a loader resumable. The order is that of
    all processes together, and each process loads its part of it. A sample may occur more than once. A sampler need not
    have `__len__`; then the loader has none either.

    A loader also takes any iterable of numbers of samples: a list, an array, or a sampler of torch. It iterates it once
    for every epoch, after `set_epoch(epoch)` if it has that. If a sampler of torch draws from a generator that is not
    seeded, all processes must be one, since each would draw another order.
    """

    def __len__(self) -> int: ...

    def __call__(self, epoch: int, /) -> np.ndarray: ...


class SequentialSampler:
    """Every sample once, in the order of the dataset.

    Args:
        data_source: the dataset, or anything else with its length.
    """

    def __init__(self, data_source: Sized):
        self._length = len(data_source)

    def __len__(self) -> int:
        return self._length

    def __call__(self, epoch: int) -> np.ndarray:
        """The numbers 0, 1, 2, ..."""
        return np.arange(self._length)


class RandomSampler:
    """Every sample once, in a new random order in every epoch.

    Args:
        data_source: the dataset, or anything else with its length.
        seed: decides the orders.

    Raises:
        ValueError: the seed is no whole number, or is negative.

    >>> sampler = RandomSampler(range(5), seed=0)
    >>> sorted(sampler(0).tolist()), (sampler(3) == sampler(3)).all()
    ([0, 1, 2, 3, 4], np.True_)
    """

    def __init__(self, data_source: Sized, *, seed: int = 0):
        self._length, self.seed = len(data_source), whole_number("seed", seed, 0)

    def __len__(self) -> int:
        return self._length

    def __call__(self, epoch: int) -> np.ndarray:
        """A permutation that depends on the seed and the epoch."""
        # The loader derives the keys of samples from the same seed with longer spawn keys, so they are independent.
        seed = np.random.SeedSequence(self.seed, spawn_key=(epoch,))
        return np.random.default_rng(seed).permutation(self._length)
