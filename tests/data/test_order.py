"""What a sampler may be: its epochs, its resuming, and what is refused."""

import json
import re

import jax.numpy as jnp
import numpy as np
import pytest

from funcvision.data import ArrayDataset, DataLoader, RandomSampler, Subset, device_prefetch, pad_collate, random_split

from .samples import Numbers, add_noise

Whole = [np.int64, np.uint8, np.array]


def labels(batches):
    return [batch[1].tolist() for batch in batches]


class Iterated:
    """An iterable that draws a new order from its generator each time, as torch's samplers do."""

    def __init__(self, length, seed=0):
        self.length, self.rng = length, np.random.default_rng(seed)

    def __len__(self):
        return self.length

    def __iter__(self):
        return iter(self.rng.permutation(self.length))


class Unsized:
    """An iterable without a length; `set_epoch` rotates it."""

    shift = 0

    def set_epoch(self, epoch):
        self.shift = epoch

    def __iter__(self):
        return iter([(i + self.shift) % 5 for i in range(5)])


@pytest.mark.parametrize(
    "sampler", [[3, 0, 3], (3, 0, 3), np.array([3, 0, 3], np.uint8), jnp.array([3, 0, 3]), [np.int8(3), 0, np.array(3)],
                {3, 0}, lambda epoch: [3, 0, 3]],
    ids=["list", "tuple", "numpy", "jax", "scalars", "set", "function"],
)  # fmt: skip
@pytest.mark.parametrize("num_workers", [0, 2])
def test_any_iterable_of_numbers_is_a_sampler(sampler, num_workers):
    loader = DataLoader(Numbers(4), 2, sampler=sampler, num_workers=num_workers)
    expected = sorted(sampler) if isinstance(sampler, set) else [3, 0, 3]
    for _ in range(2):
        found = [label for batch in labels(loader) for label in batch]
        assert (sorted(found) if isinstance(sampler, set) else found) == expected
    assert loader.epoch == 2


def test_a_range_and_an_empty_sampler():
    assert labels(DataLoader(Numbers(9), 2, sampler=range(8, 0, -3))) == [[8, 5], [2]]
    for empty in ([], np.array([], int), range(0), lambda epoch: []):
        assert list(DataLoader(Numbers(4), sampler=empty)) == [], "no samples, rather than all in order"


def test_an_iterable_is_iterated_once_an_epoch():
    reference = Iterated(6, 7)
    epochs = [list(map(int, reference)) for _ in range(3)]
    loader = DataLoader(Numbers(6), 6, sampler=Iterated(6, 7))
    assert [labels(loader)[0] for _ in range(3)] == epochs
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_set_epoch_is_called_and_a_length_is_not_needed():
    loader = DataLoader(Numbers(5), 2, sampler=Unsized())
    assert labels(loader) == [[0, 1], [2, 3], [4]]
    assert labels(loader) == [[1, 2], [3, 4], [0]]
    with pytest.raises(TypeError, match="the sampler Unsized has no __len__, so neither has this loader"):
        len(loader)
    assert labels([next(iter(loader))]) == [[2, 3]]
    state = loader.state_dict()
    resumed = DataLoader(Numbers(5), 2, sampler=Unsized())
    resumed.load_state_dict(json.loads(json.dumps(state)))
    assert labels(resumed) == [[4, 0], [1]]


def test_resuming_with_an_iterable_checks_its_order():
    loader = DataLoader(Numbers(6), 2, sampler=Iterated(6, 7))
    first = labels(loader)
    between = loader.state_dict()
    iterator = iter(loader)
    next(iterator)
    within = json.loads(json.dumps(loader.state_dict()))
    rest = labels(iterator)
    assert len(first) == 3

    again = Iterated(6, 7)
    list(again)  # the generator is now where it was when the second epoch began
    resumed = DataLoader(Numbers(6), 2, sampler=again)
    resumed.load_state_dict(within)
    assert resumed.state_dict() == within
    assert labels(resumed) == rest

    other = DataLoader(Numbers(6), 2, sampler=Iterated(6, 8))
    other.load_state_dict(within)
    with pytest.raises(ValueError, match="Iterated gives another order for epoch 1 than when the state was saved"):
        iter(other)
    other.load_state_dict(json.loads(json.dumps(between)))
    assert len(labels(other)) == 3, "an epoch that has not begun may have any order"
    assert other.epoch == 2


