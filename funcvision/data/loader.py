"""The loader: batches of a dataset, loaded ahead of use, in an order that depends on a seed and the epoch."""

import collections
import contextlib
import dataclasses
import itertools
import operator
from collections.abc import Callable, Generator, Iterable, Iterator
from functools import cached_property
from typing import Any, Literal

import jax
import numpy as np

from ._numbers import whole_number
from ._order import EpochOrder, batches_of, check_sampler, indices_of, is_repeatable, length_of
from ._workers import Fetch, Pool, WorkerInfo
from .collate import default_collate
from .dataset import Dataset
from .sampler import RandomSampler, Sampler, SequentialSampler

__all__ = ["DataLoader", "device_prefetch"]

Placement = jax.Device | jax.sharding.Sharding


@dataclasses.dataclass
class _Position:
    """The batch that an iterator yields next.

    Attributes:
        epoch: the number of the epoch.
        batch: the number of the batch in the epoch.
        begun: whether an iterator has started this epoch.
        steps: batches in the epoch, once it has begun.
        order: the checksum of the order of the epoch, if it is known.
    """

    epoch: int = 0
    batch: int = 0
    begun: bool = False
    steps: int | None = None
    order: int | None = None


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
    the next `iter` starts exactly there. The state holds a checksum of the order, so a loader with another order
    refuses it. A sampler that is iterated, such as torch's `WeightedRandomSampler`, draws an order that the loader
    cannot ask for again: a state from within an epoch can be resumed only if the sampler gives that order again, which
    `iter` checks. A state from between two epochs can always be resumed.

    Args:
        dataset: anything with `__len__` and `__getitem__`; see `Dataset`.
        batch_size: samples in a batch **of this process**. All processes together load `count * batch_size` samples in
            a step.
        shuffle: draw a new order for every epoch, from `seed`.
        sampler: gives the order instead: an iterable of the numbers of samples, which is iterated once an epoch, such
            as a list or a sampler of torch; or a callable `sampler(epoch)` that returns one. See `Sampler`. `seed` has
            no influence on this order.
        batch_sampler: gives the batches, in place of `batch_size`, `shuffle`, `sampler` and `drop_last`: an iterable of
            lists of the numbers of samples, such as torch's `BatchSampler`, or a callable `batch_sampler(epoch)` that
            returns one. A batch is a global batch, and its length must be divisible by the number of processes.
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
        worker_init: called with a `WorkerInfo` at the start of every worker, in it.
        device: a device or a `Sharding` to put batches on, two batches ahead of use. With a sharding over several
            processes every process gives its part of a global array. By default batches are numpy arrays on the host.
        shard: `(index, count)`, the part of this process; by default `jax.process_index()` of `jax.process_count()`.

    Raises:
        ValueError: an argument is out of range, or two arguments contradict each other.
        TypeError: the dataset lacks a method; or a sampler is of a wrong type, or gives something else than whole
            numbers.
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
        sampler: Sampler | Iterable[int] | None = None,
        batch_sampler: Callable[[int], Iterable[Iterable[int]]] | Iterable[Iterable[int]] | None = None,
        seed: int = 0,
        drop_last: bool = False,
        num_workers: int = 2,
        workers: Literal["threads", "processes"] = "threads",
        prefetch_factor: int = 2,
        transform: Callable[..., Any] | None = None,
        collate_fn: Callable[[list[Any]], Any] = default_collate,
        worker_init: Callable[[WorkerInfo], Any] | None = None,
        device: Placement | None = None,
        shard: tuple[int, int] | None = None,
    ):
        if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
            raise TypeError(f"a dataset needs __len__ and __getitem__, and {type(dataset).__name__} lacks one")
        if workers not in ("threads", "processes"):
            raise ValueError(f"workers={workers!r} must be 'threads' or 'processes'; their number is num_workers")
        if sampler is not None and shuffle:
            raise ValueError("shuffle=True and a sampler both decide the order; give one of them")
        if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
            raise ValueError("a batch_sampler decides the batches: give no batch_size, shuffle, sampler or drop_last")
        for name, given in {"sampler": sampler, "batch_sampler": batch_sampler}.items():
            if given is not None:
                check_sampler(given, name)
        self.dataset, self.drop_last, self.seed = dataset, drop_last, whole_number("seed", seed, 0)
        self.batch_size = whole_number("batch_size", batch_size, 1)
        self.num_workers, self.workers = whole_number("num_workers", num_workers, 0), workers
        self.prefetch_factor = whole_number("prefetch_factor", prefetch_factor, 1)
        if sampler is None:
            sampler = RandomSampler(dataset, seed=self.seed) if shuffle else SequentialSampler(dataset)
        self.sampler, self.batch_sampler = sampler, batch_sampler
        self.transform, self.collate_fn, self.device = transform, collate_fn, device
        self.worker_init = worker_init
        self._shard, self._position = None if shard is None else _checked_shard(shard), _Position()

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
        self._position = _Position(whole_number("epoch", epoch, 0))

    def __len__(self) -> int:
        """Steps in an epoch, the same in every process; TypeError if the sampler has no length."""
        length = length_of(self._source)
        if length is None:
            raise TypeError(f"the sampler {type(self._source).__name__} has no __len__, so neither has this loader")
        return length if self.batch_sampler is not None else self._steps(length)

    def __iter__(self) -> Iterator[Any]:
        if self._position.begun:  # the epoch was left before its end
            self._position = _Position(self._position.epoch + 1)
        position, order = self._position, self._order(self._position.epoch)
        if position.order not in (None, order.checksum):
            raise ValueError(
                f"the sampler {type(self._source).__name__} gives another order for epoch {position.epoch} than when "
                f"the state was saved, so the loader cannot resume within this epoch: use a sampler that is a function "
                f"of the epoch, or restore its generator, or start an epoch with loader.epoch = {position.epoch}"
            )
        position.begun, position.steps, position.order = True, len(order), order.checksum
        return self._iterate(position, order)

    def state_dict(self) -> dict[str, Any]:
        """The number of the next batch, and what identifies the loader and its order, as a dict that JSON can hold."""
        position = self._position
        if position.begun and position.batch == position.steps:
            position = _Position(position.epoch + 1)
        order = position.order
        if order is None and is_repeatable(self._source):
            order = self._order(position.epoch).checksum
        return {"epoch": position.epoch, "batch": position.batch, **self._identity(), "order": order}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Makes the next `iter` start at the batch that a state names.

        Args:
            state: what `state_dict` of an equal loader returned.

        Raises:
            ValueError: the state is of a loader that orders or batches its samples differently. For a sampler that is
                iterated, the order is compared by the next `iter`.
        """
        differences = [
            f"{name}={state.get(name)!r} (here {value!r})"
            for name, value in self._identity().items() if state.get(name) != value
        ]
        known = not differences and is_repeatable(self._source)
        if known and self._order(state["epoch"]).checksum != state.get("order"):
            differences = [f"its {type(self._source).__name__} gives another order for epoch {state['epoch']}"]
        if differences:
            raise ValueError(f"this state is of another loader, whose batches are not these: {', '.join(differences)}")
        # The order of an epoch that has not begun is still to be drawn, unless the sampler is a function of the epoch.
        self._position = _Position(state["epoch"], state["batch"], order=state["order"] if state["batch"] else None)

    @property
    def _source(self) -> Any:
        """What gives the order: the batch sampler if there is one, else the sampler."""
        return self.sampler if self.batch_sampler is None else self.batch_sampler

    def _identity(self) -> dict[str, Any]:
        """Everything that decides which samples a batch consists of, except the order."""
        return {
            "dataset_length": len(self.dataset), "sampler": type(self._source).__name__,
            "sampler_length": length_of(self._source), "seed": self.seed, "batch_size": self.batch_size,
            "drop_last": self.drop_last, "shard": list(self.shard),
        }

    def _steps(self, length: int) -> int:
        """Batches in an epoch of `length` samples."""
        steps, rest = divmod(length, self.batch_size * self.shard[1])
        return steps + (rest > 0 and not self.drop_last)

    def _order(self, epoch: int) -> EpochOrder:
        """The order of an epoch. A sampler that is iterated may draw a new one at every call."""
        count = self.shard[1]
        if self.batch_sampler is not None:
            batches = batches_of(self.batch_sampler, epoch)
            sizes = np.array([len(batch) for batch in batches], np.int64)
            if (sizes % count).any():
                uneven = sizes[sizes % count > 0][0]
                raise ValueError(f"a batch of {uneven} samples cannot be split evenly over {count} processes")
            return EpochOrder(np.concatenate([np.empty(0, np.int64), *batches]), np.cumsum(sizes), self.shard)
        step, indices = self.batch_size * count, indices_of(self.sampler, epoch)
        steps = self._steps(len(indices))
        # Makes the last global batch divisible.
        indices = np.resize(indices, len(indices) + -(len(indices) % step) % count)
        return EpochOrder(indices, np.minimum(np.arange(1, steps + 1) * step, len(indices)), self.shard)

    def _iterate(self, position: _Position, order: EpochOrder) -> Generator[Any]:
        batches = self._load(order, position.epoch, position.batch)
        if self.device is not None:
            batches = device_prefetch(batches, self.device)
        with contextlib.closing(batches):
            for batch in batches:
                position.batch += 1
                yield batch
        position.epoch, position.batch, position.begun = position.epoch + 1, 0, False
        position.steps = position.order = None

    def _load(self, order: EpochOrder, epoch: int, first: int) -> Generator[Any]:
        """The batches of an epoch, as arrays on the host, starting with batch `first`."""
        fetch = Fetch(self.dataset, self.transform, self.collate_fn, self.seed, self.worker_init)
        tasks = ((epoch, *order.batch(number)) for number in range(first, len(order)))
        if not self.num_workers:
            yield from (fetch(*task) for task in tasks)
            return
        count = min(self.num_workers, len(order) - first)
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


def device_prefetch(batches: Iterable[Any], device: Placement, size: int = 2) -> Generator[Any]:
    """The same batches on a device. The transfer of the next `size` batches starts ahead of use.

    Args:
        batches: pytrees of arrays.
        device: a device or a `Sharding`. With a sharding that spans several processes every process gives its own part
            of a global array.
        size: batches whose transfer has started and that have not been yielded yet.

    Raises:
        ValueError: `size` is no whole number, or is negative; or an array does not divide evenly over the devices, as
            may happen to the last batch of an epoch: use `drop_last=True`.

    >>> [x.devices() == {jax.devices()[0]} for x in device_prefetch([np.arange(3)] * 2, jax.devices()[0])]
    [True, True]
    """
    queue, size = collections.deque(), whole_number("size", size, 0)
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


def _checked_shard(shard: tuple[int, int]) -> tuple[int, int]:
    """A shard as two ints; ValueError unless it is `(index, count)` with an index below the count."""
    try:
        index, count = map(operator.index, shard)
    except (TypeError, ValueError):
        index, count = 0, 0
    if not 0 <= index < count:
        raise ValueError(f"shard={shard} must be (index, count) with 0 <= index < count")
    return index, count
