"""`typed` against torchvision's wrapper, and against pycocotools for masks."""

import numpy as np
import pytest
import torchvision.datasets as theirs
from pycocotools import mask as coco_mask
from torchvision import tv_tensors as their_leaves

import funcvision.vision.datasets as ours
from funcvision.vision import tv_tensors
from funcvision.vision.datasets._formats import read_segmentation
from tests.vision.datasets.layouts.coco import make_coco
from tests.vision.datasets.layouts.driving import make_cityscapes, make_kitti
from tests.vision.datasets.layouts.voc import make_sbd, make_voc

pytestmark = [  # torchvision leaves files open, and pycocotools is older than numpy 2
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def plain(value):
    """The array of a leaf; anything else as it is."""
    return value.array if isinstance(value, tv_tensors.TVTensor) else value


def assert_same_target(found, expected, keys):
    for key in keys:
        mine, other = found[key], expected[key]
        if isinstance(other, their_leaves.BoundingBoxes):
            assert isinstance(mine, tv_tensors.BoundingBoxes)
            assert (mine.format, mine.canvas_size) == (other.format.value, tuple(other.canvas_size))
        if isinstance(other, their_leaves.Mask):
            assert isinstance(mine, tv_tensors.Mask)
        if key in ("segmentation", "type", "annotation", "image_id"):
            assert mine == other
        else:
            np.testing.assert_array_equal(plain(mine), np.asarray(other, plain(mine).dtype))


ALL = ("segmentation", "area", "iscrowd", "image_id", "bbox", "category_id", "boxes", "masks", "labels")


@pytest.mark.parametrize("keys", [None, "all", ("boxes", "masks"), ("bbox", "area")])
def test_coco(tmp_path, keys):
    make_coco(tmp_path)
    arguments = tmp_path / "images", str(tmp_path / "instances.json")
    found = ours.typed(ours.CocoDetection(*arguments), keys)
    expected = theirs.wrap_dataset_for_transforms_v2(theirs.CocoDetection(*arguments), keys)
    names = {None: ("image_id", "boxes", "labels"), "all": ALL}.get(keys, keys)
    for i in range(len(expected)):
        image, target = expected[i]
        np.testing.assert_array_equal(found[i]["image"].array, np.asarray(image))
        assert set(found[i]) - {"image", "masks"} == set(names) - {"masks"}
        if len(target) > 1 or len(found.dataset.read(i)[1]) != 0:
            assert_same_target(found[i], target, names)


@pytest.mark.parametrize("keys", [None, "all", ("labels",), ("annotation", "boxes")])
def test_voc_detection(tmp_path, keys):
    make_voc(tmp_path)
    for image_set in ("train", "val"):
        found = ours.typed(ours.VOCDetection(tmp_path, image_set=image_set), keys)
        expected = theirs.wrap_dataset_for_transforms_v2(theirs.VOCDetection(tmp_path, image_set=image_set), keys)
        for i in range(len(expected)):
            if found.dataset.read(i)[1]["annotation"]["object"]:  # torchvision fails where there is none
                image, target = expected[i]
                np.testing.assert_array_equal(found[i]["image"].array, np.asarray(image))
                names = {None: ("boxes", "labels"), "all": ("boxes", "labels", "annotation")}.get(keys, keys)
                assert set(found[i]) == {"image", *names}
                assert_same_target(found[i], target, names)


def test_voc_segmentation_and_sbd(tmp_path):
    make_voc(tmp_path)
    make_sbd(tmp_path)
    for name, options in {"VOCSegmentation": {}, "SBDataset": {"mode": "segmentation"}}.items():
        found = ours.typed(getattr(ours, name)(tmp_path, **options))
        expected = theirs.wrap_dataset_for_transforms_v2(getattr(theirs, name)(tmp_path, **options))
        for i in range(len(expected)):
            image, mask = expected[i]
            np.testing.assert_array_equal(found[i]["image"].array, np.asarray(image))
            np.testing.assert_array_equal(found[i]["masks"].array, np.asarray(mask)[-14:].reshape(14, 17))


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("keys", [None, "all", ("type", "location")])
def test_kitti(tmp_path, keys, train):
    make_kitti(tmp_path)
    found = ours.typed(ours.Kitti(tmp_path, train), keys)
    expected = theirs.wrap_dataset_for_transforms_v2(theirs.Kitti(tmp_path, train), keys)
    for i, path in enumerate(found.images):
        mine = found[i]
        if not train:
            assert list(mine) == ["image"]
        elif len(found.dataset.read(i)[1]):
            target = expected[expected.images.index(path)][1]
            assert set(mine) == {"image", *target}
            assert_same_target(mine, target, list(target))


def test_cityscapes(tmp_path):
    """Torchvision's own wrapper fails on instances of 16 bits; there the file is the oracle."""
    make_cityscapes(tmp_path)
    found = ours.typed(ours.Cityscapes(tmp_path, target_type="semantic"))
    expected = theirs.wrap_dataset_for_transforms_v2(theirs.Cityscapes(tmp_path, target_type="semantic"))
    for i, path in enumerate(found.images):
        mask = np.asarray(expected[expected.images.index(path)][1])
        np.testing.assert_array_equal(found[i]["semantic"].array, mask.reshape(mask.shape[-2:]))


@pytest.mark.parametrize("seed", range(4))
def test_masks_equal_those_of_cocos_tools(seed):
    """Random polygons, partly outside, with corners on whole, half and any numbers, and runs of random masks."""
    random = np.random.default_rng(seed)
    for _ in range(150):
        height, width = (int(n) for n in random.integers(1, 60, 2))
        polygons = []
        for _ in range(random.integers(1, 4)):
            corners = random.uniform(-15, 80, (random.integers(3, 12), 2))
            corners = [corners, np.round(corners), np.round(corners, 2), np.round(2 * corners) / 2][seed]
            corners[1] = corners[0] if random.random() < 0.2 else corners[1]
            polygons.append(corners.ravel().tolist())
        expected = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(polygons, height, width)))
        np.testing.assert_array_equal(read_segmentation(polygons, height, width), expected)

        mask = np.asfortranarray((random.random((height, width)) < random.random()).astype(np.uint8))
        packed = coco_mask.encode(mask)["counts"]
        flat = np.concatenate([[0], mask.ravel(order="F"), [2]]).astype(int)
        runs = np.diff(np.flatnonzero(np.diff(flat)), prepend=0).tolist()
        for counts in (packed, packed.decode(), runs):
            found = read_segmentation({"size": [height, width], "counts": counts}, height, width)
            np.testing.assert_array_equal(found, mask)
