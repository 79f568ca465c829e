"""Leaves that have a value for every pixel."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import jax

from .tv_tensor import TVTensor, pad_axes

__all__ = ["Image", "Mask", "Video"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False, repr=False)
class Image(TVTensor):
    """An image, or images of one size: `[..., height, width, channels]`.

    >>> import numpy as np
    >>> Image(np.zeros((2, 3, 1), np.uint8))
    Image(array=uint8[2, 3, 1])
    """

    def extent(self) -> dict[str, int]:
        """Height and width."""
        return dict(zip(("height", "width"), self.shape[-3:-1]))

    def pad_to(self, extent: Mapping[str, int], fill: float = 0) -> Self:
        """The image with a border at the bottom and at the right."""
        return self.replace(array=pad_axes(self.array, {-3: extent["height"], -2: extent["width"]}, fill))


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False, repr=False)
class Video(TVTensor):
    """A video, or videos of one length and size: `[..., time, height, width, channels]`."""

    def extent(self) -> dict[str, int]:
        """Number of frames, height and width."""
        return dict(zip(("time", "height", "width"), self.shape[-4:-1]))

    def pad_to(self, extent: Mapping[str, int], fill: float = 0) -> Self:
        """The video with further frames, and with a border at the bottom and at the right."""
        lengths = {-4: extent["time"], -3: extent["height"], -2: extent["width"]}
        return self.replace(array=pad_axes(self.array, lengths, fill))


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False, repr=False)
class Mask(TVTensor):
    """A segmentation mask: `[height, width]` class numbers, or `[n, height, width]` with one plane per instance."""

    def extent(self) -> dict[str, int]:
        """Height and width, and the number of planes where there is an axis of planes."""
        planes = {"length": self.shape[0]} if self.ndim > 2 else {}
        return {**planes, "height": self.shape[-2], "width": self.shape[-1]}

    def pad_to(self, extent: Mapping[str, int], fill: float = 0) -> Self:
        """The mask with further planes, and with a border at the bottom and at the right."""
        planes = {0: extent["length"]} if self.ndim > 2 else {}
        return self.replace(array=pad_axes(self.array, {**planes, -2: extent["height"], -1: extent["width"]}, fill))
