"""The data sets against torchvision's, on small trees of files in the published formats."""

import hashlib
import pathlib
import shutil

import numpy as np
import pytest
import torchvision.datasets as theirs
from PIL import Image

import funcvision.vision.datasets as ours
from tests.vision.datasets import published
from tests.vision.loopback import serve


def assert_same(found, expected, *, summary=True):
    """Asserts equal lengths, classes, images (pixels, mode) and targets (values, and ints if torchvision has ints)."""
    assert len(found) == len(expected)
    assert found.classes == expected.classes
    assert found.class_to_idx == expected.class_to_idx
    np.testing.assert_array_equal(np.asarray(found.targets), np.asarray(expected.targets))
    if hasattr(expected, "data"):
        data = np.asarray(expected.data)
        np.testing.assert_array_equal(found.data, data)
        assert found.data.dtype == data.dtype
    for i in [*range(len(expected)), -1]:
        (image, target), (their_image, their_target) = found[i], expected[i]
        assert (type(image), image.mode, image.size) == (Image.Image, their_image.mode, their_image.size)
        assert image.tobytes() == their_image.tobytes()
        if isinstance(their_target, int):
            assert type(target) is int
        np.testing.assert_array_equal(target, their_target)
    if summary:
        assert repr(found) == repr(expected)


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST", "KMNIST"])
def test_mnist_and_its_siblings(tmp_path, name, train):
    published.write_mnist(tmp_path / name / "raw")
    root = str(tmp_path)
    assert_same(getattr(ours, name)(root, train), getattr(theirs, name)(root, train))
    assert getattr(ours, name)(root).raw_folder == getattr(theirs, name)(root).raw_folder
    assert getattr(ours, name).mirrors == getattr(theirs, name).mirrors
    assert getattr(ours, name).resources == getattr(theirs, name).resources


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("split", theirs.EMNIST.splits)
def test_emnist(tmp_path, split, train):
    published.write_emnist(tmp_path / "EMNIST" / "raw")
    assert_same(ours.EMNIST(tmp_path, split, train=train), theirs.EMNIST(tmp_path, split, train=train))


def test_tables_of_emnist():
    assert ours.EMNIST.splits == theirs.EMNIST.splits
    assert ours.EMNIST.classes_split_dict == theirs.EMNIST.classes_split_dict
    assert (ours.EMNIST.url, ours.EMNIST.md5) == (theirs.EMNIST.url, theirs.EMNIST.md5)


QMNIST_CHOICES = [("train", False), ("test", True), ("nist", True), (None, True), (None, False)]


@pytest.mark.parametrize("compat", [True, False])
@pytest.mark.parametrize(("what", "train"), QMNIST_CHOICES)
def test_qmnist(tmp_path, what, train, compat):
    for part, count in {"train": 9, "test": 11, "nist": 12}.items():
        published.write_qmnist(tmp_path / "QMNIST" / "raw", part, count)
    options = {"what": what, "compat": compat, "train": train}
    assert_same(ours.QMNIST(tmp_path, **options), theirs.QMNIST(tmp_path, **options))


@pytest.mark.parametrize("what", ["test10k", "test50k"])
def test_qmnist_parts_of_the_test_set(tmp_path, what):
    published.write_qmnist(tmp_path / "QMNIST" / "raw", "test", 10_005)
    found, expected = ours.QMNIST(tmp_path, what), theirs.QMNIST(tmp_path, what)
    np.testing.assert_array_equal(found.data, expected.data.numpy())
    np.testing.assert_array_equal(found.targets, expected.targets.numpy())
    assert found[4][1] == expected[4][1]
    assert repr(found) == repr(expected)


def test_tables_of_qmnist():
    assert ours.QMNIST.subsets == theirs.QMNIST.subsets
    (mirror,) = ours.QMNIST.mirrors
    for part, files in ours.QMNIST.resources.items():
        assert [(mirror + name, md5) for name, md5 in files] == theirs.QMNIST.resources[part]


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("name", ["CIFAR10", "CIFAR100"])
def test_cifar(tmp_path, monkeypatch, name, train):
    mine, other = getattr(ours, name), getattr(theirs, name)
    for table in ("base_folder", "url", "filename", "tgz_md5", "train_list", "test_list", "meta"):
        assert getattr(mine, table) == getattr(other, table)
    files = published.cifar10_files() if name == "CIFAR10" else published.cifar100_files()
    for dataset in (mine, other):
        published.use_digests_of(monkeypatch, dataset, files)
    published.write_files(tmp_path / mine.base_folder, files)
    found, expected = mine(tmp_path, train), other(tmp_path, train)
    assert_same(found, expected)
    assert type(found.targets) is type(expected.targets)


