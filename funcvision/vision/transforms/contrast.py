"""Transforms of the contrast of images and videos; masks, boxes and key points stay as they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from . import functional as F
from ._applied import check_probability
from ._random import Random
from .functional.contrast import grid_shape
from .sample import Leaf
from .transform import Transform, where

__all__ = ["CLAHE", "RandomGamma"]


@dataclass(frozen=True, eq=False)
class RandomGamma(Transform):
    """Raises the values of images and videos to a random power, with probability `p`; see `functional.adjust_gamma`.

    Args:
        gamma: bounds (low, high) of the power, above zero; or one number.
        p: the probability.
    """

    gamma: float | Sequence[float] = (0.8, 1.25)
    p: float = 0.5

    def __post_init__(self) -> None:
        check_probability(self.p)
        _positive_bounds(self.gamma, "gamma")

    def draw(self, random: Random, sample: Any) -> dict[str, Any]:
        """The power; 1 if the sample stays as it is."""
        gamma = random.uniform(*_positive_bounds(self.gamma, "gamma"))
        return {"gamma": random.xp.where(random.uniform(0, 1) < self.p, gamma, 1.0)}

    def apply(self, leaf: Leaf, *, gamma: Any, **params: Any) -> Any:
        """The leaf after the power."""
        return where(gamma != 1, lambda leaf: F.adjust_gamma(leaf, gamma), leaf)


@dataclass(frozen=True, eq=False)
class CLAHE(Transform):
    """Equalises the histogram of tiles of images and videos, with probability `p`; see `functional.clahe`.

    Args:
        clip_limit: bounds (low, high) of the limit; or one number.
        tile_grid_size: number of tiles along height and width; or one int for both.
        p: the probability.
    """

    clip_limit: float | Sequence[float] = (1.0, 4.0)
    tile_grid_size: int | Sequence[int] = 8
    p: float = 0.5

    def __post_init__(self) -> None:
        check_probability(self.p)
        _positive_bounds(self.clip_limit, "clip_limit")
        grid_shape(self.tile_grid_size)

    def draw(self, random: Random, sample: Any) -> dict[str, Any]:
        """The limit; 0 if the sample stays as it is."""
        limit = random.uniform(*_positive_bounds(self.clip_limit, "clip_limit"))
        return {"clip_limit": random.xp.where(random.uniform(0, 1) < self.p, limit, 0.0)}

    def apply(self, leaf: Leaf, *, clip_limit: Any, **params: Any) -> Any:
        """The equalised leaf."""
        return where(clip_limit > 0, lambda leaf: F.clahe(leaf, clip_limit, self.tile_grid_size), leaf)


def _positive_bounds(value: float | Sequence[float], name: str) -> tuple[float, float]:
    bounds = tuple(value) if isinstance(value, Sequence) else (value, value)
    if len(bounds) != 2 or not 0 < bounds[0] <= bounds[1]:
        raise ValueError(f"{name}={value!r} must be a number above zero, or (low, high) with 0 < low <= high")
    return float(bounds[0]), float(bounds[1])
