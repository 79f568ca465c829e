"""Transforms that cut several crops of one size out of every image."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from . import functional as F
from .functional._sizes import square
from .sample import Leaf
from .transform import Transform

__all__ = ["FiveCrop", "TenCrop"]


@dataclass(frozen=True, eq=False)
class FiveCrop(Transform):
    """Makes a tuple of five crops of every image and video: the corners and the middle; see `functional.five_crop`.

    Masks, boxes and key points are a TypeError.
    """

    size: int | Sequence[int]

    def __post_init__(self) -> None:
        square(self.size)

    def apply(self, leaf: Leaf, **params: Any) -> Any:
        """The five crops."""
        return F.five_crop(leaf, self.size)


@dataclass(frozen=True, eq=False)
class TenCrop(Transform):
    """Makes a tuple of ten crops of every image and video: five, and five of its mirror image.

    Masks, boxes and key points are a TypeError; see `functional.ten_crop`.
    """

    size: int | Sequence[int]
    vertical_flip: bool = False

    def __post_init__(self) -> None:
        square(self.size)

    def apply(self, leaf: Leaf, **params: Any) -> Any:
        """The ten crops."""
        return F.ten_crop(leaf, self.size, self.vertical_flip)
