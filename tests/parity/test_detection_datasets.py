"""Data sets with boxes and masks against torchvision's, on small trees of files in the published formats."""

import inspect
import itertools

import numpy as np
import pytest
import torchvision.datasets as theirs
from PIL import Image

import funcvision.vision.datasets as ours
from tests.vision.datasets.layouts.coco import make_coco
from tests.vision.datasets.layouts.driving import SPLITS, make_cityscapes, make_kitti
from tests.vision.datasets.layouts.voc import make_sbd, make_voc

pytestmark = [  # torchvision leaves files open
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def assert_same_target(found, expected):
    """Asserts equal images (pixels, mode, palette), arrays, and nested values of Python."""
    if isinstance(expected, Image.Image):
        assert (found.mode, found.size, found.getpalette()) == (expected.mode, expected.size, expected.getpalette())
        assert found.tobytes() == expected.tobytes()
    elif isinstance(expected, tuple):
        assert len(found) == len(expected)
        for mine, other in zip(found, expected):
            assert_same_target(mine, other)
    elif isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, np.moveaxis(expected, 0, -1))
    else:
        assert found == expected


def assert_same(found, expected, order=None):
    assert len(found) == len(expected) > 0
    assert repr(found) == repr(expected)
    for i, j in enumerate(range(len(expected)) if order is None else order):
        assert_same_target(found[i], expected[j])


@pytest.mark.parametrize("file", ["instances", "empty", "captions", "keypoints"])
def test_coco(tmp_path, file):
    make_coco(tmp_path)
    name = "CocoCaptions" if file == "captions" else "CocoDetection"
    arguments = tmp_path / "images", str(tmp_path / f"{file}.json")
    found, expected = getattr(ours, name)(*arguments), getattr(theirs, name)(*arguments)
    assert_same(found, expected)
    assert found.ids == expected.ids
    assert (found.coco.imgs, found.coco.cats) == (expected.coco.imgs, expected.coco.cats)
    if file != "captions":  # it has no categories
        queries = [{"imgIds": 42}, {"imgIds": [139, 8], "catIds": [90]}, {"catIds": 1}, {"imgIds": 139, "iscrowd": 1}]
        for query in ({}, *queries):
            assert found.coco.getAnnIds(**query) == expected.coco.getAnnIds(**query)
        assert found.coco.loadAnns(found.coco.getAnnIds(42)) == expected.coco.loadAnns(expected.coco.getAnnIds(42))
        assert found.coco.loadCats(found.coco.getCatIds()) == expected.coco.loadCats(expected.coco.getCatIds())
    assert found.coco.loadImgs(42) == expected.coco.loadImgs(42)
    assert found.coco.imgToAnns == dict(expected.coco.imgToAnns)
    doubled = getattr(ours, name)(*arguments, np.asarray, len)[0]
    assert doubled[1] == len(expected[0][1])


VOC = [("2012", "train"), ("2012", "val"), ("2012", "trainval"), ("2011", "train"), ("2007", "test"), ("2007", "val")]


@pytest.mark.parametrize("name", ["VOCDetection", "VOCSegmentation"])
def test_voc(tmp_path, name):
    make_voc(tmp_path)
    for year, image_set in VOC:
        found, expected = (getattr(one, name)(str(tmp_path), year, image_set) for one in (ours, theirs))
        assert_same(found, expected)
        for attribute in ("images", "targets", "year", "image_set", "filename", "md5", "url"):
            assert getattr(found, attribute) == getattr(expected, attribute)
        other = "annotations" if name == "VOCDetection" else "masks"
        assert getattr(found, other) == getattr(expected, other)
    found = getattr(ours, name)(tmp_path, transforms=lambda image, target: (image.size, type(target)))
    assert found[0][0] == (17, 14)


