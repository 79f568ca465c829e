"""Datasets, samplers, collation and the loader of the eager face against `torch.utils.data`, orders included."""

import collections

import numpy as np
import PIL.Image
import pytest
import torch
import torch.utils.data as theirs
import torchvision.transforms
import torchvision.utils

from funcvision import eager
from funcvision.eager.utils import data as ours
from funcvision.vision import transforms, utils

Point = collections.namedtuple("Point", "x y")
SAMPLES = [
    {"a": 1, "b": 2.5, "c": "x", "d": [1, (2, b"y")]},
    Point(1, np.float32(2)),
    (np.arange(3, dtype=np.int16), np.ones((2, 2), np.float32), True),
    [np.array(3), np.complex64(1 + 2j)],
    "text",
    7,
]


def plain(value):
    """A batch of either library as plain data, with the dtypes and shapes of Tensors."""
    if isinstance(value, torch.Tensor | eager.Tensor):
        dtype = str(value.dtype).removeprefix("torch.")
        dtype = {"float64": "float32", "int32": "int64", "complex128": "complex64"}.get(dtype, dtype)  # without x64
        return "Tensor", dtype, tuple(value.shape), value.tolist()
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return type(value), [plain(one) for one in value]
    return value


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: type(sample).__name__)
def test_collation(sample):
    assert plain(ours.default_collate([sample] * 2)) == plain(theirs.default_collate([sample] * 2))
    assert plain(ours.default_convert(sample)) == plain(theirs.default_convert(sample))


def errors(function):
    try:
        function()
    except Exception as error:
        return type(error)
    return None


class Numbers:
    """Sample i is (i, i squared); the same class for both libraries."""

    def __init__(self, length):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        if not -self.length <= index < self.length:
            raise IndexError(index)
        return index, float(index) ** 2


def both(make):
    """What is made with each library."""
    return make(ours, eager), make(theirs, torch)


def stream(library, length):
    class Stream(library.IterableDataset):
        def __iter__(self):
            info = library.get_worker_info()
            first, step = (0, 1) if info is None else (info.id, info.num_workers)
            return iter(range(first, length + 3 * first, step))  # the second worker has more

    return Stream()


LOADERS = {
    "batches": lambda library, _: library.DataLoader(Numbers(7), 3),
    "positional": lambda library, _: library.DataLoader(Numbers(7), 3, False, [5, 1, 2, 2]),
    "drop_last": lambda library, _: library.DataLoader(Numbers(7), 3, drop_last=True),
    "no batches": lambda library, _: library.DataLoader(Numbers(3), None),
    "batch_sampler": lambda library, _: library.DataLoader(Numbers(7), batch_sampler=[[1, 2], [3], [0, 6, 5]]),
    "tensors": lambda library, t: library.DataLoader(
        library.TensorDataset(t.arange(12).reshape(6, 2), t.arange(6)), 4
    ),
    "subset": lambda library, t: library.DataLoader(
        library.Subset(library.TensorDataset(t.arange(6)), [5, 0, 3]), 2
    ),
    "concatenated": lambda library, _: library.DataLoader(library.ConcatDataset([Numbers(2), Numbers(3)]), 4),
    "stacked": lambda library, _: library.DataLoader(library.StackDataset(Numbers(3), Numbers(3)), 2),
    "stacked by name": lambda library, _: library.DataLoader(library.StackDataset(a=Numbers(3), b=Numbers(3)), 2),
    "stream": lambda library, _: library.DataLoader(stream(library, 5), 2),
    "stream without the rest": lambda library, _: library.DataLoader(stream(library, 5), 2, drop_last=True),
    "chained": lambda library, _: library.DataLoader(stream(library, 2) + stream(library, 3), 2),
    "stream to workers": lambda library, _: library.DataLoader(stream(library, 9), 2, num_workers=2),
    "sampler of lists": lambda library, t: library.DataLoader(
        library.TensorDataset(t.arange(6)), None, sampler=library.BatchSampler(range(6), 4, False)
    ),
    "distributed": lambda library, _: library.DataLoader(
        Numbers(8), 2, sampler=library.distributed.DistributedSampler(range(8), 3, 1, shuffle=False)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name in LOADERS if "workers" not in name])
def test_loaders(name):
    one, two = both(LOADERS[name])
    assert [plain(batch) for batch in one] == [plain(batch) for batch in two]
    assert errors(lambda: len(one)) == errors(lambda: len(two))
    if errors(lambda: len(two)) is None:
        assert len(one) == len(two)


def test_uneven_streams_come_in_the_order_of_torch():
    """torch's workers are processes that it forks, which may hang beside jax. So its order is written down here."""
    loader = LOADERS["stream to workers"](ours, eager)
    first, second = [[0, 2], [4, 6], [8]], [[1, 3], [5, 7], [9, 11]]
    assert [batch.tolist() for batch in loader] == [batch for pair in zip(first, second, strict=True) for batch in pair]


