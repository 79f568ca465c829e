"""Detections and true objects of one image, read from the forms in which users have them, as arrays of numpy."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..tv_tensors import BoundingBoxes, KeyPoints, TVTensor

__all__ = ["Objects", "read_annotations", "read_objects"]

Objects = dict[str, Any]

_DTYPES = {"boxes": np.float64, "scores": np.float64, "area": np.float64}  # in which numbers are compared
_INTEGERS = ("labels", "iscrowd", "difficult")
_LIKELY = 0.5  # a pixel of a mask of probabilities belongs to the object above it


def read_objects(given: Mapping[str, Any], names: Sequence[str], optional: Sequence[str], what: str) -> Objects:
    """The arrays of one image, of its valid objects only.

    Args:
        given: "boxes" `[n, 4]` (left, top, right, bottom) or `BoundingBoxes`; "labels" and "scores" `[n]`; "masks"
            `[n, height, width]` or `[n, 1, height, width]` or `Mask`; "keypoints" `[n, points, 3]` or `KeyPoints`;
            other columns `[n]`; "valid" bool `[n]`.
        names: the columns that must be there.
        optional: further columns to read if they are there.
        what: names the image in errors.

    Returns:
        "boxes" float64, "scores" float64, "labels" int64, "masks" bool `[n, height, width]`, "keypoints" float64.

    Raises:
        ValueError: a column is missing, has a wrong shape, or has numbers that are not finite.
    """
    if not isinstance(given, Mapping):
        raise ValueError(f"{what} is of the type {type(given).__name__}, expected a dict with {', '.join(names)}")
    if missing := [name for name in names if given.get(name) is None]:
        raise ValueError(f"{what} has no {missing[0]!r}: it has {', '.join(map(repr, given)) or 'nothing'}")
    wanted = [*names, *(name for name in optional if given.get(name) is not None)]
    found = {name: _column(name, given[name], f"{what}: {name!r}") for name in wanted}
    lengths = {name: len(column) for name, column in found.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"{what} has columns of different lengths: {lengths}")
    valid = given.get("valid", getattr(given.get("boxes"), "valid", None))
    if valid is None:
        return found
    keep = np.asarray(valid)
    if keep.shape != (lengths[names[0]],):
        raise ValueError(f"{what}: 'valid' has the shape {keep.shape}, expected {(lengths[names[0]],)}")
    return {name: column[keep.astype(bool)] for name, column in found.items()}


def read_annotations(annotations: Sequence[Mapping[str, Any]], what: str) -> Objects:
    """The columns of a list of COCO's annotations; "segmentation" is a list of polygons or run lengths.

    Raises:
        ValueError: an annotation lacks its category, or other members that some have.
    """
    names = {"category_id": "labels", "bbox": "boxes", "area": "area", "iscrowd": "iscrowd", "keypoints": "keypoints",
             "num_keypoints": "num_keypoints", "segmentation": "segmentation"}  # fmt: skip
    members = {name for one in annotations for name in one if name in names} | {"category_id"}
    if not annotations:
        return {"labels": np.zeros(0, np.int64), "boxes": np.zeros((0, 4)), "segmentation": [],
                "keypoints": np.zeros((0, 0, 3))}  # fmt: skip
    for one in annotations:
        if missing := sorted(members - set(one)):
            raise ValueError(f"{what} has an annotation without {missing[0]!r}")
    found: Objects = {names[name]: [one[name] for one in annotations] for name in members}
    for name in found.keys() - {"segmentation"}:
        rows = [np.asarray(row, np.float64) for row in found[name]]
        if len({row.shape for row in rows}) > 1:
            raise ValueError(f"{what} has annotations whose {name!r} differ in length")
        found[name] = np.stack(rows)
    if "boxes" in found:
        found["boxes"] = _column("boxes", np.concatenate(
            [found["boxes"][:, :2], found["boxes"][:, :2] + found["boxes"][:, 2:]], 1), what)  # fmt: skip
    if "keypoints" in found:
        if found["keypoints"].shape[1] % 3:
            numbers = found["keypoints"].shape[1]
            raise ValueError(f"{what} has 'keypoints' of {numbers} numbers, expected x, y and visibility of each")
        found["keypoints"] = found["keypoints"].reshape(len(annotations), -1, 3)
    return {name: column.astype(np.int64) if name in _INTEGERS else column for name, column in found.items()}


def _column(name: str, value: Any, what: str) -> np.ndarray:
    """One column of the objects of an image."""
    if name == "masks":
        return _masks(np.asarray(value.array if isinstance(value, TVTensor) else value), what)
    if isinstance(value, BoundingBoxes):
        array = _corners(value, what)
    elif isinstance(value, KeyPoints):
        seen = np.ones(value.shape[:-1]) if value.visible is None else np.asarray(value.visible, np.float64)
        array = np.concatenate([np.asarray(value.array, np.float64), seen[..., None]], -1)
    else:
        array = np.asarray(value)
    shape = {"boxes": (4,), "keypoints": (array.shape[1] if array.ndim == 3 else 0, 3)}.get(name, ())
    if array.size == 0 and array.ndim < 2:
        array = array.reshape(0, *shape)  # an empty list has one axis
    if array.ndim == 0 or array.shape[1:] != shape:
        axes = ", ".join(["n", *(["points"] if name == "keypoints" else []), *map(str, shape[-1:])])
        raise ValueError(f"{what} has the shape {array.shape}, expected [{axes}]")
    if name in _INTEGERS:
        if array.size and not np.issubdtype(array.dtype, np.integer) and array.dtype != bool:
            raise ValueError(f"{what} are integers; got {array.dtype}")
        return array.astype(np.int64)
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"{what} has a number that is not finite")
    return array


def _corners(boxes: BoundingBoxes, what: str) -> np.ndarray:
    """Boxes of any upright format by their corners, float64."""
    array = np.asarray(boxes.array, np.float64)
    if array.shape[-1] != 4:
        raise ValueError(f"{what} are rotated boxes ({boxes.format}); convert them to XYXY first")
    first, last = array[..., :2], array[..., 2:]
    match boxes.format:
        case "XYWH":
            return np.concatenate([first, first + last], -1)
        case "CXCYWH":
            return np.concatenate([first - last / 2, first + last / 2], -1)
    return array


def _masks(masks: np.ndarray, what: str) -> np.ndarray:
    """Masks as bool `[n, height, width]`."""
    if masks.ndim == 4 and masks.shape[1] == 1:
        masks = masks[:, 0]
    if masks.ndim != 3:
        raise ValueError(f"{what} has the shape {masks.shape}, expected [n, height, width]")
    return masks > _LIKELY if np.issubdtype(masks.dtype, np.floating) else masks != 0
