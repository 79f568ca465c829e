"""`MeanAveragePrecision` against pycocotools: all its numbers, on random images."""

import contextlib
import io

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from funcvision.vision import metrics, tv_tensors

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SIZE = (200, 240)
NAMES = {
    "bbox": ["map", "map_50", "map_75", "map_small", "map_medium", "map_large", "mar_1", "mar_10", "mar_100",
             "mar_small", "mar_medium", "mar_large"],
    "keypoints": ["map", "map_50", "map_75", "map_medium", "map_large", "mar", "mar_50", "mar_75", "mar_medium",
                  "mar_large"],
}  # fmt: skip
NAMES["segm"] = NAMES["bbox"]


def random_boxes(rng, n):
    longest = rng.choice([20, 60, 180], (n, 1))  # so that there are small, medium and large ones
    size = rng.uniform(longest / 3, longest, (n, 2))
    first = rng.uniform(0, np.maximum(np.array([SIZE[1], SIZE[0]]) - size, 1))
    return np.concatenate([first, np.minimum(first + size, (SIZE[1], SIZE[0]))], 1).astype(np.float32)


def random_points(rng, boxes, points=17):
    share = rng.uniform(size=(len(boxes), points, 2))
    places = boxes[:, None, :2] + share * (boxes[:, None, 2:] - boxes[:, None, :2])
    visible = rng.integers(0, 3, (len(boxes), points, 1)) * (rng.random((len(boxes), 1, 1)) > 0.1)
    return np.concatenate([places * (visible > 0), visible], -1).astype(np.float32)


def paint(boxes):
    """Ellipses that fill the boxes."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    centre, half = (boxes[:, 2:] + boxes[:, :2]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
    away = ((x - centre[:, :1, None]) / half[:, :1, None]) ** 2 + ((y - centre[:, 1:, None]) / half[:, 1:, None]) ** 2
    return away <= 1


def random_image(rng, classes, objects, extra):
    """A target, and predictions near its objects, some doubled, and `extra` elsewhere; scores have ties."""
    boxes = random_boxes(rng, objects)
    labels = rng.choice(classes, objects)
    masks, points = paint(boxes), random_points(rng, boxes)
    target = {
        "boxes": boxes, "labels": labels, "masks": masks, "keypoints": points,
        "area": masks.sum((1, 2)).astype(np.float32), "iscrowd": (rng.random(objects) < 0.15).astype(np.int64),
    }
    near = np.repeat(np.arange(objects), rng.integers(0, 3, objects))
    moved = boxes[near] + rng.normal(0, 1.5, (len(near), 4)).astype(np.float32)
    moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 2)
    found = np.concatenate([moved, random_boxes(rng, extra)])
    noisy = points[near] + rng.normal(0, 2, (len(near), 17, 3)).astype(np.float32)
    n = len(found)
    prediction = {
        "boxes": found, "labels": np.concatenate([labels[near], rng.choice(classes, extra)]),
        "scores": rng.integers(1, np.where(np.arange(n) < len(near), 40, 20)).astype(np.float32) / 40,
        "masks": np.where(paint(found), 0.9, 0.2).astype(np.float32)[:, None],
        "keypoints": np.concatenate([noisy, random_points(rng, found[len(near):])]),
    }
    order = np.argsort(-prediction["scores"], kind="stable")
    return target, {name: column[order] for name, column in prediction.items()}


def encoded(mask):
    return coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))


def xywh(boxes):
    boxes = boxes.astype(np.float64)
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1).tolist()


def annotations_of(number, target):
    """The objects of a target as COCO's files have them."""
    return [
        {"image_id": number, "category_id": int(label), "bbox": box, "area": float(area), "iscrowd": int(crowd),
         "segmentation": encoded(mask), "keypoints": points.reshape(-1).tolist(),
         "num_keypoints": int((points[:, 2] > 0).sum())}
        for label, box, area, crowd, mask, points in zip(
            target["labels"], xywh(target["boxes"]), target["area"], target["iscrowd"], target["masks"],
            target["keypoints"])
    ]  # fmt: skip


