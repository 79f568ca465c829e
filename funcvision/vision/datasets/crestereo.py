"""The training data of CREStereo (Li et al. 2022, https://arxiv.org/abs/2203.11483)."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from ._stereo import StereoMatchingDataset

__all__ = ["CREStereo"]


class CREStereo(StereoMatchingDataset):
    """Synthetic stereo pairs: shapes, reflecting surfaces, trees, holes.

    `dataset[index]` is (left image, right image, disparity, None), the disparity float32 `[height, width, 1]` in
    pixels.

    Args:
        root: the folder that holds `CREStereo/shapenet`, `reflective`, `tree` and `hole`.
        transforms: see `StereoMatchingDataset`.

    Raises:
        FileNotFoundError: a folder or file is missing.
        ValueError: a file is damaged; the message names it.
    """

    has_mask = True

    def __init__(self, root: str | os.PathLike[str], transforms: Callable[..., Any] | None = None):
        super().__init__(root, transforms)
        for part in ("shapenet", "reflective", "tree", "hole"):
            folder = os.path.join(self.root, "CREStereo", part)
            self._add_images(folder, "*_left.jpg", "*_right.jpg")
            self._add_disparities(folder, "*_left.disp.png", "*_right.disp.png")

    def read_disparity(self, path: str) -> tuple[np.ndarray, None]:
        """The disparity in a 16-bit PNG file, which holds 32 times its value."""
        return self._read_png(path).astype(np.float32) / 32, None
