"""Tables of published files: data sets of the kinds that torchvision has, with small files in their formats."""

import bz2
import contextlib
import gzip
import hashlib
import io
import os
import re
import tarfile
import zipfile
from collections.abc import Sequence

import pytest
from PIL import Image

from funcvision.vision.datasets import ImageFolder
from funcvision.vision.datasets._published import PublishedDataset, Resource
from funcvision.vision.download import DownloadError
from tests.vision.loopback import serve


def png(grey: int) -> bytes:
    content = io.BytesIO()
    Image.new("L", (4, 3), grey).save(content, "PNG")
    return content.getvalue()


def tar(files: dict[str, bytes], mode: str = "w:gz") -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode=mode) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return content.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


class Listed(PublishedDataset):
    """A data set whose table is the class attribute `table`, and whose samples are (name, content) of `names`."""

    table: Sequence[Resource] = ()
    names: Sequence[str] = ()

    def __init__(self, root, **options):
        super().__init__(root, **options)
        self.paths = [self._path(name) for name in self.names]

    def _resources(self):
        return self.table

    def __len__(self):
        return len(self.paths)

    def read(self, index):
        if os.path.isdir(self.paths[index]):
            return self.names[index], sorted(os.listdir(self.paths[index]))
        with open(self.paths[index], "rb") as file:
            return self.names[index], file.read()


@contextlib.contextmanager
def published(files: dict[str, bytes], *, names: list[str], folder: str = "", homepage: str = "", by_hand=(), **tables):
    """A data set class of these files, which a server sends; `tables` holds further options of their resources."""
    with serve(files) as server:
        table = [
            Resource(name, [] if name in by_hand else [server.url(name)], md5=md5(content), **tables.get(name, {}))
            for name, content in files.items()
        ]
        members = {"table": table, "names": names, "_folder_name": folder, "_homepage": homepage}
        yield type("Listed", (Listed,), members), server


def test_an_archive_and_plain_files_in_a_folder_of_the_data_set(tmp_path):
    """As Flowers102, with the files of its labels beside the folder of images."""
    files = {"images.tgz": tar({"jpg/1.png": png(1), "jpg/2.png": png(2)}), "labels": b"0 1", "splits": b"train"}
    options = {"images.tgz": {"contents": {"jpg/": None}}}
    with published(files, names=["jpg/", "labels", "splits"], folder="flowers", **options) as (dataset, server):
        with pytest.raises(FileNotFoundError, match=rf"needs the folder jpg/ in {tmp_path}/flowers; pass down"):
            dataset(tmp_path)
        assert list(dataset(tmp_path, download=True)) == [
            ("jpg/", ["1.png", "2.png"]), ("labels", b"0 1"), ("splits", b"train"),
        ]  # fmt: skip
        assert len(server.requests) == 3
        dataset(tmp_path, download=True)
        assert len(server.requests) == 3
        (tmp_path / "flowers" / "labels").write_bytes(b"0 2")
        with pytest.raises(ValueError, match="flowers/labels is damaged or another file: its md5 is"):
            dataset(tmp_path)
        assert len(dataset(tmp_path, download=True)) == 3
        assert [path for path, _ in server.requests[3:]] == ["/labels"]
        (tmp_path / "flowers" / "splits").unlink()
        with pytest.raises(FileNotFoundError, match="needs the file splits in"):
            dataset(tmp_path)


def test_digests_of_what_an_archive_holds(tmp_path):
    """As STL10: the archive may go, and a damaged member brings it back."""
    members = {"bin/train_X": b"1234", "bin/train_y": b"01"}
    contents = {name: md5(content) for name, content in members.items()}
    files = {"stl.tar.gz": tar(members)}
    with published(files, names=["bin/train_X"], **{"stl.tar.gz": {"contents": contents}}) as (dataset, server):
        assert dataset(tmp_path, download=True)[0][1] == b"1234"
        (tmp_path / "stl.tar.gz").unlink()
        assert len(dataset(tmp_path, download=True)) == len(server.requests) == 1
        (tmp_path / "bin" / "train_y").write_bytes(b"10")
        assert len(dataset(tmp_path)) == 1, "only what is read has to be right"
        dataset(tmp_path, download=True)
        assert len(server.requests) == 2
        assert (tmp_path / "bin" / "train_y").read_bytes() == b"01"


@pytest.mark.parametrize(("ending", "compress"), [(".gz", gzip.compress), (".bz2", bz2.compress)])
def test_single_files_that_are_compressed(tmp_path, ending, compress):
    """As PCAM (.h5.gz) and USPS (.bz2)."""
    name = "x.h5" + ending
    files = {name: compress(b"numbers" * 100)}
    with published(files, names=["x.h5"], folder="p", **{name: {"contents": {"x.h5": None}}}) as (dataset, _):
        assert dataset(tmp_path, download=True)[0] == ("x.h5", b"numbers" * 100)
        assert sorted(os.listdir(tmp_path / "p")) == ["x.h5", name]


