"""CIFAR: damaged batches are named, and nothing in a pickle runs."""

import contextlib
import hashlib
import io
import os
import pickle
import re
import tarfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funcvision.vision.datasets import CIFAR10, CIFAR100
from funcvision.vision.datasets._formats import read_cifar_batch
from funcvision.vision.download import DownloadError
from tests.vision.datasets import published
from tests.vision.loopback import closed_port, serve

MAKERS = {CIFAR10: published.cifar10_files, CIFAR100: published.cifar100_files}
BOTH = pytest.mark.parametrize("dataset", [CIFAR10, CIFAR100])


def tree(tmp_path, monkeypatch, dataset, **replaced):
    """A root with the data set's files, some of them replaced, and their digests expected."""
    files = MAKERS[dataset]() | replaced
    published.use_digests_of(monkeypatch, dataset, files)
    published.write_files(tmp_path / dataset.base_folder, files)
    return tmp_path


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
@BOTH
def test_images_are_rows_of_planes(tmp_path, monkeypatch, dataset, protocol):
    files = MAKERS[dataset](protocol)
    published.use_digests_of(monkeypatch, dataset, files)
    published.write_files(tmp_path / dataset.base_folder, files)
    found = dataset(tmp_path, train=False)
    batch = pickle.loads(files[found.test_list[0][0]])
    assert found.data.shape == (4, 32, 32, 3)
    assert found.data.dtype == np.uint8
    for i in range(4):
        image, label = found[i]
        assert (image.mode, image.size, type(label)) == ("RGB", (32, 32), int)
        for channel in range(3):
            plane = np.asarray(image)[:, :, channel]
            np.testing.assert_array_equal(plane.ravel(), batch["data"][i, 1024 * channel : 1024 * (channel + 1)])
    assert found.targets == [0, 1, 2, 3]
    assert found.classes == (published.CIFAR10_NAMES if dataset is CIFAR10 else published.CIFAR100_NAMES)
    assert found.class_to_idx == {name: i for i, name in enumerate(found.classes)}


def test_arrays_in_the_order_of_fortran(tmp_path, monkeypatch):
    batch = published.cifar10_batch(4, 6)
    fortran = pickle.dumps(batch | {"data": np.asfortranarray(batch["data"])}, 2)
    straight = CIFAR10(tree(tmp_path / "a", monkeypatch, CIFAR10), train=False)
    turned = CIFAR10(tree(tmp_path / "b", monkeypatch, CIFAR10, test_batch=fortran), train=False)
    np.testing.assert_array_equal(straight.data, turned.data)


def test_bytes_as_python_2_wrote_them(tmp_path, monkeypatch):
    """In the published files the bytes of arrays and the keys of dicts are strings of Python 2: opcodes U and T."""
    raw = bytes(range(256)) * 12
    content = (
        b"\x80\x02}("
        b"U\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x01M\x00\x0c\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff"
        b"K\x00tb\x89T" + len(raw).to_bytes(4, "little") + raw + b"tb"
        b"U\x06labels]K\x07au."
    )
    np.testing.assert_array_equal(pickle.loads(content, encoding="latin1")["data"][0], np.frombuffer(raw, np.uint8))
    found = CIFAR10(tree(tmp_path, monkeypatch, CIFAR10, test_batch=content), train=False)
    np.testing.assert_array_equal(found.data[0].transpose(2, 0, 1).ravel(), np.frombuffer(raw, np.uint8))
    assert found.targets == [7]


def test_only_the_files_of_the_split_are_needed(tmp_path, monkeypatch):
    root = tree(tmp_path, monkeypatch, CIFAR10)
    (root / CIFAR10.base_folder / "data_batch_3").unlink()
    assert len(CIFAR10(root, train=False)) == 4
    with pytest.raises(FileNotFoundError, match=r"CIFAR10 needs the file .*/data_batch_3 in .*; pass download=True"):
        CIFAR10(root)


@BOTH
def test_summary_pickling_threads_and_transforms(tmp_path, monkeypatch, dataset):
    root = tree(tmp_path, monkeypatch, dataset)
    found = dataset(root, False, np.asarray, str)
    assert repr(found).splitlines()[:4] == [
        f"Dataset {dataset.__name__}", "    Number of datapoints: 4", f"    Root location: {root}", "    Split: Test",
    ]  # fmt: skip
    copy = pickle.loads(pickle.dumps(found))
    with ThreadPoolExecutor(4) as pool:
        pairs = list(pool.map(copy.__getitem__, [i % 4 for i in range(100)]))
    for i, (image, label) in enumerate(pairs):
        np.testing.assert_array_equal(image, found.data[i % 4])
        assert label == str(i % 4)


