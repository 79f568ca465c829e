"""Streams: datasets whose samples come one after another and have no numbers, and a loader for them."""

import collections
import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, Literal

import numpy as np

from ._numbers import whole_number
from ._workers import LoadError, Pool, WorkerInfo, enter_worker
from .collate import default_collate
from .loader import Placement, device_prefetch

__all__ = ["StreamLoader"]


class StreamLoader:
    """Batches of a stream, loaded by workers ahead of use.

    A stream is an object whose `__iter__` starts it anew in every epoch. Each worker iterates it by itself. Where there
    are several workers, `__iter__` must ask `get_worker_info()` and give this worker's part, or every sample comes once
    for each worker; where there are several processes, it must also ask `jax.process_index()`. The batches of the
    workers come in turn, so their order is the same every time. A stream cannot be resumed within an epoch.

    Args:
        dataset: the stream.
        batch_size: samples in a batch.
        seed: what the keys of the transform are derived from.
        drop_last: leave out the last batch of a worker if it is smaller.
        num_workers: how many workers load ahead of use; 0 loads each batch when it is asked for.
        workers: "threads" or "processes".
        prefetch_factor: batches that each worker loads ahead.
        transform: called on every sample with `key=`, a `numpy.random.Generator` that depends on the seed, the epoch,
            the worker and the place of the sample in the worker's part.
        collate_fn: makes the batch from a list of samples.
        worker_init: called with a `WorkerInfo` at the start of every worker, in it.
        device: a device or a `Sharding` to put batches on, two batches ahead of use.

    Attributes:
        epoch: the number of the next epoch, which can be set.

    Raises:
        TypeError: the dataset is no stream.
        ValueError: an argument is out of range.
        RuntimeError: while iterating: the stream, the transform or the collate function raised, or a worker died.

    >>> [batch.tolist() for batch in StreamLoader(range(5), 2)]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        dataset: Iterable[Any],
        batch_size: int = 1,
        *,
        seed: int = 0,
        drop_last: bool = False,
        num_workers: int = 1,
        workers: Literal["threads", "processes"] = "threads",
        prefetch_factor: int = 2,
        transform: Callable[..., Any] | None = None,
        collate_fn: Callable[[list[Any]], Any] = default_collate,
        worker_init: Callable[[WorkerInfo], Any] | None = None,
        device: Placement | None = None,
    ):
        if isinstance(dataset, Iterator) or not isinstance(dataset, Iterable):
            raise TypeError(
                f"a stream is an object whose __iter__ starts it anew in every epoch, and this is a "
                f"{type(dataset).__name__}"
            )
        if workers not in ("threads", "processes"):
            raise ValueError(f"workers={workers!r} must be 'threads' or 'processes'; their number is num_workers")
        self.dataset, self.device, self.workers, self.epoch = dataset, device, workers, 0
        self.num_workers = whole_number("num_workers", num_workers, 0)
        self.prefetch_factor = whole_number("prefetch_factor", prefetch_factor, 1)
        self._fetch = _StreamFetch(
            dataset, transform, collate_fn, whole_number("seed", seed, 0), whole_number("batch_size", batch_size, 1),
            drop_last, worker_init,
        )

    def __iter__(self) -> Iterator[Any]:
        epoch = self.epoch
        self.epoch += 1
        batches = self._loaded_ahead(epoch) if self.num_workers else self._loaded(epoch)
        return batches if self.device is None else device_prefetch(batches, self.device)

    def _loaded(self, epoch: int) -> Generator[Any]:
        fetch = dataclasses.replace(self._fetch)
        while batch := fetch(epoch):
            yield batch[0]

    def _loaded_ahead(self, epoch: int) -> Generator[Any]:
        count = self.num_workers
        with contextlib.closing(Pool(self._fetch, count, processes=self.workers == "processes", choose=True)) as pool:
            first = itertools.islice(itertools.cycle(range(count)), count * self.prefetch_factor)
            waiting = collections.deque((worker, pool.submit(epoch, worker=worker)) for worker in first)
            while waiting:
                worker, future = waiting.popleft()
                if batch := future.result():
                    waiting.append((worker, pool.submit(epoch, worker=worker)))
                    yield batch[0]


@dataclasses.dataclass
class _StreamFetch:
    """Loads the next batch of a stream.

    Attributes:
        dataset: the stream.
        transform: called on every sample with `key=`, or None.
        collate_fn: makes the batch from a list of samples.
        seed: what the keys are derived from.
        batch_size: samples in a batch.
        drop_last: whether a smaller batch at the end is left out.
        worker_init: called with a `WorkerInfo` at the start of every worker, or None.
        worker: the number of the worker.
    """

    dataset: Iterable[Any]
    transform: Callable[..., Any] | None
    collate_fn: Callable[[list[Any]], Any]
    seed: int
    batch_size: int
    drop_last: bool
    worker_init: Callable[[WorkerInfo], Any] | None
    worker: int = 0
    _samples: Iterator[tuple[int, Any]] | None = dataclasses.field(default=None, init=False)

    def start(self, worker: int, count: int) -> "_StreamFetch":
        """Prepares a worker: each has a position of its own in the stream."""
        info = WorkerInfo(worker, count, self.seed + worker, self.dataset)
        enter_worker(info)
        try:
            if self.worker_init is not None:
                self.worker_init(info)
        except Exception as error:
            raise LoadError(f"worker_init failed in worker {worker}: {type(error).__name__}: {error}") from error
        return dataclasses.replace(self, worker=worker)

    def __call__(self, epoch: int, stopped: Callable[[], bool] = lambda: False) -> tuple[Any, ...]:
        """The next batch, in a tuple; an empty tuple at the end of the stream."""
        try:
            if self._samples is None:
                self._samples = enumerate(self.dataset)
            samples = []
            for place, sample in itertools.islice(self._samples, self.batch_size):
                if stopped():
                    return ()
                if self.transform is not None:
                    sample = self.transform(sample, key=self._key(epoch, place))
                samples.append(sample)
            if not samples or (self.drop_last and len(samples) < self.batch_size):
                return ()
            return (self.collate_fn(samples),)
        except Exception as error:
            raise LoadError(
                f"a batch of {type(self.dataset).__name__} could not be loaded: {type(error).__name__}: {error}"
            ) from error

    def _key(self, epoch: int, place: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(epoch, self.worker, place)))
