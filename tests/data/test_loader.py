"""Order, sharding, resuming, keys and placement. Errors of workers are tested in test_workers.py."""

import itertools
import json

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.sharding import NamedSharding, PartitionSpec

from funcvision.data import ArrayDataset, DataLoader, Subset, device_prefetch

from .samples import Numbers, add_noise, list_of_labels


def labels(batches):
    return [batch[1].tolist() for batch in batches]


def same(a, b):
    return jax.tree.all(jax.tree.map(np.array_equal, a, b))


@pytest.mark.parametrize("num_workers", [0, 1, 3])
def test_batches_do_not_depend_on_the_threads(num_workers):
    reference = DataLoader(Numbers(23), 4, shuffle=True, seed=5, num_workers=0, transform=add_noise)
    loader = DataLoader(Numbers(23), 4, shuffle=True, seed=5, num_workers=num_workers, transform=add_noise)
    for _ in range(2):
        assert same(list(loader), list(reference))
    assert loader.epoch == 2


def test_batches_do_not_depend_on_processes():
    options = {"batch_size": 4, "shuffle": True, "seed": 5, "transform": add_noise}
    loader = DataLoader(Numbers(10), num_workers=2, workers="processes", **options)
    assert same(list(loader), list(DataLoader(Numbers(10), num_workers=0, **options)))


@given(
    length=st.integers(0, 30), batch_size=st.integers(1, 8), count=st.integers(1, 5), drop_last=st.booleans(),
    shuffle=st.booleans(), num_workers=st.sampled_from([0, 2]),
)
@settings(max_examples=60, deadline=None)
def test_shards_cover_every_sample_in_equal_steps(length, batch_size, count, drop_last, shuffle, num_workers):
    def batches(shard, size):
        loader = DataLoader(
            Numbers(length), size, shard=shard, drop_last=drop_last, shuffle=shuffle, num_workers=num_workers
        )
        result = labels(loader)
        assert len(result) == len(loader)
        return result

    shards = [batches((i, count), batch_size) for i in range(count)]
    whole = batches((0, 1), batch_size * count)
    assert {tuple(map(len, shard)) for shard in shards} == {tuple(map(len, shards[0]))}, "equal steps, equal batches"
    joined = [list(itertools.chain(*parts)) for parts in zip(*shards, strict=True)]
    assert [batch[: len(expected)] for batch, expected in zip(joined, whole, strict=True)] == whole
    padding = sum(map(len, joined)) - sum(map(len, whole))
    assert 0 <= padding < count
    flat = list(itertools.chain(*whole))
    assert len(set(flat)) == len(flat) == (length - length % (batch_size * count) if drop_last else length)
    assert padding == 0 or joined[-1][-padding:] == (flat * count)[:padding], "wrapped around to the beginning"


def test_a_new_order_for_every_epoch_and_seed():
    loader = DataLoader(Numbers(40), 40, shuffle=True, seed=1)
    first, second = labels(loader)[0], labels(loader)[0]
    assert first != second
    assert first != labels(DataLoader(Numbers(40), 40, shuffle=True, seed=2))[0]
    loader.epoch = 0
    assert labels(loader)[0] == first
    assert loader.epoch == 1


def test_every_iter_is_an_epoch():
    loader = DataLoader(Numbers(10), 2, shuffle=True)
    epochs = [labels(loader) for _ in range(3)]
    loader.epoch = 0
    for batch in loader:
        assert labels([batch]) == epochs[0][:1]
        assert loader.epoch == 0
        break
    assert labels(loader) == epochs[1]
    assert loader.epoch == 2
    assert labels(loader) == epochs[2]


def test_two_iterators_do_not_disturb_each_other():
    loader = DataLoader(Numbers(10), 2, shuffle=True)
    expected = labels(loader), labels(loader)
    loader.epoch = 0
    first, second = zip(*zip(loader, loader, strict=True), strict=True)
    assert (labels(first), labels(second)) == expected


