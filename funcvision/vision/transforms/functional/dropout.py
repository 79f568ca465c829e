"""Kernels that fill parts of an image; masks, boxes and key points stay as they are."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import PIL.Image

from ...tv_tensors import BoundingBoxes, KeyPoints, Mask
from ._kernel import PlainImage, array_namespace, get_size, kernel, namespace, pass_through
from ._padding import colour
from .conversion import to_image, to_pil_image

__all__ = ["fill_boxes", "grid_mask"]


@kernel
def fill_boxes(image: PlainImage, boxes: Any, fill: float | Sequence[float] = 0) -> Any:
    """The image with some boxes filled.

    Args:
        image: PIL image, or array `[..., height, width, channels]`.
        boxes: `[n, 4]`, the top, left, height and width of each box in pixels; one of no height fills nothing. On jax
            arrays it may be traced.
        fill: value of the boxes, or one value per channel.

    >>> fill_boxes(np.ones((1, 3, 1), np.uint8), [[0, 1, 1, 1]]).ravel()
    array([1, 0, 1], dtype=uint8)
    """
    if isinstance(image, PIL.Image.Image):
        return to_pil_image(fill_boxes(to_image(image), boxes, fill), image.mode)
    xp = namespace(image, "fill_boxes")
    height, width = get_size(image)
    boxes = xp.asarray(boxes).astype(np.int32).reshape(-1, 4)
    top, left, rows, columns = (boxes[:, i, None] for i in range(4))
    line, column = np.arange(height)[None], np.arange(width)[None]
    inside_rows, inside_columns = (line >= top) & (line < top + rows), (column >= left) & (column < left + columns)
    return _filled(image, (inside_rows[:, :, None] & inside_columns[:, None, :]).any(0), fill)


@kernel
def grid_mask(
    image: PlainImage, unit: Any, side: Any, offset: Sequence[Any], angle: Any = 0.0,
    fill: float | Sequence[float] = 0,
) -> Any:
    """The image with a grid of squares filled.

    Args:
        image: PIL image, or array `[..., height, width, channels]`.
        unit: distance of the squares in pixels.
        side: side of a square in pixels; 0 fills nothing.
        offset: (x, y) of the corner of a square.
        angle: degrees by which the grid is turned around the middle of the image.
        fill: value of the squares, or one value per channel.
    """
    if isinstance(image, PIL.Image.Image):
        return to_pil_image(grid_mask(to_image(image), unit, side, offset, angle, fill), image.mode)
    xp = namespace(image, "grid_mask")
    height, width = get_size(image)
    turn = xp.asarray(angle, np.float32) * np.float32(math.pi / 180)
    cos, sin = xp.cos(turn), xp.sin(turn)
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    x = np.broadcast_to(np.arange(width, dtype=np.float32)[None], (height, width)) - np.float32(middle_x)
    y = np.broadcast_to(np.arange(height, dtype=np.float32)[:, None], (height, width)) - np.float32(middle_y)
    unit, side = (xp.asarray(value).astype(np.float32) for value in (unit, side))
    along, down = (x * cos + y * sin + np.float32(middle_x), y * cos - x * sin + np.float32(middle_y))
    inside = True
    for place, start in ((along, offset[0]), (down, offset[1])):
        # rounded, so that without a turn the places are whole numbers
        rest = (xp.round((place - xp.asarray(start).astype(np.float32)) * 64) / 64) % unit
        inside = inside & (rest < side)
    return _filled(image, inside, fill)


for _kernel in (fill_boxes, grid_mask):
    pass_through(_kernel, BoundingBoxes, KeyPoints, Mask)


def _filled(image: Any, region: Any, fill: float | Sequence[float]) -> Any:
    """The image with a fill where the region `[height, width]` is true."""
    xp = array_namespace(image)
    region = region.reshape((1,) * (image.ndim - 3) + (*region.shape, 1))
    values = np.broadcast_to(colour(fill, image.shape[-1], image.dtype), image.shape)
    return xp.where(xp.broadcast_to(region, image.shape), values, image)