def test_archives_inside_an_archive(tmp_path):
    """As Caltech101."""
    members = {"c/a.tar.gz": tar({"images/1": b"1"}), "c/n.txt.gz": gzip.compress(b"n"), "c/other": b""}
    files = {"outer.zip": zipped(members)}
    table = {"contents": {"images/": None, "n.txt": None}, "inner": "c/*.gz"}
    with published(files, names=["images/", "n.txt"], **{"outer.zip": table}) as (dataset, _):
        assert list(dataset(tmp_path, download=True)) == [("images/", ["1"]), ("n.txt", b"n")]
        assert sorted(os.listdir(tmp_path)) == ["images", "n.txt", "outer.zip"]


def test_an_archive_for_a_folder_of_its_own(tmp_path):
    files = {"val.tar": tar({"1": b"1"}, "w:")}
    table = {"contents": {"val/": None}, "into": "val"}
    with published(files, names=["val/"], **{"val.tar": table}) as (dataset, _):
        assert dataset(tmp_path, download=True)[0][1] == ["1"]


def test_files_that_a_person_has_to_fetch(tmp_path):
    """As ImageNet and Cityscapes: unpacked from where they were put, with the right digest only."""
    files = {"val.tar": tar({"val/1": b"1"}, "w:")}
    table = {"val.tar": {"contents": {"val/": None}}}
    options = {"names": ["val/"], "homepage": "https://image-net.org", "by_hand": ["val.tar"]}
    with published(files, **options, **table) as (dataset, server):
        message = r"needs the folder val/ in .*; it cannot be downloaded: get val\.tar from https://image-net"
        for download in (False, True):
            with pytest.raises(FileNotFoundError, match=message):
                dataset(tmp_path, download=download)
        (tmp_path / "val.tar").write_bytes(files["val.tar"][:-1])
        with pytest.raises(ValueError, match=r"val\.tar is damaged or another file"):
            dataset(tmp_path)
        (tmp_path / "val.tar").write_bytes(files["val.tar"])
        assert dataset(tmp_path)[0][1] == ["1"]
        (tmp_path / "val.tar").unlink()
        assert dataset(tmp_path)[0][1] == ["1"]
        assert server.requests == []


def test_folders_that_are_only_looked_for(tmp_path):
    """As LSUN."""
    with published({}, names=["bedroom_lmdb/"]) as (dataset, _):
        with pytest.raises(FileNotFoundError, match=r"bedroom_lmdb/ in .*; it cannot be downloaded: get bedroom"):
            dataset(tmp_path)
        (tmp_path / "bedroom_lmdb").mkdir()
        assert dataset(tmp_path)[0] == ("bedroom_lmdb/", [])


def test_only_the_files_of_a_choice_are_needed(tmp_path):
    """As SVHN and Places365."""

    class Split(Listed):
        def __init__(self, root, split, **options):
            self.split = self._choice("split", split, ("train", "val"))
            self.names = [f"{split}.mat"]
            super().__init__(root, **options)

        def _resources(self):
            return [Resource(f"{self.split}.mat", [server.url(f"{self.split}.mat")], sha256="2c26b46b68ffc68f")]

    with serve({"train.mat": b"foo", "val.mat": b"foo"}) as server:
        assert Split(tmp_path, "val", download=True)[0] == ("val.mat", b"foo")
        assert server.requests == [("/val.mat", None)]
        with pytest.raises(FileNotFoundError, match=r"Split needs the file train\.mat"):
            Split(tmp_path, "train")
    with pytest.raises(ValueError, match="split='test' is none of Split's: train, val"):
        Split(tmp_path, "test")


def test_a_folder_of_classes(tmp_path):
    """As EuroSAT, which is an ImageFolder of a folder that is downloaded."""

    class Euro(PublishedDataset, ImageFolder):
        _folder_name = "eurosat"

        def __init__(self, root, transform=None, target_transform=None, download=False):
            PublishedDataset.__init__(self, root, download=download)
            ImageFolder.__init__(self, self._path("2750/"), transform, target_transform)
            self.root = os.path.expanduser(root)

        def _resources(self):
            return [Resource("EuroSAT.zip", [server.url("EuroSAT.zip")], md5=md5(content), contents={"2750/": None})]

    content = zipped({"2750/River/1.png": png(7), "2750/Forest/1.png": png(9)})
    with serve({"EuroSAT.zip": content}) as server:
        found = Euro(str(tmp_path), lambda image: image.getpixel((0, 0))[0], download=True)
    assert found.class_to_idx == {"Forest": 0, "River": 1}
    assert list(found) == [(9, 0), (7, 1)]
    assert isinstance(found, ImageFolder)


def test_a_download_that_is_another_file(tmp_path):
    with published({"a": b"1"}, names=["a"]) as (dataset, _):
        dataset.table = [Resource("a", dataset.table[0].urls, md5="0" * 32)]
        with pytest.raises(DownloadError, match=r"cannot download a:\n.* sent another file: its md5") as caught:
            dataset(tmp_path, download=True)
    assert re.search(rf"by hand at {tmp_path}/a$", str(caught.value))


def test_transforms_reach_the_base(tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    with published({"a": b"1"}, names=["a"], by_hand=["a"]) as (dataset, _):
        assert dataset(tmp_path, transforms=lambda name, content: (content, name))[0] == (b"1", "a")
        assert dataset(tmp_path, transform=str.upper, target_transform=int)[0] == ("A", 1)


def test_a_subclass_names_its_files(tmp_path):
    with pytest.raises(NotImplementedError, match="PublishedDataset does not say which files it needs"):
        PublishedDataset(tmp_path)