@BOTH
@settings(deadline=None)
@given(share=st.floats(0, 1, exclude_max=True), which=st.integers(0, 6))
def test_every_truncation_is_found_by_its_digest(tmp_path_factory, dataset, share, which):
    with pytest.MonkeyPatch.context() as monkeypatch:
        root = tree(tmp_path_factory.mktemp("cifar"), monkeypatch, dataset)
        names = [name for name, _ in dataset.train_list] + [dataset.meta["filename"]]
        path = root / dataset.base_folder / names[which % len(names)]
        content = path.read_bytes()
        size = int(share * len(content))
        path.write_bytes(content[:size])
        message = rf"{re.escape(str(path))} is damaged or another file: its md5 is .* \(it has {size} bytes"
        with pytest.raises(ValueError, match=message):
            dataset(root)


@settings(deadline=None)
@given(share=st.floats(0, 1, exclude_max=True))
def test_every_truncation_is_found_in_the_pickle_itself(tmp_path_factory, share):
    content = published.cifar10_files()["test_batch"]
    content = content[: int(share * len(content))]
    with pytest.MonkeyPatch.context() as monkeypatch:
        root = tree(tmp_path_factory.mktemp("cifar"), monkeypatch, CIFAR10, test_batch=content)
        with pytest.raises(ValueError, match=rf"test_batch \({len(content)} bytes\) is damaged or no batch of CIFAR"):
            CIFAR10(root, train=False)


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("name", ["test_batch", "batches.meta"])
def test_a_pickle_that_runs_something_is_refused_and_does_not_run(tmp_path, monkeypatch, name, protocol):
    bomb = tmp_path / "bomb"
    content = pickle.dumps({"data": Bomb(bomb), "labels": [0], "label_names": ["a"]}, protocol)
    root = tree(tmp_path, monkeypatch, CIFAR10, **{name: content})
    with pytest.raises(ValueError, match=rf"{name} .*asks for (posix|nt)\.mkdir, which was refused and not run"):
        CIFAR10(root, train=False)
    assert not bomb.exists()
    pickle.loads(content)
    assert bomb.exists()  # an ordinary unpickler runs it


def test_a_batch_with_another_digest_is_not_even_unpickled(tmp_path, monkeypatch):
    root = tree(tmp_path, monkeypatch, CIFAR10)
    (root / CIFAR10.base_folder / "test_batch").write_bytes(pickle.dumps(Bomb(tmp_path / "bomb")))
    with pytest.raises(ValueError, match="test_batch is damaged or another file: its md5"):
        CIFAR10(root, train=False)
    assert not (tmp_path / "bomb").exists()


@pytest.mark.parametrize(
    "name", ["builtins.eval", "builtins.getattr", "os.system", "numpy.load", "numpy.core.multiarray.scalar",
             "numpy.f2py.compile", "_codecs.decode", "copyreg.pickle", "functools.partial"],
)  # fmt: skip
def test_every_other_name_is_refused(name):
    module, _, attribute = name.rpartition(".")
    content = b"\x80\x02}U\x01ac" + f"{module}\n{attribute}\n".encode() + b"s."
    with pytest.raises(ValueError, match=f"asks for {re.escape(name)}, which was refused"):
        read_cifar_batch(content)


def test_dotted_names_do_not_lead_out_of_what_is_admitted():
    content = b"\x80\x04}\x8c\x01a\x8c\x05numpy\x8c\x16ndarray.__subclasses__\x93s."
    with pytest.raises(ValueError, match=r"asks for numpy\.ndarray\.__subclasses__"):
        read_cifar_batch(content)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1, 2], "it holds a list, expected a dict"),
        ({"data": np.zeros(3)}, "not uint8"),
        ({"data": np.array([[1, {}]], object)}, "not uint8"),
        ({"data": np.zeros(3, np.int8)}, "not uint8"),
    ],
)
def test_other_contents_are_refused(value, message):
    with pytest.raises(ValueError, match=message):
        read_cifar_batch(pickle.dumps(value, 2))


def test_arrays_of_the_wrong_length_are_refused():
    content = pickle.dumps({"data": np.arange(6, dtype=np.uint8)}, 2)
    assert read_cifar_batch(content)["data"].tolist() == [0, 1, 2, 3, 4, 5]
    with pytest.raises(ValueError, match=r"it holds 6 bytes for an array of shape \(7,\)"):
        read_cifar_batch(content.replace(b"K\x06\x85", b"K\x07\x85"))


