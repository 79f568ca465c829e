"""Transforms that blur, sharpen, or add noise; masks, boxes and key points stay as they are."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from ..tv_tensors import TVTensor
from . import functional as F
from ._applied import RandomlyApplied
from ._draws import Draws
from ._random import Random
from .functional._values import check_at_least_zero
from .functional.filters import blur_sizes
from .sample import Leaf, map_leaves
from .transform import Transform

__all__ = ["GaussianBlur", "GaussianNoise", "MotionBlur", "RandomAdjustSharpness"]


@dataclass(frozen=True, eq=False)
class GaussianBlur(Transform):
    """Blurs images and videos by a Gaussian of random width; see `functional.gaussian_blur`.

    Args:
        kernel_size: length of the window along width and height, odd ints; or one int for both.
        sigma: bounds (low, high) of the standard deviation in pixels; or one number, which is then fixed.
    """

    kernel_size: int | Sequence[int]
    sigma: float | Sequence[float] = (0.1, 2.0)

    def __post_init__(self) -> None:
        blur_sizes(self.kernel_size)
        low, high = self._bounds()
        if not 0 < low <= high:
            raise ValueError(f"sigma={self.sigma!r} must be a positive number, or (low, high) with 0 < low <= high")

    def draw(self, random: Random, sample: Any) -> dict[str, Any]:
        """The standard deviation, along width and height."""
        sigma = random.uniform(*self._bounds())
        return {"sigma": random.xp.stack([sigma, sigma])}

    def apply(self, leaf: Leaf, *, sigma: Any, **params: Any) -> Any:
        """The blurred leaf."""
        return F.gaussian_blur(leaf, self.kernel_size, sigma)

    def _bounds(self) -> tuple[float, float]:
        bounds = tuple(self.sigma) if isinstance(self.sigma, Sequence) else (self.sigma, self.sigma)
        if len(bounds) not in (1, 2):
            raise ValueError(f"sigma={self.sigma!r} is neither a number nor (low, high)")
        return float(bounds[0]), float(bounds[-1])


@dataclass(frozen=True, eq=False)
class GaussianNoise(Transform):
    """Adds normal noise to images and videos, of its own for each of them; see `functional.gaussian_noise`.

    The param `seed` stands for the noise.

    Args:
        mean: mean of the noise, where 1 is white for every dtype.
        sigma: standard deviation of the noise, in the same unit.
        clip: cut the result to the range of the dtype. Without it uint8 wraps around.
    """

    mean: float = 0.0
    sigma: float = 0.1
    clip: bool = True

    def __post_init__(self) -> None:
        check_at_least_zero(self.sigma, "sigma")

    def draw(self, random: Random, sample: Any) -> dict[str, Any]:
        """The seed of the noise."""
        return {"seed": random.integer(2**31 - 1)}

    def transform(self, sample: Any, draws: Draws) -> Any:
        """The sample with noise, where each leaf has a number, so that no two get the same noise."""
        params, numbers = draws.draw(self, sample), itertools.count()
        return map_leaves(lambda leaf: self.apply(leaf, **params, number=next(numbers)), sample)

    def apply(self, leaf: Leaf, *, seed: Any, number: int = 0, **params: Any) -> Any:
        """The leaf with noise."""
        if isinstance(leaf.array if isinstance(leaf, TVTensor) else leaf, jax.Array):
            key: Any = jax.random.fold_in(jax.random.key(seed), number)
        else:
            key = np.random.default_rng([int(seed), number])
        return F.gaussian_noise(leaf, self.mean, self.sigma, self.clip, key=key)


@dataclass(frozen=True, eq=False)
class RandomAdjustSharpness(RandomlyApplied):
    """Changes the sharpness of images and videos with probability `p`; see `functional.adjust_sharpness`.

    Args:
        sharpness_factor: 0 blurs, 1 changes nothing, 2 doubles the sharpness.
        p: the probability.
    """

    sharpness_factor: float
    p: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least_zero(self.sharpness_factor, "sharpness_factor")

    def change(self, leaf: Leaf) -> Any:
        """The sharpened leaf."""
        return F.adjust_sharpness(leaf, self.sharpness_factor)


@dataclass(frozen=True, eq=False)
class MotionBlur(Transform):
    """Blurs images and videos along a line of random direction; see `functional.motion_blur`.

    Args:
        kernel_size: length of the line in pixels, odd.
        angle: bounds of its angle in degrees, counter-clockwise; one number a for (-a, a).
    """

    kernel_size: int = 7
    angle: float | Sequence[float] = 90.0

    def __post_init__(self) -> None:
        blur_sizes(self.kernel_size)
        low, high = self._bounds()
        if low > high:
            raise ValueError(f"angle={self.angle!r} must be zero or more, or (low, high)")

    def draw(self, random: Random, sample: Any) -> dict[str, Any]:
        """The angle in degrees."""
        return {"angle": random.uniform(*self._bounds())}

    def apply(self, leaf: Leaf, *, angle: Any, **params: Any) -> Any:
        """The blurred leaf."""
        return F.motion_blur(leaf, self.kernel_size, angle)

    def _bounds(self) -> tuple[float, float]:
        bounds = tuple(self.angle) if isinstance(self.angle, Sequence) else (-self.angle, self.angle)
        if len(bounds) != 2:
            raise ValueError(f"angle={self.angle!r} must be a number, or (low, high)")
        return bounds[0], bounds[1]
