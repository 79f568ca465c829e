"""The MNIST family: where files are found, which files are refused, and what a download writes."""

import gzip
import hashlib
import io
import os
import pickle
import re
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from funcvision.vision.datasets import EMNIST, KMNIST, MNIST, QMNIST, FashionMNIST
from funcvision.vision.datasets._formats import read_idx
from funcvision.vision.download import DownloadError
from tests.vision.datasets import published
from tests.vision.loopback import closed_port, serve


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz"])
@pytest.mark.parametrize("dataset", [MNIST, FashionMNIST, KMNIST])
@pytest.mark.parametrize("train", [True, False])
def test_files_are_read_plain_and_compressed(tmp_path, dataset, train, suffix):
    published.write_mnist(tmp_path / dataset.__name__ / "raw", suffix)
    found = dataset(tmp_path, train)
    count = 13 if train else 7
    np.testing.assert_array_equal(found.data, published.images(count, 0 if train else 1))
    np.testing.assert_array_equal(found.targets, np.arange(count) % 10)
    assert found.data.dtype == np.uint8
    assert found.targets.dtype == np.int64
    assert len(found) == count
    image, label = found[3]
    assert isinstance(image, Image.Image)
    assert (image.mode, image.size, label, type(label)) == ("L", (28, 28), 3, int)
    np.testing.assert_array_equal(np.asarray(image), found.data[3])


def test_the_order_of_places(tmp_path):
    """The raw folder before root, and plain files before compressed ones."""
    published.write_mnist(tmp_path)
    assert len(MNIST(tmp_path)) == 13
    raw = published.write_mnist(tmp_path / "MNIST" / "raw", ".gz")
    (raw / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(published.idx(published.images(2))))
    with pytest.raises(ValueError, match=r"MNIST/raw/train-images-idx3-ubyte\.gz holds 2 images"):
        MNIST(tmp_path)
    published.write_mnist(raw)
    assert len(MNIST(tmp_path)) == 13


@pytest.mark.parametrize("dataset", [FashionMNIST, KMNIST])
def test_mnist_is_not_taken_for_another_data_set(tmp_path, dataset):
    published.write_mnist(tmp_path)
    with pytest.raises(FileNotFoundError, match=f"{dataset.__name__} needs the file .* in .*{dataset.__name__}/raw; "):
        dataset(tmp_path)


def test_emnist_and_qmnist_are_found_in_root(tmp_path):
    published.write_emnist(tmp_path)
    published.write_qmnist(tmp_path, "train")
    assert len(EMNIST(tmp_path, "letters")) == 28
    assert len(QMNIST(tmp_path)) == 9


def test_missing_files_are_named(tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    message = f"MNIST needs the file train-images-idx3-ubyte (plain, .gz or .xz) in {raw} or {tmp_path}; pass download"
    with pytest.raises(FileNotFoundError, match=re.escape(message)):
        MNIST(tmp_path)
    with pytest.raises(FileNotFoundError, match="emnist-digits-test-images-idx3-ubyte"):
        EMNIST(tmp_path, "digits", train=False)
    with pytest.raises(FileNotFoundError, match="xnist-images-idx3-ubyte"):
        QMNIST(tmp_path, "nist")


def test_unknown_splits_are_refused(tmp_path):
    with pytest.raises(ValueError, match="split='all' is none of EMNIST's: byclass, bymerge"):
        EMNIST(tmp_path, "all")
    with pytest.raises(ValueError, match="what='all' is none of QMNIST's: train, test, test10k"):
        QMNIST(tmp_path, "all")


def test_transforms_are_called_and_printed(tmp_path):
    published.write_mnist(tmp_path)
    found = MNIST(tmp_path, False, np.asarray, str)
    image, label = found[6]
    np.testing.assert_array_equal(image, found.data[6])
    assert label == "6"
    assert repr(found).splitlines() == [
        "Dataset MNIST",
        "    Number of datapoints: 7",
        f"    Root location: {tmp_path}",
        "    Split: Test",
        f"    Transform: {np.asarray!r}",
        f"    Target transform: {str!r}",
    ]


def test_a_home_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    published.write_mnist(tmp_path / "data")
    assert len(MNIST("~/data")) == 13
    assert MNIST("~/data").root == str(tmp_path / "data")


def test_iteration_ends_and_indices_count_from_the_end(tmp_path):
    published.write_mnist(tmp_path)
    found = MNIST(tmp_path, train=False)
    assert [label for _, label in found] == list(range(7))
    assert found[-1][1] == 6
    with pytest.raises(IndexError):
        found[7]


def test_it_pickles_and_serves_several_threads(tmp_path):
    published.write_mnist(tmp_path)
    published.write_qmnist(tmp_path, "train")
    for found in (MNIST(tmp_path, transform=np.asarray), QMNIST(tmp_path, transform=np.asarray)):
        copy = pickle.loads(pickle.dumps(found))
        assert repr(copy) == repr(found)
        with ThreadPoolExecutor(4) as pool:
            pairs = list(pool.map(copy.__getitem__, [i % len(copy) for i in range(200)]))
        for i, (image, label) in enumerate(pairs):
            np.testing.assert_array_equal(image, found.data[i % len(copy)])
            assert label == found[i % len(copy)][1]


def test_qmnist_parts(tmp_path):
    published.write_qmnist(tmp_path, "test", 10_003)
    whole, first, rest = (QMNIST(tmp_path, what) for what in ("test", "test10k", "test50k"))
    assert (len(whole), len(first), len(rest)) == (10_003, 10_000, 3)
    np.testing.assert_array_equal(np.concatenate([first.targets, rest.targets]), whole.targets)
    assert rest[0][0].tobytes() == whole[10_000][0].tobytes()
    assert whole.targets.shape == (10_003, 8)
    full = QMNIST(tmp_path, "test", compat=False)[7][1]
    np.testing.assert_array_equal(full, whole.targets[7])
    assert QMNIST(tmp_path, "test")[7][1] == int(full[0])
    assert "Split: test50k" in repr(rest)


@pytest.mark.parametrize("dtype", list(published.CODES))
@pytest.mark.parametrize("shape", [(5,), (0,), (2, 3), (2, 3, 4), (1, 1, 1, 2)])
def test_every_kind_of_idx_file(tmp_path, dtype, shape):
    array = (np.random.default_rng(0).standard_normal(shape) * 50).astype(dtype)
    (tmp_path / "file").write_bytes(published.idx(array))
    found = read_idx(str(tmp_path / "file"))
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype
    assert found.dtype.isnative
    assert found.flags.writeable


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz"])
@settings(deadline=None)
@given(share=st.floats(0, 1, exclude_max=True), which=st.sampled_from(["images-idx3", "labels-idx1"]))
def test_every_truncation_is_found(tmp_path_factory, suffix, share, which):
    folder = published.write_mnist(tmp_path_factory.mktemp("mnist"), suffix)
    path = folder / f"train-{which}-ubyte{suffix}"
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=f"{re.escape(str(path))} .*(damaged|truncated)"):
        MNIST(folder)


