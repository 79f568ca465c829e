"""Data sets that torchvision downloads, fetched from a local server as archives in the published form."""

import dataclasses
import hashlib
import io
import pathlib
import tarfile
import zipfile

import numpy as np
import pytest

from funcvision.vision import datasets
from funcvision.vision.datasets import _published
from tests.vision.datasets.layouts import binary, captions, classification
from tests.vision.loopback import serve

DATASETS = [  # the layout, the class, its options, how many files are fetched
    (classification.make_imagenette, "Imagenette", {"size": "160px", "split": "val"}, 1),
    (classification.make_caltech256, "Caltech256", {}, 1),
    (classification.make_gtsrb, "GTSRB", {"split": "test"}, 2),
    (classification.make_oxford_iiit_pet, "OxfordIIITPet", {}, 2),
    (classification.make_omniglot, "Omniglot", {"background": False}, 1),
    (classification.make_flowers102, "Flowers102", {"split": "test"}, 3),
    (binary.make_stl10, "STL10", {"split": "train"}, 1),
    (binary.make_svhn, "SVHN", {"split": "test"}, 1),
    (binary.make_usps, "USPS", {"train": False}, 1),
    (binary.make_semeion, "SEMEION", {}, 1),
    (binary.make_moving_mnist, "MovingMNIST", {}, 1),
]


def archive(folder: pathlib.Path, names: list[str], kind: str) -> bytes:
    """What is under some names in a folder, as an archive whose kind the ending of its name says."""
    paths = [path for name in names for path in [folder / name, *sorted((folder / name).rglob("*"))] if path.is_file()]
    buffer = io.BytesIO()
    if kind.endswith(".zip"):
        with zipfile.ZipFile(buffer, "w") as packed:
            for path in paths:
                packed.write(path, path.relative_to(folder).as_posix())
    else:
        with tarfile.open(fileobj=buffer, mode="w" if kind.endswith(".tar") else "w:gz") as packed:
            for path in paths:
                packed.add(path, path.relative_to(folder).as_posix())
    return buffer.getvalue()


def publish(monkeypatch, made, server):
    """Makes a class fetch its files, packed from a layout, from a local server."""
    original = type(made)._resources

    def resources(self):
        found = []
        for resource in original(self):
            folder = pathlib.Path(made.folder)
            if resource.contents is None:
                content = (folder / resource.filename).read_bytes()
            else:
                content = archive(folder / resource.into, list(resource.contents), resource.filename)
            content = server.files.setdefault(resource.filename, content)
            found.append(dataclasses.replace(
                resource, urls=[server.url(resource.filename)], md5=hashlib.md5(content).hexdigest(),
                contents=resource.contents and dict.fromkeys(resource.contents),
            ))  # fmt: skip
        return found

    monkeypatch.setattr(type(made), "_resources", resources)


def samples(dataset):
    """All samples in a form that can be compared."""
    return [
        [np.asarray(part).tolist() if hasattr(part, "tobytes") else part for part in dataset[index]]
        for index in range(len(dataset))
    ]


@pytest.mark.parametrize(("make", "name", "options", "count"), DATASETS, ids=[row[1] for row in DATASETS])
def test_download(tmp_path, monkeypatch, make, name, options, count):
    cls = getattr(datasets, name)
    with monkeypatch.context() as patch:
        patch.setattr(_published, "check_digest_once", lambda path, **digests: None)
        make(tmp_path / "made")
        made = cls(tmp_path / "made", **options | ({"download": False} if name == "SEMEION" else {}))
        expected = samples(made)
    cut = {"cut": 1000, "cuts": 1} if name == "USPS" else {}
    with serve({}, **cut) as server:
        publish(monkeypatch, made, server)
        fetched = cls(tmp_path / "new", **options | {"download": True})
        assert len(server.requests) == count + len(cut) // 2
        if cut:
            assert [wanted for _, wanted in server.requests] == [None, "bytes=1000-"]
        assert samples(fetched) == expected
        assert expected
        again = cls(tmp_path / "new", **options | {"download": True})
        assert len(server.requests) == count + len(cut) // 2
        assert repr(again) == repr(fetched)


def test_sbu_with_its_photos(tmp_path, monkeypatch):
    root = captions.make_sbu(tmp_path / "made")
    with serve({}) as server:
        photos = {path.name: path.read_bytes() for path in (root / "dataset").glob("*.jpg")}
        server.files.update(photos)
        urls = root / "dataset" / "SBU_captioned_photo_dataset_urls.txt"
        there = urls.read_text(encoding="utf-8").replace("http://static.flickr.com/27/", server.url(""))
        urls.write_text(there, encoding="utf-8")
        made = datasets.SBU(root, download=False)
        publish(monkeypatch, made, server)
        with pytest.warns(UserWarning, match="1 of SBU's 5 photos could not be downloaded"):
            fetched = datasets.SBU(tmp_path / "new")
        assert samples(fetched) == samples(made)
        assert len(fetched) == len(photos) == 4
        count = len(server.requests)
        assert len(datasets.SBU(tmp_path / "new")) == 4  # what is no longer published is not asked for again
        assert len(server.requests) == count == 6