def theirs(kind, images, change=lambda params: None):
    """pycocotools' evaluation of images `{id: (target, prediction)}`."""
    annotations = [one for number, (target, _) in images.items() for one in annotations_of(number, target)]
    truth = COCO()
    truth.dataset = {
        "images": [{"id": number, "height": SIZE[0], "width": SIZE[1]} for number in images],
        "categories": [{"id": int(one)} for one in np.unique([a["category_id"] for a in annotations])],
        "annotations": [one | {"id": number} for number, one in enumerate(annotations, 1)],
    }
    results = []
    for number, (_, found) in images.items():
        columns = {"bbox": xywh(found["boxes"]), "segm": [encoded(mask[0] > 0.5) for mask in found["masks"]],
                   "keypoints": [points.reshape(-1).tolist() for points in found["keypoints"]]}  # fmt: skip
        key = "segmentation" if kind == "segm" else kind
        results += [
            {"image_id": number, "category_id": int(label), "score": float(score), key: one}
            for label, score, one in zip(found["labels"], found["scores"], columns[kind])
        ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(results), kind)
        change(evaluation.params)
        evaluation.evaluate()
        evaluation.accumulate()
        if change(evaluation.params) is None:
            evaluation.summarize()
    return evaluation


def assert_equal(found, expected, kind, prefix=""):
    numbers = {name: found[prefix + name] for name in NAMES[kind]}
    np.testing.assert_allclose(list(numbers.values()), expected.stats, rtol=0, atol=1e-12)


def random_images(seed, classes=(1, 3, 7), count=12):
    """Images with crowds; without objects; without predictions; with more than 100 predictions of one class."""
    rng = np.random.default_rng(seed)
    images = {int(n): random_image(rng, classes, int(rng.integers(0, 9)), int(rng.integers(0, 3)))
              for n in rng.permutation(1000)[:count]}  # fmt: skip
    images[2000] = random_image(rng, classes, 0, 5)
    images[2001] = random_image(rng, classes, 6, 0)
    images[2001][1].update({name: column[:0] for name, column in images[2001][1].items()})
    images[2002] = random_image(rng, classes[:1], 5, 130)
    return images


KINDS = ["bbox", "segm", "keypoints"]


@pytest.fixture(scope="module")
def images():
    return random_images(0)


@pytest.fixture(scope="module")
def expected(images):
    return {kind: theirs(kind, images) for kind in KINDS}


def updated(metric, images, targets=lambda number, target: target):
    ids = list(images)
    for start in range(0, len(ids), 4):
        some = ids[start : start + 4]
        metric.update([images[i][1] for i in some], [targets(i, images[i][0]) for i in some], image_ids=some)
    return metric


def test_all_numbers_of_all_kinds(images, expected):
    found = updated(metrics.MeanAveragePrecision(KINDS), images).compute()
    for kind in KINDS:
        assert 0.05 < expected[kind].stats[0] < 0.95
        assert (expected[kind].stats > 0).all()
        assert_equal(found, expected[kind], kind, f"{kind}_")
    assert found["bbox_classes"].tolist() == [1, 3, 7]
    precision, recall = expected["segm"].eval["precision"], expected["segm"].eval["recall"]
    by_class = [np.mean(each[each > -1]) for each in np.moveaxis(precision[..., 0, -1], 2, 0)]
    np.testing.assert_allclose(found["segm_map_per_class"], by_class, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found["segm_mar_per_class"], recall[:, :, 0, -1].mean(0), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_annotations_of_coco_in_another_order(images, expected, kind):
    backwards = dict(reversed(images.items()))
    metric = updated(metrics.MeanAveragePrecision(kind), backwards, annotations_of)
    assert_equal(metric.compute(), expected[kind], kind)


def test_polygons_and_plain_run_lengths(images):
    def as_polygons(target):
        corners = target["boxes"][:, [0, 1, 2, 1, 2, 3, 0, 3]].astype(np.float64).tolist()
        return [[[*polygon], [1.0, 1.0, 9.0, 2.0, 5.0, 12.0]] for polygon in corners]

    def changed(number, target):
        polygons = as_polygons(target)
        return [one | {"segmentation": polygon} for one, polygon in zip(annotations_of(number, target), polygons)]

    some = {number: images[number] for number in list(images)[:6]}
    found = updated(metrics.MeanAveragePrecision("segm"), some, changed).compute()
    drawn = {number: (dict(target, masks=[coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(one, *SIZE)))
                                          for one in as_polygons(target)]), prediction)
             for number, (target, prediction) in some.items()}  # fmt: skip
    reference = theirs("segm", drawn)
    assert reference.stats[0] > 0.01
    assert_equal(found, reference, "segm")


