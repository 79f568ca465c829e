"""Digits, faces and captions against torchvision's readers, on small copies of the published layouts."""

import inspect

import numpy as np
import pytest
import torch
import torchvision.datasets as theirs
from PIL import Image

import funcvision.vision.datasets as ours
from funcvision.vision.datasets import _published
from tests.vision.datasets.layouts import binary, captions, faces

LEAVES_FILES_OPEN = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # torchvision does


@pytest.fixture(autouse=True)
def any_digest(monkeypatch):
    """The small files do not have the published digests."""
    monkeypatch.setattr(_published, "check_digest_once", lambda path, **digests: None)
    for module in (theirs.stl10, theirs.svhn, theirs.semeion, theirs.sbu, theirs.fer2013, theirs.celeba, theirs.lfw):
        monkeypatch.setattr(module, "check_integrity", lambda path, md5=None: True)


def assert_equal(found, expected):
    """Asserts equal samples: images have the same pixels, tensors are arrays, and containers have the same parts."""
    if isinstance(expected, tuple | list):
        assert type(found) is type(expected)
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_equal(one, other)
    elif isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            assert_equal(found[name], value)
    elif isinstance(expected, Image.Image):
        assert (found.mode, found.size) == (expected.mode, expected.size)
        assert found.tobytes() == expected.tobytes()
    elif isinstance(expected, torch.Tensor):
        np.testing.assert_array_equal(found, expected.numpy())
        assert type(found) is int if expected.ndim == 0 else found.dtype == expected.numpy().dtype
    else:
        assert type(found) is type(expected)
        assert found == expected


def assert_same(found, expected, *attributes):
    assert repr(found) == repr(expected)
    assert len(found) == len(expected)
    for i in range(len(expected)):
        assert_equal(found[i], expected[i])
    assert_equal(found[-1], expected[len(expected) - 1])
    with pytest.raises(IndexError):
        found[len(expected)]
    for name in attributes:
        one, other = getattr(found, name), getattr(expected, name)
        if isinstance(other, torch.Tensor | np.ndarray):
            np.testing.assert_array_equal(one, np.asarray(other))
            assert one.dtype == np.asarray(other).dtype
        else:
            assert one == other


SPLITS = [(split, folds) for split in theirs.STL10.splits for folds in (None, 0, 9)]


def test_stl10(tmp_path):
    binary.make_stl10(tmp_path)
    for split, folds in SPLITS:
        found, expected = ours.STL10(tmp_path, split, folds), theirs.STL10(tmp_path, split, folds)
        assert_same(found, expected, "labels", "classes", "split", "folds")
        np.testing.assert_array_equal(found.data, expected.data.transpose(0, 2, 3, 1))


@pytest.mark.parametrize("split", ["train", "test", "extra"])
def test_svhn(tmp_path, split):
    binary.make_svhn(tmp_path)
    found, expected = ours.SVHN(tmp_path, split), theirs.SVHN(tmp_path, split)
    assert_same(found, expected, "labels", "split", "url", "filename", "file_md5", "split_list")
    np.testing.assert_array_equal(found.data, expected.data.transpose(0, 2, 3, 1))


@pytest.mark.filterwarnings("ignore:Image.Image.getdata is deprecated:DeprecationWarning")  # torchvision calls it
@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("name", ["liberty", "notredame_harris"])
def test_phototour(tmp_path, name, train):
    binary.make_phototour(tmp_path, name)
    first = ours.PhotoTour(tmp_path, name, train)
    assert not list(tmp_path.glob("*.pt"))
    expected = theirs.PhotoTour(tmp_path, name, train)  # writes <name>.pt
    second = ours.PhotoTour(tmp_path, name, train)
    tables = ("urls", "means", "stds", "lens", "image_ext", "info_file", "matches_files")
    for found in (first, second):
        assert_same(found, expected, "data", "labels", "matches", "mean", "std", "data_dir", "data_file", *tables)
    with_transform = ours.PhotoTour(tmp_path, name, train, transform=lambda patch: patch + 1)
    assert_equal(with_transform[0], theirs.PhotoTour(tmp_path, name, train, transform=lambda patch: patch + 1)[0])


def test_semeion(tmp_path):
    binary.make_semeion(tmp_path)
    assert_same(ours.SEMEION(tmp_path), theirs.SEMEION(tmp_path), "data", "labels", "url", "md5_checksum")


@pytest.mark.parametrize("train", [True, False])
def test_usps(tmp_path, train):
    binary.make_usps(tmp_path)
    assert_same(ours.USPS(tmp_path, train), theirs.USPS(tmp_path, train), "data", "targets", "split_list")


@pytest.mark.parametrize("split", ["train", "test", "val"])
def test_pcam(tmp_path, split):
    binary.make_pcam(tmp_path)
    assert_same(ours.PCAM(tmp_path, split), theirs.PCAM(tmp_path, split), "_FILES")