@pytest.mark.parametrize("size", range(len(published.idx(published.labels(13, 10)))))
def test_every_single_length_of_a_labels_file_is_found(tmp_path, size):
    path = tmp_path / "file"
    path.write_bytes(published.idx(published.labels(13, 10))[:size])
    expected = f"(holds {size}|{size} bytes start)"
    with pytest.raises(ValueError, match=f"{re.escape(str(path))} is damaged.*{expected}"):
        read_idx(str(path))


IMAGES, LABELS = published.images(13), published.labels(13, 10)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("images-idx3", published.idx(IMAGES) + b"!", r"declares an array of \(13, 28, 28\), 10208 bytes .*10209"),
        ("images-idx3", b"<!DOCTYPE html>", "not an IDX file: its 15 bytes start with 3c 21 44 4f"),
        ("images-idx3", b"\0\0\x07\x03" + bytes(99), "not an IDX file"),
        ("images-idx3", b"\0\0\x08\x00" + bytes(99), "not an IDX file"),
        ("images-idx3", b"\0\0\x08\x03" + b"\xff" * 12, "it holds 16;"),
        ("images-idx3", published.idx(LABELS), r"holds uint8 \(13,\), expected images: uint8 \[N, 28, 28\]"),
        ("images-idx3", published.idx(IMAGES.astype(np.int16)), "holds int16"),
        ("images-idx3", published.idx(IMAGES[:12]), "holds 12 images and .*train-labels-idx1-ubyte 13 labels"),
        ("labels-idx1", published.idx(IMAGES), r"holds uint8 \(13, 28, 28\), expected labels: uint8 \[N\]"),
        ("labels-idx1", published.idx(LABELS + np.uint8(1)), "holds labels from 1 to 10, expected 0 to 9"),
        ("labels-idx1", published.idx(LABELS.astype(np.int32)), "holds int32"),
    ],
)
def test_files_that_are_something_else_are_refused(tmp_path, name, content, message):
    path = published.write_mnist(tmp_path) / f"train-{name}-ubyte"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        MNIST(tmp_path)
    assert str(path) in str(caught.value)


def test_labels_of_qmnist_have_eight_numbers(tmp_path):
    path = published.write_qmnist(tmp_path, "train") / "qmnist-train-labels-idx2-int"
    for labels in (np.zeros((9, 7), np.int32), np.zeros((9, 8), np.int16), np.zeros(9, np.uint8)):
        path.write_bytes(published.idx(labels))
        with pytest.raises(ValueError, match=rf"{re.escape(str(path))} holds .*, expected labels: int32 \[N, 8\]"):
            QMNIST(tmp_path)
    path.write_bytes(published.idx(np.full((9, 8), -1, np.int32)))
    with pytest.raises(ValueError, match="labels from -1 to -1, expected 0 to 9"):
        QMNIST(tmp_path)