@pytest.mark.parametrize(
    ("saved", "loaded"),
    [(RandomSampler(range(9), seed=1), RandomSampler(range(9), seed=2)), ([1, 2, 3], [1, 3, 2]),
     (np.arange(4), np.arange(4)[::-1]), (lambda epoch: [epoch, 5], lambda epoch: [epoch, 6])],
)  # fmt: skip
@pytest.mark.parametrize("steps", [0, 1, 2])
def test_a_state_of_another_order_is_refused(saved, loaded, steps):
    loader = DataLoader(Numbers(9), sampler=saved)
    for _ in zip(range(steps), loader, strict=False):
        pass
    state = json.loads(json.dumps(loader.state_dict()))
    with pytest.raises(ValueError, match=f"another loader.*{type(saved).__name__} gives another order for epoch"):
        DataLoader(Numbers(9), sampler=loaded).load_state_dict(state)
    same = DataLoader(Numbers(9), sampler=saved)
    same.load_state_dict(state)
    assert same.state_dict() == state


@pytest.mark.parametrize(
    ("sampler", "error", "message"),
    [(iter([0, 1]), TypeError, "sampler is a list_iterator, which can be iterated only once.*list(sampler)"),
     ((i for i in range(3)), TypeError, "sampler is a generator, which can be iterated only once"),
     (3, TypeError, "sampler=3 must be an iterable, or a callable sampler(epoch)"),
     (RandomSampler, TypeError, "RandomSampler'> must be an iterable, or a callable"),
     ([0.0, 1.0], TypeError, "the sampler list gives 0.0; expected whole numbers"),
     (np.ones(3), TypeError, "the sampler ndarray is an array of float64; expected whole numbers"),
     (np.zeros((2, 2), int), ValueError, "the sampler ndarray is an array of shape (2, 2)"),
     ([True, False], TypeError, "the sampler list gives True.*np.flatnonzero(mask) gives those of a mask"),
     (np.array([True, False]), TypeError, "an array of bool.*np.flatnonzero(mask)"),
     ([[0, 1], [2]], TypeError, "the sampler list gives [0, 1].*batches of numbers are given as batch_sampler"),
     (["a"], TypeError, "the sampler list gives 'a'")],
)  # fmt: skip
def test_what_is_no_sampler_is_refused_at_once(sampler, error, message):
    with pytest.raises(error, match=".*".join(map(re.escape, message.split(".*")))):
        DataLoader(Numbers(4), sampler=sampler)


class Claims:
    """A sampler whose length is not what it gives."""

    def __init__(self, length, given):
        self.length, self.given = length, given

    def __len__(self):
        return self.length

    def __iter__(self):
        return iter(self.given)


class ClaimsByEpoch(Claims):
    def __call__(self, epoch):
        return np.array(self.given)


@pytest.mark.parametrize("kind", [Claims, ClaimsByEpoch])
@pytest.mark.parametrize("length", [2, 9])
def test_a_sampler_of_another_length_than_it_says_gives_no_empty_batch(kind, length):
    loader = DataLoader(Numbers(5), 2, sampler=kind(length, [1, 2, 3]))
    message = f"the length of {kind.__name__} is {length}, and it gives 3 samples for epoch 0"
    with pytest.raises(ValueError, match=message):
        list(loader)


def test_batch_sampler():
    batches = [[3, 1], [0], [3, 2, 4]]
    for given in (batches, [np.array(batch) for batch in batches], lambda epoch: batches):
        loader = DataLoader(Numbers(5), batch_sampler=given, transform=add_noise)
        found = list(loader)
        assert labels(found) == batches
        assert (loader.epoch, loader.state_dict()["batch"]) == (1, 0)
    assert len(DataLoader(Numbers(5), batch_sampler=batches)) == 3
    assert not np.array_equal(found[0][0][0], found[2][0][0]), "sample 3 has another key when it is drawn again"
    loader = DataLoader(Numbers(5), batch_sampler=batches)
    next(iter(loader))
    resumed = DataLoader(Numbers(5), batch_sampler=batches)
    resumed.load_state_dict(json.loads(json.dumps(loader.state_dict())))
    assert labels(resumed) == batches[1:]
    with pytest.raises(ValueError, match="list gives another order for epoch 0"):
        DataLoader(Numbers(5), batch_sampler=[[3], [1, 0], [3, 2, 4]]).load_state_dict(loader.state_dict())


