"""The base of the data sets: which transforms are called with what, and where their keys come from."""

import pickle

import numpy as np
import pytest

from funcvision.data import ConcatDataset, DataLoader, Subset, random_split
from funcvision.vision import transforms
from funcvision.vision.datasets import FakeData, ImageFolder, VisionDataset


class Numbers(VisionDataset):
    """Pair i is an image full of i, 6x6 in grey, and i."""

    def __len__(self):
        return 8

    def read(self, index):
        return np.full((6, 6, 1), index, np.uint8), index


class Positions(Numbers):
    """Every pixel of the image has another value, so that a crop shows where it was taken."""

    def read(self, index):
        return np.arange(36, dtype=np.uint8).reshape(6, 6, 1), index


def jitter(image, *, key):
    return image + key.integers(0, 100, dtype=np.uint8)


def jitter_both(image, target, key=None):
    return image, (target, None if key is None else int(key.integers(1000)))


def add_label(sample, *, key):
    image, label = sample
    return image, label, int(key.integers(2**31))


def test_transform_and_target_transform():
    image, target = Numbers(None, transform=lambda image: image + 1, target_transform=str)[3]
    assert (int(image.max()), target) == (4, "3")
    assert Numbers()[3][1] == 3


def test_joint_transforms():
    dataset = Numbers(transforms=lambda image, target: (target, image))
    assert dataset[2][0] == 2
    assert dataset.transforms is not None
    assert "Transforms: " in repr(dataset)


def test_a_transform_of_ours_gets_the_pair_as_one_sample():
    dataset = FakeData(4, (3, 8, 8), 3)
    dataset.transforms = transforms.Compose([transforms.CenterCrop(4), transforms.ToImage()])
    image, label = dataset[1]
    assert image.shape == (4, 4, 3)
    assert label == FakeData(4, (3, 8, 8), 3)[1][1]


def crops(**options):
    """The first pixel of every crop of the loader's samples, by label."""
    dataset = options.pop("dataset", Positions(transform=transforms.RandomCrop(3)))
    loader = DataLoader(dataset, **{"batch_size": 3, "seed": 1, **options})
    return {label: image[0, 0, 0] for images, labels in loader for image, label in zip(images, labels, strict=True)}


def test_a_random_transform_gets_its_key_from_the_loader():
    reference = crops()
    assert len(set(reference.values())) > 2
    for options in ({"batch_size": 5}, {"shuffle": True}, {"num_workers": 0}, {"workers": "processes"}):
        assert crops(**options) == reference
    assert crops(seed=2) != reference
    loader = DataLoader(Positions(transform=transforms.RandomCrop(3)), 8, seed=1)
    first, second = (next(iter(loader))[0] for _ in range(2))
    assert (first != second).any()


def test_without_a_loader_a_random_transform_says_that_it_needs_a_key():
    with pytest.raises(ValueError, match="key"):
        Positions(transform=transforms.RandomCrop(3))[0]
    with pytest.raises(TypeError, match="key"):
        Positions(transform=jitter)[0]


@pytest.mark.parametrize(
    "options", [{"transform": jitter}, {"target_transform": jitter}, {"transforms": jitter_both}]
)
def test_any_function_with_a_key_gets_one(options):
    dataset = Numbers(**options)
    one, again, other = (dataset.load_sample(3, key=np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert repr(one) == repr(again) != repr(other)
    assert pickle.loads(pickle.dumps(dataset)).load_sample(3, key=np.random.default_rng(1))[1] == one[1]


@pytest.mark.parametrize("function", [np.asarray, str, sorted, None, lambda image: image, transforms.presets])
def test_functions_without_a_key_get_none(function):
    assert not hasattr(Numbers(transform=function), "load_sample")


def test_the_keys_of_dataset_and_loader_are_independent():
    dataset = Numbers(target_transform=lambda target, *, key: int(key.integers(2**31)))
    batches = list(DataLoader(dataset, 4, transform=add_label, seed=3))
    inner, outer = (np.concatenate([batch[i] for batch in batches]) for i in (1, 2))
    assert len({*inner.tolist(), *outer.tolist()}) == 16
    plain = np.concatenate([batch[2] for batch in DataLoader(Numbers(), 4, transform=add_label, seed=3)])
    np.testing.assert_array_equal(outer, plain)


def test_an_overridden_getitem_is_called_by_the_loader():
    class WithIndex(Positions):
        def __getitem__(self, index):
            return (*super().__getitem__(index), -index)

    dataset = WithIndex(transform=transforms.CenterCrop(3))
    assert not hasattr(dataset, "load_sample")
    _, labels, negative = next(iter(DataLoader(dataset, 4)))
    assert negative.tolist() == [0, -1, -2, -3] == (-labels).tolist()


def test_parts_and_sums_of_data_sets_hand_keys_on():
    random, plain = Positions(transform=transforms.RandomCrop(3)), Positions(transform=np.copy)
    joined = ConcatDataset([plain, random])
    images = next(iter(DataLoader(ConcatDataset([random, random]), 16, seed=1)))[0]
    assert len({int(image[0, 0, 0]) for image in images}) > 2
    key = np.random.default_rng(0)
    assert joined.load_sample(2, key=key)[0].shape == (6, 6, 1)
    assert joined.load_sample(9, key=key)[0].shape == (3, 3, 1)
    assert joined.load_sample(-1, key=key)[1] == 7
    assert Subset(random, [5, 2]).load_sample(1, key=key)[1] == 2
    assert not hasattr(ConcatDataset([plain, plain]), "load_sample")
    assert not hasattr(Subset(plain, [1]), "load_sample")
    part = random_split(random, [0.5, 0.5], seed=1)[0]
    assert crops(dataset=part).keys() == set(part.indices.tolist())


def test_the_key_reaches_a_folder_of_images(tmp_path):
    from PIL import Image

    (tmp_path / "a").mkdir()
    pixels = np.arange(300, dtype=np.uint16).astype(np.uint8).reshape(10, 10, 3)
    Image.fromarray(pixels).save(tmp_path / "a" / "1.png")
    prepare = transforms.Compose([transforms.RandomCrop(4), transforms.ToImage()])
    loader = DataLoader(ImageFolder(tmp_path, prepare))
    assert len({next(iter(loader))[0].tobytes() for _ in range(6)}) > 1
