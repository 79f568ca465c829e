"""Transforms that change the size of an image or move its pixels; masks, boxes and key points move along."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, TypeAlias

import numpy as np

from ..tv_tensors import Image, TVTensor
from . import functional as F
from ._applied import check_probability
from ._random import Random
from .functional._padding import check_padding_mode, edges
from .functional._sizes import centred, check_interpolation, square
from .sample import Leaf, common_size
from .transform import Transform, size_before, where

__all__ = [
    "CenterCrop", "Pad", "RandomCrop", "RandomHorizontalFlip", "RandomResizedCrop", "RandomVerticalFlip", "Resize",
]

Fill: TypeAlias = float | Sequence[float] | Mapping[Any, float | Sequence[float]]
"""Value of a border: one number, one per channel, or a dict from the type of a leaf, or "others", to either."""


@dataclass(frozen=True, eq=False)
class Resize(Transform):
    """Resizes every leaf; `functional.resize` explains the arguments.

    >>> Resize(15)(np.zeros((30, 40, 3), np.uint8)).shape
    (15, 20, 3)
    """

    size: int | Sequence[int] | None
    interpolation: str = "bilinear"
    _: KW_ONLY
    max_size: int | None = None
    antialias: bool = True

    def __post_init__(self) -> None:
        check_interpolation(self.interpolation, self.antialias)
        if self.size is None and self.max_size is None:
            raise ValueError("Resize(None) needs max_size, the length of the longer edge")
        if self.size is not None:
            square(self.size)

    def apply(self, leaf: Leaf, **params: Any) -> Any:
        """The resized leaf."""
        return F.resize(leaf, self.size, self.interpolation, max_size=self.max_size, antialias=self.antialias)

    def invert(self, leaf: Leaf, before: tuple[int, int] | None, **params: Any) -> Any:
        """The leaf in the size before."""
        return F.resize(leaf, size_before(self, before), self.interpolation, antialias=self.antialias)


@dataclass(frozen=True, eq=False)
class CenterCrop(Transform):
    """Cuts out the middle, (height, width) or a square; a smaller image gets a black border.

    >>> CenterCrop(4)(np.zeros((30, 40, 3), np.uint8)).shape
    (4, 4, 3)
    """

    size: int | Sequence[int]

    def __post_init__(self) -> None:
        square(self.size)

    def apply(self, leaf: Leaf, **params: Any) -> Any:
        """The middle of the leaf."""
        return F.center_crop(leaf, self.size)

    def invert(self, leaf: Leaf, before: tuple[int, int] | None, **params: Any) -> Any:
        """The leaf on the canvas before, with zeros where it was cut off."""
        old, new = size_before(self, before), square(self.size)
        top, left = (centred(before, after) for before, after in zip(old, new))
        return F.uncrop(leaf, top, left, old)


@dataclass(frozen=True, eq=False)
class Pad(Transform):
    """Puts a border around every leaf; `functional.pad` explains the arguments, `RandomCrop` the forms of `fill`.

    >>> Pad((1, 2))(np.zeros((4, 4, 3), np.uint8)).shape
    (8, 6, 3)
    """

    padding: int | Sequence[int]
    fill: Fill = 0
    padding_mode: str = "constant"

    def __post_init__(self) -> None:
        edges(self.padding)
        check_padding_mode(self.padding_mode)

    def apply(self, leaf: Leaf, **params: Any) -> Any:
        """The leaf with a border."""
        return F.pad(leaf, self.padding, _fill_for(self.fill, leaf), padding_mode=self.padding_mode)

    def invert(self, leaf: Leaf, before: tuple[int, int] | None, **params: Any) -> Any:
        """The leaf without the border."""
        return F.pad(leaf, [-edge for edge in edges(self.padding)])


@dataclass(frozen=True, eq=False)
class RandomCrop(Transform):
    """Cuts out a box of a given size at a random place.

    Args:
        size: (height, width), or an int for a square.
        padding: border that is put around the image before the crop, as in `functional.pad`; None for none.
        pad_if_needed: widen the border if the image with it is smaller than `size`.
        fill: value of the border, or one value per channel; or a dict such as `{tv_tensors.Image: (1, 2, 3),
            tv_tensors.Mask: 255, "others": 0}`.
        padding_mode: "constant", "edge", "reflect" or "symmetric".

    Raises:
        ValueError: when called, if the image with its border is smaller than `size`; or if a border that is not
            constant would be put around boxes or key points.
    """

    size: int | Sequence[int]
    padding: int | Sequence[int] | None = None
    _: KW_ONLY
    pad_if_needed: bool = False
    fill: Fill = 0
    padding_mode: str = "constant"

    def __post_init__(self) -> None:
        square(self.size)
        edges(self.padding or 0)
        check_padding_mode(self.padding_mode)

    def draw(self, random: Random, sample: Any) -> dict[str, Any]:
        """The upper left corner in the image with its border."""
        height, width = square(self.size)
        old_height, old_width = common_size(sample)
        left, top, right, bottom = self._border(old_height, old_width)
        old_height, old_width = old_height + top + bottom, old_width + left + right
        if old_height < height or old_width < width:
            raise ValueError(
                f"{self!r} needs an image of at least {(height, width)} and got, with its border, "
                f"{(old_height, old_width)}: give padding or pad_if_needed=True"
            )
        return {"top": random.integer(old_height - height + 1), "left": random.integer(old_width - width + 1)}

    def apply(self, leaf: Leaf, *, top: Any, left: Any, **params: Any) -> Any:
        """The box whose upper left corner, in the image with its border, is (top, left)."""
        border = self._border(*F.get_size(leaf))
        if any(border):
            leaf = F.pad(leaf, border, _fill_for(self.fill, leaf), padding_mode=self.padding_mode)
        return F.crop(leaf, top, left, *square(self.size))

    def invert(self, leaf: Leaf, before: tuple[int, int] | None, *, top: Any, left: Any, **params: Any) -> Any:
        """The leaf on the canvas before, with zeros where it was cut off."""
        size = size_before(self, before)
        border = self._border(*size)
        return F.uncrop(leaf, top - border[1], left - border[0], size)

    def _border(self, height: int, width: int) -> tuple[int, int, int, int]:
        left, top, right, bottom = edges(self.padding or 0)
        if self.pad_if_needed:  # as in torchvision, either side gets all missing pixels; the crop is random
            missing = [new - old for new, old in zip(square(self.size), (height + top + bottom, width + left + right))]
            rows, columns = (max(number, 0) for number in missing)
            left, top, right, bottom = left + columns, top + rows, right + columns, bottom + rows
        return left, top, right, bottom


@dataclass(frozen=True, eq=False)
class RandomResizedCrop(Transform):
    """Cuts out a box of random area and aspect ratio, and resizes it: the crop of Szegedy et al. 2014.

    https://arxiv.org/abs/1409.4842, section 6. Ten boxes are drawn, and the first that fits into the image is used. If
    none fits, it is the largest box in the middle whose ratio is allowed.

    Args:
        size: (height, width) of the result, or an int for a square.
        scale: bounds of the area of the box, as a share of the image.
        ratio: bounds of width / height of the box; its logarithm is uniform.
        interpolation: as in `functional.resize`.
        antialias: as in `functional.resize`.
    """

    size: int | Sequence[int]
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    _: KW_ONLY
    interpolation: str = "bilinear"
    antialias: bool = True

    def __post_init__(self) -> None:
        square(self.size)
        check_interpolation(self.interpolation, self.antialias)
        for name, (low, high) in (("scale", self.scale), ("ratio", self.ratio)):
            if not 0 < low <= high:
                raise ValueError(f"{name}={(low, high)} must be (low, high) with 0 < low <= high")

    def draw(self, random: Random, sample: Any) -> dict[str, Any]:
        """The box, in pixels."""
        xp, tries = random.xp, 10
        height, width = common_size(sample)
        areas = height * width * random.uniform(*self.scale, (tries,))
        ratios = xp.exp(random.uniform(math.log(self.ratio[0]), math.log(self.ratio[1]), (tries,)))
        heights = xp.round(xp.sqrt(areas / ratios)).astype(np.int32)
        widths = xp.round(xp.sqrt(areas * ratios)).astype(np.int32)
        fits = (heights > 0) & (heights <= height) & (widths > 0) & (widths <= width)
        first, found = xp.argmax(fits), xp.any(fits)
        middle_height, middle_width = self._middle(height, width)
        h = xp.where(found, heights[first], middle_height)
        w = xp.where(found, widths[first], middle_width)
        top = xp.where(found, random.integer(height - h + 1), (height - middle_height) // 2)
        left = xp.where(found, random.integer(width - w + 1), (width - middle_width) // 2)
        return {"top": top, "left": left, "height": h, "width": w}

    def apply(self, leaf: Leaf, *, top: Any, left: Any, height: Any, width: Any, **params: Any) -> Any:
        """The box, resized."""
        return F.resized_crop(
            leaf, top, left, height, width, square(self.size), self.interpolation, antialias=self.antialias
        )

    def invert(
        self, leaf: Leaf, before: tuple[int, int] | None, *, top: Any, left: Any, height: Any, width: Any, **params: Any
    ) -> Any:
        """The leaf resized to the box and put on the canvas before, with zeros where it was cut off."""
        size = size_before(self, before)
        shrink = max(new / min(self._shortest(size), new) for new in square(self.size))
        return F.place(
            leaf, (height, width), (top, left), size, self.interpolation, antialias=self.antialias, max_shrink=shrink
        )

    def _shortest(self, size: tuple[int, int]) -> int:
        """A lower bound of the sides of a box, in pixels."""
        area = self.scale[0] * size[0] * size[1]
        return max(int(math.sqrt(area * min(self.ratio[0], 1 / self.ratio[1]))), 1)

    def _middle(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the largest box whose ratio is allowed, but at least 1 pixel."""
        low, high = self.ratio
        if width / height < low:
            return max(round(width / low), 1), width
        if width / height > high:
            return height, max(round(height * high), 1)
        return height, width


