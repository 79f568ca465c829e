"""WebDataset: samples in tar archives, read one after another (https://github.com/webdataset/webdataset)."""

import collections
import concurrent.futures
import contextlib
import dataclasses
import operator
import os
import zlib
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, Literal

import jax
import numpy as np

from ...data import default_collate
from ._by_extension import Images, decode_file
from ._shard_reader import Record, ShardReader
from ._shards import expand
from .dataset import call_transform, takes_key

__all__ = ["WebDataset"]

_KEPT_FAILURES = 100
_AHEAD = 2  # samples for each worker that are decoded ahead of use


@dataclasses.dataclass
class _LeftOut:
    """Stands for a damaged sample; says why."""

    reason: Exception


class WebDataset:
    """Samples in tar archives, called shards, which are read from their beginning to their end.

    `for sample in dataset` gives dicts: `{"__key__": "0001", "__url__": "train-07.tar", "jpg": ..., "cls": 3}`. Files
    whose names differ only after the first dot are one sample. They are decoded by their extensions: images (jpg, png,
    webp ...) become PIL images of mode RGB, cls an int, json what it holds, npy an array, txt a string. Others stay
    bytes; pickles are never loaded. Nothing is written to the disk.

    A shard is a path or an address, plain or compressed (gzip, xz, bzip2). A broken connection is continued where it
    broke. Nothing tells how many samples there are, so the data set has no length and no access by number, and
    `DataLoader` does not take it. `batches` gives batches, and `num_workers` threads decode ahead of use.

    **Order.** Every `iter` is an epoch of its own, and `dataset.epoch` counts them. With `shuffle=n` the order of the
    shards is drawn for every epoch, and samples pass through a buffer of `n` samples, from which they are drawn.

    **Shards.** Each process, and each worker in it, reads its part of the shards: every `count`-th. So there must be at
    least as many shards as readers. Parts may have different numbers of samples: processes that train in step must
    agree on a number of batches, for example with `itertools.islice`.

    **Resuming.** `state_dict` says which samples come next. It counts those that were yielded. After
    `load_state_dict`, the next `iter` continues exactly there. The shards that hold the samples in the buffer are read
    again.

    Args:
        urls: paths and addresses, in which braces stand for several: `"train-{000..146}.tar"`, `"{a,b}.tar"`.
        shuffle: the number of samples in the buffer; 0 keeps the order of the shards.
        seed: decides the order and the keys of the transform.
        decode: "pil", "array" (`uint8 [height, width, 3]`) or "bytes": what images become.
        transform: called on every sample, also with `key=` if it takes one. The key depends on the seed, the epoch and
            the place of the sample only.
        num_workers: how many threads decode and transform; 0 does it in the caller.
        shard: `(index, count)`, the part of this process; by default `jax.process_index()` of `jax.process_count()`.
        worker: `(index, count)`, the part of a worker within the process, if several iterate at the same time.
        on_error: "raise", or "skip" to leave out samples that are damaged, and the rest of shards that are damaged,
            truncated or not there. `skipped` counts them.
        max_sample_bytes: the largest size of the files of a sample. A shard may claim any size.

    Attributes:
        urls: the shards.
        skipped: how many samples and rests of shards were left out.
        failures: why, for the last 100 of them.

    Raises:
        ValueError: an argument is not valid. While iterating: a shard or a sample is damaged; the message names the
            shard.
        DownloadError: while iterating: a shard cannot be fetched.
        FileNotFoundError: while iterating: a shard is not there.
    """

    def __init__(
        self,
        urls: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        *,
        shuffle: int = 0,
        seed: int = 0,
        decode: Images = "pil",
        transform: Callable[..., Any] | None = None,
        num_workers: int = 0,
        shard: tuple[int, int] | None = None,
        worker: tuple[int, int] = (0, 1),
        on_error: Literal["raise", "skip"] = "raise",
        max_sample_bytes: int = 1 << 30,
    ):
        if decode not in ("pil", "array", "bytes"):
            raise ValueError(f"decode={decode!r} must be 'pil', 'array' or 'bytes'")
        if on_error not in ("raise", "skip"):
            raise ValueError(f"on_error={on_error!r} must be 'raise' or 'skip'")
        for name, value in {"shuffle": shuffle, "seed": seed, "num_workers": num_workers}.items():
            if operator.index(value) < 0:
                raise ValueError(f"{name}={value} must be at least 0")
        for name, part in {"shard": shard, "worker": worker}.items():
            if part is not None and not (len(part) == 2 and 0 <= part[0] < part[1]):
                raise ValueError(f"{name}={part} must be (index, count) with 0 <= index < count")
        self.urls = expand(urls)
        self.decode: Images = decode
        self.shuffle, self.seed, self.transform = shuffle, seed, transform
        self.num_workers, self.on_error, self.max_sample_bytes = num_workers, on_error, max_sample_bytes
        self.skipped, self.failures = 0, collections.deque[str](maxlen=_KEPT_FAILURES)
        self._shard, self._worker = shard, worker
        self._epoch, self._resumed, self._reader = 0, None, None

    @property
    def epoch(self) -> int:
        """The epoch that is iterated; between epochs, the next one. If it is set, the next `iter` starts there."""
        return self._epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self._epoch, self._resumed, self._reader = operator.index(epoch), None, None

    @property
    def part(self) -> tuple[int, int]:
        """`(index, count)`: which part of the shards this data set reads."""
        index, count = self._shard or (jax.process_index(), jax.process_count())
        return index * self._worker[1] + self._worker[0], count * self._worker[1]

    def __iter__(self) -> Iterator[Any]:
        if self._reader is not None:  # the epoch was left before its end
            self._epoch += 1
        self._reader = reader = ShardReader(
            self.urls, self._order(), self.shuffle, [self.seed, self._epoch, 1, *self.part], self.max_sample_bytes,
            self._skip if self.on_error == "skip" else None,
        )  # fmt: skip
        if self._resumed is not None:
            reader.restore(self._resumed)
            self._resumed = None
        return self._iterate(reader, self._epoch)

    def __getstate__(self) -> dict[str, Any]:
        resumed = self._resumed if self._reader is None else self._reader.state()
        return self.__dict__ | {"_reader": None, "_resumed": resumed}

    def __repr__(self) -> str:
        return f"{type(self).__name__}: {len(self.urls)} shards, {self.urls[0]} ..., shuffle={self.shuffle}"

    def batches(
        self, batch_size: int, *, drop_last: bool = False, collate_fn: Callable[[list[Any]], Any] = default_collate
    ) -> Generator[Any]:
        """One epoch in batches. `data.device_prefetch` puts them on a device ahead of use.

        Args:
            batch_size: the number of samples in a batch.
            drop_last: leave out the last batch if it is short.
            collate_fn: makes the batch from a list of samples.

        Raises:
            ValueError: `batch_size` is less than 1. Iterating raises what iterating the data set raises.
        """
        if operator.index(batch_size) < 1:
            raise ValueError(f"batch_size={batch_size} must be at least 1")
        return self._batches(batch_size, drop_last, collate_fn)

    def state_dict(self) -> dict[str, Any]:
        """Which samples come next, and what identifies the data set, as a dict that JSON can hold."""
        reading = self._resumed if self._reader is None else self._reader.state()
        return {"epoch": self._epoch, **self._identity(), "reading": reading}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Makes the next `iter` continue where a state was made.

        Args:
            state: what `state_dict` of an equal data set returned.

        Raises:
            ValueError: the state is of a data set with other shards, or in another order.
        """
        differences = [
            f"{name}={state.get(name)!r} (here {value!r})"
            for name, value in self._identity().items() if state.get(name) != value
        ]
        if differences:
            raise ValueError(f"this state is of another data set: {', '.join(differences)}")
        self._epoch, self._resumed, self._reader = state["epoch"], state["reading"], None

    def _identity(self) -> dict[str, Any]:
        """All that decides the order of the samples."""
        urls = zlib.crc32("\n".join(self.urls).encode("utf-8", "surrogateescape"))
        return {"urls": urls, "shuffle": self.shuffle, "seed": self.seed, "part": list(self.part)}

    def _order(self) -> list[int]:
        """The numbers of the shards of this part, in the order of the epoch."""
        index, count = self.part
        if count > len(self.urls):
            raise ValueError(f"there are {len(self.urls)} shards for {count} readers, and each needs one or more")
        numbers = np.arange(len(self.urls))
        if self.shuffle:
            numbers = np.random.default_rng([self.seed, self._epoch, 0]).permutation(numbers)
        return numbers[index::count].tolist()

    def _iterate(self, reader: ShardReader, epoch: int) -> Generator[Any]:
        loaded = self._loaded(reader, epoch)
        with contextlib.closing(loaded):
            for sample in loaded:
                reader.pending.popleft()
                if isinstance(sample, _LeftOut):
                    self._skip(sample.reason)
                else:
                    yield sample
        if self._reader is reader:
            self._epoch, self._reader = epoch + 1, None

    def _loaded(self, reader: ShardReader, epoch: int) -> Generator[Any]:
        """The samples in their order, decoded by threads, and `_LeftOut` for those that are damaged."""
        if not self.num_workers:
            yield from (self._load(record, epoch) for record in reader)
            return
        with concurrent.futures.ThreadPoolExecutor(self.num_workers) as pool:
            futures: collections.deque[concurrent.futures.Future[Any]] = collections.deque()
            try:
                for record in reader:
                    futures.append(pool.submit(self._load, record, epoch))
                    if len(futures) > _AHEAD * self.num_workers:
                        yield futures.popleft().result()
                while futures:
                    yield futures.popleft().result()
            finally:
                for future in futures:
                    future.cancel()

    def _load(self, record: Record, epoch: int) -> Any:
        """A sample, decoded and transformed, or `_LeftOut` if it is damaged and may be left out."""
        sample: dict[str, Any] = {"__key__": record.key, "__url__": self.urls[record.shard]}
        for extension, content in record.files.items():
            try:
                sample[extension] = decode_file(extension, content, self.decode)
            except ValueError as error:
                name = f"{record.key}.{extension} in the shard {self.urls[record.shard]}"
                damage = ValueError(f"{name} ({len(content)} bytes) is damaged or of another kind: {error}")
                if self.on_error == "skip":
                    return _LeftOut(damage)
                raise damage from error
        if self.transform is None:
            return sample
        takes = takes_key(self.transform)
        key = np.random.default_rng([self.seed, epoch, 2, record.shard, record.number]) if takes else None
        return call_transform(self.transform, sample, key=key)

    def _skip(self, error: Exception) -> None:
        self.failures.append(str(error))
        self.skipped += 1

    def _batches(self, batch_size: int, drop_last: bool, collate_fn: Callable[[list[Any]], Any]) -> Generator[Any]:
        samples: list[Any] = []
        for sample in self:
            samples.append(sample)
            if len(samples) == batch_size:
                yield collate_fn(samples)
                samples = []
        if samples and not drop_last:
            yield collate_fn(samples)
