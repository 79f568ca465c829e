"""`DataLoader`, with the arguments and the order of `torch.utils.data.DataLoader`."""

import collections
import concurrent.futures
import contextlib
import itertools
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Any

from ....data._workers import LoadError, Pool
from ._fetch import Fetch, StreamFetch
from ._seeds import drawn_seed
from .collate import as_tensors, default_collate, default_convert, stacked, unconverted
from .dataset import IterableDataset
from .sampler import BatchSampler, RandomSampler, SequentialSampler

__all__ = ["DataLoader"]

_ON_THE_HOST = {default_collate: stacked, default_convert: unconverted}
"""The functions that a worker calls in place of those that make Tensors; the Tensors are made where batches arrive."""


class DataLoader:
    """Batches of a dataset as Tensors.

    `manual_seed` decides the order, and what datasets of `funcvision.vision` draw. Workers are threads, which need
    nothing that can be pickled; Pillow, numpy and jax run in several at a time. Each has a copy of the dataset object.
    `multiprocessing_context="spawn"` makes them processes, for datasets that run much Python code; a script must then
    do its work under `if __name__ == "__main__":`.

    Args:
        dataset: anything with `__getitem__`, and with `__len__` unless a sampler is given; or an `IterableDataset`.
        batch_size: samples in a batch. None: the loader gives samples, not batches.
        shuffle: a new random order for every epoch.
        sampler: gives the keys of the samples in their order.
        batch_sampler: gives lists of keys, in place of `batch_size`, `shuffle`, `sampler` and `drop_last`.
        num_workers: how many workers load ahead of use. 0: each batch is loaded when it is asked for.
        collate_fn: makes a batch of a list of samples; by default `default_collate`.
        pin_memory: accepted as in torch; jax transfers memory without it.
        drop_last: leave out a last batch that would be smaller.
        timeout: seconds to wait for a batch of a worker; 0 for no limit.
        worker_init_fn: called with the number of each worker, in it, before it loads.
        multiprocessing_context: "spawn" or "forkserver", or such a context of `multiprocessing`, makes the workers
            processes. "fork" keeps them threads, because a fork of a process that runs jax can hang.
        generator: decides the order and the seeds of workers; by default the global generator.
        prefetch_factor: batches that each worker loads ahead; by default 2.
        persistent_workers: keep the workers from one epoch to the next.
        pin_memory_device: accepted as in torch, and not used.
        in_order: accepted as in torch. Batches always come in order.

    Raises:
        ValueError: an argument is out of range, or two arguments contradict each other.
        RuntimeError: while iterating: a batch has not come in time, or a worker process died. The errors of the dataset
            are raised as they are.

    >>> import numpy as np
    >>> loader = DataLoader(np.arange(5), batch_size=2)
    >>> len(loader), [batch.tolist() for batch in loader]
    (3, [[0, 1], [2, 3], [4]])
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Sequence[Any]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], Any] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ):
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers, multiprocessing_context)
        self._stream = isinstance(dataset, IterableDataset)
        if self._stream:
            for name, given in {"shuffle": shuffle or None, "sampler": sampler, "batch_sampler": batch_sampler}.items():
                if given is not None:
                    raise ValueError(
                        f"DataLoader with IterableDataset: expected unspecified {name} option, but got {name}={given}"
                    )
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last"
                )
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError("batch_size=None option disables auto-batching and is mutually exclusive with drop_last")
        batched = batch_sampler is not None or batch_size is not None
        if sampler is None and not self._stream:
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if sampler is None:
            sampler = itertools.repeat(None)
        if batch_size is not None and batch_sampler is None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.dataset, self.batch_size, self.drop_last, self.generator = dataset, batch_size, drop_last, generator
        self.sampler, self.batch_sampler = sampler, batch_sampler
        self.num_workers, self.timeout, self.worker_init_fn = num_workers, timeout, worker_init_fn
        self.multiprocessing_context, self.persistent_workers = multiprocessing_context, persistent_workers
        self.prefetch_factor = 2 if prefetch_factor is None and num_workers else prefetch_factor
        self.pin_memory, self.pin_memory_device, self.in_order = pin_memory, pin_memory_device, in_order
        self.collate_fn = (default_collate if batched else default_convert) if collate_fn is None else collate_fn
        self._pool: Pool | None = None

    def __len__(self) -> int:
        """The number of batches in an epoch; TypeError if the dataset or the sampler has no length."""
        if not self._stream:
            return len(self._keys)  # type: ignore[arg-type]
        samples = len(self.dataset)
        if self.batch_size is None:
            return samples
        return samples // self.batch_size if self.drop_last else -(-samples // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        fetch = self._fetch(drawn_seed(self.generator))
        batches = self._loaded(fetch) if self.num_workers == 0 else self._loaded_ahead(fetch)
        return map(as_tensors, batches) if self.collate_fn in _ON_THE_HOST else batches

    @property
    def _keys(self) -> Iterable[Any]:
        """What gives the keys of each batch; without batches, those of each sample."""
        return self.sampler if self.batch_sampler is None else self.batch_sampler

    def _fetch(self, seed: int) -> Fetch:
        collate = _ON_THE_HOST.get(self.collate_fn, self.collate_fn)
        what = self.dataset, collate, self.worker_init_fn, seed, self.batch_sampler is not None
        return StreamFetch(*what, self.batch_size, self.drop_last) if self._stream else Fetch(*what)

    def _tasks(self, seed: int) -> Iterator[tuple[int, int, Any]]:
        """The arguments of `Fetch` for each batch of an epoch."""
        if self._stream:
            yield from ((seed, first, None) for first in itertools.count(0, self.batch_size or 1))
            return
        place = 0
        for keys in self._keys:
            keys = list(keys) if self.batch_sampler is not None else keys
            yield seed, place, keys
            place += len(keys) if self.batch_sampler is not None else 1

    def _loaded(self, fetch: Fetch) -> Generator[Any]:
        """The batches of an epoch, each loaded when it is asked for."""
        for task in self._tasks(fetch.seed):
            batch = _raising(lambda task=task: fetch(*task))
            if self._stream and not batch:
                return
            yield batch[0] if self._stream else batch

    def _loaded_ahead(self, fetch: Fetch) -> Generator[Any]:
        """The batches of an epoch, loaded by workers in turn."""
        pool, count = self._started(fetch), self.num_workers
        tasks = self._tasks(fetch.seed)
        waiting: collections.deque[tuple[int, concurrent.futures.Future]] = collections.deque()

        def submit(worker: int) -> None:
            for task in itertools.islice(tasks, 1):
                waiting.append((worker, pool.submit(*task, worker=worker)))

        with contextlib.nullcontext() if self.persistent_workers else contextlib.closing(pool):
            for number in range(count * (self.prefetch_factor or 2)):
                submit(number % count)
            while waiting:
                worker, future = waiting.popleft()
                batch = _raising(lambda future=future: self._awaited(future))
                if self._stream and not batch:
                    continue
                submit(worker)
                yield batch[0] if self._stream else batch

    def _started(self, fetch: Fetch) -> Pool:
        """The workers: new ones, or those of the epoch before."""
        if self._pool is not None:
            return self._pool
        context = self.multiprocessing_context
        method = context if isinstance(context, str | None) else context.get_start_method()
        pool = Pool(fetch, self.num_workers, processes=method not in (None, "fork"), choose=True)
        self._pool = pool if self.persistent_workers else None
        return pool

    def _awaited(self, future: concurrent.futures.Future) -> Any:
        try:
            return future.result(self.timeout or None)
        except concurrent.futures.TimeoutError as error:
            if future.done():  # the dataset raised it
                raise
            raise RuntimeError(f"DataLoader timed out after {self.timeout} seconds") from error


def _raising(load: Callable[[], Any]) -> Any:
    """What `load` returns. An error of the dataset is raised itself, with a note about where it happened."""
    try:
        return load()
    except LoadError as error:
        cause = error.__cause__
        if cause is None:
            raise
        cause.add_note(f"Caught {type(cause).__name__} in DataLoader: {error}")
    raise cause


def _check_workers(
    num_workers: int, timeout: float, prefetch_factor: int | None, persistent_workers: bool, context: Any
) -> None:
    """ValueError unless the arguments about workers fit each other."""
    if num_workers < 0:
        raise ValueError(
            "num_workers option should be non-negative; use num_workers=0 to disable multiprocessing."
        )
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if num_workers == 0 and prefetch_factor is not None:
        raise ValueError(
            "prefetch_factor option could only be specified in multiprocessing. "
            "let num_workers > 0 to enable multiprocessing, otherwise set prefetch_factor to None."
        )
    if prefetch_factor is not None and prefetch_factor < 1:
        raise ValueError("prefetch_factor option should be non-negative")
    if persistent_workers and num_workers == 0:
        raise ValueError("persistent_workers option needs num_workers > 0")
    if context is not None and num_workers == 0:
        raise ValueError(
            "multiprocessing_context can only be used with multi-process loading (num_workers > 0), but got "
            "num_workers=0"
        )
    if isinstance(context, str) and context not in ("fork", "forkserver", "spawn"):
        raise ValueError(f"multiprocessing_context should be 'fork', 'forkserver' or 'spawn'; got {context!r}")