@dataclass(frozen=True, eq=False)
class _RandomFlip(Transform):
    """Mirrors with probability `p`."""

    p: float = 0.5

    def __post_init__(self) -> None:
        check_probability(self.p)

    def draw(self, random: Random, sample: Any) -> dict[str, Any]:
        """Whether to flip."""
        return {"flip": random.uniform(0, 1) < self.p}


@dataclass(frozen=True, eq=False)
class RandomHorizontalFlip(_RandomFlip):
    """Mirrors every leaf, left to right, with probability `p`."""

    def apply(self, leaf: Leaf, *, flip: Any, **params: Any) -> Any:
        """The leaf, mirrored if `flip`."""
        return where(flip, F.horizontal_flip, leaf)

    def invert(self, leaf: Leaf, before: tuple[int, int] | None, *, flip: Any, **params: Any) -> Any:
        """The leaf mirrored once more."""
        return where(flip, F.horizontal_flip, leaf)


@dataclass(frozen=True, eq=False)
class RandomVerticalFlip(_RandomFlip):
    """Mirrors every leaf, upside down, with probability `p`."""

    def apply(self, leaf: Leaf, *, flip: Any, **params: Any) -> Any:
        """The leaf, mirrored if `flip`."""
        return where(flip, F.vertical_flip, leaf)

    def invert(self, leaf: Leaf, before: tuple[int, int] | None, *, flip: Any, **params: Any) -> Any:
        """The leaf mirrored once more."""
        return where(flip, F.vertical_flip, leaf)


def _fill_for(fill: Fill, leaf: Leaf) -> float | Sequence[float]:
    """The value of the border for a leaf of this kind; of one outside a dict for all kinds."""
    if not isinstance(fill, Mapping):
        return fill
    kind = type(leaf) if isinstance(leaf, TVTensor) else Image
    return next((fill[base] for base in kind.__mro__ if base in fill), fill.get("others", 0))
