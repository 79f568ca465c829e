"""The loader: batches of a dataset, loaded ahead of use, in an order that depends on a seed and the epoch."""

import collections
import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Generator, Iterable, Iterator
from functools import cached_property
from typing import Any, Literal

import jax
import numpy as np

from ._workers import Fetch, Pool
from .collate import default_collate
from .dataset import Dataset
from .sampler import RandomSampler, Sampler, SequentialSampler

__all__ = ["DataLoader", "device_prefetch"]

Placement = jax.Device | jax.sharding.Sharding


@dataclasses.dataclass
class _Position:
    """The batch that an iterator yields next, and whether an iterator has started this epoch."""

    epoch: int = 0
    batch: int = 0
    begun: bool = False


class DataLoader:
    """Batches of a dataset, loaded by workers ahead of use.

    **Keys.** A transform, and a dataset that has `load_sample`, get a key for every sample: a `numpy.random.Generator`
    that depends on the seed, the epoch, the sample's number, and how often the sample was drawn before in this epoch.
    It does not depend on the workers, the batch size or the order. Transform and dataset get independent keys.

    **Shards.** Every process loads its part of each global batch. Global batch k is the k-th run of
    `count * batch_size` samples in the order; it is split into `count` runs, one per process. So the global batches are
    those of one process with that batch size. Every process makes the same number of steps with batches of the same
    size; otherwise the processes would wait for each other for ever. Without `drop_last` the order therefore starts
    again from its beginning until the last global batch divides evenly, as with torch's DistributedSampler: up to
    `count - 1` samples come twice, which matters to a metric over the whole set. A single process never repeats any.

    **Epochs and resuming.** Every `iter` is an epoch of its own, and `loader.epoch` counts them. `state_dict` says
    which batch comes next. It counts the batches that were yielded, not those loaded ahead. After `load_state_dict`,
    the next `iter` starts exactly there.

    Args:
        dataset: anything with `__len__` and `__getitem__`; see `Dataset`.
        batch_size: samples in a batch **of this process**. All processes together load `count * batch_size` samples in
            a step.
        shuffle: draw a new order for every epoch, from `seed`.
        sampler: gives the order instead; see `Sampler`.
        seed: decides the order and the keys.
        drop_last: leave out the last batch if it is short.
        num_workers: how many batches are loaded at the same time. 0 loads each in the caller, when it is asked for.
        workers: "threads" share the dataset, start at once, and suit functions that release the GIL, as those of Pillow
            and numpy do. "processes" suit Python code that is slow or not safe in threads. They are spawned for every
            epoch (never forked), get a pickled copy of the dataset, see no accelerator, and need an
            `if __name__ == "__main__":` in a script.
        prefetch_factor: batches per worker that are loaded ahead of use.
        transform: `transform(sample, key=key)`, run in the workers.
        collate_fn: makes the batch from a list of samples.
        device: a device or a `Sharding` to put batches on, two batches ahead of use. With a sharding over several
            processes every process gives its part of a global array. By default batches are numpy arrays on the host.
        shard: `(index, count)`, the part of this process; by default `jax.process_index()` of `jax.process_count()`.

    Raises:
        ValueError: an argument is out of range, or two arguments contradict each other.
        TypeError: the dataset lacks a method.
        RuntimeError: while iterating: the dataset, the transform or the collate function raised, and the message names
            the sample and the dataset; or a worker process died, and the message says how.

    >>> from funcvision.data import ArrayDataset
    >>> loader = DataLoader(ArrayDataset((np.zeros((10, 28, 28, 1), np.uint8), np.arange(10))), 4, shuffle=True)
    >>> [images.shape for images, labels in loader]
    [(4, 28, 28, 1), (4, 28, 28, 1), (2, 28, 28, 1)]
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 1,
        *,
        shuffle: bool = False,
        sampler: Sampler | None = None,
        seed: int = 0,
        drop_last: bool = False,
        num_workers: int = 2,
        workers: Literal["threads", "processes"] = "threads",
        prefetch_factor: int = 2,
        transform: Callable[..., Any] | None = None,
        collate_fn: Callable[[list[Any]], Any] = default_collate,
        device: Placement | None = None,
        shard: tuple[int, int] | None = None,
    ):
        if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
            raise TypeError(f"a dataset needs __len__ and __getitem__, and {type(dataset).__name__} lacks one")
        smallest = {"batch_size": 1, "prefetch_factor": 1, "num_workers": 0, "seed": 0}
        for name, value in zip(smallest, (batch_size, prefetch_factor, num_workers, seed), strict=True):
            if not isinstance(value, int) or value < smallest[name]:
                raise ValueError(f"{name}={value!r} must be a whole number, {smallest[name]} or more")
        if workers not in ("threads", "processes"):
            raise ValueError(f"workers={workers!r} must be 'threads' or 'processes'; their number is num_workers")
        if sampler is not None and shuffle:
            raise ValueError("shuffle=True and a sampler both decide the order; give one of them")
        if shard is not None and not 0 <= shard[0] < shard[1]:
            raise ValueError(f"shard={shard} must be (index, count) with 0 <= index < count")
        self.dataset, self.batch_size, self.seed, self.drop_last = dataset, batch_size, seed, drop_last
        self.sampler = sampler or (RandomSampler(dataset, seed=seed) if shuffle else SequentialSampler(dataset))
        self.num_workers, self.workers, self.prefetch_factor = num_workers, workers, prefetch_factor
        self.transform, self.collate_fn, self.device = transform, collate_fn, device
        self._shard, self._position = shard, _Position()

    @cached_property
    def shard(self) -> tuple[int, int]:
        """`(index, count)`: which part of every global batch this process loads."""
        # Computed late, because it starts jax's backend: a worker process that imports a script may build this loader.
        return self._shard or (jax.process_index(), jax.process_count())

    @property
    def epoch(self) -> int:
        """The epoch that is iterated; between epochs, the next one. If it is set, the next `iter` starts there."""
        return self._position.epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self._position = _Position(epoch)

    def __len__(self) -> int:
        """Steps in an epoch, the same in every process."""
        steps, rest = divmod(len(self.sampler), self.batch_size * self.shard[1])
        return steps + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[Any]:
        if self._position.begun:  # the epoch was left before its end
            self._position = _Position(self._position.epoch + 1)
        self._position.begun = True
        return self._iterate(self._position)

    def state_dict(self) -> dict[str, Any]:
        """The number of the next batch, and what identifies the loader, as a dict that JSON can hold."""
        epoch, batch = self._position.epoch, self._position.batch
        if self._position.begun and batch == len(self):
            epoch, batch = epoch + 1, 0
        return {"epoch": epoch, "batch": batch, **self._identity()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Makes the next `iter` start at the batch that a state names.

        Args:
            state: what `state_dict` of an equal loader returned.

        Raises:
            ValueError: the state is of a loader that orders or batches its samples differently.
        """
        differences = [
            f"{name}={state.get(name)!r} (here {value!r})"
            for name, value in self._identity().items() if state.get(name) != value
        ]
        if differences:
            raise ValueError(f"this state is of another loader, whose batches are not these: {', '.join(differences)}")
        self._position = _Position(state["epoch"], state["batch"])

    def _identity(self) -> dict[str, Any]:
        """Everything that decides which samples a batch consists of."""
        return {
            "dataset_length": len(self.dataset), "sampler": type(self.sampler).__name__,
            "sampler_length": len(self.sampler), "seed": self.seed, "batch_size": self.batch_size,
            "drop_last": self.drop_last, "shard": list(self.shard),
        }

    def _iterate(self, position: _Position) -> Generator[Any]:
        batches = self._load(position.epoch, position.batch)
        if self.device is not None:
            batches = device_prefetch(batches, self.device)
        with contextlib.closing(batches):
            for batch in batches:
                position.batch += 1
                yield batch
        position.epoch, position.batch, position.begun = position.epoch + 1, 0, False

    def _load(self, epoch: int, first: int) -> Generator[Any]:
        """The batches of an epoch, as arrays on the host, starting with batch `first`."""
        fetch = Fetch(self.dataset, self.transform, self.collate_fn, self.seed)
        tasks = self._tasks(epoch, first)
        if not self.num_workers:
            yield from (fetch(*task) for task in tasks)
            return
        count = min(self.num_workers, len(self) - first)
        pool = Pool(fetch, count, processes=self.workers == "processes")
        try:
            ahead = itertools.islice(tasks, count * self.prefetch_factor)
            futures = collections.deque(pool.submit(*task) for task in ahead)
            while futures:
                batch = futures.popleft().result()
                futures.extend(pool.submit(*task) for task in itertools.islice(tasks, 1))
                yield batch
        finally:
            pool.close()

    def _tasks(self, epoch: int, first: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """For every batch: the epoch, the numbers of its samples, and how often each was drawn before."""
        index, count = self.shard
        step = self.batch_size * count
        order = np.asarray(self.sampler(epoch))
        order = np.resize(order, len(order) + -(len(order) % step) % count)  # makes the last global batch divisible
        draws = _draws(order)
        for start in range(first * step, len(self) * step, step):
            size = min(step, len(order) - start) // count
            mine = slice(start + index * size, start + (index + 1) * size)
            yield epoch, order[mine], draws[mine]


def device_prefetch(batches: Iterable[Any], device: Placement, size: int = 2) -> Generator[Any]:
    """The same batches on a device. The transfer of the next `size` batches starts ahead of use.

    Args:
        batches: pytrees of arrays.
        device: a device or a `Sharding`. With a sharding that spans several processes every process gives its own part
            of a global array.
        size: batches whose transfer has started and that have not been yielded yet.

    Raises:
        ValueError: an array does not divide evenly over the devices, as may happen to the last batch of an epoch: use
            `drop_last=True`.

    >>> [x.devices() == {jax.devices()[0]} for x in device_prefetch([np.arange(3)] * 2, jax.devices()[0])]
    [True, True]
    """
    queue = collections.deque()
    for batch in batches:
        queue.append(_put(batch, device))
        if len(queue) > size:
            yield queue.popleft()
    while queue:
        yield queue.popleft()


def _put(batch: Any, device: Placement) -> Any:
    if isinstance(device, jax.sharding.Sharding) and not device.is_fully_addressable:
        return jax.tree.map(lambda array: jax.make_array_from_process_local_data(device, array), batch)
    return jax.device_put(batch, device)


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
