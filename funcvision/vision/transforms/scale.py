"""Transforms that resize a sample to a random size, or bring samples of any size to one canvas."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import jax
import numpy as np

from . import functional as F
from ._random import Random
from .functional._sizes import check_interpolation, resized_size, square
from .functional.scale import letterbox_place
from .geometry import Fill, _fill_for
from .sample import Leaf, common_size
from .transform import Transform, size_before

__all__ = ["FixedSizeCrop", "Letterbox", "RandomResize", "RandomShortestSize", "ScaleJitter"]


@dataclass(frozen=True, eq=False)
class Letterbox(Transform):
    """Resizes every leaf with its aspect ratio kept, and puts it into the middle of a canvas.

    Args:
        size: (height, width) of the canvas, or an int for a square.
        interpolation: as in `functional.resize`.
        fill: value of the border; see `RandomCrop`.
        enlarge: whether a sample smaller than the canvas is enlarged.
        antialias: as in `functional.resize`.

    >>> Letterbox(8)(np.zeros((30, 40, 3), np.uint8)).shape
    (8, 8, 3)
    """

    size: int | Sequence[int]
    interpolation: str = "bilinear"
    _: KW_ONLY
    fill: Fill = 0
    enlarge: bool = True
    antialias: bool = True

    def __post_init__(self) -> None:
        square(self.size)
        check_interpolation(self.interpolation, self.antialias)

    def apply(self, leaf: Leaf, **params: Any) -> Any:
        """The leaf on its canvas."""
        fill = _fill_for(self.fill, leaf)
        return F.letterbox(
            leaf, self.size, self.interpolation, antialias=self.antialias, fill=fill, enlarge=self.enlarge
        )

    def invert(self, leaf: Leaf, before: tuple[int, int] | None, **params: Any) -> Any:
        """The leaf without the border, in the size before."""
        size = size_before(self, before)
        new, corner = letterbox_place(size, square(self.size), self.enlarge)
        return F.resized_crop(leaf, *corner, *new, size, self.interpolation, antialias=self.antialias)


@dataclass(frozen=True, eq=False)
class FixedSizeCrop(Transform):
    """Cuts out a box of a given size at a random place; a sample that is smaller gets a border at the bottom and right.

    Args:
        size: (height, width), or an int for a square.
        fill: value of the border; see `RandomCrop`.
    """

    size: int | Sequence[int]
    fill: Fill = 0

    def __post_init__(self) -> None:
        square(self.size)

    def draw(self, random: Random, sample: Any) -> dict[str, Any]:
        """The upper left corner of the box."""
        room = [max(old - new, 0) for old, new in zip(common_size(sample), square(self.size))]
        return {"top": random.integer(room[0] + 1), "left": random.integer(room[1] + 1)}

    def apply(self, leaf: Leaf, *, top: Any, left: Any, **params: Any) -> Any:
        """The box, with its border."""
        height, width = square(self.size)
        old_height, old_width = F.get_size(leaf)
        border = (0, 0, max(width - old_width, 0), max(height - old_height, 0))
        if any(border):
            leaf = F.pad(leaf, border, _fill_for(self.fill, leaf))
        return F.crop(leaf, top, left, height, width)

    def invert(self, leaf: Leaf, before: tuple[int, int] | None, *, top: Any, left: Any, **params: Any) -> Any:
        """The leaf on the canvas before, with zeros where it was cut off."""
        return F.uncrop(leaf, top, left, size_before(self, before))


@dataclass(frozen=True, eq=False)
class _RandomSize(Transform):
    """Resizes to a drawn `size`, and puts the result on a canvas if one is given."""

    def apply(self, leaf: Leaf, *, size: Any, **params: Any) -> Any:
        """The resized leaf, on its canvas."""
        if self.canvas is None:  # pyright: ignore
            if any(isinstance(length, jax.Array) for length in size):
                raise ValueError(
                    f"{self!r} makes leaves of a random size, and the shape of a jax array is fixed: give "
                    f"canvas=(height, width), on which the resized leaf is put, or run it on the host"
                )
            edges = [int(length) for length in size]
            return F.resize(leaf, edges, self.interpolation, antialias=self.antialias)  # pyright: ignore
        new = _both_edges(F.get_size(leaf), size)
        return F.place(
            leaf, new, (0, 0), square(self.canvas), self.interpolation, antialias=self.antialias,  # pyright: ignore
            fill=_fill_for(self.fill, leaf), max_shrink=self._max_shrink(F.get_size(leaf)),  # pyright: ignore
        )

    def invert(self, leaf: Leaf, before: tuple[int, int] | None, *, size: Any, **params: Any) -> Any:
        """The leaf without the rest of the canvas, in the size before."""
        old = size_before(self, before)
        if self.canvas is None:  # pyright: ignore
            return F.resize(leaf, old, self.interpolation, antialias=self.antialias)  # pyright: ignore
        new = _both_edges(old, size)
        return F.resized_crop(
            leaf, 0, 0, *new, old, self.interpolation, antialias=self.antialias  # pyright: ignore
        )

    def _check(self) -> None:
        check_interpolation(self.interpolation, self.antialias)  # pyright: ignore
        if self.canvas is not None:  # pyright: ignore
            square(self.canvas, "canvas")  # pyright: ignore

    def _max_shrink(self, size: tuple[int, int]) -> float:
        """The largest quotient of a side before and after."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class ScaleJitter(_RandomSize):
    """Resizes a sample so that it fits a target size times a random factor: the large scale jitter of Ghiasi et al.

    "Simple copy-paste is a strong data augmentation method", 2021, https://arxiv.org/abs/2012.07177.

    Args:
        target_size: (width, height), in torchvision's order. The aspect ratio of the sample is kept.
        scale_range: bounds of the factor.
        interpolation: as in `functional.resize`.
        antialias: as in `functional.resize`.
        canvas: (height, width) of a canvas, in whose upper left corner the resized sample is put; what exceeds it is
            cut off. Needed on jax arrays.
        fill: value of the rest of the canvas; see `RandomCrop`.
    """

    target_size: tuple[int, int]
    scale_range: tuple[float, float] = (0.1, 2.0)
    interpolation: str = "bilinear"
    antialias: bool = True
    _: KW_ONLY
    canvas: int | Sequence[int] | None = None
    fill: Fill = 0

    def __post_init__(self) -> None:
        self._check()
        if len(self.target_size) != 2 or min(self.target_size) < 1:
            raise ValueError(f"target_size={self.target_size!r} must be (width, height), in pixels")
        if len(self.scale_range) != 2 or not 0 < self.scale_range[0] <= self.scale_range[1]:
            raise ValueError(f"scale_range={self.scale_range!r} must be (low, high) with 0 < low <= high")

    def draw(self, random: Random, sample: Any) -> dict[str, Any]:
        """(height, width) of the resized sample."""
        xp, sides = random.xp, common_size(sample)
        ratio = self._ratio(sides) * random.uniform(*self.scale_range)
        return {"size": xp.stack([xp.maximum(xp.floor(side * ratio), 1).astype(np.int32) for side in sides])}

    def _ratio(self, size: tuple[int, int]) -> float:
        return min(self.target_size[1] / size[0], self.target_size[0] / size[1])

    def _max_shrink(self, size: tuple[int, int]) -> float:
        smallest = self._ratio(size) * self.scale_range[0]
        return max(side / max(int(side * smallest * 0.999), 1) for side in size)  # of float32 on the device


