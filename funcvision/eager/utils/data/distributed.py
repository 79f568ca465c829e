"""`DistributedSampler`: each of several processes gets a part of the samples."""

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from .sampler import Sampler

__all__ = ["DistributedSampler"]


class DistributedSampler(Sampler):
    """Every `num_replicas`-th sample of an order that all processes share.

    Args:
        dataset: the dataset.
        num_replicas: the number of processes; by default `jax.process_count()`.
        rank: the number of this process; by default `jax.process_index()`.
        shuffle: whether each epoch has an order of its own, which depends on `seed` and on `set_epoch`.
        seed: decides the orders; it must be the same in all processes.
        drop_last: leave out samples at the end, rather than repeat some from the start, so that all processes have
            the same number of samples.

    Raises:
        ValueError: `rank` is not one of the processes.
    """

    def __init__(
        self, dataset: Any, num_replicas: int | None = None, rank: int | None = None, shuffle: bool = True,
        seed: int = 0, drop_last: bool = False,
    ):
        num_replicas = jax.process_count() if num_replicas is None else num_replicas
        rank = jax.process_index() if rank is None else rank
        if not 0 <= rank < num_replicas:
            raise ValueError(f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]")
        self.dataset, self.num_replicas, self.rank = dataset, num_replicas, rank
        self.epoch, self.drop_last, self.shuffle, self.seed = 0, drop_last, shuffle, seed
        length = len(dataset)
        self.num_samples = length // num_replicas if drop_last else -(-length // num_replicas)
        self.total_size = self.num_samples * num_replicas

    def __iter__(self) -> Iterator[int]:
        order = np.arange(len(self.dataset))
        if self.shuffle:
            order = np.random.default_rng(self.seed + self.epoch).permutation(order)
        return iter(np.resize(order, self.total_size)[self.rank :: self.num_replicas].tolist())

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Chooses the order of the next epoch."""
        self.epoch = epoch
