"""Local contrast: adaptive histogram equalisation; masks, boxes and key points stay as they are."""

import operator
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import PIL.Image

from ...tv_tensors import BoundingBoxes, KeyPoints, Mask
from ._kernel import PlainImage, array_namespace, kernel, pass_through
from ._values import check_grey_or_rgb
from .conversion import to_image, to_pil_image

__all__ = ["clahe"]

LEVELS = 256
LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue (ITU-R BT.601)."""


@kernel
def clahe(image: PlainImage, clip_limit: Any = 2.0, tile_grid_size: int | Sequence[int] = 8) -> Any:
    """Contrast limited adaptive histogram equalisation (Zuiderveld 1994, Graphics Gems IV, pages 474-485).

    The image is divided into tiles. Each tile has a table that equalises its histogram, whose bins are cut off at a
    limit first; the excess is spread evenly. A pixel is mapped by the tables of the four nearest tiles, weighted by
    their distance. Details follow OpenCV: if a side is no multiple of its tiles, both sides are mirrored at their end,
    up to the next multiple. Of a colour image the luma is equalised, and its change is added to the three channels.

    Args:
        image: PIL image of mode L or RGB, or array `[..., height, width, 1 or 3]` of uint8.
        clip_limit: limit of a bin, as a multiple of the mean of all bins; above zero. It may be traced.
        tile_grid_size: number of tiles along height and width; or one int for both.

    Raises:
        TypeError: the values are not uint8.
        ValueError: other channels; a limit or a number of tiles that is not positive; or an image too small to be
            mirrored.
    """
    rows, columns = grid_shape(tile_grid_size)
    if not isinstance(clip_limit, jax.Array) and not clip_limit > 0:
        raise ValueError(f"clip_limit={clip_limit!r} must be above zero")
    if isinstance(image, PIL.Image.Image):
        return to_pil_image(clahe(to_image(image), clip_limit, tile_grid_size), image.mode)
    check_grey_or_rgb(image, "clahe")
    if image.dtype != np.uint8:
        raise TypeError(f"clahe takes uint8 and got {image.dtype}: convert it by ToDtype('uint8', scale=True)")
    xp, shape = array_namespace(image), image.shape
    if shape[-1] == 1:
        grey = image[..., 0]
    else:
        weights = np.asarray(LUMA, np.float32)
        grey = sum(image[..., i].astype(np.float32) * weights[i] for i in range(3))
        grey = xp.round(grey).astype(np.uint8)
    flat = grey.reshape(-1, *grey.shape[-2:])
    new = xp.stack([_equalised(xp, plane, clip_limit, rows, columns) for plane in flat]).reshape(grey.shape)
    if shape[-1] == 1:
        return new[..., None]
    change = new.astype(np.int16) - grey.astype(np.int16)
    return xp.clip(image.astype(np.int16) + change[..., None], 0, LEVELS - 1).astype(np.uint8)


pass_through(clahe, BoundingBoxes, KeyPoints, Mask)


def _equalised(xp: Any, plane: Any, clip_limit: Any, rows: int, columns: int) -> Any:
    """One plane `[height, width]` of uint8 after the equalisation."""
    height, width = plane.shape
    below, right = rows - height % rows, columns - width % columns
    if (below, right) == (rows, columns):
        below = right = 0
    if below >= height or right >= width or rows > height or columns > width:
        raise ValueError(f"an image of {(height, width)} pixels is too small for {(rows, columns)} tiles: take fewer")
    padded = xp.pad(plane, ((0, below), (0, right)), mode="reflect") if below or right else plane
    tile_height, tile_width = padded.shape[0] // rows, padded.shape[1] // columns
    line, column = (np.arange(length) // tile for length, tile in zip(padded.shape, (tile_height, tile_width)))
    tile = xp.asarray((line[:, None] * columns + column[None]).astype(np.int32))
    place = (tile * LEVELS + padded.astype(np.int32)).ravel()
    if xp is np:
        counts = np.bincount(place, minlength=rows * columns * LEVELS)
    else:
        counts = xp.bincount(place, length=rows * columns * LEVELS)
    tables = _tables(xp, counts.reshape(-1, LEVELS).astype(np.int32), tile_height * tile_width, clip_limit)
    values = plane.astype(np.int32)
    line, column = (np.arange(n, dtype=np.float32) / np.float32(tile) - np.float32(0.5)
                    for n, tile in ((height, tile_height), (width, tile_width)))
    (upper, lower, down), (left, right_tile, along) = _neighbours(line, rows), _neighbours(column, columns)

    def mapped(tile_line: np.ndarray, tile_column: np.ndarray) -> Any:
        return tables[xp.asarray(tile_line[:, None] * columns + tile_column[None]), values].astype(np.float32)

    along, down = along[None], down[:, None]
    top = mapped(upper, left) * (1 - along) + mapped(upper, right_tile) * along
    bottom = mapped(lower, left) * (1 - along) + mapped(lower, right_tile) * along
    return xp.clip(xp.round(top * (1 - down) + bottom * down), 0, LEVELS - 1).astype(np.uint8)


def _tables(xp: Any, counts: Any, area: int, clip_limit: Any) -> Any:
    """The table of every tile, `[tiles, 256]`, from its histogram."""
    limit = xp.asarray(clip_limit).astype(np.float32) * np.float32(area / LEVELS)
    limit = xp.maximum(limit.astype(np.int32), 1)
    excess = xp.maximum(counts - limit, 0).sum(1, keepdims=True).astype(np.int32)
    counts = xp.minimum(counts, limit) + excess // LEVELS
    rest = excess % LEVELS  # one more in every `step`-th bin, as in OpenCV
    step = xp.maximum(LEVELS // xp.maximum(rest, 1), 1)
    bins = np.arange(LEVELS, dtype=np.int32)[None]
    counts = counts + ((bins % step == 0) & (bins // step < rest)).astype(np.int32)
    scaled = counts.cumsum(1).astype(np.float32) * np.float32((LEVELS - 1) / area)
    return xp.clip(xp.round(scaled), 0, LEVELS - 1).astype(np.uint8)


def _neighbours(place: np.ndarray, tiles: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The tiles before and after each place, and the weight of the second."""
    before = np.floor(place).astype(np.int32)
    weight = place - before.astype(np.float32)
    return np.maximum(before, 0), np.minimum(before + 1, tiles - 1), weight.astype(np.float32)


def grid_shape(size: int | Sequence[int]) -> tuple[int, int]:
    values = tuple(size) if isinstance(size, Sequence) else (size, size)
    if len(values) != 2 or any(operator.index(value) < 1 for value in values):
        raise ValueError(f"tile_grid_size={size!r} must be a positive int, or (rows, columns)")
    return operator.index(values[0]), operator.index(values[1])
