"""Samplers of random orders: functions of the epoch, with the options of torch's samplers."""

import numpy as np
import pytest

from funcvision.data import (
    ArrayDataset,
    DataLoader,
    RandomSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
    WorkerInfo,
    get_worker_info,
)

SAMPLERS = {
    "random": RandomSampler(range(9), seed=3),
    "with replacement": RandomSampler(range(9), replacement=True, seed=3),
    "subset": SubsetRandomSampler([4, 8, 2, 5], seed=3),
    "weighted": WeightedRandomSampler(np.arange(9.0), 20, seed=3),
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_an_order_is_a_function_of_the_epoch(name):
    sampler = SAMPLERS[name]
    orders = [sampler(epoch) for epoch in range(4)]
    for epoch, order in enumerate(orders):
        assert order.shape == (len(sampler),)
        np.testing.assert_array_equal(sampler(epoch), order)
    assert len({order.tobytes() for order in orders}) > 1


def test_random_sampler_of_another_length():
    order = RandomSampler(range(4), num_samples=10)(0)
    assert sorted(order[:4]) == sorted(order[4:8]) == [0, 1, 2, 3]
    assert len(set(order[8:])) == 2
    assert RandomSampler(range(4), num_samples=2)(0).shape == (2,)
    assert set(RandomSampler(range(4), replacement=True, num_samples=200)(0)) == {0, 1, 2, 3}
    assert RandomSampler(range(0))(0).shape == (0,)
    with pytest.raises(ValueError, match="cannot be drawn from none"):
        RandomSampler(range(0), num_samples=2)
    with pytest.raises(ValueError, match="num_samples=-1"):
        RandomSampler(range(3), num_samples=-1)


def test_subset_random_sampler_gives_its_indices_once():
    assert sorted(SAMPLERS["subset"](1)) == [2, 4, 5, 8]
    with pytest.raises(TypeError, match="flatnonzero"):
        SubsetRandomSampler([True, False])


def test_weighted_random_sampler_follows_its_weights():
    drawn = WeightedRandomSampler([1, 0, 3], 4000)(0)
    assert 1 not in drawn
    assert 0.70 < (drawn == 2).mean() < 0.80
    assert sorted(WeightedRandomSampler([1, 2, 0, 3], 3, replacement=False)(0)) == [0, 1, 3]


@pytest.mark.parametrize(
    ("weights", "options", "message"),
    [
        ([[1.0]], {}, r"shape \(1, 1\)"), ([1.0, -1.0], {}, "not negative"), ([0.0, 0.0], {}, "positive"),
        ([np.nan], {}, "finite"), ([1.0, 0.0], {"replacement": False}, "only 1 weights are positive"),
    ],
)  # fmt: skip
def test_weights_that_are_none(weights, options, message):
    with pytest.raises(ValueError, match=message):
        WeightedRandomSampler(weights, 2, **options)


def test_worker_init_runs_in_every_worker_before_it_loads():
    started: dict[int, WorkerInfo] = {}

    def init(info):
        assert get_worker_info() == info
        started[info.id] = info

    def collate(samples):
        info = get_worker_info()
        assert info is not None
        assert info.id in started
        return samples

    dataset = ArrayDataset(np.arange(12))
    loader = DataLoader(dataset, 2, num_workers=2, worker_init=init, collate_fn=collate, seed=7)
    assert sorted(int(sample) for batch in loader for sample in batch) == list(range(12))
    assert all((info.num_workers, info.seed, info.dataset) == (2, 7 + info.id, dataset) for info in started.values())
    assert get_worker_info() is None


def test_a_failing_worker_init_is_reported():
    def init(info):
        raise OSError("no device")

    with pytest.raises(RuntimeError, match="worker_init failed in worker 0: OSError: no device"):
        list(DataLoader(ArrayDataset(np.arange(4)), num_workers=1, worker_init=init))