def mnist_on(monkeypatch, dataset, server, files):
    """Makes a data set in MNIST's format download from a server, and expect the digests of these files."""
    monkeypatch.setattr(dataset, "mirrors", [f"http://127.0.0.1:{closed_port()}/", server.url("mirror/")])
    digests = [(name, hashlib.md5(content).hexdigest()) for name, content in files.items()]
    monkeypatch.setattr(dataset, "resources", digests)


@pytest.mark.parametrize("dataset", [MNIST, KMNIST])
def test_download(tmp_path, monkeypatch, dataset):
    source = published.write_mnist(tmp_path / "source", ".gz")
    files = {path.name: path.read_bytes() for path in sorted(source.iterdir())}
    root = tmp_path / "root"
    with serve({f"mirror/{name}": content for name, content in files.items()}) as server:
        mnist_on(monkeypatch, dataset, server, files)
        assert len(dataset(root, download=True)) == 13
        assert len(server.requests) == 4
        assert len(dataset(root, train=False, download=True)) == 7
        assert len(server.requests) == 4
    raw = root / dataset.__name__ / "raw"
    plain = [name.removesuffix(".gz") for name in files]
    assert sorted(path.name for path in raw.iterdir()) == sorted([*files, *plain])
    assert all((raw / name).read_bytes() == gzip.decompress(files[name + ".gz"]) for name in plain)


def test_download_fetches_only_what_is_missing(tmp_path, monkeypatch):
    published.write_mnist(tmp_path, ".gz")
    files = {path.name: path.read_bytes() for path in sorted(tmp_path.iterdir())}
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    with serve({f"mirror/{name}": content for name, content in files.items()}) as server:
        mnist_on(monkeypatch, MNIST, server, files)
        assert len(MNIST(tmp_path, train=False, download=True)) == 7
        assert server.requests == [("/mirror/t10k-labels-idx1-ubyte.gz", None)]


def test_download_refuses_a_wrong_file_and_says_where_to_put_the_right_one(tmp_path, monkeypatch):
    source = published.write_mnist(tmp_path / "source", ".gz")
    files = {path.name: path.read_bytes() for path in sorted(source.iterdir())}
    with serve({f"mirror/{name}": content[:-1] for name, content in files.items()}) as server:
        mnist_on(monkeypatch, MNIST, server, files)
        with pytest.raises(DownloadError, match="sent another file: its md5") as caught:
            MNIST(tmp_path / "root", download=True)
    name = next(iter(files))
    assert f"by hand at {tmp_path / 'root' / 'MNIST' / 'raw' / name}" in str(caught.value)
    assert os.listdir(tmp_path / "root" / "MNIST" / "raw") == []


def test_download_of_emnist(tmp_path, monkeypatch):
    packed = published.write_emnist(tmp_path / "gzip", ".gz")
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path in packed.iterdir():
            archive.write(path, f"gzip/{path.name}")
    with serve({"gzip.zip": content.getvalue()}) as server:
        monkeypatch.setattr(EMNIST, "url", server.url("gzip.zip"))
        monkeypatch.setattr(EMNIST, "md5", hashlib.md5(content.getvalue()).hexdigest())
        assert len(EMNIST(tmp_path, "letters", download=True)) == 28
        assert len(EMNIST(tmp_path, "byclass", train=False, download=True)) == 5
        assert len(server.requests) == 1
    names = {path.name for path in (tmp_path / "EMNIST" / "raw").iterdir()}
    assert names == {path.name.removesuffix(".gz") for path in packed.iterdir()} | {"gzip.zip"}


def test_download_of_qmnist_fetches_only_the_subset(tmp_path, monkeypatch):
    source = published.write_qmnist(tmp_path / "source", "nist", suffix=".xz")
    files = {path.name: path.read_bytes() for path in sorted(source.iterdir())}
    digests = [(name, hashlib.md5(content).hexdigest()) for name, content in files.items()]
    with serve(files) as server:
        monkeypatch.setattr(QMNIST, "mirrors", [server.url("")])
        monkeypatch.setattr(QMNIST, "resources", QMNIST.resources | {"nist": digests})
        assert len(QMNIST(tmp_path, "nist", download=True)) == 9
        assert len(server.requests) == 2
    names = {path.name for path in (tmp_path / "QMNIST" / "raw").iterdir()}
    assert names == {*files, *(name.removesuffix(".xz") for name in files)}


COUNTS = {
    True: [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
    False: [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
}


@pytest.mark.parametrize("train", [True, False])
def test_the_real_mnist(shared_data, train):
    found = MNIST(shared_data / "mnist", train=train, download=True)  # nothing is missing, so nothing is downloaded
    assert found.data.shape == (60_000 if train else 10_000, 28, 28)
    assert np.bincount(found.targets).tolist() == COUNTS[train]
    assert found[0][1] == (5 if train else 7)
    # The mean and standard deviation by which MNIST is usually normalised.
    if train:
        assert round(found.data.mean() / 255, 4) == 0.1307
        assert round(found.data.std() / 255, 4) == 0.3081
