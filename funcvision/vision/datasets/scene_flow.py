"""The synthetic data sets of Mayer et al. 2016 (https://arxiv.org/abs/1512.02134): FlyingThings3D, Monkaa, Driving."""

import itertools
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from ._flow import FlowDataset
from ._formats import read_pfm
from ._matching import choice, matching
from ._stereo import StereoMatchingDataset
from .folder import default_loader

__all__ = ["FlyingThings3D", "SceneFlowStereo"]

_PASSES = {
    "clean": ["frames_cleanpass"],
    "final": ["frames_finalpass"],
    "both": ["frames_cleanpass", "frames_finalpass"],
}
_SCENES = {"FlyingThings3D": "*/*/*", "Driving": "*/*/*", "Monkaa": "*"}  # folders between a pass and "left"


class FlyingThings3D(FlowDataset):
    """Random objects that fly on random paths, with optical flow from each frame to the next and to the one before.

    `dataset[index]` is (image, image, flow), the flow float32 `[height, width, 2]`; see `FlowDataset`.

    Args:
        root: the folder that holds `FlyingThings3D/frames_cleanpass`, `frames_finalpass` and `optical_flow`.
        split: "train" or "test".
        pass_name: "clean" without, "final" with blur, or "both" one after the other.
        camera: "left", "right" or "both".
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
        camera: str = "left",
        transforms: Callable[..., Any] | None = None,
        loader: Callable[[str], Any] = default_loader,
    ):
        super().__init__(root, transforms, loader)
        part = choice("split", split, ("train", "test")).upper()
        passes = _PASSES[choice("pass_name", pass_name, _PASSES)]
        choice("camera", camera, ("left", "right", "both"))
        cameras = ["left", "right"] if camera == "both" else [camera]
        folder = os.path.join(self.root, "FlyingThings3D")
        for one, side, future in itertools.product(passes, cameras, (True, False)):
            scenes = matching(os.path.join(folder, one, part), "*/*")
            flow_scenes = matching(os.path.join(folder, "optical_flow", part), "*/*")
            if len(scenes) != len(flow_scenes):
                raise ValueError(f"{folder} holds {len(scenes)} scenes in {one} and {len(flow_scenes)} in optical_flow")
            for scene, flow_scene in zip(scenes, flow_scenes):
                frames = matching(os.path.join(scene, side), "*.png")
                direction = "into_future" if future else "into_past"
                flows = matching(os.path.join(flow_scene, direction, side), "*.pfm")
                if len(frames) != len(flows):
                    raise ValueError(f"{scene} holds {len(frames)} frames and {flow_scene} {len(flows)} flows")
                self.images += itertools.pairwise(frames) if future else zip(frames[1:], frames)
                self.flows += flows[:-1] if future else flows[1:]

    def read_flow(self, path: str) -> tuple[np.ndarray, None]:
        """The flow in a `.pfm` file of three channels, of which the third is empty."""
        return read_pfm(path)[:, :, :2], None


class SceneFlowStereo(StereoMatchingDataset):
    """Stereo pairs of FlyingThings3D, Monkaa or Driving.

    `dataset[index]` is (left image, right image, disparity), the disparity float32 `[height, width, 1]` in pixels.

    Args:
        root: the folder that holds `SceneFlow/FlyingThings3D` and so on.
        variant: "FlyingThings3D", "Driving" or "Monkaa".
        pass_name: "clean" without, "final" with blur, or "both" one after the other.
        transforms: see `StereoMatchingDataset`.

    Raises:
        FileNotFoundError: a folder or file is missing.
        ValueError: an option is none of the choices, or a file is damaged; the message names it.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        variant: str = "FlyingThings3D",
        pass_name: str = "clean",
        transforms: Callable[..., Any] | None = None,
    ):
        super().__init__(root, transforms)
        scenes = _SCENES[choice("variant", variant, _SCENES)]
        folder = os.path.join(self.root, "SceneFlow", variant)
        for one in _PASSES[choice("pass_name", pass_name, _PASSES)]:
            self._add_images(folder, f"{one}/{scenes}/left/*.png", f"{one}/{scenes}/right/*.png")
            self._add_disparities(folder, f"disparity/{scenes}/left/*.pfm", f"disparity/{scenes}/right/*.pfm")

    def read_disparity(self, path: str) -> tuple[np.ndarray, None]:
        """The disparity in a `.pfm` file."""
        return self._read_pfm(path), None
