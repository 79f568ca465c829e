"""Falling Things (Tremblay et al. 2018, https://research.nvidia.com/publication/2018-06_Falling-Things)."""

import json
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from ._matching import choice
from ._stereo import StereoMatchingDataset

__all__ = ["FallingThingsStereo"]

_SCENES = {"single": "*/*", "mixed": "*"}  # folders between a variant and its files
_BASELINE, _UNITS = 6, 100  # centimetres between the cameras, and units of depth in a centimetre


class FallingThingsStereo(StereoMatchingDataset):
    """Synthetic stereo pairs of household objects that fall.

    `dataset[index]` is (left image, right image, disparity), the disparity float32 `[height, width, 1]` in pixels,
    computed from the depth and the focal length in the file `_camera_settings.json` of the scene. It is infinite where
    the depth is 0.

    Args:
        root: the folder that holds `FallingThings/single` and `FallingThings/mixed`.
        variant: "single", "mixed" or "both".
        transforms: see `StereoMatchingDataset`.

    Raises:
        FileNotFoundError: a folder or file is missing.
        ValueError: an option is none of the choices, or a file is damaged; the message names it.
    """

    def __init__(
        self, root: str | os.PathLike[str], variant: str = "single", transforms: Callable[..., Any] | None = None
    ):
        super().__init__(root, transforms)
        choice("variant", variant, (*_SCENES, "both"))
        for part in _SCENES if variant == "both" else (variant,):
            folder, scenes = os.path.join(self.root, "FallingThings", part), _SCENES[part]
            self._add_images(folder, f"{scenes}/*.left.jpg", f"{scenes}/*.right.jpg")
            self._add_disparities(folder, f"{scenes}/*.left.depth.png", f"{scenes}/*.right.depth.png")

    def read_disparity(self, path: str) -> tuple[np.ndarray, None]:
        """The disparity, from the depth in a 16-bit PNG file."""
        depth = self._read_png(path).astype(np.float32)
        with np.errstate(divide="ignore"):
            return np.float32(_BASELINE * _focal_length(os.path.dirname(path)) * _UNITS) / depth, None


def _focal_length(folder: str) -> float:
    """The focal length of a scene's cameras, in pixels."""
    path = os.path.join(folder, "_camera_settings.json")
    with open(path, "rb") as file:
        content = file.read()
    try:
        return float(json.loads(content)["camera_settings"][0]["intrinsic_settings"]["fx"])
    except (ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
        raise ValueError(f"{path} ({len(content)} bytes) is damaged: it gives no focal length 'fx'") from error
