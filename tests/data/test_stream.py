"""The loader of streams."""

import threading

import jax
import numpy as np
import pytest

from funcvision.data import StreamLoader, get_worker_info


class Counting:
    """The numbers below `stop`, shared out to the workers."""

    def __init__(self, stop, fails_at=None):
        self.stop, self.fails_at = stop, fails_at

    def __iter__(self):
        info = get_worker_info()
        for number in range(self.stop) if info is None else range(info.id, self.stop, info.num_workers):
            if number == self.fails_at:
                raise KeyError("no such sample")
            yield number


def lists(loader):
    return [batch.tolist() for batch in loader]


@pytest.mark.parametrize("num_workers", [0, 1])
def test_batches_of_a_stream(num_workers):
    loader = StreamLoader(Counting(5), 2, num_workers=num_workers)
    assert lists(loader) == lists(loader) == [[0, 1], [2, 3], [4]]
    assert lists(StreamLoader(Counting(5), 2, drop_last=True, num_workers=num_workers)) == [[0, 1], [2, 3]]
    assert lists(StreamLoader(Counting(0), 2, num_workers=num_workers)) == []


def test_workers_take_turns():
    assert lists(StreamLoader(Counting(11), 2, num_workers=3)) == [[0, 3], [1, 4], [2, 5], [6, 9], [7, 10], [8]]


def test_an_endless_stream():
    class Endless:
        def __iter__(self):
            while True:
                yield 1

    before = threading.active_count()
    batches = iter(StreamLoader(Endless(), 3, num_workers=2))
    assert next(batches).tolist() == [1, 1, 1]
    batches.close()  # type: ignore[attr-defined]
    assert threading.active_count() <= before


def test_the_keys_of_a_transform():
    def noise(sample, *, key):
        return key.uniform()

    def epochs(seed):
        loader = StreamLoader(Counting(6), 3, transform=noise, num_workers=2, seed=seed)
        return [np.concatenate(list(loader)) for _ in range(2)]

    first = epochs(0)
    assert len(np.unique(first)) == 12
    np.testing.assert_array_equal(epochs(0), first)
    assert not np.isin(epochs(1), first).any()


@pytest.mark.parametrize("num_workers", [0, 2])
def test_errors(num_workers):
    with pytest.raises(RuntimeError, match="a batch of Counting could not be loaded: KeyError") as caught:
        lists(StreamLoader(Counting(9, fails_at=4), 2, num_workers=num_workers))
    assert isinstance(caught.value.__cause__, KeyError)

    def init(info):
        raise OSError("no device")

    with pytest.raises(RuntimeError, match="worker_init failed in worker 0: OSError"):
        lists(StreamLoader(Counting(9), num_workers=1, worker_init=init))
    with pytest.raises(TypeError, match="starts it anew"):
        StreamLoader(iter([1]))
    with pytest.raises(ValueError, match="batch_size=0"):
        StreamLoader(Counting(2), 0)
    with pytest.raises(ValueError, match="threads"):
        StreamLoader(Counting(2), workers="fibers")  # type: ignore[arg-type]


def test_batches_on_a_device():
    device = jax.devices()[1]
    assert all(batch.devices() == {device} for batch in StreamLoader(Counting(5), 2, device=device))
