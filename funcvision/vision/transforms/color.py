"""Transforms of the colours of images and videos; masks, boxes and key points stay as they are."""

import math
import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import PIL.Image

from ..tv_tensors import Image, TVTensor, Video
from . import functional as F
from ._applied import RandomlyApplied, check_probability
from ._random import Random
from .functional._blend import blend_one_of
from .sample import Leaf, transformed_leaves, typed
from .transform import Transform, where

__all__ = [
    "RGB", "ColorJitter", "Grayscale", "RandomAutocontrast", "RandomChannelPermutation", "RandomEqualize",
    "RandomGrayscale", "RandomInvert", "RandomPhotometricDistort", "RandomPosterize", "RandomSolarize",
]

ADJUSTMENTS = {
    "brightness": (F.adjust_brightness, 1.0), "contrast": (F.adjust_contrast, 1.0),
    "saturation": (F.adjust_saturation, 1.0), "hue": (F.adjust_hue, 0.0),
}
"""Kernel of each adjustment, in the order in which `fn_idx` counts them, and the factor that stands for "none"."""


@dataclass(frozen=True, eq=False)
class Grayscale(Transform):
    """Makes images and videos grey; see `functional.rgb_to_grayscale`.

    >>> import numpy as np
    >>> Grayscale()(np.zeros((4, 5, 3), np.uint8)).shape
    (4, 5, 1)
    """

    num_output_channels: int = 1

    def __post_init__(self) -> None:
        if self.num_output_channels not in (1, 3):
            raise ValueError(f"num_output_channels={self.num_output_channels!r} must be 1 or 3")

    def apply(self, leaf: Leaf, **params: Any) -> Any:
        """The grey leaf."""
        return F.rgb_to_grayscale(leaf, self.num_output_channels)


@dataclass(frozen=True, eq=False)
class RGB(Transform):
    """Gives grey images and videos three equal channels."""

    def apply(self, leaf: Leaf, **params: Any) -> Any:
        """The leaf with three channels."""
        return F.grayscale_to_rgb(leaf)


@dataclass(frozen=True, eq=False)
class RandomGrayscale(RandomlyApplied):
    """Makes images and videos grey with probability `p`; the number of channels stays."""

    p: float = 0.1

    def change(self, leaf: Leaf) -> Any:
        """The grey leaf."""
        return F.rgb_to_grayscale(leaf, _channels(leaf) or 1)


@dataclass(frozen=True, eq=False)
class ColorJitter(Transform):
    """Changes brightness, contrast, saturation and hue by random factors, in random order.

    The params are torchvision's: `fn_idx`, the order, where 0 is brightness and 3 is hue, and a factor for each. The
    factor of what is not changed is 1, that of hue 0; a kernel is not applied for it.

    Args:
        brightness: x for factors from max(0, 1 - x) to 1 + x; or (low, high). None leaves the brightness as it is.
        contrast: as brightness.
        saturation: as brightness.
        hue: x for shifts from -x to x, at most 0.5; or (low, high).

    Raises:
        ValueError: a negative factor; a hue outside [-0.5, 0.5]; low above high.
    """

    brightness: float | Sequence[float] | None = None
    contrast: float | Sequence[float] | None = None
    saturation: float | Sequence[float] | None = None
    hue: float | Sequence[float] | None = None

    def __post_init__(self) -> None:
        self._ranges()

    def draw(self, random: Random, sample: Any) -> dict[str, Any]:
        """The order and the four factors."""
        factors = {
            f"{name}_factor": ADJUSTMENTS[name][1] if bounds is None else random.uniform(*bounds)
            for name, bounds in self._ranges().items()
        }
        return {"fn_idx": random.permutation(len(ADJUSTMENTS)), **factors}

    def apply(
        self, leaf: Leaf, *, fn_idx: Any, brightness_factor: Any, contrast_factor: Any, saturation_factor: Any,
        hue_factor: Any, **params: Any,
    ) -> Any:
        """The leaf after the four adjustments."""
        factors = [brightness_factor, contrast_factor, saturation_factor, hue_factor]
        if isinstance(fn_idx, jax.Array):
            if not _channels(leaf):
                return leaf
            if isinstance(leaf, Image | Video):
                return leaf.replace(array=self._jittered(fn_idx, factors, leaf.array))
            return self._jittered(fn_idx, factors, leaf)
        for index in map(int, fn_idx):
            leaf = _adjusted(leaf, [*ADJUSTMENTS][index], factors[index])
        return leaf

    def _jittered(self, order: jax.Array, factors: list[Any], leaf: Any) -> Any:
        """The leaf after the adjustments in an order that may be traced.

        The shift of the hue costs more than all others together, and is computed once: the others are all done before
        it and all done after it, with a factor of 1 on the side where they do not belong.
        """
        bounds = [*self._ranges().values()]
        active = jnp.asarray([index for index in range(3) if bounds[index] is not None], jnp.int32)
        place = jnp.argsort(order)
        active = active[jnp.argsort(place[active])]
        stacked = jnp.stack([jnp.asarray(factor, jnp.float32) for factor in factors[:3]])

        def blended(pixels: jax.Array, chosen: jax.Array) -> jax.Array:
            for index in active:
                pixels = blend_one_of(pixels, index, jnp.where(chosen[index], stacked[index], 1.0))
            return pixels

        if bounds[3] is None:
            return blended(leaf, place >= 0)
        leaf = _adjusted(blended(leaf, place < place[3]), "hue", factors[3])
        return blended(leaf, place > place[3])

    def _ranges(self) -> dict[str, tuple[float, float] | None]:
        """The bounds of each factor; None where it is always the neutral one."""
        return {name: _range(getattr(self, name), name) for name in ADJUSTMENTS}


