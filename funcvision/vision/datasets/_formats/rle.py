"""Masks of COCO: polygons and run lengths (https://cocodataset.org/#format-data).

Masks equal those of COCO's own tools to the pixel. Pixels are numbered column by column, and runs alternate between
outside and inside, starting outside.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["read_segmentation"]

_FINE = 5  # COCO's tools draw the outline of a polygon on a grid that is finer by this factor
_MOST_STEPS = 1 << 22  # on the fine grid, of one polygon; an outline around 640 x 480 pixels takes 11,200
_LONGEST_NUMBER = 7  # characters of 5 bits each


def read_segmentation(segmentation: Any, height: int, width: int) -> np.ndarray:
    """The mask of one annotation, uint8 `[height, width]` of 0 and 1.

    Args:
        segmentation: a list of polygons `[x, y, x, y, ...]`, whose union is the mask, or run lengths as a dict of
            `size` and `counts`, which are a list of numbers or a compressed string. None or an empty list gives an
            empty mask.
        height: of the image, in pixels.
        width: of the image, in pixels.

    Raises:
        ValueError: it is none of these, or the runs do not fill the image.
    """
    match segmentation:
        case None:
            return np.zeros((height, width), np.uint8)
        case {"size": size, "counts": counts}:
            if not isinstance(size, Sequence) or list(size) != [height, width]:
                raise ValueError(f"a segmentation has the size {size}, expected that of the image, {[height, width]}")
            return _from_runs(_runs(counts), height, width)
        case list() | tuple():
            mask = np.zeros((height, width), np.uint8)
            for polygon in segmentation:
                mask |= _from_polygon(_points(polygon), height, width)
            return mask
    kind = f"a dict of {sorted(segmentation)}" if isinstance(segmentation, Mapping) else repr(segmentation)[:60]
    raise ValueError(f"a segmentation is {kind}, expected polygons or a dict of 'size' and 'counts'")


def _runs(counts: Any) -> np.ndarray:
    """The run lengths, from a list of them or from a compressed string."""
    if isinstance(counts, str | bytes):
        return _decompressed(counts.encode("utf-8") if isinstance(counts, str) else counts)
    try:
        runs = np.asarray(counts, np.int64).reshape(-1) if len(counts) else np.zeros(0, np.int64)
        whole = np.array_equal(runs, np.asarray(counts).reshape(-1))
    except (TypeError, ValueError, OverflowError):
        whole, runs = False, np.zeros(0, np.int64)
    if not whole:
        raise ValueError("the counts of a segmentation are no list of whole numbers")
    return runs


def _decompressed(text: bytes) -> np.ndarray:
    """The run lengths in a compressed string.

    A character holds five bits of a number, the lowest first, and a sixth that says that more follow. The fifth bit of
    a number's last character is its sign. From the fourth number on, a number is the difference to the one two before.
    """
    codes = np.frombuffer(text, np.uint8).astype(np.int64) - 48
    if codes.size == 0:
        return codes
    last = np.flatnonzero((codes & 0x20) == 0)
    if codes.min() < 0 or codes.max() > 0x3F or last.size == 0 or last[-1] != codes.size - 1:
        raise ValueError("the counts of a segmentation are damaged: they are no run lengths of COCO")
    first = np.concatenate([[0], last[:-1] + 1])
    lengths = last - first + 1
    if lengths.max() > _LONGEST_NUMBER:
        raise ValueError("the counts of a segmentation are damaged: a number has too many characters")
    places = 5 * (np.arange(codes.size) - np.repeat(first, lengths))
    numbers = np.add.reduceat((codes & 0x1F) << places, first)
    numbers -= np.where(codes[last] & 0x10, np.left_shift(1, 5 * lengths), 0)
    numbers[2::2] = np.cumsum(numbers[2::2])
    numbers[1::2] = np.cumsum(numbers[1::2])
    return numbers


def _from_runs(runs: np.ndarray, height: int, width: int) -> np.ndarray:
    """The mask with these run lengths."""
    outside = runs.size and (runs.min() < 0 or runs.max() > height * width)
    if outside or runs.sum() != height * width:
        raise ValueError(f"the runs of a segmentation do not fill an image of {height} x {width} pixels")
    inside = np.arange(runs.size, dtype=np.uint8) % 2
    return np.ascontiguousarray(np.repeat(inside, runs).reshape(width, height).T)


def _points(polygon: Any) -> np.ndarray:
    """The corners of a polygon, float64 `[n, 2]`."""
    try:
        numbers = np.asarray(polygon, np.float64)
    except (TypeError, ValueError, OverflowError):
        numbers = np.full(1, np.nan)
    if numbers.ndim != 1 or numbers.size % 2 or not np.isfinite(numbers).all():
        raise ValueError(f"a polygon of a segmentation is no list of coordinates in pairs: {repr(polygon)[:60]}")
    return numbers.reshape(-1, 2)


def _from_polygon(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """The mask of a polygon.

    The outline is walked in steps of one point of the fine grid. Where it crosses the middle of a column of pixels, the
    pixels below the crossing change between outside and inside.
    """
    if len(points) < 3:
        return np.zeros((height, width), np.uint8)
    if np.abs(points).max() > _MOST_STEPS or _FINE * np.abs(np.diff(points, axis=0)).sum() > _MOST_STEPS:
        raise ValueError(f"a polygon of a segmentation reaches too far out of an image of {height} x {width} pixels")
    x, y = _outline(np.trunc(_FINE * points + 0.5).astype(np.int64))
    crossed = np.flatnonzero(np.diff(x))
    column = (np.minimum(x[crossed], x[crossed + 1]) + 0.5) / _FINE - 0.5
    row = np.ceil(np.clip((np.minimum(y[crossed], y[crossed + 1]) + 0.5) / _FINE - 0.5, 0, height))
    middle = (column == np.floor(column)) & (column >= 0) & (column <= width - 1)
    changes = np.sort(column[middle] * height + row[middle]).astype(np.int64)
    return _from_runs(np.diff(changes, prepend=0, append=height * width), height, width)


def _outline(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """x and y of every point of a closed outline on a grid; each edge takes one step a point along its longer axis.

    An edge is computed from its end with the smaller coordinate, as COCO's tools do, because that decides which way the
    other coordinate is rounded.
    """
    start, end = corners, np.roll(corners, -1, axis=0)
    extent = np.abs(end - start)
    flat = extent[:, 0] >= extent[:, 1]  # the longer axis is x
    long, short = np.where(flat, 0, 1), np.where(flat, 1, 0)
    edges = np.arange(len(corners))
    length = extent[edges, long]
    backwards = start[edges, long] > end[edges, long]
    low = np.where(backwards[:, None], end, start)
    high = np.where(backwards[:, None], start, end)
    slope = (high - low)[edges, short] / np.maximum(length, 1)

    edge = np.repeat(edges, length + 1)
    step = np.arange(edge.size) - np.repeat(np.cumsum(length + 1) - (length + 1), length + 1)
    step = np.where(backwards[edge], length[edge] - step, step)
    along = low[edge, long[edge]] + step
    across = np.trunc(low[edge, short[edge]] + slope[edge] * step + 0.5).astype(np.int64)
    return np.where(flat[edge], along, across), np.where(flat[edge], across, along)
