"""Datasets, samplers and the loader of the eager face; `tests/parity/test_eager_utils_data.py` compares with torch."""

import collections
import threading
import time

import numpy as np
import PIL.Image
import pytest

from funcvision import data, eager
from funcvision import eager as torch
from funcvision.eager.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    StackDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    default_convert,
    get_worker_info,
    random_split,
)
from funcvision.vision import datasets, transforms, utils


class Squares(Dataset):
    """Sample i is i squared; the class stands at the top of a module, so that it can be pickled."""

    def __init__(self, length=7):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return torch.tensor([float(index) ** 2]), index


class Broken(Squares):
    """A dataset that cannot read sample 2."""

    def __getitem__(self, index):
        if index == 2:
            raise KeyError("no such sample")
        return index


class Stream(IterableDataset):
    """The numbers below `length`, shared out to the workers."""

    def __init__(self, length):
        self.length = length

    def __iter__(self):
        info = get_worker_info()
        return iter(range(self.length) if info is None else range(info.id, self.length, info.num_workers))


class Noise(Squares):
    """Samples that a random transform makes, without a key."""

    transform = transforms.Compose([transforms.RandomCrop(4), transforms.ToTensor()])
    image = PIL.Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8))

    def __getitem__(self, index):
        return self.transform(self.image)


def labels(loader):
    return [batch[1].tolist() for batch in loader]


def test_batches_are_tensors_and_an_epoch_can_be_repeated():
    loader = DataLoader(Squares(), 3)
    assert len(loader) == 3
    for _ in range(2):
        batches = list(loader)
        assert [type(x) for x, _ in batches] == [torch.Tensor] * 3
        assert [x.shape for x, _ in batches] == [(3, 1), (3, 1), (1, 1)]
        assert labels(loader) == [[0, 1, 2], [3, 4, 5], [6]]
    assert (batches[0][0].dtype, batches[0][1].dtype) == (torch.float32, torch.int64)
    assert labels(DataLoader(Squares(), 3, drop_last=True)) == [[0, 1, 2], [3, 4, 5]]


def test_manual_seed_decides_the_order_whoever_loads():
    def orders(**options):
        torch.manual_seed(3)
        loader = DataLoader(Squares(), 2, True, **options)
        return [labels(loader) for _ in range(2)]

    first = orders()
    assert first[0] != first[1]
    assert sorted(index for batch in first[0] for index in batch) == list(range(7))
    assert orders() == orders(num_workers=2) == orders(num_workers=3, persistent_workers=True) == first


def test_a_generator_decides_the_order():
    class Generator:
        def initial_seed(self):
            return 5

    one, two = (labels(DataLoader(Squares(), 2, True, generator=Generator())) for _ in range(2))
    assert one == two
    loader = DataLoader(Squares(), 2, True, generator=Generator())
    assert labels(loader) == one != labels(loader)


def test_a_worker_process():
    loader = DataLoader(Broken(), num_workers=1, multiprocessing_context="spawn")
    batches = iter(loader)
    first = next(batches)
    assert isinstance(first, torch.Tensor)
    assert [first.tolist(), next(batches).tolist()] == [[0], [1]]
    with pytest.raises(KeyError, match="no such sample") as caught:
        next(batches)
    assert "in __getitem__" in "".join(caught.value.__notes__)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_errors_of_a_dataset_are_raised_as_they_are(num_workers):
    loader = iter(DataLoader(Broken(), num_workers=num_workers))
    assert [next(loader).tolist(), next(loader).tolist()] == [[0], [1]]
    with pytest.raises(KeyError, match="no such sample") as caught:
        next(loader)
    assert "Caught KeyError in DataLoader" in "".join(caught.value.__notes__)
    assert any(entry.name == "__getitem__" for entry in caught.traceback)


@pytest.mark.parametrize("batch_size", [2, None])
def test_streams(batch_size):
    def numbers(batches):
        return [batch.tolist() if batch_size else int(batch) for batch in batches]

    loader = DataLoader(Stream(7), batch_size)
    for _ in range(2):
        assert numbers(loader) == ([[0, 1], [2, 3], [4, 5], [6]] if batch_size else list(range(7)))
    loader = DataLoader(Stream(7), batch_size, num_workers=2, persistent_workers=True)
    for _ in range(2):
        found = numbers(loader)
        assert found == ([[0, 2], [1, 3], [4, 6], [5]] if batch_size else [0, 1, 2, 3, 4, 5, 6])
    with pytest.raises(TypeError):
        len(loader)


