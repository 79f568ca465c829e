"""A sample that is drawn by code: shapes in a landscape, with boxes, a rotated box, masks and key points."""

import math
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageDraw

from ..tv_tensors import BoundingBoxes, Image, KeyPoints, Mask

__all__ = ["EXAMPLE_CLASSES", "example_sample"]

SMOOTH = 4
"""The picture is drawn at this multiple of its size, and made smaller, so that edges are smooth."""

SIZE = (150, 200)
"""Height and width of the picture in pixels."""

KITE = (140.0, 50.0, 60.0, 36.0, 35.0)
"""The rotated box of the kite: centre, width, height, and angle in degrees, counter-clockwise."""

EXAMPLE_CLASSES = ("house", "ball", "kite")
"""The names of the labels of `example_sample`."""


def example_sample() -> dict[str, Any]:
    """A sample for trying transforms and drawings, with numpy arrays.

    A house, a ball and a kite stand before hills. Each has a box, a mask and a label; the kite also has a rotated box,
    and its corners and the end of its string are key points.

    Returns:
        A dict with "image" (`Image`, uint8 `[150, 200, 3]`), "boxes" (`BoundingBoxes`, XYXY), "labels" (int32),
        "masks" (`Mask`, one bool plane for each box), "rotated" (`BoundingBoxes`, CXCYWHR) and "keypoints"
        (`KeyPoints`). `EXAMPLE_CLASSES` has the names of the labels.

    >>> sample = example_sample()
    >>> sample["image"].shape, sample["boxes"].shape, sample["masks"].shape
    ((150, 200, 3), (3, 4), (3, 150, 200))
    """
    canvas = PIL.Image.fromarray(_sky())
    _hills(canvas)
    masks, boxes = [], []
    for draw in (_house, _ball, _kite):
        draw(canvas)
        silhouette = PIL.Image.new("RGB", canvas.size)
        draw(silhouette)
        mask = np.asarray(silhouette.convert("L").resize((SIZE[1], SIZE[0]), PIL.Image.Resampling.BOX)) > 24
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        masks.append(mask)
        boxes.append((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
    image = np.asarray(canvas.resize((SIZE[1], SIZE[0]), PIL.Image.Resampling.BOX))
    return {
        "image": Image(image),
        "boxes": BoundingBoxes(np.asarray(boxes, np.float32), canvas_size=SIZE),
        "labels": np.arange(3, dtype=np.int32),
        "masks": Mask(np.stack(masks)),
        "rotated": BoundingBoxes(np.asarray([KITE], np.float32), format="CXCYWHR", canvas_size=SIZE),
        "keypoints": KeyPoints(_kite_points()[[0, 1, 2, 3, 5]].astype(np.float32), canvas_size=SIZE),
    }


def _pen(canvas: PIL.Image.Image) -> PIL.ImageDraw.ImageDraw:
    return PIL.ImageDraw.Draw(canvas)


def _at(points: Any) -> list[tuple[float, float]]:
    """Points of the picture on the larger canvas."""
    return [(x * SMOOTH, y * SMOOTH) for x, y in points]


def _sky() -> np.ndarray:
    """A blue that becomes paler towards the horizon."""
    height, width = (SMOOTH * length for length in SIZE)
    share = np.linspace(0, 1, height)[:, None, None]
    colors = np.array([96, 160, 230]) * (1 - share) + np.array([232, 240, 250]) * share
    return np.broadcast_to(colors, (height, width, 3)).astype(np.uint8)


def _hills(canvas: PIL.Image.Image) -> None:
    pen = _pen(canvas)
    pen.ellipse(_at([(14, 10), (40, 36)]), fill=(255, 224, 110))
    pen.ellipse(_at([(-60, 88), (140, 240)]), fill=(104, 168, 96))
    pen.ellipse(_at([(70, 100), (300, 260)]), fill=(78, 142, 78))
    pen.rectangle(_at([(0, 128), (200, 150)]), fill=(120, 184, 96))


def _house(canvas: PIL.Image.Image) -> None:
    pen = _pen(canvas)
    pen.rectangle(_at([(24, 84), (72, 132)]), fill=(238, 222, 196))
    pen.polygon(_at([(16, 86), (48, 54), (80, 86)]), fill=(178, 66, 56))
    pen.rectangle(_at([(52, 104), (64, 132)]), fill=(112, 74, 48))
    pen.rectangle(_at([(31, 96), (44, 110)]), fill=(110, 180, 220))


def _ball(canvas: PIL.Image.Image) -> None:
    pen = _pen(canvas)
    corners = _at([(106, 98), (144, 136)])
    for start, color in zip(range(0, 360, 60), [(225, 60, 60), (250, 250, 250)] * 3):
        pen.pieslice(corners, start, start + 60, fill=color)
    pen.ellipse(_at([(121, 113), (129, 121)]), fill=(250, 210, 70))


def _kite(canvas: PIL.Image.Image) -> None:
    pen = _pen(canvas)
    nose, right, tail, left, *string = _at(_kite_points())
    pen.line([tail, *string], fill=(90, 60, 120), width=2 * SMOOTH, joint="curve")
    pen.polygon([nose, right, tail, left], fill=(240, 140, 40))
    pen.polygon([nose, right, tail], fill=(120, 70, 180))


def _kite_points() -> np.ndarray:
    """The corners of the kite, clockwise from its nose, and two points of the string at its tail; `[6, 2]`."""
    x, y, width, height, degrees = KITE
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    along = np.array([width / 2, 8, -width / 2, 8, -width / 2 - 10, -width / 2 - 22])
    across = np.array([0, height / 2, 0, -height / 2, 6, -2])
    return np.stack([x + along * cos + across * sin, y - along * sin + across * cos], -1)
