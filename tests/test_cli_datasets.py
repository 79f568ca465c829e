"""`funcvision datasets`: its table, what it says of a data set, and the picture it writes."""

import hashlib
import sys

import numpy as np
import PIL.Image
import pytest

from funcvision import cli
from funcvision.cli.datasets import contact_sheet
from funcvision.vision import datasets
from funcvision.vision.datasets import _published
from tests.vision.datasets.every_dataset import CASES
from tests.vision.datasets.published import write_mnist
from tests.vision.loopback import serve


def run(capsys, *arguments):
    status = cli.main(["datasets", *map(str, arguments)])
    return status, *capsys.readouterr()


@pytest.fixture
def no_digests(monkeypatch):
    monkeypatch.setattr(_published, "check_digest_once", lambda path, **digests: None)


def test_the_table(capsys):
    status, printed, error = run(capsys)
    lines = printed.splitlines()
    assert (status, error) == (0, "")
    assert [line.split()[0] for line in lines] == ["name", *datasets.list_datasets()]
    row = lines[1 + datasets.list_datasets().index("cifar10")]
    assert row.split() == ["cifar10", "classification", "60,000", "10", "170", "MB", "download", "train,", "test"]
    assert row.index("download") == lines[0].index("obtained")


def test_the_table_of_a_task(capsys):
    printed = run(capsys, "--task", "segmentation", "--markdown")[1].splitlines()
    assert [line.split("|")[1].strip() for line in printed] == [
        "name", "---", "`cityscapes`", "`sbdataset`", "`vocsegmentation`",
    ]  # fmt: skip
    assert {line.count("|") for line in printed} == {9}


def test_a_classification_set(tmp_path, capsys, monkeypatch):
    write_mnist(tmp_path / "MNIST" / "raw")
    monkeypatch.chdir(tmp_path)
    status, printed, error = run(capsys, "mnist", "--root", tmp_path, "--split", "test", "--show", 4)
    assert (status, error) == (0, "")
    assert printed.splitlines() == [
        "MNIST: 7 samples, split test",
        "10 classes: 0 - zero, 1 - one, 2 - two, 3 - three, 4 - four, 5 - five, 6 - six, 7 - seven, ...",
        "  image: Image uint8 [28, 28, 1]",
        "  label: 0",
        "4 samples, 396 x 396 pixels -> mnist.png",
    ]
    with PIL.Image.open(tmp_path / "mnist.png") as picture:
        pixels = np.asarray(picture)
    nearest = np.arange(192) * 28 // 192
    digit = np.asarray(datasets.MNIST(tmp_path, train=False)[6][0])[nearest][:, nearest]
    np.testing.assert_array_equal(pixels[240:392, 200:392, 0], digit[40:])  # the last one, below its label


def test_download(tmp_path, capsys, monkeypatch):
    """What is missing is fetched once, and what was fetched is checked."""
    source, root = write_mnist(tmp_path / "source", ".gz"), tmp_path / "root"
    files = {path.name: path.read_bytes() for path in sorted(source.iterdir())}
    digests = [(name, hashlib.md5(content).hexdigest()) for name, content in files.items()]
    monkeypatch.setattr(datasets.MNIST, "resources", digests)
    with serve(dict(files)) as server:
        monkeypatch.setattr(datasets.MNIST, "mirrors", [server.url("")])
        for _ in range(2):
            status, printed, _ = run(capsys, "mnist", "--root", root, "--download")
            assert (status, printed.splitlines()[0]) == (0, "MNIST: 13 samples")
            assert len(server.requests) == 4
    with serve({name: content[:-9] for name, content in files.items()}) as server:
        monkeypatch.setattr(datasets.MNIST, "mirrors", [server.url("")])
        status, printed, error = run(capsys, "mnist", "--root", tmp_path / "other", "--download")
    assert (status, printed) == (2, "")
    assert "sent another file: its md5" in error