@dataclass(frozen=True, eq=False)
class RandomShortestSize(_RandomSize):
    """Resizes a sample so that its shorter edge has one of some lengths, chosen at random.

    Args:
        min_size: the lengths of the shorter edge, or one length.
        max_size: bound of the longer edge; None for none. Where it would be exceeded, the sample becomes smaller.
        interpolation: as in `functional.resize`.
        antialias: as in `functional.resize`.
        canvas: as in `ScaleJitter`.
        fill: as in `ScaleJitter`.
    """

    min_size: int | Sequence[int]
    max_size: int | None = None
    interpolation: str = "bilinear"
    antialias: bool = True
    _: KW_ONLY
    canvas: int | Sequence[int] | None = None
    fill: Fill = 0

    def __post_init__(self) -> None:
        self._check()
        if not self._lengths() or min(self._lengths()) < 1:
            raise ValueError(f"min_size={self.min_size!r} must be a positive int, or several")

    def draw(self, random: Random, sample: Any) -> dict[str, Any]:
        """(height, width) of the resized sample."""
        sizes = random.xp.asarray(np.asarray(self._sizes(common_size(sample)), np.int32))
        return {"size": sizes[random.integer(len(sizes))]}

    def _lengths(self) -> list[int]:
        return [self.min_size] if isinstance(self.min_size, int) else [*self.min_size]

    def _sizes(self, size: tuple[int, int]) -> list[tuple[int, int]]:
        """The resized size for each of the lengths."""
        ratios = [length / min(size) for length in self._lengths()]
        if self.max_size is not None:
            ratios = [min(ratio, self.max_size / max(size)) for ratio in ratios]
        return [(max(int(size[0] * ratio), 1), max(int(size[1] * ratio), 1)) for ratio in ratios]

    def _max_shrink(self, size: tuple[int, int]) -> float:
        return max(old / new for sizes in self._sizes(size) for old, new in zip(size, sizes))


@dataclass(frozen=True, eq=False)
class RandomResize(_RandomSize):
    """Resizes a sample so that its shorter edge has a random length, from `min_size` to `max_size - 1`.

    Args:
        min_size: smallest length.
        max_size: the length above the largest one.
        interpolation: as in `functional.resize`.
        antialias: as in `functional.resize`.
        canvas: as in `ScaleJitter`.
        fill: as in `ScaleJitter`.
    """

    min_size: int
    max_size: int
    interpolation: str = "bilinear"
    antialias: bool = True
    _: KW_ONLY
    canvas: int | Sequence[int] | None = None
    fill: Fill = 0

    def __post_init__(self) -> None:
        self._check()
        if not 1 <= self.min_size < self.max_size:
            raise ValueError(f"min_size={self.min_size} and max_size={self.max_size} must be 1 <= min_size < max_size")

    def draw(self, random: Random, sample: Any) -> dict[str, Any]:
        """The length of the shorter edge, `[1]`."""
        return {"size": random.xp.asarray([self.min_size + random.integer(self.max_size - self.min_size)])}

    def _max_shrink(self, size: tuple[int, int]) -> float:
        return max(old / new for old, new in zip(size, resized_size(size, self.min_size, None)))


def _both_edges(old: tuple[int, int], size: Any) -> tuple[Any, Any]:
    """(height, width) of a resized leaf from both, or from the length of the shorter edge, which may be traced."""
    lengths = [length if isinstance(length, jax.Array) else int(length) for length in size]
    if len(lengths) == 2:
        return lengths[0], lengths[1]
    longer = lengths[0] * max(old) // min(old)
    return (longer, lengths[0]) if old[0] >= old[1] else (lengths[0], longer)
