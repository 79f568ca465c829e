"""Bounding boxes: formats, areas, clipping, small boxes, and boxes around masks.

A box is the last axis of an array. The formats, with angles in degrees, counter-clockwise as seen in the image:

    xyxy        left, top, right, bottom
    xywh        left, top, width, height
    cxcywh      centre, width, height
    xywhr       the rotated top-left corner, width, height, angle
    cxcywhr     centre, width, height, angle
    xyxyxyxy    the rotated corners: top-left, top-right, bottom-right, bottom-left
"""

import math
from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
from jax.core import Tracer

from ...functional._precision import accumulation_dtype

__all__ = [
    "BoxFormat", "box_area", "box_convert", "clip_boxes_to_image", "masks_to_boxes", "remove_small_boxes",
]

BoxFormat = Literal["xyxy", "xywh", "cxcywh", "xywhr", "cxcywhr", "xyxyxyxy"]
COORDINATES = {"xyxy": 4, "xywh": 4, "cxcywh": 4, "xywhr": 5, "cxcywhr": 5, "xyxyxyxy": 8}
UPRIGHT = ("xyxy", "xywh", "cxcywh")


def box_convert(boxes: jax.Array, in_fmt: BoxFormat, out_fmt: BoxFormat) -> jax.Array:
    """Converts boxes from one format to another.

    Upright boxes become rotated ones with angle 0. Integers stay integers, rounded to even between rotated formats,
    but become float32 where a centre is halved, as in torchvision.

    Args:
        boxes: [..., 4], [..., 5] or [..., 8].
        in_fmt: the format of `boxes`.
        out_fmt: the format of the result.

    Raises:
        ValueError: an unknown format, a rotated format into an upright one, or another number of coordinates.

    >>> box_convert(jnp.array([10.0, 20.0, 30.0, 60.0]), "xyxy", "cxcywh").tolist()
    [20.0, 40.0, 20.0, 40.0]
    """
    boxes = checked("box_convert", boxes, in_fmt)
    if out_fmt not in COORDINATES:
        raise ValueError(f"box_convert: out_fmt={out_fmt!r}; the formats are {', '.join(COORDINATES)}")
    if in_fmt == out_fmt:
        return boxes
    if in_fmt in UPRIGHT:
        return _from_xyxy(_to_xyxy(boxes, in_fmt), out_fmt)
    if out_fmt in UPRIGHT:
        raise ValueError(f"box_convert: {in_fmt} boxes are rotated and {out_fmt} cannot hold an angle")
    return _rounded(_from_xywhr, _rounded(_to_xywhr, boxes, in_fmt), out_fmt)


def _to_xyxy(boxes: jax.Array, fmt: str) -> jax.Array:
    if fmt == "xyxy":
        return boxes
    if fmt == "cxcywh":
        boxes = floating(boxes)
        centre, half = boxes[..., :2], 0.5 * boxes[..., 2:]
        return jnp.concatenate([centre - half, centre + half], -1)
    return jnp.concatenate([boxes[..., :2], boxes[..., :2] + boxes[..., 2:]], -1)


def _from_xyxy(boxes: jax.Array, fmt: str) -> jax.Array:
    if fmt == "xyxy":
        return boxes
    size = boxes[..., 2:] - boxes[..., :2]
    if fmt == "cxcywh":
        boxes = floating(boxes)
        return jnp.concatenate([(boxes[..., :2] + boxes[..., 2:]) / 2, size.astype(boxes.dtype)], -1)
    upright = jnp.concatenate([boxes[..., :2], size], -1)
    if fmt == "xywh":
        return upright
    return _rounded(_from_xywhr, jnp.concatenate([upright, jnp.zeros_like(boxes[..., :1])], -1), fmt)


def _to_xywhr(boxes: jax.Array, fmt: str) -> jax.Array:
    if fmt == "xywhr":
        return boxes
    if fmt == "cxcywhr":
        x, y, w, h, r = _coordinates(boxes)
        cos, sin = _direction(r)
        return jnp.stack([x - w / 2 * cos - h / 2 * sin, y - h / 2 * cos + w / 2 * sin, w, h, r], -1)
    x1, y1, x2, y2, x3, y3, _, _ = _coordinates(boxes)
    angle = jnp.atan2(y1 - y2, x2 - x1) * 180 / math.pi
    width = jnp.sqrt((x2 - x1) ** 2 + (y1 - y2) ** 2)
    height = jnp.sqrt((x3 - x2) ** 2 + (y3 - y2) ** 2)
    return jnp.stack([x1, y1, width, height, angle], -1)


def _from_xywhr(boxes: jax.Array, fmt: str) -> jax.Array:
    if fmt == "xywhr":
        return boxes
    x, y, w, h, r = _coordinates(boxes)
    cos, sin = _direction(r)
    if fmt == "cxcywhr":
        return jnp.stack([x + w / 2 * cos + h / 2 * sin, y - w / 2 * sin + h / 2 * cos, w, h, r], -1)
    x2, y2 = x + w * cos, y - w * sin
    return jnp.stack([x, y, x2, y2, x2 + h * sin, y2 + h * cos, x + h * sin, y + h * cos], -1)


def _rounded(convert: Callable[[jax.Array, str], jax.Array], boxes: jax.Array, fmt: str) -> jax.Array:
    """Converts in floating point; integer boxes are rounded back to integers."""
    if jnp.issubdtype(boxes.dtype, jnp.floating):
        return convert(boxes, fmt)
    return jnp.round(convert(floating(boxes), fmt)).astype(boxes.dtype)


