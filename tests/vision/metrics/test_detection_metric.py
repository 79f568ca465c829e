"""Metrics of detectors: the forms of images that they take, and errors that say what is wrong."""

import sys

import jax.numpy as jnp
import numpy as np
import pytest

from funcvision.vision import metrics, tv_tensors

BOXES = np.array([[1.0, 2, 11, 12], [20, 20, 30, 40]])
TARGET = {"boxes": BOXES, "labels": np.array([1, 2])}
FOUND = {"boxes": BOXES, "labels": np.array([1, 2]), "scores": np.array([0.9, 0.8])}
MASKS = np.zeros((2, 40, 50), np.uint8)
SEGMENTED = FOUND | {"masks": MASKS[:, None] * np.float32(1)}


def result(target, found=FOUND, **options):
    metric = metrics.MeanAveragePrecision(**options)
    metric.update([found], [target])
    return metric.compute()


def test_perfect_detections_of_device_arrays():
    found = {name: jnp.asarray(column) for name, column in FOUND.items()}
    assert result(TARGET, found)["map"] == pytest.approx(1)
    assert result(TARGET, found)["map_per_class"].tolist() == pytest.approx([1, 1])


def test_lists_and_a_crowd():
    lists = {name: column.tolist() for name, column in (TARGET | {"iscrowd": np.array([0, 1])}).items()}
    found = result(lists)
    assert found["map"] == pytest.approx(1)  # the class of the crowd has no object
    assert found["map_per_class"].tolist() == pytest.approx([1, -1])


def test_an_image_without_objects_given_as_empty_lists():
    metric = metrics.MeanAveragePrecision(["bbox", "keypoints"])
    points = np.ones((2, 17, 3))
    found = FOUND | {"keypoints": points}
    metric.update([found], [TARGET | {"keypoints": points, "area": [100.0, 100]}], image_ids=["b"])
    metric.update([found], [{"boxes": [], "labels": [], "keypoints": []}], image_ids=["a"])
    assert 0 < metric.compute()["bbox_map"] < 1
    assert 0 < metric.compute()["keypoints_map"] < 1


def test_the_area_is_given_or_that_of_mask_or_box():
    assert result(TARGET)["map_small"] == pytest.approx(1)
    assert result(TARGET | {"area": np.array([2000.0, 2000])})["map_medium"] == pytest.approx(1)
    whole = dict(TARGET, boxes=BOXES[:1] * 100, labels=[1])
    found = {name: column[:1] for name, column in dict(FOUND, boxes=BOXES * 100).items()}
    assert result(whole, found)["map_large"] == pytest.approx(1)
    assert result(whole | {"masks": MASKS[:1]}, found)["map_small"] == pytest.approx(1)


@pytest.mark.parametrize(("target", "found", "options", "message"), [
    ({"boxes": BOXES}, FOUND, {}, "the target of image 0 has no 'labels'"),
    (TARGET, {"boxes": BOXES}, {}, "the prediction for image 0 has no 'scores'"),
    (TARGET | {"labels": np.array([1])}, FOUND, {}, "different lengths"),
    (TARGET | {"labels": np.array([1.0, 2.0])}, FOUND, {}, "integers; got float64"),
    (TARGET | {"boxes": np.zeros((2, 5))}, FOUND, {}, r"expected \[n, 4\]"),
    (TARGET, FOUND | {"scores": np.array([0.5, np.nan])}, {}, "not finite"),
    (TARGET | {"valid": np.ones(3, bool)}, FOUND, {}, "'valid' has the shape"),
    (TARGET, FOUND, {"iou_type": "segm"}, "has no 'masks'"),
    (TARGET | {"masks": MASKS[:, 1:]}, SEGMENTED, {"iou_type": "segm"}, r"masks of \(39, 50\) pixels"),
    (TARGET | {"masks": MASKS[0]}, SEGMENTED, {"iou_type": "segm"}, r"expected \[n, height, width\]"),
    (TARGET | {"keypoints": np.ones((2, 4, 3))}, FOUND | {"keypoints": np.ones((2, 4, 3))},
     {"iou_type": "keypoints"}, "4 key points, and there are 17 sigmas"),
    (5, FOUND, {}, "is of the type int, expected a dict"),
    ([{"bbox": [1, 2, 3, 4]}], FOUND, {}, "annotation without 'category_id'"),
    ([{"category_id": 1, "area": 3.0}], FOUND, {}, "have no 'boxes'"),
    ([{"category_id": 1, "bbox": [1, 2, 3, 4]}, {"category_id": 1}], FOUND, {}, "annotation without 'bbox'"),
    (TARGET | {"boxes": tv_tensors.BoundingBoxes(np.zeros((2, 5)), format="CXCYWHR", canvas_size=(9, 9))}, FOUND, {},
     "rotated boxes"),
    (TARGET, FOUND, {"iou_type": "boxes"}, "one or several of bbox, segm, keypoints"),
])  # fmt: skip
def test_errors_of_images(target, found, options, message):
    with pytest.raises(ValueError, match=message):
        result(target, found, **options)


def test_errors_of_updates():
    metric = metrics.MeanAveragePrecision()
    with pytest.raises(ValueError, match="1 targets, 2 predictions"):
        metric.update([FOUND, FOUND], [TARGET])
    with pytest.raises(ValueError, match="integer or a string"):
        metric.update([FOUND], [TARGET], image_ids=[0.5])
    metric.update([FOUND], [TARGET], image_ids=np.array([3]))
    with pytest.raises(ValueError, match="some images have ids"):
        metric.update([FOUND], [TARGET])
    metric.update([FOUND], [TARGET], image_ids=[3])
    assert len(metric) == 1


def test_without_hotcoco(monkeypatch):
    monkeypatch.setitem(sys.modules, "hotcoco", None)
    with pytest.raises(ImportError, match=r'pip install "funcvision\[coco\]"'):
        metrics.MeanAveragePrecision()
    metrics.VOCMeanAveragePrecision()
