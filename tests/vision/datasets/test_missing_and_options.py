"""Bad options are ValueErrors, and an error about missing files says how to get them."""

import sys

import pytest

from funcvision.vision import datasets
from funcvision.vision.datasets._formats import LMDB, HDF5Array, read_mat
from tests.vision.datasets.layouts import binary

MISSING = {
    "STL10": ({}, "pass download=True"),
    "SVHN": ({}, "pass download=True"),
    "PhotoTour": ({"name": "liberty"}, "pass download=True"),
    "SEMEION": ({"download": False}, "pass download=True"),
    "USPS": ({}, "pass download=True"),
    "PCAM": ({}, "pass download=True"),
    "LSUN": ({}, "github.com/fyu/lsun and unpack it there"),
    "LSUNClass": ({}, "github.com/fyu/lsun and unpack it there"),
    "MovingMNIST": ({}, "pass download=True"),
    "FER2013": ({}, "get train.csv from https://www.kaggle.com"),
    "CelebA": ({}, "pass download=True"),
    "LFWPeople": ({}, "get lfw-funneled.tgz from https://www.kaggle.com"),
    "LFWPairs": ({"download": True}, "get lfw-funneled.tgz from https://www.kaggle.com"),
    "WIDERFace": ({}, "pass download=True"),
    "SBU": ({"download": False}, "pass download=True"),
    "Flickr8k": ({"ann_file": "page.html"}, "get it from http://hockenmaier"),
    "Flickr30k": ({"ann_file": "results.token"}, "get it from https://shannon"),
}


@pytest.mark.parametrize("name", MISSING)
def test_missing_files(tmp_path, name):
    options, sentence = MISSING[name]
    with pytest.raises(FileNotFoundError, match=sentence):
        getattr(datasets, name)(tmp_path, **options)


BAD = [
    ("STL10", {"split": "valid"}), ("STL10", {"folds": 10}), ("STL10", {"folds": "a"}), ("SVHN", {"split": "val"}),
    ("PhotoTour", {"name": "paris"}), ("PCAM", {"split": "valid"}), ("LSUN", {"classes": "bedroom"}),
    ("LSUN", {"classes": ["bedroom_train", "zoo_train"]}), ("LSUN", {"classes": 3}), ("LSUN", {"classes": [3]}),
    ("MovingMNIST", {"split": "val"}), ("MovingMNIST", {"split_ratio": 20}), ("MovingMNIST", {"split_ratio": 1.5}),
    ("FER2013", {"split": "val"}), ("CelebA", {"split": "val"}), ("CelebA", {"target_type": "mask"}),
    ("CelebA", {"target_type": [], "target_transform": len}), ("LFWPeople", {"split": "val"}),
    ("LFWPairs", {"image_set": "aligned"}), ("WIDERFace", {"split": "valid"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options"), BAD)
def test_bad_options(tmp_path, name, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        getattr(datasets, name)(tmp_path, **options)


@pytest.mark.parametrize("package", ["scipy.io", "h5py", "lmdb"])
def test_an_extra_that_is_not_installed(tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / "data.mdb").write_bytes(b"")
    reader = {"scipy.io": read_mat, "h5py": lambda path: HDF5Array(path, "x"), "lmdb": LMDB}[package]
    with pytest.raises(ImportError, match=r'pip install "funcvision\[datasets\]"'):
        reader(tmp_path)


def test_torchvisions_cache_of_keys_is_not_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = binary.make_lsun_database(tmp_path / "db", 2)
    cache = tmp_path / ("_cache_" + "".join(filter(str.isalpha, str(folder))))
    cache.write_bytes(b"no pickle")
    assert len(datasets.LSUNClass(folder).keys) == 2
    assert cache.read_bytes() == b"no pickle"
    assert {path.name for path in tmp_path.iterdir()} == {"db", cache.name}


def test_digests_are_verified(tmp_path):
    binary.make_usps(tmp_path)
    with pytest.raises(ValueError, match=r"usps\.bz2 is damaged or another file"):
        datasets.USPS(tmp_path)
