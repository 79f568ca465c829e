"""The order of an epoch: what a sampler may be, and which samples every batch consists of."""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

import jax
import numpy as np

from ._numbers import index_array

__all__ = ["EpochOrder", "batches_of", "check_sampler", "indices_of", "is_repeatable", "length_of"]

FIXED = (list, tuple, range, np.ndarray, jax.Array)
"""Types of samplers that give the same order in every epoch."""


class EpochOrder:
    """The samples of one epoch, of all processes together, and where its batches end.

    Args:
        indices: the numbers of the samples, int64 [n], batch after batch.
        ends: where each batch ends in `indices`, int64 [batches].
        shard: `(index, count)`: a process loads the `index`-th of `count` equal runs of every batch.
    """

    def __init__(self, indices: np.ndarray, ends: np.ndarray, shard: tuple[int, int]):
        self._indices, self._ends, self._shard = indices, ends, shard

    def __len__(self) -> int:
        return len(self._ends)

    def batch(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """This process's samples of a batch, and how often each was drawn before in this epoch."""
        index, count = self._shard
        start, stop = (0 if number == 0 else int(self._ends[number - 1])), int(self._ends[number])
        size = (stop - start) // count
        mine = slice(start + index * size, start + (index + 1) * size)
        return self._indices[mine], self._draws[mine]

    @cached_property
    def checksum(self) -> int:
        """A number that is equal for equal orders, and almost always different for different ones."""
        return zlib.crc32(self._ends.tobytes(), zlib.crc32(self._indices.tobytes()))

    @cached_property
    def _draws(self) -> np.ndarray:
        return _draws(self._indices)


def check_sampler(sampler: Any, name: str) -> None:
    """Raises TypeError or ValueError unless something can give a loader its order."""
    if isinstance(sampler, Iterator):
        raise TypeError(
            f"{name} is a {type(sampler).__name__}, which can be iterated only once, and every epoch iterates it: give "
            f"list({name}), or an object whose __iter__ starts anew"
        )
    if isinstance(sampler, type) or not (callable(sampler) or isinstance(sampler, Iterable)):
        raise TypeError(
            f"{name}={sampler!r} must be an iterable, or a callable {name}(epoch) that returns one; "
            f"see funcvision.data.Sampler"
        )
    if isinstance(sampler, FIXED):  # it can be checked now, because to iterate it has no effect
        (indices_of if name == "sampler" else batches_of)(sampler, 0)


def is_repeatable(sampler: Any) -> bool:
    """Whether the order of an epoch may be asked for again, with the same result and no effect on other epochs."""
    return callable(sampler) or isinstance(sampler, FIXED)


def length_of(sampler: Any) -> int | None:
    """What a sampler says about its length; None if it says nothing."""
    try:
        return len(sampler)
    except TypeError:
        return None


def indices_of(sampler: Any, epoch: int) -> np.ndarray:
    """The numbers of the samples of an epoch in their order, int64 [n].

    Raises:
        TypeError: the sampler gives something else.
        ValueError: the sampler gives more or fewer of them than its length.
    """
    indices = index_array(_of_epoch(sampler, epoch), f"the sampler {type(sampler).__name__}")
    _check_length(sampler, len(indices), f"{len(indices)} samples for epoch {epoch}")
    return indices


def batches_of(sampler: Any, epoch: int) -> Sequence[np.ndarray]:
    """The batches of an epoch, each the numbers of its samples, int64 [n].

    Raises:
        TypeError: the sampler gives something else.
        ValueError: a batch is empty, or the sampler gives more or fewer batches than its length.
    """
    name, batches = type(sampler).__name__, []
    for number, batch in enumerate(_of_epoch(sampler, epoch)):
        if not isinstance(batch, Iterable):
            raise TypeError(f"the batch_sampler {name} gives {batch!r}; expected batches, such as [3, 1, 2]")
        batches.append(index_array(batch, f"batch {number} of the batch_sampler {name}"))
        if not len(batches[-1]):
            raise ValueError(f"batch {number} of the batch_sampler {name} is empty in epoch {epoch}")
    _check_length(sampler, len(batches), f"{len(batches)} batches for epoch {epoch}")
    return batches


def _of_epoch(sampler: Any, epoch: int) -> Iterable[Any]:
    if callable(sampler):
        given: Any = sampler(epoch)
        return given
    if hasattr(sampler, "set_epoch"):  # torch's DistributedSampler, whose order depends on nothing else
        sampler.set_epoch(epoch)
    return sampler


def _check_length(sampler: Any, count: int, what: str) -> None:
    length = length_of(sampler)
    if length is not None and length != count:
        raise ValueError(
            f"the length of {type(sampler).__name__} is {length}, and it gives {what}: let __len__ say how many it "
            f"gives, or leave __len__ out"
        )


def _draws(order: np.ndarray) -> np.ndarray:
    """For each number in `order`, how often it occurs before.

    >>> _draws(np.array([3, 1, 3, 3, 1]))
    array([0, 0, 1, 2, 1])
    """
    by_value = np.argsort(order, kind="stable")
    values = order[by_value]
    draws = np.empty_like(order)
    draws[by_value] = np.arange(len(order)) - np.searchsorted(values, values)
    return draws