def test_a_batch_of_a_batch_sampler_is_split_over_the_processes():
    shards = [DataLoader(Numbers(9), batch_sampler=[[8, 6, 4, 2], [1, 0]], shard=(i, 2)) for i in range(2)]
    assert [labels(shard) for shard in shards] == [[[8, 6], [1]], [[4, 2], [0]]]
    with pytest.raises(ValueError, match="a batch of 3 samples cannot be split evenly over 2 processes"):
        list(DataLoader(Numbers(9), batch_sampler=[[1, 2], [1, 2, 3]], shard=(0, 2)))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [({"batch_sampler": [0, 1]}, TypeError, "the batch_sampler list gives 0; expected batches, such as"),
     ({"batch_sampler": [[0], [0.5]]}, TypeError, "batch 1 of the batch_sampler list gives 0.5"),
     ({"batch_sampler": [[0], []]}, ValueError, "batch 1 of the batch_sampler list is empty"),
     ({"batch_sampler": iter([[0]])}, TypeError, "batch_sampler is a list_iterator"),
     ({"batch_sampler": [[0]], "batch_size": 2}, ValueError, "give no batch_size, shuffle, sampler or drop_last"),
     ({"batch_sampler": [[0]], "sampler": [0]}, ValueError, "a batch_sampler decides the batches"),
     ({"batch_sampler": [[0]], "shuffle": True}, ValueError, "a batch_sampler decides the batches"),
     ({"batch_sampler": [[0]], "drop_last": True}, ValueError, "a batch_sampler decides the batches")],
)  # fmt: skip
def test_what_is_no_batch_sampler_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        DataLoader(Numbers(4), **options)


@pytest.mark.parametrize("whole", Whole)
def test_options_take_any_whole_number(whole):
    loader = DataLoader(
        Numbers(5), whole(2), seed=whole(3), num_workers=whole(1), prefetch_factor=whole(2), shard=(whole(0), whole(1)),
        shuffle=True,
    )
    loader.epoch = whole(1)
    reference = DataLoader(Numbers(5), 2, seed=3, shuffle=True)
    reference.epoch = 1
    assert json.loads(json.dumps(loader.state_dict())) == reference.state_dict() | {"shard": [0, 1]}
    assert labels(loader) == labels(reference)
    assert RandomSampler(range(9), seed=whole(3))(1).tolist() == RandomSampler(range(9), seed=3)(1).tolist()
    assert len(list(device_prefetch([np.zeros(2)] * 3, jnp.zeros(1).devices().pop(), whole(2)))) == 3
    parts = random_split(range(5), [whole(2), whole(3)], seed=whole(1))
    expected = random_split(range(5), [2, 3], seed=1)
    assert [part.indices.tolist() for part in parts] == [part.indices.tolist() for part in expected]
    padded = pad_collate([{"x": np.zeros(2)}, {"x": np.zeros(1)}], multiple=whole(1), lengths={"x": whole(4)})
    assert padded["x"].shape == (2, 4)


@pytest.mark.parametrize("value", [2.0, True, "2", None, -1, np.float32(2), np.bool_(True)])
def test_options_refuse_what_is_no_whole_number(value):
    for name in ("batch_size", "seed", "num_workers", "prefetch_factor"):
        with pytest.raises(ValueError, match=f"{name}={re.escape(repr(value))} must be a whole number"):
            DataLoader(Numbers(4), **{name: value})
    for broken in (
        lambda: RandomSampler(range(3), seed=value), lambda: random_split(range(3), [3], seed=value),
        lambda: setattr(DataLoader(Numbers(4)), "epoch", value), lambda: list(device_prefetch([], None, value)),
        lambda: pad_collate([np.zeros(2)], multiple=value), lambda: pad_collate([np.zeros(2)], lengths={"": value}),
        lambda: pad_collate([np.zeros(2)], size=(value, 3)),
    ):
        with pytest.raises(ValueError, match=r"must be a whole number, [01] or more"):
            broken()


def test_a_subset_takes_whole_numbers_only():
    digits = ArrayDataset(np.arange(10))
    assert Subset(digits, range(2, 9, 3)).indices.tolist() == [2, 5, 8]
    for indices in ([0.5], np.array([1.0]), [True, False], np.ones(10, bool)):
        with pytest.raises(TypeError, match="expected whole numbers, the numbers of samples"):
            Subset(digits, indices)
