"""MPI Sintel: frames of an animated film with optical flow and disparity (Butler et al. 2012, http://sintel.is.tue.mpg.de).

The folder `root/Sintel` holds `training` and `test` as they are published; the stereo archive adds its folders to
`training`.
"""

import itertools
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from ._flow import FlowDataset
from ._formats import read_flo
from ._matching import choice, matching
from ._stereo import StereoMatchingDataset
from ._unconverted import open_unconverted
from .folder import default_loader

__all__ = ["Sintel", "SintelStereo"]

_PASSES = {"clean": ["clean"], "final": ["final"], "both": ["clean", "final"]}


class Sintel(FlowDataset):
    """Optical flow of Sintel: each frame of a scene and the next.

    `dataset[index]` is (image, image, flow), the flow float32 `[height, width, 2]`, or None for testing; see
    `FlowDataset`. Scenes are sorted by name; torchvision takes them in the order of the file system.

    Args:
        root: the folder that holds `Sintel`.
        split: "train" or "test".
        pass_name: "clean" without, "final" with blur and atmosphere, or "both" one after the other.
        transforms: called as `transforms(image1, image2, flow, None)`.
        loader: called on the path of an image.

    Raises:
        FileNotFoundError: a folder or file is missing.
        ValueError: an option is none of the choices, or a file is damaged; the message names it.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        pass_name: str = "clean",
        transforms: Callable[..., Any] | None = None,
        loader: Callable[[str], Any] = default_loader,
    ):
        super().__init__(root, transforms, loader)
        choice("split", split, ("train", "test"))
        folder = os.path.join(self.root, "Sintel", "training" if split == "train" else "test")
        for one in _PASSES[choice("pass_name", pass_name, _PASSES)]:
            for scene in matching(os.path.join(folder, one), "*/"):
                frames = matching(scene, "*.png")
                self.images += itertools.pairwise(frames)
                if split == "train":
                    flows = matching(os.path.join(folder, "flow", os.path.basename(scene.rstrip(os.sep))), "*.flo")
                    if len(flows) != len(frames) - 1:
                        raise ValueError(f"{scene} holds {len(frames)} frames and there are {len(flows)} flows for it")
                    self.flows += flows

    def read_flow(self, path: str) -> tuple[np.ndarray, None]:
        """The flow in a `.flo` file."""
        return read_flo(path), None


class SintelStereo(StereoMatchingDataset):
    """Stereo pairs of Sintel.

    `dataset[index]` is (left image, right image, disparity, mask), the disparity float32 `[height, width, 1]` in
    pixels, the mask False where a pixel is hidden or outside of the other image.

    Args:
        root: the folder that holds `Sintel`.
        pass_name: "clean" without, "final" with blur and atmosphere, or "both", "final" first.
        transforms: see `StereoMatchingDataset`.

    Raises:
        FileNotFoundError: a folder or file is missing.
        ValueError: an option is none of the choices, or a file is damaged; the message names it.
    """

    has_mask = True

    def __init__(
        self, root: str | os.PathLike[str], pass_name: str = "final", transforms: Callable[..., Any] | None = None
    ):
        super().__init__(root, transforms)
        choice("pass_name", pass_name, _PASSES)
        folder = os.path.join(self.root, "Sintel", "training")
        for one in ("final", "clean") if pass_name == "both" else (pass_name,):
            self._add_images(folder, f"{one}_left/*/*.png", f"{one}_right/*/*.png")
            self._add_disparities(folder, "disparities/*/*.png")

    def read_disparity(self, path: str) -> tuple[np.ndarray, np.ndarray]:
        """The disparity in an image whose red, green and blue hold its digits, and the mask in two more images."""
        scene, name = os.path.split(path)
        disparities, scene = os.path.split(scene)
        red, green, blue = np.moveaxis(self._pixels(path, 3).astype(np.float32), -1, 0)
        disparity = red * 4 + green / 2**6 + blue / 2**14
        hidden, outside = (
            self._pixels(os.path.join(os.path.dirname(disparities), folder, scene, name))
            for folder in ("occlusions", "outofframe")
        )
        return disparity[:, :, None], (hidden == 0) & (outside == 0)

    def _pixels(self, path: str, channels: int | None = None) -> np.ndarray:
        """The values of an image, with as many channels as said."""
        pixels = np.asarray(open_unconverted(path))
        if pixels.shape[2:] != (() if channels is None else (channels,)):
            raise ValueError(f"{path} holds an array of shape {pixels.shape}, expected {channels or 1} channels")
        return pixels
