"""ETH3D's low-resolution two-view stereo (Schöps et al. 2017, https://www.eth3d.net)."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from ._matching import choice
from ._stereo import StereoMatchingDataset
from ._unconverted import open_unconverted

__all__ = ["ETH3DStereo"]


class ETH3DStereo(StereoMatchingDataset):
    """47 stereo pairs of indoor and outdoor scenes.

    `dataset[index]` is (left image, right image, disparity, mask), the disparity float32 `[height, width, 1]` in
    pixels, the mask bool `[height, width]`, False where a pixel is hidden in the other image; both None for testing.

    Args:
        root: the folder that holds `ETH3D/two_view_training`, `two_view_training_gt` and `two_view_test`.
        split: "train" or "test".
        transforms: see `StereoMatchingDataset`.

    Raises:
        FileNotFoundError: a folder or file is missing.
        ValueError: an option is none of the choices, or a file is damaged; the message names it.
    """

    has_mask = True

    def __init__(
        self, root: str | os.PathLike[str], split: str = "train", transforms: Callable[..., Any] | None = None
    ):
        super().__init__(root, transforms)
        folder = os.path.join(self.root, "ETH3D")
        images = "two_view_training" if choice("split", split, ("train", "test")) == "train" else "two_view_test"
        self._add_images(folder, f"{images}/*/im0.png", f"{images}/*/im1.png")
        if split == "train":
            self._add_disparities(folder, "two_view_training_gt/*/disp0GT.pfm")
        else:
            self._no_disparities()

    def read_disparity(self, path: str) -> tuple[np.ndarray, np.ndarray]:
        """The disparity in a `.pfm` file and the mask in the image beside it."""
        mask = np.asarray(open_unconverted(os.path.join(os.path.dirname(path), "mask0nocc.png")))
        return self._read_pfm(path), mask.astype(bool)
