"""KITTI's benchmarks of optical flow and stereo.

References: Geiger et al. 2012, Menze and Geiger 2015, https://www.cvlibs.net/datasets/kitti/
"""

import os
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from ._flow import FlowDataset, read_flow_png
from ._matching import choice, matching
from ._stereo import StereoMatchingDataset
from .folder import default_loader

__all__ = ["Kitti2012Stereo", "Kitti2015Stereo", "KittiFlow"]

_FOLDERS = {"train": "training", "test": "testing"}


class KittiFlow(FlowDataset):
    """Optical flow of KITTI 2015: 200 pairs for training and 200 for testing.

    `dataset[index]` is (image, image, flow, mask), the flow float32 `[height, width, 2]`, the mask bool
    `[height, width]`, or both None for testing; see `FlowDataset`.

    Args:
        root: the folder that holds `KittiFlow/training` and `KittiFlow/testing`.
        split: "train" or "test".
        transforms: called as `transforms(image1, image2, flow, mask)`.
        loader: called on the path of an image.

    Raises:
        FileNotFoundError: a folder or file is missing.
        ValueError: an option is none of the choices, or a file is damaged; the message names it.
    """

    has_mask = True

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        transforms: Callable[..., Any] | None = None,
        loader: Callable[[str], Any] = default_loader,
    ):
        super().__init__(root, transforms, loader)
        folder = os.path.join(self.root, "KittiFlow", _FOLDERS[choice("split", split, _FOLDERS)])
        first, second = (matching(folder, f"image_2/*_{number}.png") for number in (10, 11))
        self.flows = matching(folder, "flow_occ/*_10.png") if split == "train" else []
        if len(first) != len(second) or len(self.flows) not in (0, len(first)):
            raise ValueError(
                f"{folder} holds {len(first)} images _10, {len(second)} images _11 and {len(self.flows)} flows: some "
                f"are missing"
            )
        self.images = list(zip(first, second))

    def read_flow(self, path: str) -> tuple[np.ndarray, np.ndarray]:
        """The flow and the mask in a 16-bit PNG file."""
        return read_flow_png(path)


class _KittiStereo(StereoMatchingDataset):
    """What both years have in common."""

    has_mask = True
    _year: ClassVar[str]
    _images: ClassVar[tuple[str, str]]
    _disparities: ClassVar[tuple[str, ...]]

    def __init__(
        self, root: str | os.PathLike[str], split: str = "train", transforms: Callable[..., Any] | None = None
    ):
        super().__init__(root, transforms)
        folder = os.path.join(self.root, f"Kitti{self._year}", _FOLDERS[choice("split", split, _FOLDERS)])
        self._add_images(folder, *self._images)
        if split == "train":
            self._add_disparities(folder, *self._disparities)
        else:
            self._no_disparities()

    def read_disparity(self, path: str) -> tuple[np.ndarray, None]:
        """The disparity in a 16-bit PNG file, which holds 256 times its value."""
        return self._read_png(path) / 256.0, None


class Kitti2012Stereo(_KittiStereo):
    """Stereo pairs of KITTI 2012: 194 for training and 195 for testing.

    `dataset[index]` is (left image, right image, disparity, None), the disparity float64 `[height, width, 1]` in
    pixels, 0 where it is not known; None for testing.

    Args:
        root: the folder that holds `Kitti2012/training` and `Kitti2012/testing`.
        split: "train" or "test".
        transforms: see `StereoMatchingDataset`.

    Raises:
        FileNotFoundError: a folder or file is missing.
        ValueError: an option is none of the choices, or a file is damaged; the message names it.
    """

    _year = "2012"
    _images = "colored_0/*_10.png", "colored_1/*_10.png"
    _disparities = ("disp_noc/*.png",)


class Kitti2015Stereo(_KittiStereo):
    """Stereo pairs of KITTI 2015: 200 scenes for training and 200 for testing.

    `dataset[index]` is (left image, right image, disparity, None), the disparity float64 `[height, width, 1]` in
    pixels, 0 where it is not known; None for testing.

    Args:
        root: the folder that holds `Kitti2015/training` and `Kitti2015/testing`.
        split: "train" or "test".
        transforms: see `StereoMatchingDataset`.

    Raises:
        FileNotFoundError: a folder or file is missing.
        ValueError: an option is none of the choices, or a file is damaged; the message names it.
    """

    _year = "2015"
    _images = "image_2/*.png", "image_3/*.png"
    _disparities = "disp_occ_0/*.png", "disp_occ_1/*.png"