def test_workers_know_who_they_are_and_have_datasets_of_their_own():
    seen = collections.defaultdict(set)

    def init(worker):
        info = get_worker_info()
        assert (info.id, info.num_workers) == (worker, 2)
        assert info.dataset is not dataset
        info.dataset.length = 100 + worker
        seen[worker].add(threading.get_ident())

    class Lengths(Squares):
        def __getitem__(self, index):
            return self.length

    dataset = Lengths(4)
    assert [int(x) for x in DataLoader(dataset, num_workers=2, worker_init_fn=init)] == [100, 101, 100, 101]
    assert dataset.length == 4
    assert get_worker_info() is None
    assert len(seen) == 2


def test_a_failing_worker_init_fn_is_reported():
    def init(worker):
        raise OSError("no device")

    with pytest.raises(OSError, match="no device"):
        list(DataLoader(Squares(), num_workers=1, worker_init_fn=init))


def test_timeout():
    class Slow(Squares):
        def __getitem__(self, index):
            time.sleep(1.0)
            return index

    with pytest.raises(RuntimeError, match=r"timed out after 0.05 seconds"):
        next(iter(DataLoader(Slow(), num_workers=1, timeout=0.05)))


def test_an_endless_sampler_is_read_as_it_is_used():
    class Endless(Sampler):
        def __iter__(self):
            index = 0
            while True:
                yield index % 7
                index += 1

    for num_workers in (0, 2):
        batches = iter(DataLoader(Squares(), 5, sampler=Endless(), num_workers=num_workers))
        assert [next(batches)[1].tolist() for _ in range(3)] == [[0, 1, 2, 3, 4], [5, 6, 0, 1, 2], [3, 4, 5, 6, 0]]


def test_random_transforms_need_no_key_in_a_loader():
    def epoch(**options):
        torch.manual_seed(0)
        return np.concatenate([np.asarray(batch.array) for batch in DataLoader(Noise(), 3, **options)])

    first = epoch()
    assert first.shape == (7, 1, 4, 4)
    assert len({sample.tobytes() for sample in first}) > 2
    np.testing.assert_array_equal(epoch(num_workers=2), first)
    with pytest.raises(ValueError, match="key"):
        Noise()[0]


def test_an_mnist_script(tmp_path):
    """As a script has it: data set, ToTensor, Normalize, loader, Tensors of shape [N, 1, 28, 28]."""
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    images = np.random.default_rng(0).integers(0, 256, (6, 28, 28), np.uint8)
    folder = tmp_path / "zero"
    folder.mkdir()
    for number, image in enumerate(images):
        PIL.Image.fromarray(image).save(folder / f"{number}.png")
    gray = transforms.Grayscale()
    dataset = datasets.ImageFolder(tmp_path, transform=transforms.Compose([gray, transform]))
    loader = DataLoader(dataset, batch_size=4, num_workers=1, pin_memory=True)
    batches = list(loader)
    assert [x.shape for x, _ in batches] == [(4, 1, 28, 28), (2, 1, 28, 28)]
    x, y = batches[0]
    assert isinstance(x, torch.Tensor)
    np.testing.assert_allclose(np.asarray(x.array)[:, 0], (images[:4] / 255 - 0.1307) / 0.3081, rtol=1e-4, atol=1e-5)
    assert y.tolist() == [0, 0, 0, 0]
    flat = transforms.Compose([transforms.ToTensor(), lambda x: x.reshape(-1), transforms.Lambda(lambda x: x * 2)])
    assert flat(PIL.Image.fromarray(images[0])).shape == (784,)
    with pytest.raises(TypeError, match=r"an image is a Tensor .* and this one is \[784\]"):
        transforms.Compose([transforms.ToTensor(), lambda x: x.reshape(-1), transform.transforms[1]])(dataset[0][0])
    one_hot = transforms.Lambda(lambda y: [float(y == k) for k in range(3)])
    assert one_hot(1) == [0.0, 1.0, 0.0]
    utils.save_image(x, tmp_path / "grid.png", nrow=2, normalize=True)
    with PIL.Image.open(tmp_path / "grid.png") as grid:
        assert grid.size == (62, 62)
    assert utils.make_grid(x).shape == (3, 32, 122)


def test_data_sets_of_the_pure_face():
    arrays = data.ArrayDataset((np.arange(6.0, dtype=np.float32), np.arange(6)))
    torch.manual_seed(0)
    (x, y), *_ = DataLoader(arrays, 4)
    assert isinstance(x, torch.Tensor)
    assert y.tolist() == [0, 1, 2, 3]


def test_tensor_dataset_and_its_parts():
    x, y = torch.arange(10), torch.arange(10) * 10
    dataset = TensorDataset(x, y)
    assert [int(value) for value in dataset[3]] == [3, 30]
    parts = random_split(dataset, [0.7, 0.3])
    assert [len(part) for part in parts] == [7, 3]
    assert sorted(int(value) for part in parts for value, _ in part) == list(range(10))
    assert labels(DataLoader(Subset(dataset, [7, 1, 4]), 2)) == [[70, 10], [40]]
    with pytest.raises(AssertionError, match="Size mismatch"):
        TensorDataset(x, y[:3])


