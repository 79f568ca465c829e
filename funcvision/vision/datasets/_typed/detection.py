"""Adapters of data sets with boxes and key points."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import tv_tensors
from .._formats import read_segmentation
from .registry import adapter, canvas, image_leaf

__all__ = ["KITTI_CATEGORIES", "VOC_CATEGORIES"]

VOC_CATEGORIES = (
    "__background__", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
"""The classes of Pascal VOC, in the order of the numbers in its segmentations."""

KITTI_CATEGORIES = (
    "Car", "Van", "Truck", "Pedestrian", "Person_sitting", "Cyclist", "Tram", "Misc", "DontCare",
)  # fmt: skip
"""The classes of KITTI's objects, in torchvision's order."""

_WIDER = ("blur", "expression", "illumination", "occlusion", "pose", "invalid")


def _boxes(rows: Sequence[Any], size: tuple[int, int], what: str, *, with_size: bool = False) -> Any:
    """Boxes XYXY from rows of four numbers, of which the last two may be width and height."""
    array = _rows(rows, 4, what)
    if with_size:
        array[:, 2:] += array[:, :2]
    return tv_tensors.BoundingBoxes(array, canvas_size=size)


def _rows(rows: Any, length: int, what: str) -> np.ndarray:
    """Rows of numbers, float32 `[n, length]`."""
    try:
        array = np.array(rows, np.float32).reshape(len(rows), -1) if len(rows) else np.zeros((0, length), np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what} has boxes or numbers that cannot be read: {error}") from error
    if array.shape[1] != length:
        raise ValueError(f"{what} has rows of {array.shape[1]} numbers, expected {length}")
    return array


def _number(categories: Sequence[str], name: Any, what: str) -> int:
    if name not in categories:
        raise ValueError(f"{what} names the class {name!r}, which is none of {', '.join(categories)}")
    return categories.index(name)


_COCO_NATIVE = ("segmentation", "area", "iscrowd", "bbox", "category_id")


@adapter(
    "CocoDetection",
    keys=("image_id", "boxes", "labels", "masks", "keypoints", *_COCO_NATIVE),
    default=("image_id", "boxes", "labels", "masks", "keypoints"),
)
def coco_detection(dataset: Any, index: int, sample: Any, wanted: frozenset[str]) -> dict[str, Any]:
    """COCO's annotations of objects."""
    image, annotations = image_leaf(sample[0]), sample[1]
    size, what = canvas(image), f"the image {dataset.ids[index]} of COCO"

    def column(name: str) -> list[Any]:
        if missing := [one.get("id") for one in annotations if name not in one]:
            raise ValueError(f"{what} has the annotation {missing[0]} without {name!r}: leave that out of target_keys")
        return [one[name] for one in annotations]

    found: dict[str, Any] = {"image": image}
    if "image_id" in wanted:
        found["image_id"] = dataset.ids[index]
    if "boxes" in wanted:
        found["boxes"] = _boxes(column("bbox"), size, what, with_size=True)
    if "labels" in wanted:
        found["labels"] = np.array(column("category_id"), np.int64)
    if "masks" in wanted:
        masks = [_mask(one.get("segmentation"), size, what) for one in annotations]
        found["masks"] = tv_tensors.Mask(np.stack(masks) if masks else np.zeros((0, *size), np.uint8))
    points = max((len(one.get("keypoints", ())) for one in dataset.coco.cats.values()), default=0)
    if "keypoints" in wanted and points:
        # An annotation of another category than people may have none.
        rows = [one.get("keypoints") or [0] * (3 * points) for one in annotations]
        triples = _rows(rows, 3 * points, what).reshape(-1, points, 3)
        visible = triples[:, :, 2].astype(np.int64)
        found["keypoints"] = tv_tensors.KeyPoints(triples[:, :, :2], canvas_size=size, visible=visible)
    if "segmentation" in wanted:
        found["segmentation"] = [one.get("segmentation") for one in annotations]
    if "bbox" in wanted:
        found["bbox"] = _rows(column("bbox"), 4, what)
    for name, dtype in {"area": np.float32, "iscrowd": np.int64, "category_id": np.int64}.items():
        if name in wanted:
            found[name] = np.array(column(name), dtype)
    return found


def _mask(segmentation: Any, size: tuple[int, int], what: str) -> np.ndarray:
    try:
        return read_segmentation(segmentation, *size)
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from error