@dataclass(frozen=True, eq=False)
class RandomPhotometricDistort(Transform):
    """The distortion of colours of SSD (https://arxiv.org/abs/1512.02325): five steps, each with probability `p`.

    They are brightness, contrast, saturation, hue and a permutation of the channels. The contrast is adjusted either
    before saturation and hue or after them. Params are torchvision's; a step that is not done has the factor 1, for hue
    0, and the permutation 0, 1, 2.

    Args:
        brightness: bounds (low, high) of the factor.
        contrast: bounds of the factor.
        saturation: bounds of the factor.
        hue: bounds of the shift, within [-0.5, 0.5].
        p: probability of each step.
    """

    brightness: tuple[float, float] = (0.875, 1.125)
    contrast: tuple[float, float] = (0.5, 1.5)
    saturation: tuple[float, float] = (0.5, 1.5)
    hue: tuple[float, float] = (-0.05, 0.05)
    p: float = 0.5

    def __post_init__(self) -> None:
        check_probability(self.p)
        for name in ADJUSTMENTS:
            _check_bounds(getattr(self, name), name)

    def draw(self, random: Random, sample: Any) -> dict[str, Any]:
        """The factors, the place of the contrast, and the permutation."""
        xp = random.xp
        params: dict[str, Any] = {}
        for name, (_, neutral) in ADJUSTMENTS.items():
            factor = random.uniform(*getattr(self, name))
            params[f"{name}_factor"] = xp.where(random.uniform(0, 1) < self.p, factor, neutral)
        params["contrast_before"] = random.uniform(0, 1) < 0.5
        count = _common_channels(sample)
        permutation = random.permutation(count)
        unchanged = xp.arange(count, dtype=permutation.dtype)
        params["channel_permutation"] = xp.where(random.uniform(0, 1) < self.p, permutation, unchanged)
        return params

    def apply(
        self, leaf: Leaf, *, brightness_factor: Any, contrast_factor: Any, saturation_factor: Any, hue_factor: Any,
        contrast_before: Any, channel_permutation: Any, **params: Any,
    ) -> Any:
        """The leaf after the five steps."""
        contrast = partial(_adjusted, name="contrast", factor=contrast_factor)
        leaf = _adjusted(leaf, "brightness", brightness_factor)
        leaf = where(contrast_before, contrast, leaf)
        leaf = _adjusted(leaf, "saturation", saturation_factor)
        leaf = _adjusted(leaf, "hue", hue_factor)
        leaf = where(contrast_before ^ True, contrast, leaf)
        return F.permute_channels(leaf, channel_permutation)


@dataclass(frozen=True, eq=False)
class RandomChannelPermutation(Transform):
    """Puts the channels of images and videos into a random order."""

    def draw(self, random: Random, sample: Any) -> dict[str, Any]:
        """The order."""
        return {"permutation": random.permutation(_common_channels(sample))}

    def apply(self, leaf: Leaf, *, permutation: Any, **params: Any) -> Any:
        """The leaf with permuted channels."""
        return F.permute_channels(leaf, permutation)


