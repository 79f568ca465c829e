"""Every data set is opened by its name, with its splits, and its samples go through the loader and other processes."""

import concurrent.futures
import inspect
import multiprocessing
import pickle

import jax
import numpy as np
import pytest

from funcvision.data import DataLoader, list_collate
from funcvision.vision import datasets
from funcvision.vision.datasets import _published
from funcvision.vision.datasets._typed import find_adapter
from funcvision.vision.datasets.catalogue import TASKS
from funcvision.vision.tv_tensors import TVTensor
from tests.vision.datasets.every_dataset import CASES

UNTYPED = {"lsun", "lsunclass", "phototour"}
LENGTHS = {
    "caltech101": 9, "celeba": 2, "cifar10": 4, "cifar100": 103, "country211": 4, "emnist": 5, "fer2013": 4,
    "gtsrb": 3, "imagenet": 5, "inaturalist": 6, "kmnist": 13, "mnist": 7, "omniglot": 8, "pcam": 4, "phototour": 9,
    "qmnist": 9, "svhn": 4, "usps": 4, "vocdetection": 2, "vocsegmentation": 1, "widerface": 2,
}  # fmt: skip
"""The lengths of the splits in `CASES`, where another split of the layout has another length."""


NOT_IN_THE_LAYOUT = {
    ("cityscapes", "train_extra"): "none of Cityscapes's: train, test, val",  # it has coarse annotations only
    ("kinetics", "train"): "needs the folder",
    ("kinetics", "test"): "needs the folder",
    ("middlebury2014stereo", "test"): "calibration='perfect' does not fit",
    ("qmnist", "train"): "needs the file qmnist-train",
    ("qmnist", "nist"): "needs the file xnist",
    ("vocsegmentation", "test"): "none of VOCSegmentation's: train, trainval, val",  # only VOC 2007 has one
}


@pytest.fixture(scope="module", autouse=True)
def no_digests():
    """The digests are those of the published files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_published, "check_digest_once", lambda path, **digests: None)
        yield


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The folder of the small layout of every data set."""
    found = {name: tmp_path_factory.mktemp(name) for name in CASES}
    for name, case in CASES.items():
        case.make(found[name])
    return found


def opened_by_name(folders, name, split):
    case = CASES[name]
    root = [] if name == "fakedata" else [folders[name] / case.root]
    return datasets.load(name, *root, split=split, **case.arguments(folders[name]))


@pytest.fixture(scope="module")
def opened(folders):
    """Every data set over its small layout."""
    return {name: opened_by_name(folders, name, case.split) for name, case in CASES.items()}


def classes():
    exported = {name: getattr(datasets, name) for name in datasets.__all__}
    return {
        name.lower(): value for name, value in exported.items()
        if inspect.isclass(value) and issubclass(value, datasets.VisionDataset)
        and name not in ("VisionDataset", "PublishedDataset")
    }  # fmt: skip


def test_the_catalogue_is_complete():
    names = datasets.list_datasets()
    assert names == sorted(classes()) == sorted(CASES)
    assert sorted(name for task in TASKS for name in datasets.list_datasets(task)) == names
    for name in names:
        info = datasets.describe(name)
        assert info.class_name == classes()[name].__name__
        assert bool(info.argument) == bool(info.splits)
        parameters = inspect.signature(classes()[name]).parameters
        assert not info.argument or info.argument in parameters
        assert info.obtained in ("download", "Google Drive", "by hand", "own files", "generated")
        if info.obtained in ("download", "Google Drive"):
            assert "download" in parameters
        else:
            assert info.obtained == "by hand" or info.images is None


@pytest.mark.parametrize("name", CASES)
def test_a_sample(opened, name):
    dataset = opened[name]
    assert type(dataset) is classes()[name]
    assert len(dataset) == LENGTHS.get(name, len(dataset)) > 0
    assert (find_adapter(type(dataset)) is None) == (name in UNTYPED)
    if name in UNTYPED or name == "datasetfolder":
        return
    sample = datasets.typed(dataset)[0]
    assert sample.keys() & {"image", "image1", "left", "video"}
    label = sample.get("label")
    if dataset.categories is not None and isinstance(label, int | np.integer):
        assert 0 <= label < len(dataset.categories) or (name, label) == ("stl10", -1)  # which has no label
    if "labels" in sample and dataset.categories is not None:
        assert all(0 <= number < len(dataset.categories) for number in sample["labels"])


@pytest.mark.parametrize(("name", "split"), [(name, one) for name in CASES for one in datasets.describe(name).splits])
def test_every_split(folders, name, split):
    if (name, split) in NOT_IN_THE_LAYOUT:
        with pytest.raises((ValueError, FileNotFoundError), match=NOT_IN_THE_LAYOUT[name, split]):
            opened_by_name(folders, name, split)
        return
    dataset = opened_by_name(folders, name, split)
    value = getattr(dataset, datasets.describe(name).argument, None)
    assert value in (None, datasets.describe(name).splits[split]) or name == "lsun"  # whose classes become a list