def test_archives_of_voc():
    from torchvision.datasets.voc import DATASET_YEAR_DICT

    from funcvision.vision.datasets import voc

    for key, theirs_row in DATASET_YEAR_DICT.items():
        path, md5, base = voc._ARCHIVES[key]
        assert (voc._MIRRORS[0] + path, md5, base) == (theirs_row["url"], theirs_row["md5"], theirs_row["base_dir"])


@pytest.mark.parametrize("mode", ["boundaries", "segmentation"])
@pytest.mark.parametrize("image_set", ["train", "val", "train_noval"])
def test_sbd(tmp_path, monkeypatch, image_set, mode):
    make_sbd(tmp_path)
    monkeypatch.setattr(ours.SBDataset, "voc_split_md5", None)
    found, expected = (one.SBDataset(tmp_path, image_set, mode) for one in (ours, theirs))
    assert_same(found, expected)
    assert (found.images, found.masks, found.num_classes) == (expected.images, expected.masks, expected.num_classes)


def test_table_of_sbd():
    for name in ("url", "md5", "filename", "voc_train_url", "voc_split_filename", "voc_split_md5"):
        assert getattr(ours.SBDataset, name) == getattr(theirs.SBDataset, name)


TYPES = ["instance", "semantic", "color", "polygon", ["instance"], ["semantic", "polygon", "instance", "color"]]


def test_cityscapes(tmp_path):
    make_cityscapes(tmp_path)
    pairs = [("fine", split) for split in SPLITS["gtFine"]] + [("coarse", split) for split in SPLITS["gtCoarse"]]
    for (mode, split), target_type in itertools.product(pairs, TYPES):
        options = {"split": split, "mode": mode, "target_type": target_type}
        found, expected = (one.Cityscapes(tmp_path, **options) for one in (ours, theirs))
        order = [expected.images.index(path) for path in found.images]
        assert_same(found, expected, order)
        assert found.targets == [expected.targets[i] for i in order]
        for attribute in ("mode", "split", "target_type", "images_dir", "targets_dir"):
            assert getattr(found, attribute) == getattr(expected, attribute)
    assert_same(ours.Cityscapes(tmp_path), theirs.Cityscapes(tmp_path), order)


def test_classes_of_cityscapes():
    assert [tuple(one) for one in ours.Cityscapes.classes] == [tuple(one) for one in theirs.Cityscapes.classes]
    assert ours.Cityscapes.CityscapesClass._fields == theirs.Cityscapes.CityscapesClass._fields


@pytest.mark.parametrize("train", [True, False])
def test_kitti(tmp_path, train):
    make_kitti(tmp_path)
    found, expected = (one.Kitti(tmp_path, train) for one in (ours, theirs))
    order = [expected.images.index(path) for path in found.images]
    assert_same(found, expected, order)
    assert found.targets == ([expected.targets[i] for i in order] if train else [])
    for name in ("data_url", "resources", "image_dir_name", "labels_dir_name"):
        assert getattr(ours.Kitti, name) == getattr(theirs.Kitti, name)


EVERY = [
    "CarlaStereo", "Cityscapes", "CocoCaptions", "CocoDetection", "CREStereo", "ETH3DStereo", "FallingThingsStereo",
    "FlyingChairs", "FlyingThings3D", "HD1K", "InStereo2k", "Kitti", "Kitti2012Stereo", "Kitti2015Stereo", "KittiFlow",
    "Middlebury2014Stereo", "SBDataset", "SceneFlowStereo", "Sintel", "SintelStereo", "VOCDetection", "VOCSegmentation",
    "wrap_dataset_for_transforms_v2",
]  # fmt: skip


@pytest.mark.parametrize("name", EVERY)
def test_arguments_are_torchvisions(name):
    found, expected = (inspect.signature(getattr(one, name)).parameters for one in (ours, theirs))
    assert list(found) == list(expected)
    for parameter in expected:
        if parameter != "loader":  # a function
            assert found[parameter].default == expected[parameter].default
            assert found[parameter].kind == expected[parameter].kind
