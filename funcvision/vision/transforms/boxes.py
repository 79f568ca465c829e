"""Transforms of bounding boxes and key points alone; every other leaf stays as it is."""

from dataclasses import dataclass
from typing import Any

from ..tv_tensors import BoundingBoxes, KeyPoints
from ..tv_tensors.coordinates import box_format
from . import functional as F
from .sample import Leaf
from .transform import Transform

__all__ = ["ClampBoundingBoxes", "ClampKeyPoints", "ConvertBoundingBoxFormat", "SetClampingMode"]

MODES = ("soft", "hard", None)


@dataclass(frozen=True, eq=False)
class ClampBoundingBoxes(Transform):
    """Cuts boxes to their canvas, by their own clamping mode ("auto") or another; see `BoundingBoxes`."""

    clamping_mode: str | None = "auto"

    def __post_init__(self) -> None:
        _check_mode(self.clamping_mode, (*MODES, "auto"))

    def apply(self, leaf: Leaf, **params: Any) -> Any:
        """The boxes, cut to their canvas."""
        if not isinstance(leaf, BoundingBoxes):
            return leaf
        return F.clamp_bounding_boxes(leaf, clamping_mode=self.clamping_mode)


@dataclass(frozen=True, eq=False)
class ClampKeyPoints(Transform):
    """Moves key points to the nearest pixel of their canvas."""

    def apply(self, leaf: Leaf, **params: Any) -> Any:
        """The key points on their canvas."""
        return F.clamp_keypoints(leaf) if isinstance(leaf, KeyPoints) else leaf


@dataclass(frozen=True, eq=False)
class ConvertBoundingBoxFormat(Transform):
    """Converts boxes to a format, one of `tv_tensors.FORMATS`."""

    format: str

    def __post_init__(self) -> None:
        box_format(self.format)

    def apply(self, leaf: Leaf, **params: Any) -> Any:
        """The boxes in the format."""
        return F.convert_bounding_box_format(leaf, new_format=self.format) if isinstance(leaf, BoundingBoxes) else leaf


@dataclass(frozen=True, eq=False)
class SetClampingMode(Transform):
    """Sets how later transforms cut boxes to the canvas: "soft", "hard" or None; the boxes stay where they are."""

    clamping_mode: str | None

    def __post_init__(self) -> None:
        _check_mode(self.clamping_mode, MODES)

    def apply(self, leaf: Leaf, **params: Any) -> Any:
        """The boxes with the mode."""
        return leaf.replace(clamping_mode=self.clamping_mode) if isinstance(leaf, BoundingBoxes) else leaf


def _check_mode(mode: str | None, modes: tuple[str | None, ...]) -> None:
    if mode not in modes:
        raise ValueError(f"clamping_mode={mode!r} is not one of {', '.join(map(repr, modes))}")