def test_the_loader(opened):
    """Lists of leaves, in the order of the data set; captions differ in number, so they stay in whole samples."""
    for name, dataset in opened.items():
        one = dataset if name in UNTYPED | {"datasetfolder"} else datasets.typed(dataset)
        if datasets.describe(name).task == "captioning":
            batch = next(iter(DataLoader(one, batch_size=2, collate_fn=list)))
            assert [digest(sample) for sample in batch] == [digest(one[0]), digest(one[1])], name
            continue
        batch = next(iter(DataLoader(one, batch_size=2, collate_fn=list_collate)))
        last = min(2, len(one)) - 1
        sample, parts = one[last], batch
        entries = sample.items() if isinstance(sample, dict) else enumerate(sample)
        for key, leaf in entries:
            if leaf is not None:
                assert digest(parts[key][last]) == digest(leaf), (name, key)


def digest(sample):
    """A sample as bytes that can be compared."""
    leaves = jax.tree.leaves(sample, is_leaf=lambda leaf: isinstance(leaf, TVTensor))
    arrays = (leaf.array if isinstance(leaf, TVTensor) else leaf for leaf in leaves)
    return pickle.dumps([
        (part.shape, part.tolist()) if hasattr(part, "dtype") else part.tobytes() if hasattr(part, "tobytes") else part
        for part in arrays
    ])


def read_all(found):
    return {name: digest(dataset[len(dataset) - 1]) for name, dataset in found.items()}


def test_a_spawned_process(opened):
    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(read_all, opened).result(timeout=120) == read_all(opened)


def test_splits_are_translated():
    for name, split, options in (
        ("mnist", "test", {"train": False}), ("omniglot", "train", {"background": True}),
        ("vocdetection", "val", {"image_set": "val"}), ("inaturalist", "val", {"version": "2021_valid"}),
        ("inaturalist", "2021_valid", {"version": "2021_valid"}), ("inaturalist", "2018", {"version": "2018"}),
        ("places365", "train", {"split": "train-standard"}), ("country211", "val", {"split": "valid"}),
        ("qmnist", "nist", {"what": "nist"}), ("lsun", ["bedroom_train"], {"classes": ["bedroom_train"]}),
    ):  # fmt: skip
        assert datasets.describe(name).split_options(split) == options


@pytest.mark.parametrize(("arguments", "message"), [
    (("cifar11", "x"), r"no data set 'cifar11': did you mean 'cifar1"),
    (("qqqqq", "x"), r"no data set 'qqqqq': list_datasets\(\) has the names"),
    (("mnist", "x", "val"), r"split='val' is none of mnist's: train, test"),
    (("eurosat", "x", "train"), "eurosat has no splits"),
    (("emnist", "x"), "emnist needs the option 'split', one of byclass, bymerge"),
    (("cocodetection", "x"), "cocodetection needs the option 'annFile'"),
    (("mnist",), "mnist needs the folder"),
    (("fakedata", "x"), "fakedata has no files"),
])  # fmt: skip
def test_mistakes(arguments, message):
    with pytest.raises(ValueError, match=message):
        datasets.load(*arguments)


def test_mistaken_options(tmp_path):
    with pytest.raises(ValueError, match="mnist has no option 'trian'; it has train, transform"):
        datasets.load("mnist", tmp_path, trian=True)
    with pytest.raises(ValueError, match="split='test' is the option 'train' of MNIST: give one"):
        datasets.load("mnist", tmp_path, "test", train=True)
    with pytest.raises(FileNotFoundError, match=r"image-net\.org"):  # by hand, so that download cannot help
        datasets.load("imagenet", tmp_path, "val", download=True)
    with pytest.raises(ValueError, match="task='detections' is none of classification"):
        datasets.list_datasets("detections")


def test_download_is_off_by_default(tmp_path):
    """Also where it is on in torchvision's classes."""
    for name in ("semeion", "sbu"):
        with pytest.raises(FileNotFoundError, match="download=True"):
            datasets.load(name, tmp_path)


def test_categories(opened):
    coco, voc = opened["cocodetection"].categories, opened["vocdetection"].categories
    assert (len(coco), coco[0], coco[1], coco[2], coco[90]) == (91, "__background__", "person", "N/A", "brush")
    assert (len(voc), voc[0], voc[1], voc[20]) == (21, "__background__", "aeroplane", "tvmonitor")
    assert opened["cityscapes"].categories[26] == "car"
    assert opened["kitti"].categories[3] == "Pedestrian"
    assert "tench" in opened["imagenet"].categories
    assert opened["caltech101"].categories == ["Faces", "accordion", "airplanes"]
    assert opened["flyingchairs"].categories is opened["cococaptions"].categories is None
