"""Samples of several shards, in order or shuffled by a buffer, from a place that can be noted and found again."""

import collections
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ._shards import read_samples

__all__ = ["Record", "ShardReader"]


@dataclasses.dataclass(frozen=True)
class Record:
    """A sample before it is decoded.

    Attributes:
        shard: the number of its shard among all.
        number: its number in the shard.
        key: its name.
        files: its files, by what follows the first dot of their names.
    """

    shard: int
    number: int
    key: str
    files: dict[str, bytes]


class ShardReader:
    """Iterates the samples of one epoch.

    Args:
        urls: all shards.
        order: the numbers of those to read, in this order.
        buffer_size: the number of samples in the buffer, from which they are drawn; 0 keeps the order.
        seed: decides what is drawn.
        limit: the largest number of bytes of a sample.
        skip: called with an error, if shards that cannot be read are left out.

    Attributes:
        pending: samples that the iteration has given and that have not been used. Who uses one takes it away.
    """

    def __init__(
        self,
        urls: Sequence[str],
        order: Sequence[int],
        buffer_size: int,
        seed: Sequence[int],
        limit: int,
        skip: Callable[[Exception], None] | None,
    ):
        self._urls, self._order, self._size, self._limit, self._skip = urls, order, buffer_size, limit, skip
        self._random = np.random.default_rng(seed)
        self._place, self._number = 0, 0  # in `order`, of the shard that is read next; of the next sample in it
        self._buffer: list[Record] = []
        self.pending: collections.deque[Record] = collections.deque()

    def __iter__(self) -> Iterator[Record]:
        yield from list(self.pending)
        for record in self._drawn():
            self.pending.append(record)
            yield record

    def state(self) -> dict[str, Any]:
        """What `restore` needs, as a dict that JSON can hold."""
        return {
            "place": self._place, "number": self._number, "random": self._random.bit_generator.state,
            "buffer": [[one.shard, one.number] for one in self._buffer],
            "pending": [[one.shard, one.number] for one in self.pending],
        }  # fmt: skip

    def restore(self, state: dict[str, Any]) -> None:
        """Continues where a state was made, before the first sample is read.

        Raises:
            ValueError: a shard does not hold a sample that was in the buffer.
        """
        self._place, self._number = state["place"], state["number"]
        self._random.bit_generator.state = state["random"]
        found = self._read_again([tuple(one) for one in (*state["buffer"], *state["pending"])])
        self._buffer = [found[tuple(one)] for one in state["buffer"]]
        self.pending = collections.deque(found[tuple(one)] for one in state["pending"])

    def _drawn(self) -> Iterator[Record]:
        """The samples in the order of the buffer."""
        buffer = self._buffer
        for record in self._read():
            if len(buffer) < self._size:
                buffer.append(record)
                continue
            if self._size:
                place = int(self._random.integers(self._size))
                record, buffer[place] = buffer[place], record
            yield record
        while buffer:
            place = int(self._random.integers(len(buffer)))
            buffer[place], buffer[-1] = buffer[-1], buffer[place]
            yield buffer.pop()

    def _read(self) -> Iterator[Record]:
        """The samples in the order of the shards."""
        while self._place < len(self._order):
            shard = self._order[self._place]
            try:
                for number, (key, files) in enumerate(read_samples(self._urls[shard], self._limit)):
                    if number >= self._number:
                        self._number = number + 1
                        yield Record(shard, number, key, files)
            except (ValueError, OSError) as error:
                if self._skip is None:
                    raise
                self._skip(error)
            self._place, self._number = self._place + 1, 0

    def _read_again(self, places: Sequence[tuple[int, ...]]) -> dict[tuple[int, ...], Record]:
        """The samples at some places, each the number of a shard and that of a sample in it."""
        wanted: dict[int, set[int]] = {}
        for shard, number in places:
            wanted.setdefault(shard, set()).add(number)
        found: dict[tuple[int, ...], Record] = {}
        for shard, numbers in wanted.items():
            last = max(numbers)
            for number, (key, files) in enumerate(read_samples(self._urls[shard], self._limit)):
                if number in numbers:
                    found[shard, number] = Record(shard, number, key, files)
                if number == last:
                    break
        if missing := set(places) - found.keys():
            shard, number = min(missing)
            raise ValueError(f"the shard {self._urls[shard]} has no sample {number} and has changed since the state")
        return found
