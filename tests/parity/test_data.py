"""Batches, shards and splits beside those of torch.utils.data."""

from typing import NamedTuple

import jax
import numpy as np
import pytest
import torch
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


SAMPLERS = {
    "sequential": lambda g: torch_data.SequentialSampler(range(11)),
    "random": lambda g: torch_data.RandomSampler(range(11), generator=g),
    "random with replacement": lambda g: torch_data.RandomSampler(range(11), True, 20, generator=g),
    "subset": lambda g: torch_data.SubsetRandomSampler([7, 3, 1, 9, 0], generator=g),
    "subset of tensors": lambda g: torch_data.SubsetRandomSampler(torch.tensor([7, 3, 1]), generator=g),
    "weighted": lambda g: torch_data.WeightedRandomSampler(torch.arange(11.0), 20, generator=g),
    "weighted without replacement": lambda g: torch_data.WeightedRandomSampler(
        torch.arange(1.0, 12), 7, False, generator=g
    ),
    "tensor": lambda g: torch.tensor([4, 4, 2]),
    "list": lambda g: [0, 1],
}


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("drop_last", [False, True])
def test_samplers_of_torch(name, drop_last):
    """Both libraries give the same batches in three epochs, as both iterate the sampler once an epoch."""
    ours, theirs = (SAMPLERS[name](torch.Generator().manual_seed(3)) for _ in range(2))
    loader = DataLoader(list(range(11)), 4, sampler=ours, drop_last=drop_last)
    reference = torch_data.DataLoader(list(range(11)), 4, sampler=theirs, drop_last=drop_last)
    for _ in range(3):
        assert len(loader) == len(reference)
        assert [batch.tolist() for batch in loader] == [batch.tolist() for batch in reference]


@pytest.mark.parametrize("drop_last", [False, True])
def test_batch_sampler_of_torch(drop_last):
    ours, theirs = (
        torch_data.BatchSampler(SAMPLERS["weighted"](torch.Generator().manual_seed(5)), 3, drop_last) for _ in range(2)
    )
    loader = DataLoader(list(range(11)), batch_sampler=ours)
    reference = torch_data.DataLoader(list(range(11)), batch_sampler=theirs)
    for _ in range(2):
        assert len(loader) == len(reference)
        assert [batch.tolist() for batch in loader] == [batch.tolist() for batch in reference]


def test_distributed_sampler_of_torch_gets_the_epoch():
    ours, theirs = (torch_data.DistributedSampler(range(11), 2, 1, seed=4) for _ in range(2))
    loader = DataLoader(list(range(11)), 2, sampler=ours)
    orders = []
    for epoch in range(3):
        theirs.set_epoch(epoch)
        orders.append([batch.tolist() for batch in torch_data.DataLoader(list(range(11)), 2, sampler=theirs)])
        assert [batch.tolist() for batch in loader] == orders[-1]
    assert orders[0] != orders[1]
    resumed = DataLoader(list(range(11)), 2, sampler=torch_data.DistributedSampler(range(11), 2, 1, seed=4))
    resumed.epoch = 2
    assert [batch.tolist() for batch in resumed] == orders[2]


@pytest.mark.parametrize("value", [np.int64(2), np.int32(2), torch.tensor(2)])
def test_a_batch_size_of_any_integer_type(value):
    assert [batch.tolist() for batch in DataLoader([5, 6, 7], value)] == [[5, 6], [7]]
    for refused in (True, 2.0):
        with pytest.raises(ValueError, match="batch_size"):
            torch_data.DataLoader([5, 6, 7], refused)
        with pytest.raises(ValueError, match="batch_size"):
            DataLoader([5, 6, 7], refused)