def test_what_we_download_is_read_by_torchvision(tmp_path, monkeypatch):
    source = published.write_mnist(tmp_path / "source", ".gz")
    files = {path.name: path.read_bytes() for path in source.iterdir()}
    with serve(files) as server:
        monkeypatch.setattr(ours.KMNIST, "mirrors", [server.url("")])
        digests = [(name, hashlib.md5(content).hexdigest()) for name, content in files.items()]
        monkeypatch.setattr(ours.KMNIST, "resources", digests)
        found = ours.KMNIST(tmp_path, download=True)
    assert_same(found, theirs.KMNIST(tmp_path))


@pytest.mark.parametrize("as_str", [True, False])
def test_transforms_and_targets(tmp_path, as_str):
    published.write_mnist(tmp_path / "MNIST" / "raw")
    published.write_qmnist(tmp_path / "QMNIST" / "raw", "train")
    root = str(tmp_path) if as_str else tmp_path
    for name in ("MNIST", "QMNIST"):
        options = {"transform": np.asarray, "target_transform": lambda label: 10 * label}
        found, expected = getattr(ours, name)(root, **options), getattr(theirs, name)(root, **options)
        np.testing.assert_array_equal(found[3][0], expected[3][0])
        assert found[3][1] == expected[3][1] == 30


PATHS = ["b/2.png", "b/10.png", "b/1.JPG", "a/x.png", "a/deep/a.png", "a/deep/er/b.webp", "a/de.bmp", "C/only.tiff"]


def make_images(root: pathlib.Path) -> pathlib.Path:
    for i, path in enumerate(PATHS):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(i).integers(0, 256, (5, 4 + i, 3), np.uint8)
        Image.fromarray(noise[..., 0] if i == 1 else noise).save(root / path)
    (root / "a" / "notes.txt").write_text("no image", encoding="utf-8")
    (root / "loose.png").write_bytes(b"")
    return root


@pytest.mark.parametrize("as_str", [True, False])
def test_image_folder(tmp_path, as_str):
    root = str(make_images(tmp_path)) if as_str else make_images(tmp_path)
    found, expected = ours.ImageFolder(root), theirs.ImageFolder(root)
    assert_same(found, expected)
    assert found.samples == expected.samples
    assert found.imgs == expected.imgs
    assert found.extensions == expected.extensions


def test_image_folder_with_empty_classes_and_a_choice_of_files(tmp_path):
    make_images(tmp_path)
    (tmp_path / "B").mkdir()
    found, expected = ours.ImageFolder(tmp_path, allow_empty=True), theirs.ImageFolder(tmp_path, allow_empty=True)
    assert_same(found, expected)
    for dataset in (ours, theirs):
        with pytest.raises(FileNotFoundError, match="for the classes B"):
            dataset.ImageFolder(tmp_path)
    options = {"is_valid_file": lambda path: path.endswith(".png"), "allow_empty": True}
    assert_same(ours.ImageFolder(tmp_path, **options), theirs.ImageFolder(tmp_path, **options))


def test_hidden_folders_are_classes_in_both(tmp_path):
    make_images(tmp_path)
    (tmp_path / ".ipynb_checkpoints").mkdir()
    Image.new("RGB", (3, 3)).save(tmp_path / ".ipynb_checkpoints" / "2-checkpoint.png")
    with pytest.warns(UserWarning, match="became a class, as in torchvision"):
        found = ours.ImageFolder(tmp_path)
    assert_same(found, theirs.ImageFolder(tmp_path))


def test_links_in_a_circle(tmp_path):
    """Here every file is listed once; torchvision lists it until the system follows no more links."""
    make_images(tmp_path)
    expected = theirs.ImageFolder(tmp_path).samples
    (tmp_path / "C" / "loop").symlink_to(tmp_path / "C")
    with pytest.warns(UserWarning, match="it is not followed"):
        assert ours.ImageFolder(tmp_path).samples == expected
    assert len(theirs.ImageFolder(tmp_path)) > len(expected) + 30


def test_dataset_folder(tmp_path):
    make_images(tmp_path)
    arguments = (str(tmp_path), lambda path: Image.open(path).convert("L"), (".png",), None, None, None, True)
    found, expected = ours.DatasetFolder(*arguments), theirs.DatasetFolder(*arguments)
    assert_same(found, expected)
    assert found.samples == expected.samples


def test_image_folder_of_real_photos(shared_data, tmp_path):
    for photo in sorted((shared_data / "imagenet-samples").glob("*.JPEG"))[:40:4]:
        folder = tmp_path / photo.name.split("_")[0]
        folder.mkdir()
        shutil.copy(photo, folder)
    assert_same(ours.ImageFolder(tmp_path), theirs.ImageFolder(tmp_path))


def test_fake_data_has_the_same_form():
    """The noise differs, because torchvision draws it from torch's generator."""
    options = {"size": 3, "image_size": (3, 5, 7), "num_classes": 4}
    found, expected = ours.FakeData(**options), theirs.FakeData(**options)
    assert len(found) == len(expected)
    (image, target), (their_image, their_target) = found[1], expected[1]
    assert (image.mode, image.size, type(target)) == (their_image.mode, their_image.size, type(their_target))
    assert repr(found) == repr(expected)
