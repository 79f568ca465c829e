"""Batches, shards and splits beside those of torch.utils.data."""

from typing import NamedTuple

import jax
import numpy as np
import pytest
import torch.utils.data as torch_data

from funcvision.data import DataLoader, random_split

from .reference import assert_close, random


class Pair(NamedTuple):
    first: np.ndarray
    second: float


class Samples:
    """Samples with one leaf of every kind that both libraries can batch."""

    def __len__(self):
        return 11

    def __getitem__(self, index):
        return {
            "image": random(index, 3, 4, 2), "pixels": np.full((2, 3), index, np.uint8), "label": index,
            "score": index / 7, "flag": index % 2 == 0, "scalar": np.float32(index), "row": np.int16(index),
            "nested": (Pair(random(index, 2, dtype="float64"), 0.5), [index, np.zeros((), np.int32)]),
        }


@pytest.mark.parametrize("batch_size", [1, 4, 11, 20])
@pytest.mark.parametrize("drop_last", [False, True])
def test_default_batches(batch_size, drop_last):
    ours = list(DataLoader(Samples(), batch_size, drop_last=drop_last))
    theirs = list(torch_data.DataLoader(Samples(), batch_size, drop_last=drop_last))
    assert len(ours) == len(theirs) == len(DataLoader(Samples(), batch_size, drop_last=drop_last))
    for batch, expected in zip(ours, theirs, strict=True):
        leaves, reference = jax.tree.leaves(batch), jax.tree.leaves(expected)  # torch makes lists of tuples
        for leaf, tensor in zip(leaves, reference, strict=True):
            assert_close(leaf, tensor)


def test_strings():
    samples = [("a", 1), ("bc", 2), ("d", 3)]
    for (names, numbers), (their_names, their_numbers) in zip(
        DataLoader(samples, 2), torch_data.DataLoader(samples, 2), strict=True
    ):
        assert names == list(their_names)
        assert_close(numbers, their_numbers)


@pytest.mark.parametrize("length", [1, 2, 7, 12, 13, 23])
@pytest.mark.parametrize("count", [2, 3, 5])
def test_shards_take_the_samples_of_distributed_sampler(length, count):
    """In every step all processes together load the same samples as in torch, but distribute them differently."""

    def together(loaders):
        return [sorted(int(x) for part in parts for x in part) for parts in zip(*loaders, strict=True)]

    dataset = list(range(length))
    ours = [DataLoader(dataset, 2, shard=(i, count)) for i in range(count)]
    samplers = [torch_data.DistributedSampler(dataset, count, i, shuffle=False) for i in range(count)]
    theirs = [torch_data.DataLoader(dataset, 2, sampler=sampler) for sampler in samplers]
    assert together(ours) == together(theirs)


@pytest.mark.parametrize("lengths", [[0.5, 0.5], [0.33, 0.33, 0.34], [0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [1.0], [3, 8]])
def test_sizes_of_a_random_split(lengths):
    dataset = list(range(11))
    sizes = [len(part) for part in torch_data.random_split(dataset, lengths)]
    assert [len(part) for part in random_split(dataset, lengths)] == sizes