@pytest.mark.parametrize(
    "make",
    [
        lambda library, t: library.TensorDataset(t.zeros(2), t.zeros(3)),
        lambda library, _: library.ConcatDataset([]),
        lambda library, _: library.ConcatDataset([stream(library, 2)]),
        lambda library, _: library.ConcatDataset([Numbers(2)])[-3],
        lambda library, _: library.StackDataset(),
        lambda library, _: library.StackDataset(Numbers(2), b=Numbers(2)),
        lambda library, _: library.StackDataset(Numbers(2), Numbers(3)),
        lambda library, _: list(library.ChainDataset([Numbers(2)])),
        lambda library, _: library.random_split(Numbers(3), [1, 1]),
        lambda library, _: library.DataLoader(Numbers(3), 0),
        lambda library, _: library.DataLoader(Numbers(3), shuffle=True, sampler=[0]),
        lambda library, _: library.DataLoader(Numbers(3), batch_sampler=[[0]], drop_last=True),
        lambda library, _: library.DataLoader(Numbers(3), None, drop_last=True),
        lambda library, _: library.DataLoader(Numbers(3), num_workers=-1),
        lambda library, _: library.DataLoader(Numbers(3), prefetch_factor=2),
        lambda library, _: library.DataLoader(stream(library, 2), shuffle=True),
        lambda library, _: library.RandomSampler(range(3), replacement=1),
        lambda library, _: library.RandomSampler(range(3), num_samples=0),
        lambda library, _: library.WeightedRandomSampler([1.0], 0),
        lambda library, _: library.BatchSampler(range(3), 0, False),
        lambda library, _: library.default_collate([object()]),
        lambda library, t: library.default_collate([t.zeros(2), t.zeros(3)]),
        lambda library, _: library.default_collate([[1], [1, 2]]),
        lambda library, _: library.Dataset()[0],
        lambda library, _: library.distributed.DistributedSampler(range(3), 2, 2),
    ],
)
def test_errors_are_of_the_same_class(make):
    assert errors(lambda: make(ours, eager)) == errors(lambda: make(theirs, torch)) is not None


@pytest.mark.parametrize(
    ("lengths", "total"), [([0.7, 0.3], 10), ([0.5, 0.25, 0.25], 11), ([3, 4], 7), ([0.33, 0.33, 0.34], 10)]
)
def test_lengths_of_random_splits(lengths, total):
    one, two = both(lambda library, _: [len(part) for part in library.random_split(Numbers(total), lengths)])
    assert one == two


@pytest.mark.parametrize(
    ("length", "replicas", "drop_last"), [(10, 3, False), (10, 3, True), (2, 5, False), (9, 3, True)]
)
def test_distributed_parts(length, replicas, drop_last):
    for rank in range(replicas):
        one, two = both(
            lambda library, _, rank=rank: library.distributed.DistributedSampler(
                range(length), replicas, rank, shuffle=False, drop_last=drop_last
            )
        )
        assert list(one) == list(two)
        assert (len(one), one.num_samples, one.total_size) == (len(two), two.num_samples, two.total_size)


@pytest.mark.parametrize("mode", ["L", "RGB", "1", "F", "RGBA", "I"])
def test_to_tensor(mode):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 4, 3), np.uint8)
    image = PIL.Image.fromarray(pixels).convert("L").convert(mode) if mode != "RGB" else PIL.Image.fromarray(pixels)
    one, two = transforms.ToTensor()(image), torchvision.transforms.ToTensor()(image)
    assert one.dtype == getattr(eager, str(two.dtype).removeprefix("torch."))
    np.testing.assert_allclose(np.asarray(one.array), two.numpy(), rtol=1e-7)


def test_to_tensor_of_arrays():
    array = np.random.default_rng(0).integers(0, 256, (5, 4, 3), np.uint8)
    for given in (array, array[..., 0], array.astype(np.float32)):
        one, two = transforms.ToTensor()(given), torchvision.transforms.ToTensor()(given)
        assert one.shape == two.shape
        np.testing.assert_allclose(np.asarray(one.array), two.numpy(), rtol=1e-7)


def test_transforms_of_tensors():
    image = np.random.default_rng(0).random((3, 6, 8), np.float32)

    def steps(library):
        return library.Compose([
            library.Normalize((0.5, 0.4, 0.3), (0.2, 0.3, 0.4)), lambda x: x[:2], library.CenterCrop((4, 6)),
            library.RandomHorizontalFlip(1.0), library.Lambda(lambda x: x * 2), lambda x: x.flatten(),
        ])  # fmt: skip

    one = steps(transforms)(eager.tensor(image), key=0)
    two = steps(torchvision.transforms)(torch.tensor(image))
    np.testing.assert_allclose(np.asarray(one.array), two.numpy(), rtol=1e-5, atol=1e-6)


def test_pictures_of_tensors(tmp_path):
    images = np.random.default_rng(0).random((5, 3, 6, 7), np.float32)
    options = {"nrow": 3, "padding": 1, "normalize": True, "value_range": (0.1, 0.8), "pad_value": 0.5}
    one = utils.make_grid(eager.tensor(images), **options)
    two = torchvision.utils.make_grid(torch.tensor(images), **options)
    np.testing.assert_allclose(np.asarray(one.array), two.numpy(), rtol=1e-6, atol=1e-6)
    for given in (images[:, :1], images, images[0]):
        utils.save_image(eager.tensor(given), tmp_path / "ours.png")
        torchvision.utils.save_image(torch.tensor(given), tmp_path / "theirs.png")
        with PIL.Image.open(tmp_path / "ours.png") as a, PIL.Image.open(tmp_path / "theirs.png") as b:
            np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    boxes = np.array([[1, 1, 5, 4]])
    pixels = (images[0] * 255).astype(np.uint8)
    one = utils.draw_bounding_boxes(eager.tensor(pixels), eager.tensor(boxes), colors="red")
    two = torchvision.utils.draw_bounding_boxes(torch.tensor(pixels), torch.tensor(boxes), colors="red")
    np.testing.assert_array_equal(np.asarray(one.array), two.numpy())
