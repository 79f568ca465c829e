"""InStereo2k (Bao et al. 2020, https://github.com/YuhuaXu/StereoDataset)."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from ._matching import choice
from ._stereo import StereoMatchingDataset

__all__ = ["InStereo2k"]


class InStereo2k(StereoMatchingDataset):
    """2,050 stereo pairs of indoor scenes, measured with structured light.

    `dataset[index]` is (left image, right image, disparity), the disparity float32 `[height, width, 1]`: the number in
    the file divided by 1024, as in torchvision.

    Args:
        root: the folder that holds `InStereo2k/train` and `InStereo2k/test`.
        split: "train" or "test".
        transforms: see `StereoMatchingDataset`.

    Raises:
        FileNotFoundError: a folder or file is missing.
        ValueError: an option is none of the choices, or a file is damaged; the message names it.
    """

    def __init__(
        self, root: str | os.PathLike[str], split: str = "train", transforms: Callable[..., Any] | None = None
    ):
        super().__init__(root, transforms)
        folder = os.path.join(self.root, "InStereo2k", choice("split", split, ("train", "test")))
        self._add_images(folder, "*/left.png", "*/right.png")
        self._add_disparities(folder, "*/left_disp.png", "*/right_disp.png")

    def read_disparity(self, path: str) -> tuple[np.ndarray, None]:
        """The disparity in a 16-bit PNG file."""
        return self._read_png(path).astype(np.float32) / 1024, None