@dataclass(frozen=True, eq=False)
class RandomAutocontrast(RandomlyApplied):
    """Stretches the values of each channel with probability `p`; see `functional.autocontrast`."""

    p: float = 0.5

    def change(self, leaf: Leaf) -> Any:
        """The stretched leaf."""
        return F.autocontrast(leaf)


@dataclass(frozen=True, eq=False)
class RandomEqualize(RandomlyApplied):
    """Equalises the histogram of each channel with probability `p`; see `functional.equalize`."""

    p: float = 0.5

    def change(self, leaf: Leaf) -> Any:
        """The equalised leaf."""
        return F.equalize(leaf)


@dataclass(frozen=True, eq=False)
class RandomInvert(RandomlyApplied):
    """Makes the negative of images and videos with probability `p`."""

    p: float = 0.5

    def change(self, leaf: Leaf) -> Any:
        """The negative."""
        return F.invert(leaf)


@dataclass(frozen=True, eq=False)
class RandomPosterize(RandomlyApplied):
    """Keeps only the highest `bits` bits of every value, with probability `p`; see `functional.posterize`."""

    bits: int
    p: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.bits, bool) or not isinstance(self.bits, int) or not 0 <= self.bits <= 8:
            raise ValueError(f"bits={self.bits!r} must be an int from 0 to 8")

    def change(self, leaf: Leaf) -> Any:
        """The leaf with fewer levels."""
        return F.posterize(leaf, self.bits)


@dataclass(frozen=True, eq=False)
class RandomSolarize(RandomlyApplied):
    """Inverts all values from a threshold up, with probability `p`.

    Args:
        threshold: in the values of the image, such as 128 for uint8 or 0.5 for floats.
        p: the probability.
    """

    threshold: float
    p: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.threshold, numbers.Real):
            raise TypeError(f"threshold={self.threshold!r} must be a number")

    def change(self, leaf: Leaf) -> Any:
        """The solarised leaf."""
        return F.solarize(leaf, self.threshold)


def _adjusted(leaf: Any, name: str, factor: Any) -> Any:
    """The leaf after one adjustment, which is left out for the factor that stands for "none"."""
    adjust, neutral = ADJUSTMENTS[name]
    return where(factor != neutral, partial(_adjust, adjust, factor), leaf)


def _adjust(adjust: Any, factor: Any, leaf: Any) -> Any:
    return adjust(leaf, factor)


def _range(value: float | Sequence[float] | None, name: str) -> tuple[float, float] | None:
    """(low, high) of a factor; None if it can only be the neutral one."""
    neutral = ADJUSTMENTS[name][1]
    if value is None:
        return None
    if isinstance(value, Sequence):
        bounds = tuple(value)
    elif value >= 0:
        low = neutral - value
        bounds = low if name == "hue" else max(low, 0.0), neutral + value
    else:
        raise ValueError(f"{name}={value!r} must be zero or more, or (low, high)")
    _check_bounds(bounds, name)
    return None if bounds[0] == bounds[1] == neutral else (float(bounds[0]), float(bounds[1]))


def _check_bounds(bounds: Sequence[float], name: str) -> None:
    """Raises ValueError unless the bounds are (low, high) within the range of the factor."""
    low, high = (-0.5, 0.5) if name == "hue" else (0.0, math.inf)
    if len(bounds) != 2 or not low <= bounds[0] <= bounds[1] <= high:
        raise ValueError(f"{name}={tuple(bounds)} must be (low, high) with {low} <= low <= high <= {high}")


def _channels(leaf: Leaf) -> int | None:
    """Number of channels of an image or a video; None for other leaves."""
    if isinstance(leaf, PIL.Image.Image):
        return len(leaf.getbands())
    return None if isinstance(leaf, TVTensor) and not isinstance(leaf, Image | Video) else leaf.shape[-1]


def _common_channels(sample: Any) -> int:
    """The number of channels of the images and videos of a sample.

    Raises:
        ValueError: there are none, or they differ.
    """
    counts = {count for leaf in transformed_leaves(typed(sample)) if (count := _channels(leaf))}
    if len(counts) != 1:
        raise ValueError(f"the images of a sample must have one number of channels, and these have {sorted(counts)}")
    return counts.pop()
