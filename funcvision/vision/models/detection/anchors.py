"""The boxes that detectors start from: the same ones around every cell of a feature map."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["AnchorGenerator", "DefaultBoxGenerator"]

Size = tuple[int, int]


class AnchorGenerator:
    """Anchors of some sizes and aspect ratios around every cell of every level (Ren et al. 2015, Lin et al. 2017).

    Args:
        sizes: for each level the square roots of the anchors' areas in pixels; a flat sequence gives each level one.
        aspect_ratios: for each level height / width; a flat sequence is used for every level.

    >>> AnchorGenerator(((32, 64), (128,)), (0.5, 1.0)).num_anchors_per_location()
    [4, 2]
    """

    def __init__(
        self, sizes: Sequence[Any] = ((128, 256, 512),), aspect_ratios: Sequence[Any] = ((0.5, 1.0, 2.0),)
    ):
        self.sizes = tuple(tuple(one) if isinstance(one, Sequence) else (one,) for one in sizes)
        flat = not isinstance(aspect_ratios[0], Sequence)
        levels = (aspect_ratios,) * len(self.sizes) if flat else aspect_ratios
        self.aspect_ratios = tuple(tuple(one) for one in levels)
        if len(self.sizes) != len(self.aspect_ratios):
            counts = len(self.sizes), len(self.aspect_ratios)
            raise ValueError("AnchorGenerator has sizes for {} levels and aspect ratios for {}".format(*counts))
        self._cells = [_cell_anchors(*level) for level in zip(self.sizes, self.aspect_ratios, strict=True)]

    def num_anchors_per_location(self) -> list[int]:
        """The number of anchors around a cell, for each level."""
        return [len(cell) for cell in self._cells]

    def __call__(self, canvas: Size, grids: Sequence[Size], dtype: Any = np.float32) -> list[np.ndarray]:
        """The anchors of each level, [height * width * anchors, 4]: (left, top, right, bottom) in pixels.

        Args:
            canvas: (height, width) of the images.
            grids: (height, width) of the feature map of each level.
            dtype: of the result.

        Raises:
            ValueError: the number of levels is another one.
        """
        if len(grids) != len(self._cells):
            raise ValueError(f"AnchorGenerator is for {len(self._cells)} levels; there are {len(grids)} feature maps")
        return [_shifted(cell.astype(dtype), canvas, grid) for cell, grid in zip(self._cells, grids, strict=True)]


def _cell_anchors(sizes: Sequence[float], ratios: Sequence[float]) -> np.ndarray:
    """Anchors around the origin, by ratio and then by size, rounded to pixels; float32 decides the rounding."""
    root = np.sqrt(np.asarray(ratios, np.float32))
    heights = (root[:, None] * np.asarray(sizes, np.float32)).reshape(-1)
    widths = ((1 / root)[:, None] * np.asarray(sizes, np.float32)).reshape(-1)
    return (np.stack([-widths, -heights, widths, heights], 1) / 2).round()


def _shifted(cell: np.ndarray, canvas: Size, grid: Size) -> np.ndarray:
    (height, width), (rows, columns) = canvas, grid
    y, x = np.arange(rows) * (height // rows), np.arange(columns) * (width // columns)
    shifts = np.stack(np.broadcast_arrays(x, y[:, None], x, y[:, None]), -1).astype(cell.dtype)
    return (shifts[:, :, None] + cell).reshape(-1, 4)


class DefaultBoxGenerator:
    """The default boxes of SSD (Liu et al. 2015, https://arxiv.org/abs/1512.02325).

    Args:
        aspect_ratios: for each level the ratios besides 1; each gives a wide box and a high one.
        min_ratio: the scale of the first level, as a part of the image.
        max_ratio: the scale of the last level; those between are spaced evenly.
        scales: the scale of each level and one more, in place of `min_ratio` and `max_ratio`.
        steps: the distance of two cells in pixels, for each level; by default the image divided by the feature map.
        clip: limit width and height to the image.

    Raises:
        ValueError: `steps` or `scales` are for another number of levels.
    """

    def __init__(
        self, aspect_ratios: Sequence[Sequence[float]], min_ratio: float = 0.15, max_ratio: float = 0.9,
        scales: Sequence[float] | None = None, steps: Sequence[int] | None = None, clip: bool = True,
    ):
        levels = len(aspect_ratios)
        if steps is not None and len(steps) != levels:
            raise ValueError(f"DefaultBoxGenerator has aspect ratios for {levels} levels and steps for {len(steps)}")
        if scales is None and levels == 1:
            scales = (min_ratio, max_ratio)
        elif scales is None:
            spacing = max_ratio - min_ratio
            scales = (*(min_ratio + spacing * k / (levels - 1.0) for k in range(levels)), 1.0)
        if len(scales) < levels + 1:
            raise ValueError(f"scales has one number more than there are levels, {levels + 1}; got {len(scales)}")
        self.aspect_ratios = tuple(tuple(ratios) for ratios in aspect_ratios)
        self.scales, self.clip = tuple(scales), clip
        self.steps = None if steps is None else tuple(steps)
        self._sides = [self._level_sides(k) for k in range(levels)]

    def num_anchors_per_location(self) -> list[int]:
        """The number of default boxes around a cell, for each level."""
        return [len(sides) for sides in self._sides]

    def __call__(self, canvas: Size, grids: Sequence[Size], dtype: Any = np.float32) -> list[np.ndarray]:
        """The default boxes of each level, [height * width * boxes, 4]: (left, top, right, bottom) in pixels.

        Args:
            canvas: (height, width) of the images.
            grids: (height, width) of the feature map of each level.
            dtype: of the result.

        Raises:
            ValueError: the number of levels is another one.
        """
        levels = len(self._sides)
        if len(grids) != levels:
            raise ValueError(f"DefaultBoxGenerator is for {levels} levels; there are {len(grids)} feature maps")
        return [self._level(k, canvas, grid, np.dtype(dtype)) for k, grid in enumerate(grids)]

    def _level_sides(self, k: int) -> np.ndarray:
        """(width, height) of each box of a level, as parts of the image."""
        scale = self.scales[k]
        between = math.sqrt(scale * self.scales[k + 1])
        sides = [(scale, scale), (between, between)]
        for ratio in self.aspect_ratios[k]:
            root = math.sqrt(ratio)
            sides += [(scale * root, scale / root), (scale / root, scale * root)]
        return np.asarray(sides, np.float32)

    def _level(self, k: int, canvas: Size, grid: Size, dtype: np.dtype) -> np.ndarray:
        cells = grid if self.steps is None else (canvas[0] / self.steps[k], canvas[1] / self.steps[k])
        # Centres are computed in float32, as in torchvision, whatever the dtype of the result.
        y, x = (
            ((np.arange(length, dtype=np.float32) + np.float32(0.5)) / np.float32(parts)).astype(dtype)
            for length, parts in zip(grid, cells, strict=True)
        )
        centres = np.stack(np.broadcast_arrays(x, y[:, None]), -1)[:, :, None]
        sides = self._sides[k].clip(0, 1) if self.clip else self._sides[k]
        half = dtype.type(0.5) * sides.astype(dtype)
        extent = np.asarray([canvas[1], canvas[0]], dtype)
        corners = (centres - half) * extent, (centres + half) * extent
        return np.concatenate(corners, -1).reshape(-1, 4)