def _coordinates(boxes: jax.Array) -> list[jax.Array]:
    return [boxes[..., i] for i in range(boxes.shape[-1])]


def _direction(degrees: jax.Array) -> tuple[jax.Array, jax.Array]:
    radians = degrees * math.pi / 180
    return jnp.cos(radians), jnp.sin(radians)


def floating(boxes: jax.Array) -> jax.Array:
    """The boxes; integers as float32."""
    return boxes if jnp.issubdtype(boxes.dtype, jnp.floating) else boxes.astype(jnp.float32)


def checked(function: str, boxes: jax.Array, fmt: str, upright: bool = False) -> jax.Array:
    """The boxes as an array; raises unless the format is known and the last axis has its number of coordinates."""
    known = UPRIGHT if upright else tuple(COORDINATES)
    if fmt not in known:
        raise ValueError(f"{function}: the format {fmt!r} is not one of {', '.join(known)}")
    boxes = jnp.asarray(boxes)
    if boxes.ndim == 0 or boxes.shape[-1] != COORDINATES[fmt]:
        raise ValueError(f"{function} takes {fmt} boxes [..., {COORDINATES[fmt]}] and got an array of {boxes.shape}")
    return boxes


def wide(boxes: jax.Array) -> jax.Array:
    """The boxes in a dtype whose products do not overflow: float32 or int32 at least."""
    if jnp.issubdtype(boxes.dtype, jnp.floating):
        return boxes.astype(accumulation_dtype(boxes.dtype))
    return boxes if boxes.dtype.itemsize >= 4 else boxes.astype(jnp.int32)


def box_area(boxes: jax.Array, fmt: BoxFormat = "xyxy") -> jax.Array:
    """The area of upright boxes [..., 4] as [...]; float32 of half types, int32 of small integers.

    Raises:
        ValueError: `fmt` is not xyxy, xywh or cxcywh.

    >>> box_area(jnp.array([[0.0, 0.0, 3.0, 2.0]])).tolist()
    [6.0]
    """
    boxes = wide(checked("box_area", boxes, fmt, upright=True))
    if fmt == "xyxy":
        return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    return boxes[..., 2] * boxes[..., 3]


def clip_boxes_to_image(boxes: jax.Array, size: tuple[int | jax.Array, int | jax.Array]) -> jax.Array:
    """Moves the corners of xyxy boxes [..., 4] into an image of `size` (height, width); NaN stays NaN.

    >>> clip_boxes_to_image(jnp.array([-5.0, 2.0, 30.0, 8.0]), (10, 20)).tolist()
    [0.0, 2.0, 20.0, 8.0]
    """
    boxes = checked("clip_boxes_to_image", boxes, "xyxy")
    height, width = (jnp.asarray(side).astype(boxes.dtype) for side in size)
    limit = jnp.stack([width, height, width, height], -1)
    limit = limit.reshape(*limit.shape[:-1], *(1,) * (boxes.ndim - limit.ndim), 4)
    limit = jnp.broadcast_to(limit, boxes.shape)
    # `where`, not `clip`: at a limit the derivative is torch's 1
    return jnp.where(boxes < 0, 0, jnp.where(boxes > limit, limit, boxes))


def remove_small_boxes(
    boxes: jax.Array, min_size: float, max_output: int | None = None, valid: jax.Array | None = None
) -> jax.Array | tuple[jax.Array, jax.Array]:
    """The indices of xyxy boxes [n, 4] whose sides are both at least `min_size`, in order.

    Args:
        boxes: [n, 4].
        min_size: of a side, inclusive.
        max_output: the length of the result; within `jit` it is n by default.
        valid: bool [n]; other boxes are removed.

    Returns:
        Outside `jit` without `max_output`, the indices. Otherwise (indices, valid), both [max_output].
    """
    boxes = checked("remove_small_boxes", boxes, "xyxy")
    if boxes.ndim != 2:
        raise ValueError(f"remove_small_boxes takes [n, 4] and got {boxes.shape}; use jax.vmap for more axes")
    sides = boxes[:, 2:] - boxes[:, :2]
    keep = jnp.all(sides >= min_size, -1)
    keep = keep if valid is None else keep & valid
    if max_output is None and not isinstance(keep, Tracer):
        return jnp.flatnonzero(keep)
    length = boxes.shape[0] if max_output is None else max_output
    return jnp.flatnonzero(keep, size=length, fill_value=0), jnp.arange(length) < jnp.sum(keep)


def masks_to_boxes(masks: jax.Array) -> jax.Array:
    """The xyxy box around the nonzero pixels of each mask [..., height, width], as float32 [..., 4].

    Right and bottom are the last nonzero pixels themselves, as in torchvision. An empty mask gives zeros.

    >>> masks_to_boxes(jnp.zeros((1, 5, 5)).at[0, 1:3, 2:5].set(1)).tolist()
    [[2.0, 1.0, 4.0, 2.0]]
    """
    masks = jnp.asarray(masks)
    if masks.ndim < 2:
        raise ValueError(f"masks_to_boxes takes [..., height, width] and got an array of shape {masks.shape}")
    if masks.size == 0:
        return jnp.zeros((*masks.shape[:-2], 4), jnp.float32)
    found = masks.astype(bool)
    columns, rows = jnp.any(found, -2), jnp.any(found, -1)
    first = [jnp.argmax(line, -1) for line in (columns, rows)]
    last = [line.shape[-1] - 1 - jnp.argmax(line[..., ::-1], -1) for line in (columns, rows)]
    boxes = jnp.stack([*first, *last], -1).astype(jnp.float32)
    return jnp.where(jnp.any(rows, -1)[..., None], boxes, 0)
