"""`VOCMeanAveragePrecision` against a plain loop over detections that follows VOC's development kit."""

import numpy as np
import pytest

from funcvision.vision import metrics, tv_tensors

SIZE = (60, 80)


def overlap(box, other):
    width = min(box[2], other[2]) - max(box[0], other[0]) + 1
    height = min(box[3], other[3]) - max(box[1], other[1]) + 1
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(one[2] - one[0] + 1) * (one[3] - one[1] + 1) for one in (box, other)]
    return width * height / (sum(areas) - width * height)


def reference(images, label, rule, threshold=0.5):
    """The average precision of one class, from (target, prediction) of each image."""
    objects = [[[box, hard, False] for box, name, hard in zip(t["boxes"].tolist(), t["labels"], t["difficult"])
                if name == label] for t, _ in images]  # fmt: skip
    total = sum(not hard for image in objects for _, hard, _ in image)
    detections = [
        (score, number, box) for number, (_, found) in enumerate(images)
        for score, name, box in zip(found["scores"], found["labels"], found["boxes"].tolist()) if name == label
    ]
    right, wrong, curve = 0, 0, []
    for _, number, box in sorted(detections, key=lambda one: -one[0]):
        best, match = -1.0, None
        for one in objects[number]:
            if overlap(box, one[0]) > best:
                best, match = overlap(box, one[0]), one
        if match is not None and best >= threshold:
            if not match[1]:
                right, wrong = right + (not match[2]), wrong + match[2]
                match[2] = True
        else:
            wrong += 1
        curve.append((right / total, right / max(right + wrong, 1)))
    if rule == "11-point":
        return sum(max([p for r, p in curve if r >= k / 10], default=0) for k in range(11)) / 11
    area, before = 0.0, 0.0
    for i, (recall, _) in enumerate(curve):
        area += (recall - before) * max(p for _, p in curve[i:])
        before = recall
    return area


def random_image(rng):
    n, extra = int(rng.integers(0, 7)), int(rng.integers(0, 4))
    boxes = rng.integers(1, 40, (n + extra, 2))
    boxes = np.concatenate([boxes, boxes + rng.integers(4, 20, boxes.shape)], 1).astype(np.float32)
    labels = rng.choice([2, 5, 9], n + extra)
    target = {"boxes": boxes[:n], "labels": labels[:n], "difficult": (rng.random(n) < 0.25).astype(np.int64)}
    found = np.concatenate([np.repeat(np.arange(n), rng.integers(0, 3, n)), np.arange(n, n + extra)])
    moved = boxes[found] + rng.integers(-2, 3, (len(found), 4))
    scores = rng.integers(1, 20, len(found)).astype(np.float32) / 20
    return target, {"boxes": moved.astype(np.float32), "labels": labels[found], "scores": scores}


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return [random_image(rng) for _ in range(40)]


@pytest.mark.parametrize("rule", ["area", "11-point"])
def test_both_rules(images, rule):
    metric = metrics.VOCMeanAveragePrecision(rule)
    for start in range(0, 40, 7):
        some = images[start : start + 7]
        metric.update([prediction for _, prediction in some], [target for target, _ in some])
    found = metric.compute()
    expected = [reference(images, label, rule) for label in (2, 5, 9)]
    assert 0.1 < min(expected) < max(expected) < 0.95
    assert found["classes"].tolist() == [2, 5, 9]
    np.testing.assert_allclose(found["ap_per_class"], expected, rtol=1e-12)
    assert found["map"] == pytest.approx(np.mean(expected), rel=1e-12)


def test_ids_leaves_and_halves(images):
    """Typed leaves; the images in another order, in two halves that share some: the ids decide."""
    typed = [dict(target, boxes=tv_tensors.BoundingBoxes(target["boxes"], canvas_size=SIZE)) for target, _ in images]
    halves = [metrics.VOCMeanAveragePrecision(iou_threshold=0.7) for _ in range(2)]
    for half, numbers in zip(halves, (range(39, 17, -1), range(20))):
        half.update([images[i][1] for i in numbers], [typed[i] for i in numbers], image_ids=list(numbers))
    halves[1].merge(halves[0])
    assert len(halves[1]) == 40
    expected = [reference(images, label, "area", 0.7) for label in (2, 5, 9)]
    np.testing.assert_allclose(halves[1].compute()["ap_per_class"], expected, rtol=1e-12)


def test_no_objects():
    metric = metrics.VOCMeanAveragePrecision()
    assert metric.compute()["map"] == -1
    box = np.array([[1.0, 2.0, 9.0, 8.0]])
    hard = {"boxes": box, "labels": np.array([1]), "difficult": np.array([1])}
    metric.update([{"boxes": box, "labels": np.array([1]), "scores": np.array([0.5])}], [hard])
    assert metric.compute()["map"] == -1
    with pytest.raises(ValueError, match="11-point"):
        metrics.VOCMeanAveragePrecision("2007")  # pyright: ignore[reportArgumentType]