@pytest.mark.parametrize(("num_workers", "device"), [(0, False), (2, False), (2, True)])
@pytest.mark.parametrize("drop_last", [False, True])
def test_resumes_at_every_position(num_workers, device, drop_last):
    def make():
        place = jax.devices()[0] if device else None
        return DataLoader(
            Numbers(11), 3, shuffle=True, seed=4, num_workers=num_workers, drop_last=drop_last, device=place,
            transform=add_noise,
        )

    loader, epochs = make(), 3
    states, batches = [loader.state_dict()], []
    for _ in range(epochs):
        for batch in loader:
            batches.append(batch)
            states.append(loader.state_dict())
        assert loader.state_dict() == states[-1]
    for position, state in enumerate(states):
        resumed = make()
        resumed.load_state_dict(json.loads(json.dumps(state)))
        assert resumed.state_dict() == state
        assert resumed.epoch == position // len(loader)
        rest = [batch for _ in range(resumed.epoch, epochs) for batch in resumed]
        assert same(rest, batches[position:])


def test_resumes_in_the_same_loader_after_a_break():
    loader = DataLoader(Numbers(12), 2, shuffle=True)
    expected = labels(loader)
    loader.epoch = 0
    assert labels(itertools.islice(loader, 2)) == expected[:2]
    loader.load_state_dict(loader.state_dict())
    assert labels(loader) == expected[2:]


@pytest.mark.parametrize(
    ("options", "message"),
    [({"batch_size": 3}, r"batch_size=2 \(here 3\)"), ({"seed": 1}, r"seed=0 \(here 1\)"),
     ({"shard": (1, 2)}, r"shard=\[0, 1\] \(here \[1, 2\]\)"), ({"drop_last": True}, r"drop_last=False \(here True\)"),
     ({"shuffle": False}, r"sampler='RandomSampler' \(here 'SequentialSampler'\)"),
     ({"dataset": Numbers(9)}, r"dataset_length=10 \(here 9\), sampler_length=10 \(here 9\)")],
)
def test_a_state_of_another_loader_is_refused(options, message):
    usual = {"dataset": Numbers(10), "batch_size": 2, "shuffle": True}
    state = DataLoader(**usual).state_dict()
    with pytest.raises(ValueError, match=f"another loader, whose batches are not these: .*{message}"):
        DataLoader(**{**usual, **options}).load_state_dict(state)


class EverySampleThrice:
    def __len__(self):
        return 30

    def __call__(self, epoch):
        return np.repeat(np.arange(10), 3)


def test_a_sampler_of_ones_own_and_a_key_for_every_draw():
    loader = DataLoader(Numbers(10), 4, sampler=EverySampleThrice(), transform=add_noise)
    images = np.concatenate([images for images, _ in loader])
    assert len(images) == 30
    assert len(np.unique(images, axis=0)) == 30, "the same sample drawn again has a key of its own"
    assert same(images[::3], np.concatenate([x for x, _ in DataLoader(Numbers(10), 10, transform=add_noise)]))


def test_keys_depend_on_seed_epoch_and_sample_alone():
    def noise(epoch=0, **options):
        loader = DataLoader(Numbers(10), **{"batch_size": 4, **options}, transform=add_noise)
        loader.epoch = epoch
        return {label: image for images, labels in loader for image, label in zip(images, labels.tolist(), strict=True)}

    reference = noise()
    for options in ({"batch_size": 3}, {"shuffle": True}, {"num_workers": 0}):
        assert same(noise(**options), reference)
    assert same(noise(shard=(1, 2), batch_size=5), {i: reference[i] for i in range(5, 10)})
    for different in (noise(epoch=1), noise(seed=1)):
        assert not any(same(different[i], reference[i]) for i in reference)
    assert len({image.tobytes() for image in reference.values()}) == 10


class Noisy(Numbers):
    """A dataset that can only be read with a key."""

    def load_sample(self, index, *, key):
        return key.standard_normal(3), index

    def __getitem__(self, index):
        raise AssertionError("load_sample comes first")


@pytest.mark.parametrize("options", [{"num_workers": 0}, {"num_workers": 2}, {"workers": "processes"}])
def test_load_sample_gets_a_key_for_every_draw(options):
    loader = DataLoader(Noisy(10), 4, sampler=EverySampleThrice(), seed=7, **options)
    first = np.concatenate([noise for noise, _ in loader])
    assert len(np.unique(first, axis=0)) == 30
    reference = DataLoader(Noisy(10), 7, sampler=EverySampleThrice(), seed=7, num_workers=0)
    np.testing.assert_array_equal(first, np.concatenate([noise for noise, _ in reference]))


