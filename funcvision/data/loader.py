"""The loader: batches of a dataset, in an order that a seed and an epoch decide, ready before they are asked for."""

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
    """The batch that an iterator hands out next, and whether an iterator has taken up this epoch."""

    epoch: int = 0
    batch: int = 0
    begun: bool = False


class DataLoader:
    """Batches of a dataset, loaded by workers ahead of use.

    >>> from funcvision.data import ArrayDataset
    >>> loader = DataLoader(ArrayDataset((np.zeros((10, 28, 28, 1), np.uint8), np.arange(10))), 4, shuffle=True)
    >>> [images.shape for images, labels in loader]
    [(4, 28, 28, 1), (4, 28, 28, 1), (2, 28, 28, 1)]

    dataset: anything with `__len__` and `__getitem__`; see `Dataset`.
    batch_size: samples in a batch **of this process**; all processes together step over `shards * batch_size` samples.
    shuffle: a new order for every epoch, drawn from `seed`. Or give the order by a `sampler`; see `Sampler`.
    drop_last: leave out the last batch where it is short.
    num_workers: how many batches are loaded at the same time; 0 loads them in the caller, when they are asked for.
    workers: "threads" share the dataset, start at once, and suit what releases the GIL, as Pillow and numpy do.
        "processes" are for Python that is slow or not safe in threads. They are spawned for every epoch (never forked),
        get a pickled copy of the dataset, see no accelerator, and need an `if __name__ == "__main__":` in a script.
    prefetch_factor: batches per worker that are loaded ahead of use.
    transform: `transform(sample, key=generator)`, run in the workers. The key, a `numpy.random.Generator`, depends on
        the seed, the epoch, the sample's number, and how often the sample was drawn before in this epoch: neither on
        the workers nor on the batch size nor on the order.
    collate_fn: makes the batch of a list of samples.
    device: a device or a `Sharding` to put batches on, two batches ahead of use. A sharding over several processes
        makes global arrays of which every process gives its part. By default batches are numpy arrays on the host.
    shard: (index, count), this process's part; by default `jax.process_index()` of `jax.process_count()`.

    **Shards.** Global batch k, the k-th run of `count * batch_size` samples in the order, is cut into `count` runs, one
    per process: the global batches are those of one process with that batch size. Every process makes the same number
    of steps with batches of the same size, else they would wait for each other for ever. Without drop_last the order is
    therefore wrapped around until its last global batch divides evenly, as by torch's DistributedSampler: up to
    `count - 1` samples come twice, which a metric over the whole set should know. A single process never pads.

    **Epochs and resuming.** Every `iter` is an epoch of its own, and `loader.epoch` counts them. `state_dict` says
    which batch comes next, counting only batches that were handed out, not those loaded ahead; `load_state_dict` makes
    the next `iter` start exactly there.

    **Errors.** ValueError and TypeError for arguments that make no sense. While iterating, a RuntimeError that names
    the sample and the dataset, from whatever they raised, or that says how a worker process died.
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
            raise TypeError(f"a dataset has __len__ and __getitem__, and {type(dataset).__name__} has not")
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
        """(index, count): which part of every global batch is this process's."""
        # Asked late: it starts jax's backend, and a worker process that imports a script may build this loader again.
        return self._shard or (jax.process_index(), jax.process_count())

    @property
    def epoch(self) -> int:
        """The epoch being iterated; between epochs, the next one. Setting it makes the next `iter` start there."""
        return self._position.epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self._position = _Position(epoch)

    def __len__(self) -> int:
        """Steps in an epoch, the same in every process."""
        steps, rest = divmod(len(self.sampler), self.batch_size * self.shard[1])
        return steps + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[Any]:
        if self._position.begun:  # and left before its end
            self._position = _Position(self._position.epoch + 1)
        self._position.begun = True
        return self._iterate(self._position)

    def state_dict(self) -> dict[str, Any]:
        """Which batch comes next, and of which loader, as a dict that JSON can hold."""
        epoch, batch = self._position.epoch, self._position.batch
        if self._position.begun and batch == len(self):
            epoch, batch = epoch + 1, 0
        return {"epoch": epoch, "batch": batch, **self._identity()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Makes the next `iter` start at the batch that a state names.

        Raises ValueError if the state is of a loader that orders or batches its samples differently.
        """
        differences = [
            f"{name}={state.get(name)!r} (here {value!r})"
            for name, value in self._identity().items() if state.get(name) != value
        ]
        if differences:
            raise ValueError(f"this state is of another loader, whose batches are not these: {', '.join(differences)}")
        self._position = _Position(state["epoch"], state["batch"])

    def _identity(self) -> dict[str, Any]:
        """What decides which samples a batch is made of."""
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
        """The batches of an epoch on the host, from batch `first` on."""
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
        order = np.resize(order, len(order) + -(len(order) % step) % count)  # the last global batch, made divisible
        draws = _draws(order)
        for start in range(first * step, len(self) * step, step):
            size = min(step, len(order) - start) // count
            mine = slice(start + index * size, start + (index + 1) * size)
            yield epoch, order[mine], draws[mine]


def device_prefetch(batches: Iterable[Any], device: Placement, size: int = 2) -> Generator[Any]:
    """The same batches (pytrees of arrays) on a device, the next `size` of them already on their way there.

    A `Sharding` that spans several processes makes global arrays, of which every process gives its own part. Raises
    ValueError if an array does not divide evenly, as the last batch of an epoch may not: use `drop_last=True`.

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
    """How often each number of `order` has come before.

    >>> _draws(np.array([3, 1, 3, 3, 1]))
    array([0, 0, 1, 2, 1])
    """
    by_value = np.argsort(order, kind="stable")
    values = order[by_value]
    draws = np.empty_like(order)
    draws[by_value] = np.arange(len(order)) - np.searchsorted(values, values)
    return draws
