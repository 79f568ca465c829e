"""Stereo pairs rendered by CARLA, published with HSM (Yang et al. 2019, https://arxiv.org/abs/1912.06704)."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from ._stereo import StereoMatchingDataset

__all__ = ["CarlaStereo"]


class CarlaStereo(StereoMatchingDataset):
    """Street scenes of high resolution, rendered by the simulator CARLA.

    `dataset[index]` is (left image, right image, disparity), the disparity float32 `[height, width, 1]` in pixels.

    Args:
        root: the folder that holds `carla-highres/trainingF`.
        transforms: see `StereoMatchingDataset`.

    Raises:
        FileNotFoundError: a folder or file is missing.
        ValueError: a file is damaged; the message names it.
    """

    def __init__(self, root: str | os.PathLike[str], transforms: Callable[..., Any] | None = None):
        super().__init__(root, transforms)
        folder = os.path.join(self.root, "carla-highres")
        self._add_images(folder, "trainingF/*/im0.png", "trainingF/*/im1.png")
        self._add_disparities(folder, "trainingF/*/disp0GT.pfm", "trainingF/*/disp1GT.pfm")

    def read_disparity(self, path: str) -> tuple[np.ndarray, None]:
        """The disparity in a `.pfm` file."""
        return self._read_pfm(path), None