def test_a_detection_set(tmp_path, capsys):
    CASES["cocodetection"].make(tmp_path)
    status, printed, error = run(
        capsys, "cocodetection", "--root", tmp_path / "images", "--option", f"annFile={tmp_path / 'instances.json'}",
        "--show", 100, "--out", tmp_path / "sheet.png",
    )  # fmt: skip
    assert (status, error) == (0, "")
    assert "  boxes: BoundingBoxes float32 [1, 4]\n  labels: int64 [1]\n  masks: Mask uint8 [1, 14, 17]\n" in printed
    assert "91 classes: __background__, person, N/A" in printed
    assert printed.splitlines()[-1].startswith("5 samples, ")
    with PIL.Image.open(tmp_path / "sheet.png") as picture:
        assert picture.width > 192


def test_annotations_are_drawn(tmp_path):
    CASES["cocodetection"].make(tmp_path)
    data = datasets.CocoDetection(tmp_path / "images", tmp_path / "instances.json")
    plain = datasets.CocoCaptions(tmp_path / "images", tmp_path / "captions.json")
    with_objects, empty = 0, 1  # of the images 7 and 8
    assert data.ids == plain.ids
    sheet, bare = contact_sheet(data, 5), contact_sheet(plain, 5)
    assert sheet.shape == bare.shape
    tiles = [
        (slice(4 + (158 + 4) * (i // 2), 4 + (158 + 4) * (i // 2) + 158), slice(4 + 196 * (i % 2), 196 * (i % 2) + 196))
        for i in (with_objects, empty)
    ]
    below = slice(40, None)  # the caption of the other picture
    assert (sheet[tiles[0]][below] != bare[tiles[0]][below]).mean() > 0.1
    np.testing.assert_array_equal(sheet[tiles[1]][below], bare[tiles[1]][below])


@pytest.mark.parametrize("name", [name for name in CASES if name != "datasetfolder"])
def test_every_data_set_is_drawn(tmp_path, no_digests, name):
    case = CASES[name]
    case.make(tmp_path)
    root = [] if name == "fakedata" else [tmp_path / case.root]
    picture = contact_sheet(datasets.load(name, *root, split=case.split, **case.arguments(tmp_path)), 2)
    assert picture.dtype == np.uint8
    assert max(picture.shape) >= 192
    assert picture.std() > 10


def test_options(tmp_path, capsys, no_digests):
    CASES["vocdetection"].make(tmp_path)
    status, printed, _ = run(capsys, "vocdetection", "--root", tmp_path, "--option", "year=2007", "--split", "test")
    assert (status, printed.splitlines()[0]) == (0, "VOCDetection: 2 samples, split test")
    status, printed, _ = run(capsys, "fakedata", "--option", "size=3", "--option", "image_size=(1, 4, 5)")
    assert (status, printed.splitlines()[:2]) == (0, ["FakeData: 3 samples", "  image: Image uint8 [4, 5, 1]"])


def test_mistakes(tmp_path, capsys):
    for arguments, message in (
        (("cifar11",), "there is no data set 'cifar11': did you mean 'cifar1"),
        (("cifar10",), "cifar10 needs the folder of its files: give --root FOLDER"),
        (("cifar10", "--root", tmp_path), "pass download=True"),
        (("imagenet", "--root", tmp_path, "--download"), "https://image-net.org"),
        (("mnist", "--root", tmp_path, "--option", "train"), "--option train: write it as KEY=VALUE"),
        (("mnist", "--root", tmp_path, "--option", "trian=True"), "mnist has no option 'trian'"),
        (("fakedata", "--show", 0), "--show 0: give the number of samples"),
        (("fakedata", "--option", "size=0"), "fakedata has no samples"),
        (("datasetfolder", "--root", tmp_path), "see imagefolder"),
        (("--task", "detections"), "task='detections' is none of"),
    ):
        status, _, error = run(capsys, *arguments)
        assert status == 2
        assert message in error
        assert error.count("\n") == 1


def test_a_missing_extra_is_one_sentence(tmp_path, capsys, monkeypatch):
    CASES["svhn"].make(tmp_path)
    monkeypatch.setattr(_published, "check_digest_once", lambda path, **digests: None)
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    status, _, error = run(capsys, "svhn", "--root", tmp_path)
    assert status == 2
    assert 'pip install "funcvision[datasets]"' in error
