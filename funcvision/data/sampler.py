"""Samplers: the order of samples in every epoch, as a function of the epoch's number alone."""

from collections.abc import Sized
from typing import Protocol

import numpy as np

__all__ = ["RandomSampler", "Sampler", "SequentialSampler"]


class Sampler(Protocol):
    """What a loader asks for an order: `sampler(epoch)` gives `len(sampler)` sample numbers.

    The same epoch gives the same order, whatever was asked before: this is what makes a loader resumable. The order is
    that of all processes together; the loader takes its own process's part of it. A sample may occur more than once.
    """

    def __len__(self) -> int: ...

    def __call__(self, epoch: int, /) -> np.ndarray: ...


class SequentialSampler:
    """Every sample once, in the dataset's own order."""

    def __init__(self, data_source: Sized):
        self._length = len(data_source)

    def __len__(self) -> int:
        return self._length

    def __call__(self, epoch: int) -> np.ndarray:
        """The numbers 0, 1, 2, ..."""
        return np.arange(self._length)


class RandomSampler:
    """Every sample once, in an order drawn anew for every epoch.

    >>> sampler = RandomSampler(range(5), seed=0)
    >>> sorted(sampler(0).tolist()), (sampler(3) == sampler(3)).all()
    ([0, 1, 2, 3, 4], np.True_)
    """

    def __init__(self, data_source: Sized, *, seed: int = 0):
        self._length, self.seed = len(data_source), seed

    def __len__(self) -> int:
        return self._length

    def __call__(self, epoch: int) -> np.ndarray:
        """A permutation that depends on the seed and the epoch."""
        # The loader's keys for samples have longer spawn keys of the same seed: independent of this by construction.
        seed = np.random.SeedSequence(self.seed, spawn_key=(epoch,))
        return np.random.default_rng(seed).permutation(self._length)
