"""Rotated bounding boxes: conversion of formats, and clamping to the canvas as torchvision does it.

Every function splits an array of boxes, `[..., numbers]`, along its last axis. The corners of a box are in the order of
"XYXYXYXY". An angle is in degrees, counter-clockwise, while y points down.
"""

from typing import Any

import numpy as np

from ._kernel import array_namespace

__all__ = ["FROM_XYWHR", "TO_XYWHR", "clamp_corners", "cosine_and_sine", "rectangle_around"]


def cosine_and_sine(array: Any) -> tuple[Any, Any]:
    """Cosine and sine of the angle of every box in "XYWHR" or "CXCYWHR"."""
    xp = array_namespace(array)
    radians = array[..., 4] * np.asarray(np.pi / 180, array.dtype)
    return xp.cos(radians), xp.sin(radians)


def _centre_offset(array: Any) -> tuple[Any, Any]:
    """From the first corner of every box to its centre."""
    xp, (cos, sin) = array_namespace(array), cosine_and_sine(array)
    half_width, half_height = xp.abs(array[..., 2] / 2), xp.abs(array[..., 3] / 2)
    return half_width * cos + half_height * sin, half_height * cos - half_width * sin


def _from_centre(array: Any) -> Any:
    xp, (dx, dy) = array_namespace(array), _centre_offset(array)
    return xp.stack([array[..., 0] - dx, array[..., 1] - dy, *_parts(array[..., 2:])], -1)


def _to_centre(array: Any) -> Any:
    xp, (dx, dy) = array_namespace(array), _centre_offset(array)
    return xp.stack([array[..., 0] + dx, array[..., 1] + dy, *_parts(array[..., 2:])], -1)


def _from_corners(array: Any) -> Any:
    xp = array_namespace(array)
    x1, y1, x2, y2, x3, y3, _, _ = _parts(array)
    degrees = xp.arctan2(y1 - y2, x2 - x1) * np.asarray(180 / np.pi, array.dtype)
    return xp.stack([x1, y1, _length(x2 - x1, y2 - y1), _length(x3 - x2, y3 - y2), degrees], -1)


def _to_corners(array: Any) -> Any:
    xp, (cos, sin) = array_namespace(array), cosine_and_sine(array)
    x, y, w, h, _ = _parts(array)
    right, down = (w * cos, -w * sin), (h * sin, h * cos)  # the edges that leave the first corner
    corners = [x, y, x + right[0], y + right[1], x + right[0] + down[0], y + right[1] + down[1], x + down[0],
               y + down[1]]
    return xp.stack(corners, -1)


TO_XYWHR = {"XYWHR": lambda array: array, "CXCYWHR": _from_centre, "XYXYXYXY": _from_corners}
FROM_XYWHR = {"XYWHR": lambda array: array, "CXCYWHR": _to_centre, "XYXYXYXY": _to_corners}


def rectangle_around(corners: Any) -> Any:
    """The rectangle that torchvision puts in place of a parallelogram.

    Scaling the two axes by different factors makes a parallelogram of a rotated rectangle. The new rectangle keeps the
    longer diagonal and the direction of the longer side.
    """
    xp = array_namespace(corners)
    x1, y1, x2, y2, x3, y3, x4, y4 = _parts(corners)
    first, second = _length(x2 - x1, y2 - y1), _length(x4 - x1, y4 - y1)
    first_angle, second_angle = xp.arctan2(y1 - y2, x2 - x1), xp.arctan2(y1 - y4, x4 - x1)
    between = first_angle - second_angle
    sin = xp.sin(between)
    # As in torchvision, `between` may be off by a full turn; the rectangle then keeps the shorter diagonal instead.
    cos = xp.where(between > np.pi / 2, -xp.cos(between), xp.cos(between))
    width = xp.where(first < second, first * sin, first + second * cos)
    height = xp.where(first > second, second * sin, second + first * cos)
    angle = xp.where(second > first, second_angle + np.asarray(np.pi / 2, corners.dtype), first_angle)
    right = width / 2 * xp.cos(angle), -width / 2 * xp.sin(angle)
    down = height / 2 * xp.sin(angle), height / 2 * xp.cos(angle)
    x, y = (x1 + x3) / 2, (y1 + y3) / 2
    signs = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    points = [c + a * r + b * d for a, b in signs for c, r, d in ((x, right[0], down[0]), (y, right[1], down[1]))]
    return xp.stack(points, -1)


def clamp_corners(corners: Any, canvas_size: tuple[Any, Any], clamping_mode: str) -> Any:
    """Boxes of four corners, clamped to the canvas without a change of their angle.

    The left edge of the canvas is treated, then the canvas is turned by 90 degrees, until every edge was the left one.
    As in torchvision, the corners are shifted twice in the same direction. Over the four turns this cancels out, except
    for about one box in a hundred that leaves the canvas, which afterwards begins with another corner.
    """
    xp = array_namespace(corners)
    original, size = corners, canvas_size
    for _ in range(4):
        first = _leftmost(corners)
        corners, original = _rolled(corners, first), _rolled(original, first)
        corners = _clamp_left(corners, original, size, clamping_mode)
        corners, original = (_turned(xp, _rolled(points, first), size[1]) for points in (corners, original))
        size = size[::-1]
    return corners