@adapter("VOCDetection", keys=("boxes", "labels", "annotation"), default=("boxes", "labels"))
def voc_detection(dataset: Any, index: int, sample: Any, wanted: frozenset[str]) -> dict[str, Any]:
    """Objects of Pascal VOC."""
    image, annotation = image_leaf(sample[0]), sample[1]["annotation"]
    what, objects = dataset.annotations[index], annotation["object"]
    try:
        corners = [[float(one["bndbox"][name]) for name in ("xmin", "ymin", "xmax", "ymax")] for one in objects]
        names = [one["name"] for one in objects]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{what} has an object without a name or a box of four numbers") from error
    found: dict[str, Any] = {"image": image}
    if "boxes" in wanted:
        found["boxes"] = _boxes(corners, canvas(image), what)
    if "labels" in wanted:
        found["labels"] = np.array([_number(VOC_CATEGORIES, name, what) for name in names], np.int64)
    if "annotation" in wanted:
        found["annotation"] = annotation
    return found


_KITTI_NATIVE = {
    "type": None, "truncated": np.float32, "occluded": np.int64, "alpha": np.float32, "bbox": np.float32,
    "dimensions": np.float32, "location": np.float32, "rotation_y": np.float32,
}  # fmt: skip


@adapter("Kitti", keys=("boxes", "labels", *_KITTI_NATIVE), default=("boxes", "labels"))
def kitti(dataset: Any, index: int, sample: Any, wanted: frozenset[str]) -> dict[str, Any]:
    """KITTI's objects."""
    image, objects = image_leaf(sample[0]), sample[1]
    found: dict[str, Any] = {"image": image}
    if objects is None:
        return found
    what = dataset.targets[index]
    if "boxes" in wanted:
        found["boxes"] = _boxes([one["bbox"] for one in objects], canvas(image), what)
    if "labels" in wanted:
        found["labels"] = np.array([_number(KITTI_CATEGORIES, one["type"], what) for one in objects], np.int64)
    for name, dtype in _KITTI_NATIVE.items():
        if name in wanted:
            values = [one[name] for one in objects]
            lengths = {"bbox": 4, "dimensions": 3, "location": 3}
            shape = (-1, lengths[name]) if name in lengths else (-1,)
            found[name] = values if dtype is None else np.array(values, dtype).reshape(shape)
    return found


@adapter("WIDERFace", keys=("boxes", "bbox", *_WIDER), default=("boxes", *_WIDER))
def wider_face(dataset: Any, index: int, sample: Any, wanted: frozenset[str]) -> dict[str, Any]:
    """Faces of WIDER FACE."""
    image, target = image_leaf(sample[0]), sample[1]
    found: dict[str, Any] = {"image": image}
    if target is None:
        return found
    if "boxes" in wanted:
        found["boxes"] = _boxes(target["bbox"], canvas(image), f"the image {index} of WIDERFace", with_size=True)
    return {**found, **{name: np.asarray(target[name]) for name in ("bbox", *_WIDER) if name in wanted}}


@adapter("CelebA")
def celeba(dataset: Any, index: int, sample: Any, wanted: frozenset[str]) -> dict[str, Any]:
    """Faces of CelebA: what `target_type` asks for."""
    image, targets = image_leaf(sample[0]), sample[1]
    size, what = canvas(image), f"the image {index} of CelebA"
    types = dataset.target_type
    found: dict[str, Any] = {"image": image}
    for kind, target in zip(types, targets if len(types) > 1 else [targets]):
        if kind == "bbox":
            found["boxes"] = _boxes([np.asarray(target)], size, what, with_size=True)
        elif kind == "landmarks":
            points = np.asarray(target, np.float32).reshape(-1, 2)
            found["keypoints"] = tv_tensors.KeyPoints(points, canvas_size=size)
        else:
            found["attributes" if kind == "attr" else kind] = target
    return found


@adapter("Caltech101")
def caltech101(dataset: Any, index: int, sample: Any, wanted: frozenset[str]) -> dict[str, Any]:
    """Classes and outlines of Caltech 101: what `target_type` asks for."""
    image, targets = image_leaf(sample[0]), sample[1]
    types = dataset.target_type
    found: dict[str, Any] = {"image": image}
    for kind, target in zip(types, targets if len(types) > 1 else [targets]):
        if kind == "annotation":
            points = np.asarray(target, np.float32).T
            found["outline"] = tv_tensors.KeyPoints(points, canvas_size=canvas(image))
        else:
            found["label"] = target
    return found