@LEAVES_FILES_OPEN
def test_lsun(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # torchvision writes its cache of keys there
    binary.make_lsun(tmp_path / "a")
    binary.make_lsun(tmp_path / "b")  # lmdb does not open a database twice in one process
    for classes in ("train", "val", "test", ["tower_val", "bedroom_train"], ("kitchen_train",)):
        found, expected = ours.LSUN(str(tmp_path / "a"), classes), theirs.LSUN(str(tmp_path / "b"), classes)
        expected.root = found.root
        assert_same(found, expected, "classes", "indices", "length")
        for database in expected.dbs:
            database.env.close()
    name = "church_outdoor_train_lmdb"
    found, expected = ours.LSUNClass(str(tmp_path / "a" / name)), theirs.LSUNClass(str(tmp_path / "b" / name))
    expected.root = found.root
    assert_same(found, expected, "keys", "length")


@pytest.mark.parametrize(("split", "ratio"), [(None, 10), ("train", 10), ("train", 1), ("test", 10), ("test", 19)])
def test_moving_mnist(tmp_path, split, ratio):
    binary.make_moving_mnist(tmp_path)
    found, expected = ours.MovingMNIST(tmp_path, split, ratio), theirs.MovingMNIST(tmp_path, split, ratio)
    assert repr(found) == repr(expected)
    assert (found.split, found.split_ratio) == (expected.split, expected.split_ratio)
    np.testing.assert_array_equal(found.data, expected.data.numpy().transpose(0, 1, 3, 4, 2))
    np.testing.assert_array_equal(found[1], expected[1].numpy().transpose(0, 2, 3, 1))
    double = ours.MovingMNIST(tmp_path, split, ratio, transform=lambda clip: clip * 2)
    np.testing.assert_array_equal(double[2], found[2] * 2)


FER_FILES = [("fer2013.csv",), ("icml_face_data.csv",), ("train.csv", "test.csv"),
             ("test.csv", "train.csv", "icml_face_data.csv", "fer2013.csv")]  # fmt: skip


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("names", FER_FILES)
def test_fer2013(tmp_path, names, split):
    faces.make_fer2013(tmp_path, names)
    assert_same(ours.FER2013(tmp_path, split), theirs.FER2013(tmp_path, split), "_RESOURCES")


KINDS = ["attr", "identity", "bbox", "landmarks", ["attr", "identity", "bbox", "landmarks"], ["bbox"], []]


def test_celeba(tmp_path):
    faces.make_celeba(tmp_path)
    arrays = ("attr", "identity", "bbox", "landmarks_align", "filename", "target_type", "split", "file_list")
    for split in ("train", "valid", "test", "all", "TRAIN"):
        for kind in KINDS:
            found, expected = ours.CelebA(tmp_path, split, kind), theirs.CelebA(tmp_path, split, kind)
            assert_same(found, expected, *arrays)
    assert expected.attr_names == [*found.attr_names, ""]  # a space ends the published line
    assert found.attr_names == [f"Attribute_{i}" for i in range(40)]


@pytest.mark.parametrize("images", ["original", "funneled", "deepfunneled", "Funneled"])
@pytest.mark.parametrize("split", ["10fold", "train", "test"])
def test_lfw(tmp_path, split, images):
    faces.make_lfw(tmp_path)
    shared = ("data", "targets", "image_set", "split", "view", "labels_file", "images_dir", "file_dict", "checksums")
    people = [module.LFWPeople(tmp_path, split, images) for module in (ours, theirs)]
    assert_same(*people, "class_to_idx", *shared)
    assert_same(*(module.LFWPairs(tmp_path, split, images) for module in (ours, theirs)), "pair_names", *shared)
    numbers = [
        module.LFWPairs(tmp_path, split, images, np.asarray, lambda label: -label, loader=lambda path: len(path))[0]
        for module in (ours, theirs)
    ]
    assert numbers[0] == numbers[1]


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_widerface(tmp_path, split):
    faces.make_widerface(tmp_path)
    found, expected = ours.WIDERFace(tmp_path, split), theirs.WIDERFace(tmp_path, split)
    assert_same(found, expected, "split", "FILE_LIST", "ANNOTATIONS_FILE")
    assert_equal(found.img_info, expected.img_info)


@LEAVES_FILES_OPEN
def test_sbu(tmp_path):
    captions.make_sbu(tmp_path)
    assert_same(ours.SBU(tmp_path, download=False), theirs.SBU(tmp_path, download=False), "photos", "captions", "url")
    assert len(ours.SBU(tmp_path)) == 4  # the lists are there, so nothing is downloaded


def test_flickr(tmp_path):
    eight, thirty = captions.make_flickr8k(tmp_path / "8"), captions.make_flickr30k(tmp_path / "30")
    arguments = str(eight / "photos"), str(eight / "page.html")
    assert_same(ours.Flickr8k(*arguments), theirs.Flickr8k(*arguments), "annotations", "ids", "ann_file")
    arguments = str(thirty / "photos"), str(thirty / "results.token")
    assert_same(ours.Flickr30k(*arguments), theirs.Flickr30k(*arguments), "annotations", "ids", "ann_file")


NAMES = [
    "CelebA", "FER2013", "Flickr8k", "Flickr30k", "LFWPairs", "LFWPeople", "LSUN", "LSUNClass", "MovingMNIST", "PCAM",
    "PhotoTour", "SBU", "SEMEION", "STL10", "SVHN", "USPS", "WIDERFace",
]  # fmt: skip


def test_signatures():
    for name in NAMES:
        found, expected = (inspect.signature(getattr(module, name)).parameters for module in (ours, theirs))
        assert list(found) == list(expected), name
        for option, parameter in expected.items():
            if option != "loader":
                assert found[option].default == parameter.default, (name, option)
