"""Samplers give the keys of samples in the order of an epoch, as in `torch.utils.data`.

`manual_seed`, or the generator that is given, decides random orders. The numbers are not torch's.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any

import numpy as np

from ....data import sampler as _samplers
from ._seeds import drawn_seed

__all__ = [
    "BatchSampler", "RandomSampler", "Sampler", "SequentialSampler", "SubsetRandomSampler", "WeightedRandomSampler",
]  # fmt: skip


class Sampler:
    """The base of samplers: `iter(sampler)` gives the keys of the samples of one epoch.

    Args:
        data_source: accepted as in torch, and not used.
    """

    def __init__(self, data_source: Any = None):
        pass

    def __class_getitem__(cls, item: Any) -> type:
        return cls

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(f"{type(self).__name__} defines no __iter__")


class SequentialSampler(Sampler):
    """Every sample once, in the order of the dataset.

    Args:
        data_source: the dataset.
    """

    def __init__(self, data_source: Sized):
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler):
    """Every sample once, in a new random order in every epoch; or samples drawn with replacement.

    Args:
        data_source: the dataset.
        replacement: draw every sample independently of the others.
        num_samples: how many samples an epoch has; by default the length of the dataset.
        generator: decides the orders; by default the global generator.

    Raises:
        TypeError: `replacement` is no bool.
        ValueError: `num_samples` is not a positive integer.
    """

    def __init__(
        self, data_source: Sized, replacement: bool = False, num_samples: int | None = None, generator: Any = None
    ):
        self.data_source, self.replacement, self.generator = data_source, replacement, generator
        self._num_samples = num_samples
        if not isinstance(replacement, bool):
            raise TypeError(f"replacement should be a boolean value, but got replacement={replacement}")
        if num_samples is not None and (not isinstance(num_samples, int) or num_samples <= 0):
            raise ValueError(f"num_samples should be a positive integer value, but got num_samples={num_samples}")

    @property
    def num_samples(self) -> int:
        """How many samples an epoch has."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        options: Any = {"replacement": self.replacement, "num_samples": self.num_samples}
        return iter(_order(_samplers.RandomSampler(self.data_source, **options, seed=drawn_seed(self.generator))))

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler):
    """Some samples of a dataset, each once, in a new random order in every epoch.

    Args:
        indices: the keys of the samples.
        generator: decides the orders; by default the global generator.
    """

    def __init__(self, indices: Sequence[Any], generator: Any = None):
        self.indices, self.generator = indices, generator

    def __iter__(self) -> Iterator[Any]:
        places = _order(_samplers.RandomSampler(self.indices, seed=drawn_seed(self.generator)))
        return iter([self.indices[place] for place in places])

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler):
    """Samples drawn with given probabilities.

    Args:
        weights: a weight for each sample. They need not sum to 1.
        num_samples: how many samples an epoch has.
        replacement: whether a sample may come more than once in an epoch.
        generator: decides the draws; by default the global generator.

    Raises:
        ValueError: `num_samples` is not a positive integer, `replacement` is no bool, or the weights have another
            shape than [n], or are no weights.
    """

    def __init__(
        self, weights: Sequence[float], num_samples: int, replacement: bool = True, generator: Any = None
    ):
        if isinstance(num_samples, bool) or not isinstance(num_samples, int) or num_samples <= 0:
            raise ValueError(f"num_samples should be a positive integer value, but got num_samples={num_samples}")
        if not isinstance(replacement, bool):
            raise ValueError(f"replacement should be a boolean value, but got replacement={replacement}")
        self.weights = np.asarray(weights, np.float64)
        self.num_samples, self.replacement, self.generator = num_samples, replacement, generator
        self._sampler(0)  # checks the weights

    def _sampler(self, seed: int) -> _samplers.WeightedRandomSampler:
        return _samplers.WeightedRandomSampler(
            self.weights, self.num_samples, replacement=self.replacement, seed=seed
        )

    def __iter__(self) -> Iterator[int]:
        return iter(_order(self._sampler(drawn_seed(self.generator))))

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler):
    """Batches of the keys that another sampler gives, as lists.

    Args:
        sampler: gives the keys.
        batch_size: the number of keys in a batch.
        drop_last: leave out a last batch that would be smaller.

    Raises:
        ValueError: the batch size is not a positive integer, or `drop_last` is no bool.

    >>> list(BatchSampler(SequentialSampler(range(5)), batch_size=2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[Any], batch_size: int, drop_last: bool):
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size <= 0:
            raise ValueError(f"batch_size should be a positive integer value, but got batch_size={batch_size}")
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    def __iter__(self) -> Iterator[list[Any]]:
        keys = iter(self.sampler)
        while batch := list(itertools.islice(keys, self.batch_size)):
            if self.drop_last and len(batch) < self.batch_size:
                return
            yield batch

    def __len__(self) -> int:
        whole, rest = divmod(len(self.sampler), self.batch_size)  # type: ignore[arg-type]
        return whole + (rest > 0 and not self.drop_last)


def _order(sampler: Any) -> list[int]:
    """The numbers of the samples that a sampler of `funcvision.data` gives."""
    return sampler(0).tolist()
