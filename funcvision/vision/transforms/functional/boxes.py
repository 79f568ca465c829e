"""Bounding boxes and key points: formats, clamping, and how they move with the pixels.

`_rotated_boxes.py` holds what is particular to rotated boxes. Everything runs on numpy and on jax arrays.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ...tv_tensors import FORMATS, BoundingBoxes, KeyPoints
from ...tv_tensors.coordinates import box_format
from . import _rotated_boxes as rotated
from ._kernel import array_namespace

__all__ = ["clamp_bounding_boxes", "clamp_keypoints", "convert_bounding_box_format"]

ROTATED = tuple(name for name, numbers in FORMATS.items() if numbers > 4)


def convert_bounding_box_format(
    boxes: BoundingBoxes | np.ndarray | jax.Array, old_format: str | None = None, new_format: str | None = None
) -> Any:
    """The boxes in another format.

    Integers are rounded as in torchvision: down for a centre, towards zero for a corner.

    Args:
        boxes: `BoundingBoxes`, or an array `[..., n, 4 | 5 | 8]`.
        old_format: the format of an array; not to be given for `BoundingBoxes`, which know theirs.
        new_format: one of `tv_tensors.FORMATS`.

    Raises:
        ValueError: a format that does not exist or does not fit, or a mixture of a rotated and another format.

    >>> convert_bounding_box_format(np.array([[10, 20, 40, 60]]), "XYXY", "CXCYWH")
    array([[25, 40, 30, 40]])
    """
    if new_format is None:
        raise TypeError("convert_bounding_box_format needs new_format, such as new_format='XYXY'")
    new_format = box_format(new_format)
    if isinstance(boxes, BoundingBoxes):
        if old_format is not None:
            raise ValueError(f"BoundingBoxes know their format, and old_format={old_format!r} was given too")
        array = convert_array(box_array(boxes), boxes.format, new_format)
        return boxes.replace(array=array, format=new_format)
    if old_format is None:
        raise ValueError("an array has no format: give old_format, or pass BoundingBoxes")
    return convert_array(check_boxes(boxes, box_format(old_format)), box_format(old_format), new_format)


def clamp_bounding_boxes(
    boxes: BoundingBoxes | np.ndarray | jax.Array, format: str | None = None,
    canvas_size: tuple[int, int] | None = None, clamping_mode: str | None = "auto",
) -> Any:
    """The boxes, cut to their canvas; see `BoundingBoxes` for the modes.

    Args:
        boxes: `BoundingBoxes`, or an array `[..., n, 4 | 5 | 8]`.
        format: the format of an array; `BoundingBoxes` know theirs.
        canvas_size: (height, width) for an array; `BoundingBoxes` know theirs.
        clamping_mode: "soft", "hard" or None; "auto" is the mode of the `BoundingBoxes`, and not for arrays.

    >>> clamp_bounding_boxes(np.array([[-5, 2, 10, 50]]), "XYXY", (20, 30), "hard")
    array([[ 0,  2, 10, 20]])
    """
    if isinstance(boxes, BoundingBoxes):
        if format is not None or canvas_size is not None:
            raise ValueError("BoundingBoxes know their format and canvas_size: give neither")
        mode = boxes.clamping_mode if clamping_mode == "auto" else clamping_mode
        checked = boxes.replace(clamping_mode=mode)
        return boxes.replace(array=clamp_array(box_array(boxes), checked.format, checked.canvas_size, mode))
    if format is None or canvas_size is None or clamping_mode == "auto":
        raise ValueError("an array of boxes needs format, canvas_size and clamping_mode, or pass BoundingBoxes")
    checked = BoundingBoxes(boxes, format=format, canvas_size=canvas_size, clamping_mode=clamping_mode)
    return clamp_array(box_array(checked), checked.format, checked.canvas_size, clamping_mode)


def clamp_keypoints(keypoints: Any, canvas_size: tuple[int, int] | None = None) -> Any:
    """The points, moved to the nearest pixel of their canvas.

    Args:
        keypoints: `KeyPoints`, or an array `[..., n, 2]`.
        canvas_size: (height, width) for an array; `KeyPoints` know theirs.

    >>> clamp_keypoints(np.array([[-5.0, 40.0]]), (20, 30))
    array([[ 0., 19.]])
    """
    if isinstance(keypoints, KeyPoints) == (canvas_size is not None):
        raise ValueError("give canvas_size with an array of key points, and not with KeyPoints, which know theirs")
    if canvas_size is not None:
        return clamp_keypoints(KeyPoints(keypoints, canvas_size=canvas_size)).array
    array, (height, width) = point_array(keypoints), keypoints.canvas_size
    return keypoints.replace(array=array_namespace(array).clip(array, 0, row([width - 1, height - 1], array)))


def box_array(boxes: BoundingBoxes) -> Any:
    """The array of the boxes, after a check that it fits their format."""
    return check_boxes(boxes.array, boxes.format)


def check_boxes(array: Any, format: str) -> Any:
    """The array, if it can hold boxes of the format.

    Raises:
        TypeError: it is no array, or rotated boxes are integers.
        ValueError: it has another shape.
    """
    if not isinstance(array, np.ndarray | jax.Array):
        raise TypeError(f"bounding boxes are a numpy or jax array, and this is a {type(array).__name__}")
    if array.ndim < 1 or array.shape[-1] != FORMATS[format]:
        raise ValueError(f"boxes in {format} have shape [..., n, {FORMATS[format]}], and these have {array.shape}")
    if format in ROTATED and not jnp.issubdtype(array.dtype, jnp.floating):
        raise TypeError(f"rotated boxes ({format}) are floats, and these are {array.dtype}")
    return array


def point_array(points: KeyPoints) -> Any:
    """The array of the points, after a check of type and shape."""
    if not isinstance(points.array, np.ndarray | jax.Array):
        raise TypeError(f"key points are a numpy or jax array, and this is a {type(points.array).__name__}")
    if points.ndim < 1 or points.shape[-1] != 2:
        raise ValueError(f"key points have shape [..., n, 2], and these have {points.shape}")
    return points.array


def convert_array(array: Any, old: str, new: str) -> Any:
    """Boxes in format `old` in format `new`, by way of "XYXY" or "XYWHR"."""
    if old == new:
        return array
    if (old in ROTATED) != (new in ROTATED):
        raise ValueError(f"boxes with and without rotation cannot be converted: from {old} to {new} was asked for")
    if old in ROTATED:
        return _in_working_precision(lambda x: rotated.FROM_XYWHR[new](rotated.TO_XYWHR[old](x)), array)
    return _from_xyxy(_to_xyxy(array, old), new)


def clamp_array(array: Any, format: str, canvas_size: tuple[Any, Any], clamping_mode: str | None) -> Any:
    """Boxes cut to the canvas, whose size may be traced."""
    if clamping_mode is None:
        return array
    xp = array_namespace(array)

    def clamped(x: Any) -> Any:
        height, width = (xp.asarray(length).astype(x.dtype) for length in canvas_size)
        if format in ROTATED:
            corners = rotated.clamp_corners(convert_array(x, format, "XYXYXYXY"), (height, width), clamping_mode)
            return convert_array(corners, "XYXYXYXY", format)
        corners = xp.clip(convert_array(x, format, "XYXY"), 0, row([width, height] * 2, x))
        return convert_array(corners, "XYXY", format)

    return _in_working_precision(clamped, array)


def shift_boxes(array: Any, format: str, left: Any, top: Any) -> Any:
    """Boxes relative to the point (left, top), which may be traced."""
    corners = {"XYXY": 2, "XYXYXYXY": 4}.get(format, 1)
    return array - row([left, top] * corners + [0] * (array.shape[-1] - 2 * corners), array)


def scale_boxes(
    array: Any, format: str, factors: list[Any], canvas_size: tuple[int, int], clamping_mode: str | None
) -> Any:
    """Boxes with x and y multiplied by two factors, which may be traced.

    A rotated box becomes the rectangle around the parallelogram that it would be, cut to the new canvas.
    """
    if format not in ROTATED:
        return scale_points(array, factors * 2)
    corners = scale_points(convert_array(array, format, "XYXYXYXY"), factors * 4)
    corners = _in_working_precision(rotated.rectangle_around, corners)
    corners = clamp_array(corners, "XYXYXYXY", canvas_size, clamping_mode)
    return convert_array(corners, "XYXYXYXY", format)


def scale_points(array: Any, factors: list[Any]) -> Any:
    """Coordinates times one factor each; computed as floats, and cut off towards zero for integers."""
    return _in_working_precision(lambda x: x * row(factors, x), array)


def mirror_boxes(array: Any, format: str, length: int, axis: int) -> Any:
    """Boxes on a canvas that is mirrored along an axis: 0 for left to right, 1 for upside down.

    Args:
        array: the boxes.
        format: their format.
        length: size of the canvas along that axis.
        axis: 0 or 1, the place of the mirrored coordinate in a point.
    """
    xp = array_namespace(array)
    parts = [array[..., i] for i in range(array.shape[-1])]
    if format == "XYXY":
        parts[axis], parts[axis + 2] = length - parts[axis + 2], length - parts[axis]
    elif format == "XYWH":
        parts[axis] = length - (parts[axis] + parts[axis + 2])
    elif format == "XYXYXYXY":
        parts[axis::2] = [length - part for part in parts[axis::2]]
        parts = [parts[i] for i in (2, 3, 0, 1, 6, 7, 4, 5)]  # so that the corners stay clockwise
    else:
        if format == "XYWHR":  # the second corner becomes the first
            cos, sin = rotated.cosine_and_sine(array)
            parts[0], parts[1] = parts[0] + parts[2] * cos, parts[1] - parts[2] * sin
        parts[axis] = length - parts[axis]
        if format in ROTATED:
            parts[4] = -parts[4] if axis == 0 else 180 - parts[4]
    return xp.stack(parts, -1)


def row(values: list[Any], like: Any) -> Any:
    """Numbers, some of which may be traced, as an array that broadcasts over the last axis of `like`, in its dtype."""
    xp = array_namespace(like)
    parts = [xp.asarray(value).astype(like.dtype) for value in values]
    return xp.stack(parts).reshape((1,) * (like.ndim - 1) + (len(parts),))


def _in_working_precision(function: Any, array: Any) -> Any:
    """The function on an array of at least 32 bits of float; the result in the dtype of the array."""
    dtype = array.dtype
    wide = dtype if dtype in (np.float32, np.float64) else np.float32
    return function(array.astype(wide)).astype(dtype)


def _to_xyxy(array: Any, format: str) -> Any:
    if format == "XYXY":
        return array
    xp = array_namespace(array)
    place, size = array[..., :2], array[..., 2:]
    if format == "XYWH":
        return xp.concatenate([place, place + size], -1)

    def corners(x: Any) -> Any:
        first = x[..., :2] - x[..., 2:] / 2
        return xp.concatenate([first, first + x[..., 2:]], -1)

    return _in_working_precision(corners, array)


def _from_xyxy(array: Any, format: str) -> Any:
    if format == "XYXY":
        return array
    xp = array_namespace(array)
    first, size = array[..., :2], array[..., 2:] - array[..., :2]
    if format == "XYWH":
        return xp.concatenate([first, size], -1)
    twice = first * 2 + size
    centre = twice // 2 if jnp.issubdtype(array.dtype, jnp.integer) else twice / 2
    return xp.concatenate([centre, size], -1)
