"""What a worker runs: it reads samples of a dataset and makes a batch of them, with arrays in place of Tensors.

Each sample has random numbers of its own, which depend on the seed of the epoch and on the place of the sample in it.
A data set of `funcvision.vision` takes them as its key, and so does a random transform that is called without a key.
So `manual_seed` decides what is drawn, whichever worker draws it.
"""

import copy
import dataclasses
import functools
import itertools
import multiprocessing
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ....data._workers import LoadError, WorkerInfo, enter_sample, enter_worker
from ...random import manual_seed
from .collate import stacked, unconverted

__all__ = ["Fetch", "StreamFetch"]


@dataclasses.dataclass
class Fetch:
    """Loads a batch of a dataset whose samples have keys.

    Attributes:
        dataset: the dataset.
        collate: makes the batch from a list of samples; or, without batches, what becomes of one sample.
        worker_init_fn: called with the number of a worker at its start, or None.
        seed: decides the seeds of the workers.
        batched: whether the keys of a task are a list.
    """

    dataset: Any
    collate: Callable[[Any], Any]
    worker_init_fn: Callable[[int], Any] | None
    seed: int
    batched: bool

    def start(self, worker: int, count: int) -> "Fetch":
        """A copy of this object for one worker, with a copy of the dataset, as a process would have."""
        dataset = _copied(self.dataset)
        seed = (self.seed + worker) % 2**64
        enter_worker(WorkerInfo(worker, count, seed, dataset))
        if multiprocessing.parent_process() is not None:  # threads share these generators
            random.seed(seed)
            np.random.seed(seed % 2**32)
            manual_seed(seed)
        try:
            if self.worker_init_fn is not None:
                self.worker_init_fn(worker)
        except Exception as error:
            raise LoadError(f"worker_init_fn failed in worker {worker}") from error
        return dataclasses.replace(self, dataset=dataset)

    def __call__(self, seed: int, first: int, keys: Any, stopped: Callable[[], bool] = lambda: False) -> Any:
        """Loads a batch.

        Args:
            seed: the seed of the epoch.
            first: the place of the first sample in the epoch.
            keys: the list of the keys of the samples; or, without batches, one key.
            stopped: whether the batch is not needed any more; it is asked before every sample.

        Raises:
            LoadError: the dataset or the collate function raised; that error is the cause.
        """
        try:
            if not self.batched:
                return self.collate(self._sample(seed, first, keys))
            if self._gathers():
                return unconverted(self.dataset.load_batch(keys))
            if hasattr(self.dataset, "__getitems__") and not hasattr(self.dataset, "load_sample"):
                return self.collate(self.dataset.__getitems__(keys))
            samples = []
            for place, key in enumerate(keys, first):
                if stopped():
                    return None
                samples.append(self._sample(seed, place, key))
            return self.collate(samples)
        except Exception as error:
            raise LoadError(f"the samples {keys!r} could not be loaded"[:200]) from error
        finally:
            enter_sample(None)

    def _gathers(self) -> bool:
        """Whether the dataset gathers a whole batch at once, and nothing else is asked for."""
        has = functools.partial(hasattr, self.dataset)
        return self.collate is stacked and has("load_batch") and not has("load_sample")

    def _sample(self, seed: int, place: int, key: Any) -> Any:
        read = getattr(self.dataset, "load_sample", None)
        generator = functools.cache(functools.partial(_random, seed, place))
        enter_sample(generator)
        return self.dataset[key] if read is None else read(key, key=generator())


@dataclasses.dataclass
class StreamFetch(Fetch):
    """Loads the next batch of a stream.

    Attributes:
        batch_size: samples in a batch; None for no batches.
        drop_last: whether a smaller batch at the end is left out.
    """

    batch_size: int | None
    drop_last: bool
    _epoch: int | None = None
    _samples: Iterator[Any] | None = None

    def __call__(self, seed: int, first: int, keys: Any = None, stopped: Callable[[], bool] = lambda: False) -> Any:
        """A tuple of the next batch; an empty one at the end of the stream. A new seed starts the stream anew."""
        try:
            enter_sample(functools.cache(functools.partial(_random, seed, first)))
            if self._samples is None or self._epoch != seed:
                self._epoch, self._samples = seed, iter(self.dataset)
            batch = list(itertools.islice(self._samples, self.batch_size or 1))
            if not batch or (self.drop_last and self.batch_size and len(batch) < self.batch_size):
                self._samples = iter(())
                return ()
            return (self.collate(batch if self.batch_size else batch[0]),)
        except Exception as error:
            raise LoadError(f"a batch of {type(self.dataset).__name__} could not be loaded") from error
        finally:
            enter_sample(None)


def _random(seed: int, place: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(place,)))


def _copied(dataset: Any) -> Any:
    """A copy of a dataset, which shares what the dataset refers to."""
    try:
        return copy.copy(dataset)
    except TypeError:  # it cannot be copied; the workers share it
        return dataset