def _clamp_left(corners: Any, original: Any, canvas_size: tuple[Any, Any], clamping_mode: str) -> Any:
    """Cuts boxes at x = 0; the first corner of every box must be its leftmost.

    The four edges of a box are lines y = slope * x + intercept. A change of the intercept moves an edge and keeps its
    angle, so the intercepts are clamped.
    """
    xp = array_namespace(corners)
    x1, y1, x2, y2, x3, y3, x4, y4 = _parts(corners)
    with np.errstate(all="ignore"):  # a vertical edge has an infinite slope; `upright` handles those boxes
        slopes, intercepts = _lines(corners)
        moved = _meeting_points(slopes, _clamped_intercepts(slopes, intercepts, _lines(original)[1], canvas_size,
                                                            clamping_mode))
    zero = xp.zeros_like(x1)
    cut = xp.stack([xp.maximum(x1, zero), y1, x2, y2, x3, y3, xp.maximum(x4, zero), y4], -1)
    upright = _close(xp, y1, y2) | _close(xp, y3, y4)
    outside = (x1 <= 0) & (x2 <= 0) & (x3 <= 0) & (x4 <= 0)
    empty = outside | _close(xp, y1, y4) | _close(xp, y2, y3) | (upright & _close(xp, x1, x2))
    leaves = (x1 < 0) & ~xp.isnan(moved).any(-1)
    result = xp.where(leaves[..., None], moved, corners)
    result = xp.where(upright[..., None], cut, result)
    return xp.where(empty[..., None], xp.zeros_like(result), result)


def _clamped_intercepts(
    slopes: Any, intercepts: Any, original: Any, canvas_size: tuple[Any, Any], clamping_mode: str
) -> Any:
    """Intercepts of the four edges so that the box meets the left edge of the canvas."""
    xp, (height, width) = array_namespace(slopes), canvas_size
    a1, a2, a3, a4 = _parts(slopes)
    b1, b2, b3, b4 = _parts(intercepts)
    b1, b4 = (xp.clip(_between(xp, b2, b1, b3), 0, height), xp.clip(_between(xp, b3, b2, b4), 0, height))
    if clamping_mode == "hard":
        b1 = b4 = (b1 + b4) / 2
        limits = [b1 * a2 / a1, b3 * a2 / a3, (a1 - a2) * width + b1, (a3 - a2) * width + b3]
        b2 = xp.minimum(xp.stack(limits).max(0), b2)
        limits = [height * (1 - a3 / a4) + b4 * a3 / a4, height * (1 - a3 / a2) + b2 * a3 / a2,
                  (a2 - a3) * width + b2, (a4 - a3) * width + b4]
        b3 = xp.maximum(xp.stack(limits).min(0), b3)
    o1, o2, o3, o4 = _parts(original)
    moved = [_between(xp, b1, o1, o3), _between(xp, b2, o2, o4), _between(xp, b3, o1, o3), _between(xp, b4, o2, o4)]
    return xp.stack(moved, -1)


def _lines(corners: Any) -> tuple[Any, Any]:
    """Slope and intercept of the edge from every corner to the next, each `[..., 4]`."""
    xp = array_namespace(corners)
    x, y = corners[..., 0::2], corners[..., 1::2]
    slopes = (xp.roll(y, -1, -1) - y) / (xp.roll(x, -1, -1) - x)
    return slopes, y - slopes * x


def _meeting_points(slopes: Any, intercepts: Any) -> Any:
    """The corners: where every edge meets the one before it."""
    xp = array_namespace(slopes)
    x = -(intercepts - xp.roll(intercepts, 1, -1)) / (slopes - xp.roll(slopes, 1, -1))
    y = slopes * x + intercepts
    return xp.stack([x, y], -1).reshape(*x.shape[:-1], 8)


def _leftmost(corners: Any) -> Any:
    """Number of the leftmost corner of every box; of the upper one if two are equally far left. `[...]`."""
    xp = array_namespace(corners)
    x, y = corners[..., 0::2], corners[..., 1::2]
    with np.errstate(all="ignore"):  # a box of zeros gives nan, whose first corner is taken
        return (y / xp.abs(y).max(-1, keepdims=True) + x / xp.abs(x).max(-1, keepdims=True) * 100).argmin(-1)


def _rolled(corners: Any, first: Any) -> Any:
    """The same boxes, with another corner first."""
    xp = array_namespace(corners)
    order = (2 * first[..., None] + np.arange(8).reshape((1,) * first.ndim + (8,))) % 8
    return xp.take_along_axis(corners, order, -1)


def _turned(xp: Any, corners: Any, width: int) -> Any:
    """The boxes after a turn of the canvas by 90 degrees, counter-clockwise."""
    return xp.stack([corners[..., 1::2], width - corners[..., 0::2]], -1).reshape(corners.shape)


def _between(xp: Any, value: Any, low: Any, high: Any) -> Any:
    return xp.minimum(xp.maximum(value, low), high)


def _close(xp: Any, a: Any, b: Any) -> Any:
    return xp.abs(a - b) <= 1e-8 + 1e-5 * xp.abs(b)


def _length(x: Any, y: Any) -> Any:
    return array_namespace(x).sqrt(x * x + y * y)


def _parts(array: Any) -> list[Any]:
    return [array[..., i] for i in range(array.shape[-1])]