@settings(deadline=None)
@given(
    start=st.sampled_from([b"", b"\x80\x02", b"\x80\x02}U\x04datacnumpy\nndarray\n"]),
    content=st.binary(max_size=40),
)
def test_any_bytes_raise_nothing_but_value_errors(start, content):
    with contextlib.suppress(ValueError):  # the test is that nothing else is raised
        assert isinstance(read_cifar_batch(start + content + b"."), dict)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_damage_raises_nothing_but_value_errors(data):
    content = bytearray(pickle.dumps(published.cifar10_batch(1, 1) | {"data": np.arange(9, dtype=np.uint8)}, 2))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ValueError):
        assert isinstance(read_cifar_batch(bytes(content)), dict)


BATCH = published.cifar10_batch(4, 6)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (BATCH | {"data": BATCH["data"][:, :3071]}, r"test_batch holds no images 'data' of shape \[N, 3072\]"),
        (BATCH | {"data": [1, 2, 3, 4]}, "holds no images"),
        ({"labels": [1]}, "holds no images"),
        ({"data": BATCH["data"]}, "holds no list 'labels' of one label per image"),
        (BATCH | {"labels": [1, 2, 3]}, "holds no list 'labels'"),
        (BATCH | {"labels": [1, 2, 3, 10]}, "holds labels that are not among the 10 classes"),
        (BATCH | {"labels": [1, 2, 3, "4"]}, "holds labels that are not among"),
    ],
)
def test_batches_that_lack_something_are_refused(tmp_path, monkeypatch, entries, message):
    root = tree(tmp_path, monkeypatch, CIFAR10, test_batch=pickle.dumps(entries, 2))
    with pytest.raises(ValueError, match=message):
        CIFAR10(root, train=False)


@pytest.mark.parametrize("names", [{}, {"label_names": "abc"}, {"label_names": [1, 2]}])
def test_names_of_classes_are_a_list_of_strings(tmp_path, monkeypatch, names):
    root = tree(tmp_path, monkeypatch, CIFAR10, **{"batches.meta": pickle.dumps(names, 2)})
    with pytest.raises(ValueError, match=r"batches\.meta holds no list of names 'label_names'"):
        CIFAR10(root)


def archive_of(dataset, files) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(f"{dataset.base_folder}/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return content.getvalue()


@BOTH
def test_download(tmp_path, monkeypatch, dataset):
    files = MAKERS[dataset]()
    published.use_digests_of(monkeypatch, dataset, files)
    archive = archive_of(dataset, files)
    monkeypatch.setattr(dataset, "tgz_md5", hashlib.md5(archive).hexdigest())
    with serve({dataset.filename: archive}, cut=500, cuts=1) as server:
        monkeypatch.setattr(dataset, "url", server.url(dataset.filename))
        assert len(dataset(tmp_path, train=False, download=True)) == 4
        assert len(server.requests) == 2
        (tmp_path / dataset.base_folder / dataset.meta["filename"]).write_bytes(b"damaged")
        assert len(dataset(tmp_path, train=False, download=True)) == 4
        assert len(server.requests) == 2  # the archive is still there
        (tmp_path / dataset.filename).unlink()
        assert len(dataset(tmp_path, download=True)) == (15 if dataset is CIFAR10 else 103)
        assert len(server.requests) == 2  # every file is intact
    assert {path.name for path in tmp_path.iterdir()} == {dataset.base_folder}


def test_offline(tmp_path, monkeypatch):
    monkeypatch.setattr(CIFAR10, "url", f"http://127.0.0.1:{closed_port()}/cifar-10-python.tar.gz")
    with pytest.raises(DownloadError, match="cannot download cifar-10-python") as caught:
        CIFAR10(tmp_path, download=True)
    assert CIFAR10.url in str(caught.value)
    assert f"by hand at {tmp_path / 'cifar-10-python.tar.gz'}" in str(caught.value)


def test_an_archive_that_reaches_outside_is_refused(tmp_path, monkeypatch):
    archive = archive_of(CIFAR10, published.cifar10_files() | {"../../evil": b"evil"})
    monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(archive).hexdigest())
    root = tmp_path / "root"
    with serve({"a": archive}) as server:
        monkeypatch.setattr(CIFAR10, "url", server.url("a"))
        with pytest.raises(ValueError, match="would land outside its folder"):
            CIFAR10(root, download=True)
    assert {path.name for path in tmp_path.rglob("*")} == {"root", CIFAR10.filename}