def test_random_split_depends_on_the_generator_only():
    torch.manual_seed(1)
    first = [part.indices for part in random_split(Squares(10), [5, 5])]
    torch.manual_seed(1)
    assert [part.indices for part in random_split(Squares(10), [5, 5])] == first
    assert [part.indices for part in random_split(Squares(10), [5, 5])] != first
    with pytest.raises(ValueError, match="sum to"):
        random_split(Squares(10), [5, 6])


def test_random_samplers():
    torch.manual_seed(0)
    assert sorted(RandomSampler(range(20))) == list(range(20))
    drawn = list(RandomSampler(range(3), replacement=True, num_samples=50))
    assert len(drawn) == 50
    assert set(drawn) == {0, 1, 2}
    twice = list(RandomSampler(range(3), num_samples=5))
    assert sorted(twice[:3]) == [0, 1, 2]
    assert len(twice) == 5
    assert sorted(SubsetRandomSampler(["a", "b", "c"])) == ["a", "b", "c"]
    weighted = list(WeightedRandomSampler([0.0, 3.0, 1.0], 400))
    assert 0 not in weighted
    assert 240 < weighted.count(1) < 360
    assert sorted(WeightedRandomSampler([1.0, 2.0, 3.0], 3, replacement=False)) == [0, 1, 2]
    for make in (
        lambda: RandomSampler(range(3), num_samples=0), lambda: WeightedRandomSampler([1.0], 0),
        lambda: WeightedRandomSampler([-1.0, 2.0], 1), lambda: WeightedRandomSampler([1.0, 0.0], 2, replacement=False),
        lambda: BatchSampler(range(3), 0, False), lambda: DistributedSampler(range(3), 2, 2),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"positive|negative|rank"):
            make()


def test_the_distributed_sampler_shares_an_order_out():
    parts = [DistributedSampler(range(10), 3, rank, seed=1) for rank in range(3)]
    orders = [list(part) for part in parts]
    assert [len(order) for order in orders] == [4, 4, 4]
    assert set().union(*orders) == set(range(10))
    assert [list(part) for part in parts] == orders
    for part in parts:
        part.set_epoch(1)
    assert [list(part) for part in parts] != orders
    alone = DistributedSampler(range(4), shuffle=False)
    assert list(alone) == [0, 1, 2, 3]


def test_collate_keeps_gradients_and_refuses_images():
    weight = torch.ones(2, requires_grad=True)
    default_collate([weight * 2, weight * 3]).sum().backward()
    assert weight.grad.tolist() == [5, 5]
    with pytest.raises(TypeError, match="must contain tensors"):
        default_collate([PIL.Image.new("L", (2, 2))])
    with pytest.raises(RuntimeError, match="equal size"):
        default_collate([torch.zeros(2), torch.zeros(3)])
    assert isinstance(default_convert({"a": np.ones(2, np.float32), "b": "x"})["a"], torch.Tensor)


def test_a_collate_fn_of_ones_own_is_left_alone():
    loader = DataLoader(Squares(), 3, collate_fn=lambda samples: np.array([index for _, index in samples]))
    assert [type(batch) for batch in loader] == [np.ndarray] * 3


def test_arguments_that_contradict_each_other():
    stream, squares = Stream(3), Squares()
    for options in (
        {"num_workers": -1}, {"timeout": -1}, {"prefetch_factor": 2}, {"persistent_workers": True},
        {"sampler": SequentialSampler(squares), "shuffle": True}, {"batch_size": None, "drop_last": True},
        {"batch_sampler": [[0]], "batch_size": 2}, {"multiprocessing_context": "spawn"},
        {"num_workers": 1, "multiprocessing_context": "thread"},
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"option|multiprocessing_context"):
            DataLoader(squares, **options)
    for options in ({"shuffle": True}, {"sampler": [0]}, {"batch_sampler": [[0]]}):
        with pytest.raises(ValueError, match="IterableDataset"):
            DataLoader(stream, **options)


def test_workers_end_when_an_iterator_is_dropped():
    before = threading.active_count()
    batches = iter(DataLoader(Squares(50), num_workers=3))
    next(batches)
    assert threading.active_count() > before
    batches.close() if hasattr(batches, "close") else None
    del batches
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before


def test_sums_of_datasets():
    both = Squares(2) + Squares(3)
    assert isinstance(both, ConcatDataset)
    assert labels(DataLoader(both, 5)) == [[0, 1, 0, 1, 2]]
    assert [int(x) for x in DataLoader(Stream(2) + Stream(1), None)] == [0, 1, 0]
    stacked = StackDataset(image=Squares(2), text=["a", "b"])
    assert stacked[1]["text"] == "b"
    assert eager.utils.data.DataLoader is DataLoader
