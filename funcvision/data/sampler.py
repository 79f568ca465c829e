"""Samplers give the order of samples in every epoch, as a function of the number of the epoch alone."""

from collections.abc import Iterable, Sized
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from ._numbers import index_array, whole_number

__all__ = ["RandomSampler", "Sampler", "SequentialSampler", "SubsetRandomSampler", "WeightedRandomSampler"]


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
    """Every sample once, in a new random order in every epoch; or samples drawn with replacement.

    Args:
        data_source: the dataset, or anything else with its length.
        replacement: draw every sample independently of the others.
        num_samples: how many samples an epoch has; by default the length of the dataset. Without replacement, one
            random order follows another.
        seed: decides the orders.

    Raises:
        ValueError: the seed or the number of samples is no whole number, or too small.

    >>> sampler = RandomSampler(range(5), seed=0)
    >>> sorted(sampler(0).tolist()), (sampler(3) == sampler(3)).all()
    ([0, 1, 2, 3, 4], np.True_)
    """

    def __init__(
        self, data_source: Sized, *, replacement: bool = False, num_samples: int | None = None, seed: int = 0
    ):
        self._length, self.seed = len(data_source), whole_number("seed", seed, 0)
        self.replacement = replacement
        self.num_samples = self._length if num_samples is None else whole_number("num_samples", num_samples, 0)
        if self.num_samples and not self._length:
            raise ValueError(f"num_samples={num_samples} samples cannot be drawn from none")

    def __len__(self) -> int:
        return self.num_samples

    def __call__(self, epoch: int) -> np.ndarray:
        """The numbers of the samples, which depend on the seed and the epoch."""
        random = _generator(self.seed, epoch)
        if self.replacement and self._length:
            return random.integers(self._length, size=self.num_samples)
        orders = -(-self.num_samples // max(self._length, 1))
        order = [random.permutation(self._length) for _ in range(orders)]
        return np.concatenate([np.empty(0, np.int64), *order])[: self.num_samples]


class SubsetRandomSampler:
    """Some samples of a dataset, each once, in a new random order in every epoch.

    Args:
        indices: the numbers of the samples.
        seed: decides the orders.

    Raises:
        TypeError: the indices are no whole numbers.
        ValueError: the seed is no whole number, or is negative.

    >>> sorted(SubsetRandomSampler([7, 2, 5])(0).tolist())
    [2, 5, 7]
    """

    def __init__(self, indices: Iterable[int], *, seed: int = 0):
        self.indices, self.seed = index_array(indices, "indices"), whole_number("seed", seed, 0)

    def __len__(self) -> int:
        return len(self.indices)

    def __call__(self, epoch: int) -> np.ndarray:
        """A permutation of the indices that depends on the seed and the epoch."""
        return _generator(self.seed, epoch).permutation(self.indices)


class WeightedRandomSampler:
    """Samples drawn with given probabilities, so that rare classes come as often as others.

    Args:
        weights: a weight for each sample, `[n]`. They need not sum to 1.
        num_samples: how many samples an epoch has.
        replacement: whether a sample may come more than once in an epoch.
        seed: decides the draws.

    Raises:
        ValueError: a weight is negative or not finite, all are zero, or there are fewer positive weights than samples
            to draw without replacement.

    >>> sampler = WeightedRandomSampler([0.0, 1.0, 0.0], 4)
    >>> sampler(0)
    array([1, 1, 1, 1])
    """

    def __init__(self, weights: ArrayLike, num_samples: int, *, replacement: bool = True, seed: int = 0):
        self.weights = np.asarray(weights, np.float64)
        self.num_samples = whole_number("num_samples", num_samples, 1)
        self.replacement, self.seed = replacement, whole_number("seed", seed, 0)
        if self.weights.ndim != 1:
            raise ValueError(f"weights have the shape {self.weights.shape}; expected [n]")
        if not (np.isfinite(self.weights).all() and (self.weights >= 0).all() and self.weights.any()):
            raise ValueError("weights must be finite and not negative, and one of them must be positive")
        if not replacement and np.count_nonzero(self.weights) < self.num_samples:
            raise ValueError(
                f"{self.num_samples} samples cannot be drawn without replacement: only "
                f"{np.count_nonzero(self.weights)} weights are positive"
            )

    def __len__(self) -> int:
        return self.num_samples

    def __call__(self, epoch: int) -> np.ndarray:
        """The numbers of the samples, which depend on the seed and the epoch."""
        probabilities = self.weights / self.weights.sum()
        random = _generator(self.seed, epoch)
        return random.choice(len(probabilities), self.num_samples, self.replacement, probabilities)


def _generator(seed: int, epoch: int) -> np.random.Generator:
    # The loader derives the keys of samples from the same seed with longer spawn keys, so they are independent.
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(epoch,)))
