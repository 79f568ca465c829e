"""Kernels that find out which boxes and key points are of use for training."""

from typing import Any

import numpy as np

from ...tv_tensors import BoundingBoxes, KeyPoints
from ._kernel import array_namespace
from .boxes import ROTATED, box_array, convert_array, point_array

__all__ = ["sanitize_bounding_boxes", "sanitize_keypoints"]


def sanitize_bounding_boxes(
    bounding_boxes: Any, format: str | None = None, canvas_size: tuple[int, int] | None = None, min_size: float = 1.0,
    min_area: float = 1.0,
) -> Any:
    """The boxes without those that are too small, or not inside the canvas.

    For a rotated box torchvision takes a mixture of height and width in place of the height; this is followed.

    Args:
        bounding_boxes: `BoundingBoxes`, or an array `[n, 4 | 5 | 8]`.
        format: the format of an array; `BoundingBoxes` know theirs.
        canvas_size: (height, width) for an array; `BoundingBoxes` know theirs.
        min_size: smallest width and height.
        min_area: smallest area.

    Returns:
        On the host, the boxes that are left, and which they are, bool `[n]`. `BoundingBoxes` of jax, whose shape may
        not change: the same boxes, with `valid` set. An array of jax: the same array, and which boxes are of use.

    Raises:
        ValueError: an array without format and canvas_size, or `BoundingBoxes` with them.

    >>> boxes, valid = sanitize_bounding_boxes(np.array([[1, 1, 5, 5], [2, 2, 2, 9]]), "XYXY", (10, 10))
    >>> boxes, valid
    (array([[1, 1, 5, 5]]), array([ True, False]))
    """
    if isinstance(bounding_boxes, BoundingBoxes):
        if format is not None or canvas_size is not None:
            raise ValueError("BoundingBoxes know their format and canvas_size: give neither")
        return _kept(bounding_boxes, useful_boxes(bounding_boxes, min_size, min_area))
    if format is None or canvas_size is None:
        raise ValueError("an array of boxes needs format and canvas_size, or pass BoundingBoxes")
    boxes = BoundingBoxes(bounding_boxes, format=format, canvas_size=canvas_size)
    valid = useful_boxes(boxes, min_size, min_area)
    return (bounding_boxes[valid] if isinstance(bounding_boxes, np.ndarray) else bounding_boxes), valid


def sanitize_keypoints(key_points: Any, canvas_size: tuple[int, int] | None = None) -> Any:
    """The points without those outside the canvas; of groups `[n, points, 2]`, the groups that are wholly inside.

    Args:
        key_points: `KeyPoints`, or an array `[n, 2]` or `[n, ..., 2]`.
        canvas_size: (height, width) for an array; `KeyPoints` know theirs.

    Returns:
        As `sanitize_bounding_boxes`. On the device, `valid` of `KeyPoints` has a value for every point.

    Raises:
        ValueError: an array without canvas_size, or `KeyPoints` with it.

    >>> sanitize_keypoints(np.array([[1, 1], [9, 2]]), (5, 5))
    (array([[1, 1]]), array([ True, False]))
    """
    if isinstance(key_points, KeyPoints):
        if canvas_size is not None:
            raise ValueError("KeyPoints know their canvas_size: leave it out")
        return _kept(key_points, useful_points(key_points))
    if canvas_size is None:
        raise ValueError("an array of key points needs canvas_size, or pass KeyPoints")
    valid = useful_points(KeyPoints(key_points, canvas_size=canvas_size))
    return (key_points[valid] if isinstance(key_points, np.ndarray) else key_points), valid


def useful_boxes(boxes: BoundingBoxes, min_size: float, min_area: float) -> Any:
    """Which boxes are large enough and inside the canvas, bool `[..., n]`; what is not `valid` before stays so."""
    array, (height, width) = box_array(boxes), boxes.canvas_size
    turned = boxes.format in ROTATED
    corners = convert_array(array, boxes.format, "XYXYXYXY" if turned else "XYXY")
    xp, parts = array_namespace(array), [corners[..., i] for i in range(corners.shape[-1])]
    if turned:
        x1, y1, x2, y2, _, y3, x4, _ = parts
        widths = xp.sqrt((x1 - x2) ** 2 + (y1 - y2) ** 2)
        heights = xp.sqrt((y2 - y3) ** 2 + (parts[4] - x4) ** 2)  # torchvision's mixture of the two sides
    else:
        widths, heights = parts[2] - parts[0], parts[3] - parts[1]
    valid = (widths >= min_size) & (heights >= min_size) & (widths * heights >= min_area) & (corners >= 0).all(-1)
    valid = valid & (corners[..., 0::2] <= width).all(-1) & (corners[..., 1::2] <= height).all(-1)
    return valid if boxes.valid is None else valid & boxes.valid


def useful_points(points: KeyPoints) -> Any:
    """Which points, or which groups of points, are on the canvas, bool `[n]`."""
    array, (height, width) = point_array(points), points.canvas_size
    x, y = array[..., 0], array[..., 1]
    valid = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    if points.valid is not None:
        valid = valid & points.valid
    return valid.all(tuple(range(1, valid.ndim)))


def keep(leaf: BoundingBoxes | KeyPoints, valid: Any) -> Any:
    """The boxes or points that are valid; on the device all of them, with `valid` set."""
    rows = valid.reshape(valid.shape + (1,) * (leaf.ndim - 1 - valid.ndim))
    if not isinstance(leaf.array, np.ndarray):
        return leaf.replace(valid=array_namespace(leaf.array).broadcast_to(rows, leaf.shape[:-1]))
    changes = {name: value[valid] for name in ("valid", "visible") if (value := getattr(leaf, name, None)) is not None}
    return leaf.replace(array=leaf.array[valid], **changes)


def _kept(leaf: BoundingBoxes | KeyPoints, valid: Any) -> Any:
    kept = keep(leaf, valid)
    return (kept, valid) if isinstance(leaf.array, np.ndarray) else kept