def test_typed_leaves_and_fixed_sizes(images, expected):
    """Typed leaves with padding that is not valid, as a data set and a compiled detector give them."""
    def padded(array):
        return np.concatenate([array, array[:1] if len(array) else np.ones((1, *array.shape[1:]), array.dtype)])

    def typed(number, target):
        columns = {name: padded(np.asarray(column)) for name, column in target.items()}
        boxes, valid = columns["boxes"], np.arange(len(columns["labels"])) < len(target["labels"])
        centred = np.concatenate([(boxes[:, 2:] + boxes[:, :2]) / 2, boxes[:, 2:] - boxes[:, :2]], 1)
        columns["boxes"] = tv_tensors.BoundingBoxes(centred, format="CXCYWH", canvas_size=SIZE, valid=valid)
        columns["masks"] = tv_tensors.Mask(columns["masks"].astype(np.uint8))
        points = columns["keypoints"]
        columns["keypoints"] = tv_tensors.KeyPoints(points[..., :2], canvas_size=SIZE, visible=points[..., 2])
        return columns

    found = {number: (target, {name: padded(column) for name, column in prediction.items()}
                      | {"valid": np.arange(len(prediction["labels"]) + 1) < len(prediction["labels"])})
             for number, (target, prediction) in images.items()}  # fmt: skip
    metric = updated(metrics.MeanAveragePrecision(KINDS), found, typed)
    result = metric.compute()
    for kind in KINDS:
        numbers = [result[f"{kind}_{name}"] for name in NAMES[kind]]
        np.testing.assert_allclose(numbers, expected[kind].stats, rtol=0, atol=2e-4)  # corners in float32

def test_other_limits_thresholds_and_sigmas(images):
    def change(params):
        params.maxDets, params.iouThrs = [2, 5, 30], np.array([0.3, 0.5])
        return True

    expected = theirs("bbox", images, change).eval
    metric = metrics.MeanAveragePrecision("bbox", max_detections=[2, 5, 30], iou_thresholds=[0.3, 0.5])
    found = updated(metric, images).compute()
    assert found["map"] == pytest.approx(expected["precision"][..., 0, 2].mean(), abs=1e-12)
    assert found["map_50"] == pytest.approx(expected["precision"][1, ..., 0, 2].mean(), abs=1e-12)
    assert found["map_75"] == -1
    for i, limit in enumerate([2, 5, 30]):
        assert found[f"mar_{limit}"] == pytest.approx(expected["recall"][..., 0, i].mean(), abs=1e-12)

    def five(params):
        params.kpt_oks_sigmas = np.linspace(0.02, 0.1, 5)

    few = {number: tuple(dict(side, keypoints=side["keypoints"][:, :5]) for side in sides)
           for number, sides in images.items()}  # fmt: skip
    found = updated(metrics.MeanAveragePrecision("keypoints", sigmas=np.linspace(0.02, 0.1, 5).tolist()), few)
    assert_equal(found.compute(), theirs("keypoints", few, five), "keypoints")


def test_parts_of_the_images_merge(images, expected):
    """Two processes that have one image in common, because the last batch is filled up."""
    parts = [metrics.MeanAveragePrecision("bbox") for _ in range(2)]
    ids = list(images)
    for part, some in zip(parts, (ids[:8], ids[7:])):
        updated(part, {number: images[number] for number in some})
    parts[0].merge(parts[1])
    assert len(parts[0]) == len(images)
    assert_equal(parts[0].compute(), expected["bbox"], "bbox")
    parts[0].gather()  # one process: nothing changes
    assert_equal(parts[0].compute(), expected["bbox"], "bbox")
    parts[0].reset()
    assert len(parts[0]) == 0


def test_images_that_are_not_valid_do_not_count(images, expected):
    metric = metrics.MeanAveragePrecision("bbox")
    numbers = sorted(images)
    targets, predictions = ([images[number][side] for number in numbers] for side in (0, 1))
    padding = [targets[0]] * 3, [predictions[0]] * 3
    valid = np.arange(len(numbers) + 3) < len(numbers)
    metric.update(predictions + padding[1], targets + padding[0], valid=valid)  # without ids: in their order
    assert_equal(metric.compute(), expected["bbox"], "bbox")
    metric.update(predictions[:1], targets[:1])
    assert len(metric) == len(numbers) + 1


def test_nothing_found_and_nothing_there(images):
    number = next(iter(images))
    target, prediction = images[number]
    nothing = {name: column[:0] for name, column in prediction.items()}
    metric = metrics.MeanAveragePrecision(["bbox", "segm"])
    metric.update([nothing], [target])
    found = metric.compute()
    assert found["bbox_map"] == found["segm_mar_100"] == 0
    metric.reset()
    empty = {name: column[:0] for name, column in target.items()}
    metric.update([nothing, prediction], [empty, []])
    assert metric.compute()["segm_map"] == metric.compute()["bbox_mar_1"] == -1
    metric.reset()
    assert metric.compute()["bbox_map"] == -1
