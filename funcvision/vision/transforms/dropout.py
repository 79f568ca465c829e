"""Transforms that fill random parts of images and videos; masks, boxes and key points stay as they are."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from . import functional as F
from ._applied import check_probability
from ._random import Random
from .geometry import Fill, _fill_for
from .sample import Leaf, common_size
from .transform import Transform

__all__ = ["CoarseDropout", "GridMask"]


@dataclass(frozen=True, eq=False)
class CoarseDropout(Transform):
    """Fills a random number of random boxes, with probability `p` (DeVries and Taylor 2017).

    "Improved regularization of convolutional neural networks with cutout", https://arxiv.org/abs/1708.04552.

    Args:
        holes: bounds of the number of boxes, both included; or one number.
        height: bounds of the height of a box, as a share of the height of the image; or one share.
        width: the same for the width.
        fill: value of the boxes; see `RandomCrop`.
        p: the probability.
    """

    holes: int | tuple[int, int] = (1, 8)
    height: float | tuple[float, float] = (0.05, 0.2)
    width: float | tuple[float, float] = (0.05, 0.2)
    _: KW_ONLY
    fill: Fill = 0
    p: float = 0.5

    def __post_init__(self) -> None:
        check_probability(self.p)
        low, high = _bounds(self.holes)
        if not (0 <= low <= high and high >= 1 and low == int(low) and high == int(high)):
            raise ValueError(f"holes={self.holes!r} must be a positive int, or (low, high)")
        for name in ("height", "width"):
            low, high = _bounds(getattr(self, name))
            if not 0 < low <= high <= 1:
                raise ValueError(f"{name}={getattr(self, name)!r} must be a share, or (low, high), from 0 to 1")

    def draw(self, random: Random, sample: Any) -> dict[str, Any]:
        """Top, left, height and width of the boxes, `[most, 4]`; those that are not filled have zeros."""
        xp, sides = random.xp, common_size(sample)
        fewest, most = map(int, _bounds(self.holes))
        count = fewest + random.integer(most - fewest + 1)
        starts, lengths = [], []
        for side, share in zip(sides, (self.height, self.width)):
            length = xp.maximum(xp.round(random.uniform(*_bounds(share), (most,)) * side), 1)
            starts.append(xp.floor(random.uniform(0, 1, (most,)) * (side - length + 1)))
            lengths.append(length)
        filled = (xp.arange(most) < count) & (random.uniform(0, 1) < self.p)
        boxes = xp.stack([*starts, *lengths], -1).astype(np.int32)
        return {"holes": xp.where(filled[:, None], boxes, xp.zeros_like(boxes))}

    def apply(self, leaf: Leaf, *, holes: Any, **params: Any) -> Any:
        """The leaf with the boxes filled."""
        return F.fill_boxes(leaf, holes, _fill_for(self.fill, leaf))


@dataclass(frozen=True, eq=False)
class GridMask(Transform):
    """Fills a grid of squares, with probability `p` (Chen et al. 2020, https://arxiv.org/abs/2001.04086).

    Args:
        unit: bounds of the distance of the squares, as a share of the shorter side of the image.
        ratio: side of a square, as a share of that distance.
        angle: the grid is turned by up to this angle in degrees, either way.
        fill: value of the squares; see `RandomCrop`.
        p: the probability.
    """

    unit: tuple[float, float] = (0.2, 0.5)
    ratio: float = 0.5
    _: KW_ONLY
    angle: float = 0.0
    fill: Fill = 0
    p: float = 0.5

    def __post_init__(self) -> None:
        check_probability(self.p)
        if len(self.unit) != 2 or not 0 < self.unit[0] <= self.unit[1]:
            raise ValueError(f"unit={self.unit!r} must be (low, high) with 0 < low <= high")
        if not 0 < self.ratio < 1 or self.angle < 0:
            raise ValueError(f"ratio={self.ratio} must lie between 0 and 1, and angle={self.angle} be zero or more")

    def draw(self, random: Random, sample: Any) -> dict[str, Any]:
        """The grid, in pixels; `side` is 0 if nothing is filled."""
        xp, shorter = random.xp, min(common_size(sample))
        unit = xp.maximum(xp.round(random.uniform(*self.unit) * shorter), 2)
        side = xp.clip(xp.round(unit * self.ratio), 1, unit - 1)
        offset = xp.floor(random.uniform(0, 1, (2,)) * unit).astype(np.int32)
        side = xp.where(random.uniform(0, 1) < self.p, side, 0)
        return {
            "unit": unit.astype(np.int32), "side": side.astype(np.int32), "offset": offset,
            "angle": random.uniform(-self.angle, self.angle),
        }

    def apply(self, leaf: Leaf, *, unit: Any, side: Any, offset: Any, angle: Any, **params: Any) -> Any:
        """The leaf with the squares filled."""
        return F.grid_mask(leaf, unit, side, offset, angle, _fill_for(self.fill, leaf))


def _bounds(value: Any) -> tuple[Any, Any]:
    bounds = tuple(value) if isinstance(value, Sequence) else (value, value)
    if len(bounds) != 2:
        raise ValueError(f"{value!r} must be a number, or (low, high)")
    return bounds[0], bounds[1]
