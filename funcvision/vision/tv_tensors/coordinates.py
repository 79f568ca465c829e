"""Leaves that hold coordinates in an image."""

import operator
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Self

import jax
import numpy as np

from .._options import option_value
from .tv_tensor import TVTensor, pad_axes

__all__ = ["FORMATS", "BoundingBoxes", "KeyPoints"]

FORMATS = {"XYXY": 4, "XYWH": 4, "CXCYWH": 4, "XYWHR": 5, "CXCYWHR": 5, "XYXYXYXY": 8}
"""The formats of bounding boxes, and how many numbers a box has in each."""

STATIC = {"static": True}


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False, repr=False)
class BoundingBoxes(TVTensor):
    """Bounding boxes in an image: `[..., n, 4 | 5 | 8]`, in pixels, x to the right and y down.

    Formats without rotation, of floats or integers: "XYXY" (left, top, right, bottom), "XYWH" (left, top, width,
    height), "CXCYWH" (centre, width, height). Rotated formats, of floats: "XYWHR" (first corner, width, height, angle),
    "CXCYWHR" (centre, width, height, angle), "XYXYXYXY" (the four corners, clockwise). The angle is in degrees,
    counter-clockwise.

    Attributes:
        array: the boxes.
        format: one of `FORMATS`.
        canvas_size: (height, width) of the image.
        clamping_mode: what a crop, a pad or a resize does with a box that leaves the image. "hard" cuts it to the
            image. "soft" lets the corners of a rotated box lie outside, so that it covers all that is visible; for
            other boxes it is the same as "hard". None leaves the box as it is.
        valid: which boxes exist, bool `[..., n]`; None means all. Inside `jit`, where a shape is fixed, a box that
            is dropped stays in the array and becomes invalid.

    Raises:
        ValueError: the format, the size or the mode is none of these. Arrays are checked by the kernels.

    >>> boxes = BoundingBoxes(np.array([[1, 2, 3, 4]]), format="XYWH", canvas_size=(20, 30))
    >>> boxes.shape, boxes.canvas_size
    ((1, 4), (20, 30))
    """

    _: KW_ONLY
    format: str = field(default="XYXY", metadata=STATIC)
    canvas_size: tuple[int, int] = field(metadata=STATIC)
    clamping_mode: str | None = field(default="soft", metadata=STATIC)
    valid: Any = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "format", box_format(self.format))
        object.__setattr__(self, "canvas_size", _canvas_size(self.canvas_size))
        if self.clamping_mode not in ("soft", "hard", None):
            raise ValueError(f"clamping_mode={self.clamping_mode!r} is not 'soft', 'hard' or None")

    def extent(self) -> dict[str, int]:
        """Number of boxes, and height and width of the canvas."""
        return {"length": self.shape[0], "height": self.canvas_size[0], "width": self.canvas_size[1]}

    def pad_to(self, extent: Mapping[str, int], fill: float = 0) -> Self:
        """The boxes on a larger canvas, followed by boxes that are not valid."""
        length = {0: extent["length"]}
        return self.replace(
            array=pad_axes(self.array, length, fill), valid=pad_axes(_valid(self), length),
            canvas_size=(extent["height"], extent["width"]),
        )


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False, repr=False)
class KeyPoints(TVTensor):
    """Points in an image: `[..., n, 2]`, x and y in pixels; the centre of the first pixel is (0, 0).

    Attributes:
        array: the points.
        canvas_size: (height, width) of the image.
        visible: which points can be seen, bool or integer `[..., n]`; None if this is not known.
        valid: which points exist, bool `[..., n]`; None means all.

    Raises:
        ValueError: `canvas_size` is no size. Arrays are checked by the kernels.
    """

    _: KW_ONLY
    canvas_size: tuple[int, int] = field(metadata=STATIC)
    visible: Any = None
    valid: Any = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "canvas_size", _canvas_size(self.canvas_size))

    def extent(self) -> dict[str, int]:
        """Length of the first axis, and height and width of the canvas."""
        return {"length": self.shape[0], "height": self.canvas_size[0], "width": self.canvas_size[1]}

    def pad_to(self, extent: Mapping[str, int], fill: float = 0) -> Self:
        """The points on a larger canvas, followed by points that are not valid."""
        length = {0: extent["length"]}
        return self.replace(
            array=pad_axes(self.array, length, fill), valid=pad_axes(_valid(self), length),
            visible=None if self.visible is None else pad_axes(self.visible, length),
            canvas_size=(extent["height"], extent["width"]),
        )


def box_format(name: str) -> str:
    """The format, a string or a member of an enum, in capitals; raises ValueError if there is no such format."""
    name = option_value(name)
    if not isinstance(name, str) or name.upper() not in FORMATS:
        raise ValueError(f"format={name!r} is no format of bounding boxes: choose from {', '.join(FORMATS)}")
    return name.upper()


def _canvas_size(size: Any) -> tuple[int, int]:
    values = tuple(size) if isinstance(size, tuple | list) else ()
    if len(values) != 2 or any(not hasattr(value, "__index__") or operator.index(value) < 1 for value in values):
        raise ValueError(f"canvas_size={size!r} is not (height, width), two positive ints")
    return operator.index(values[0]), operator.index(values[1])


def _valid(leaf: BoundingBoxes | KeyPoints) -> np.ndarray:
    return np.ones(leaf.shape[:-1], bool) if leaf.valid is None else np.asarray(leaf.valid)
