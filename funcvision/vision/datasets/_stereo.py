"""What data sets of stereo pairs have in common."""

import os
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from ..io import decode_png, open_image
from ..transforms import Transform
from ._formats import read_pfm
from ._matching import matching
from .dataset import VisionDataset, call_transform

__all__ = ["StereoMatchingDataset"]


class StereoMatchingDataset(VisionDataset):
    """Pairs of images from a left and a right camera, and the disparity; the base class of such data sets.

    `dataset[index]` is (left image, right image, disparity). Data sets that say which pixels are valid add a fourth,
    the mask, which may be None. So does every data set whose `transforms` return one.

    - The images are `PIL.Image` of mode RGB.
    - The disparity is `[height, width, 1]`, in pixels: a pixel of the left image is that far to the left in the right
      image. Torchvision's is `[1, height, width]`. It is None where the split has none.
    - The mask is bool `[height, width]`.

    A subclass calls `_add_images` and `_add_disparities`, and defines `read_disparity`.

    Args:
        root: the folder for data sets.
        transforms: called with three pairs (left, right): images, disparities and masks. It returns the three. A
            funcvision `Transform` gets them as one tuple.

    Attributes:
        images: the paths of the two images of each sample.
        disparities: the paths of the disparities of each sample, None for what is not there.
    """

    has_mask: ClassVar[bool] = False
    """Whether a sample always has a fourth element, the mask."""
    reads_randomly: bool = False
    """Whether something is random in reading a sample, before any transform."""

    def __init__(self, root: str | os.PathLike[str], transforms: Callable[..., Any] | None = None):
        super().__init__(root, transforms)
        self.images: list[tuple[str, str]] = []
        self.disparities: list[tuple[str | None, str | None]] = []

    def __len__(self) -> int:
        return len(self.images)

    def read(self, index: int) -> tuple[Any, Any, Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Pairs (left, right) of images, disparities and masks."""
        return self.read_random(index, np.random.default_rng())

    def read_random(self, index: int, random: np.random.Generator) -> tuple[Any, Any, Any]:
        """The same, with what is random in reading drawn from a generator."""
        left, right = self.images[index]
        found = [self.read_disparity(path) if path else (None, None) for path in self.disparities[index]]
        images = self._read_image(left, random), self._read_image(right, random)
        return images, tuple(one for one, _ in found), tuple(mask for _, mask in found)

    def read_disparity(self, path: str) -> tuple[np.ndarray, np.ndarray | None]:
        """The disparity in a file, and its mask if the data set has one."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to read a disparity: define read_disparity")

    def _read_image(self, path: str, random: np.random.Generator) -> Image.Image:
        """The image in a file."""
        del random
        return open_image(path)

    def _transformed(self, *sample: Any, key: Any = None) -> tuple[Any, ...]:
        if isinstance(self.transforms, Transform):
            sample = self.transforms(sample, key=key)
        elif self.transforms is not None:
            sample = call_transform(self.transforms, *sample, key=key)
        (left, right), disparities, masks = sample
        shown = (left, right, disparities[0])
        return (*shown, masks[0]) if self.has_mask or masks[0] is not None else shown

    def _add_images(self, folder: str, left: str, right: str) -> None:
        """Adds the pairs of images that match two patterns."""
        self.images += _pairs(folder, left, right)

    def _add_disparities(self, folder: str, left: str, right: str | None = None) -> None:
        """Adds the disparities that match the patterns. There must be one for each image that has been added."""
        self.disparities += _pairs(folder, left, right) if right else [(path, None) for path in matching(folder, left)]
        if len(self.disparities) != len(self.images):
            raise ValueError(
                f"{folder} holds {len(self.images)} pairs of images and {len(self.disparities)} disparities that match "
                f"{left}: some are missing"
            )

    def _no_disparities(self) -> None:
        """Says that the split has no disparities."""
        self.disparities = [(None, None)] * len(self.images)

    @staticmethod
    def _read_pfm(path: str) -> np.ndarray:
        """The magnitude of the disparity in a `.pfm` file, float32 `[height, width, 1]`."""
        return np.abs(read_pfm(path)[:, :, :1])

    @staticmethod
    def _read_png(path: str) -> np.ndarray:
        """The whole numbers in a PNG file of one channel, `[height, width, 1]`."""
        samples = decode_png(path)
        if samples.shape[2] != 1:
            raise ValueError(f"{path} holds an image of shape {samples.shape}, expected a disparity: one channel")
        return samples


def _pairs(folder: str, left: str, right: str) -> list[tuple[str, str]]:
    """The paths that match two patterns, in pairs; ValueError if one side has more."""
    lefts, rights = matching(folder, left), matching(folder, right)
    if len(lefts) != len(rights):
        raise ValueError(f"{folder} holds {len(lefts)} files {left} and {len(rights)} files {right}: some are missing")
    return list(zip(lefts, rights))
