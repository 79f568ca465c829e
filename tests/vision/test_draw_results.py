"""`draw.draw_detections` and `draw.draw_classes`: what is drawn where, and what is not."""

import numpy as np
import PIL.Image
import pytest

from funcvision.vision import draw

GREY = np.full((60, 80, 3), 100, np.uint8)


def found(**changes):
    masks = np.zeros((2, 1, 60, 80), np.float32)
    masks[0, 0, 20:30, 30:40] = 0.9
    masks[1, 0, 46:52, 60:70] = 0.4
    boxes = np.array([[20, 5, 50, 35], [52, 30, 78, 55]], np.float32)
    return {"boxes": boxes, "scores": np.array([0.9, 0.6]), "labels": np.array([1, 2]), "masks": masks} | changes


def changed(picture):
    return (picture != GREY).any(-1)


def test_boxes_and_masks():
    picture = draw.draw_detections(GREY, found(), classes=("nothing", "dog", "cat"))
    drawn = changed(picture)
    assert drawn[35, 20:51].all()  # the lower edges of both boxes
    assert drawn[55, 52:79].all()
    assert drawn[21:29, 31:39].all()
    assert not drawn[47:51, 61:69].any()  # a mask below one half
    assert not drawn[57:].any()
    few = changed(draw.draw_detections(PIL.Image.fromarray(GREY), found(), threshold=0.7))
    assert few[:36, :51].any()
    assert not few[:, 52:].any()
    np.testing.assert_array_equal(draw.draw_detections(GREY, found(), threshold=0.95), GREY)


def test_names():
    numbers, own, classes = (
        draw.draw_detections(GREY, found(**more), classes=names)
        for more, names in (({}, None), ({"names": ["dog", "2"]}, None), ({}, ("nothing", "dog")))
    )
    np.testing.assert_array_equal(own, classes)
    assert (numbers != own).any()


def test_key_points_and_skeleton():
    points = np.zeros((2, 3, 3), np.float32)
    points[0] = [(25, 40, 1), (45, 50, 1), (10, 55, 1)]
    scores = np.array([[1, 2, -3], [-1, -1, -1]], np.float32)
    given = found(keypoints=points, keypoints_scores=scores)
    del given["masks"]
    picture = draw.draw_detections(GREY, given, connectivity=((0, 1), (1, 2)))
    assert tuple(picture[40, 24]) == (255, 240, 0)
    assert tuple(picture[45, 35]) == (255, 255, 255)  # the middle of the line
    assert not changed(picture)[53:, :15].any()  # a point with a negative score, and its line
    given["keypoints"], given["keypoints_scores"] = np.ones((2, 17, 3)) * (30, 50, 1), np.ones((2, 17))
    given["keypoints"][0, 5:7, 0] = 10, 45  # the shoulders
    shoulders = draw.draw_detections(GREY, given)
    assert tuple(shoulders[50, 20]) == (255, 255, 255)


def test_classes():
    numbers = np.zeros((60, 80), np.int32)
    numbers[40:, 50:] = 2
    picture = draw.draw_classes(GREY, numbers, classes=("nothing", "dog", "cat"))
    drawn = changed(picture)
    assert drawn[40:, 50:].all()
    assert not drawn[40:, :50].any()
    assert drawn[:20, :20].any()  # the legend
    assert (picture[:20, :40] != draw.draw_classes(GREY, numbers)[:20, :40]).any()
    np.testing.assert_array_equal(draw.draw_classes(GREY, numbers * 0), GREY)
    assert changed(draw.draw_classes(GREY, numbers * 0, background=None)).all()
    with pytest.raises(ValueError, match=r"the image has \(height, width\) \(60, 80\), and the classes have"):
        draw.draw_classes(GREY, numbers.T)