def test_load_sample_comes_before_load_batch():
    class Both(Noisy):
        def load_batch(self, indices):
            raise AssertionError("a batch without keys")

    assert labels(DataLoader(Both(3), 3)) == [[0, 1, 2]]


def test_arrays_are_gathered_at_once(monkeypatch):
    dataset = ArrayDataset((np.arange(20).reshape(10, 2), np.arange(10)))
    one_by_one = list(DataLoader(dataset, 4, shuffle=True, collate_fn=lambda samples: jax.tree.map(
        lambda *leaves: np.stack(leaves), *samples)))
    monkeypatch.setattr(ArrayDataset, "__getitem__", None)
    assert same(list(DataLoader(dataset, 4, shuffle=True)), one_by_one)
    assert labels(DataLoader(Subset(dataset, [7, 3, 1]), 2)) == [[7, 3], [1]]


def test_collate_fn_is_used():
    assert list(DataLoader(Numbers(5), 2, collate_fn=list_of_labels)) == [[0, 1], [2, 3], [4]]
    by_array = DataLoader(ArrayDataset((np.zeros(3), np.arange(3))), 2, collate_fn=list_of_labels)
    assert list(by_array) == [[0, 1], [2]]


def test_batches_are_numpy_unless_a_device_is_named():
    host = next(iter(DataLoader(Numbers(4), 2)))
    assert all(type(leaf) is np.ndarray for leaf in host)
    second = jax.devices()[1]
    images, numbers = next(iter(DataLoader(Numbers(4), 2, device=second)))
    assert images.devices() == numbers.devices() == {second}
    assert numbers.dtype == np.int32


def test_batches_are_split_over_two_devices():
    sharding = NamedSharding(jax.make_mesh((2,), ("data",)), PartitionSpec("data"))
    loader = DataLoader(Numbers(10), 4, device=sharding, drop_last=True)
    batches = list(loader)
    assert labels(batches) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    for images, numbers in batches:
        assert images.sharding == numbers.sharding == sharding or images.sharding.is_equivalent_to(sharding, 3)
        assert [s.data.shape for s in images.addressable_shards] == [(2, 2, 3)] * 2
    with pytest.raises(ValueError, match="evenly divide"):
        list(DataLoader(Numbers(3), 3, device=sharding))


@pytest.mark.parametrize("size", [1, 2, 5])
def test_device_prefetch_is_size_batches_ahead(size):
    taken = []

    def batches():
        for i in range(6):
            taken.append(i)
            yield {"x": np.full(2, i)}

    for i, batch in enumerate(device_prefetch(batches(), jax.devices()[1], size)):
        assert batch["x"].tolist() == [i, i]
        assert len(taken) == min(6, i + 1 + size)
    assert i == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [({"batch_size": 0}, "batch_size=0 must be a whole number, 1 or more"), ({"batch_size": 2.0}, "batch_size=2.0"),
     ({"num_workers": -1}, "num_workers=-1 must be a whole number, 0 or more"), ({"seed": -1}, "seed=-1"),
     ({"prefetch_factor": 0}, "prefetch_factor=0"), ({"workers": "fork"}, "workers='fork' must be 'threads' or 'proc"),
     ({"shard": (2, 2)}, r"shard=\(2, 2\) must be \(index, count\)"),
     ({"shuffle": True, "sampler": EverySampleThrice()}, "both decide the order")],
)
def test_arguments_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        DataLoader(Numbers(4), **options)


def test_a_dataset_needs_a_length():
    with pytest.raises(TypeError, match=r"needs __len__ and __getitem__, and list_iterator lacks one"):
        DataLoader(iter([1, 2]))


def test_len():
    assert len(DataLoader(Numbers(10), 3)) == 4
    assert len(DataLoader(Numbers(10), 3, drop_last=True)) == 3
    assert len(DataLoader(Numbers(10), 3, shard=(0, 2))) == 2
    assert len(DataLoader(Numbers(0), 3)) == 0
    assert list(DataLoader(Numbers(0), 3)) == []
