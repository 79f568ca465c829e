"""Bounding boxes, rotated ones too, with labels."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import PIL.ImageDraw
import PIL.ImageFont

from ..transforms.functional import convert_bounding_box_format
from ..tv_tensors import FORMATS, BoundingBoxes
from ._canvas import as_given, host_array, one_image, pil_image
from ._colors import Colors, colors_of

__all__ = ["draw_bounding_boxes"]

DASH = 5
"""Length in pixels of the dashes and gaps on the first edge of a rotated box, which shows how the box is turned."""

FILL_ALPHA = 100
"""Opacity of a filled box, of 255."""


def draw_bounding_boxes(
    image: Any, boxes: Any, labels: Sequence[str | None] | None = None, colors: Colors = None, fill: bool = False,
    width: int = 1, font: str | None = None, font_size: int | None = None, label_colors: Colors = None,
    label_background_colors: Colors = None, fill_labels: bool = False,
) -> Any:
    """Draws boxes, and their labels, on an image.

    The pixels are those of `torchvision.utils.draw_bounding_boxes`. Coordinates are cut off towards zero. A float image
    is rounded to 8 bits. Where no box is drawn, the image comes back as it is; torchvision also warns, and leaves an
    image of one channel at one channel.

    Args:
        image: `[height, width, 1 | 3]`, uint8 or floats in [0, 1].
        boxes: `BoundingBoxes` of any format, of which those that are not `valid` are left out; or an array `[n, 4]`
            (left, top, right, bottom), or `[n, 8]`, the four corners of rotated boxes.
        labels: a text for each box, or None for a box without.
        colors: one colour for all boxes or a list with one for each; by default torchvision's palette.
        fill: fill the boxes, so that the image shines through.
        width: width of the lines in pixels.
        font: file of a TrueType font; by default the font of Pillow.
        font_size: size of `font` in points, 10 by default. The default font has one size only.
        label_colors: colours of the labels; by default those of the boxes, or black with `fill_labels`.
        label_background_colors: colours behind the labels, with `fill_labels`; by default those of the boxes.
        fill_labels: draw a rectangle behind each label.

    Returns:
        The image with three channels, in its dtype.

    Raises:
        ValueError: the shape of image or boxes is another one, a corner is not where it should be, a coordinate is not
            finite, or the number of labels or colours is not that of the boxes.
    """
    array = one_image(image, "draw_bounding_boxes", (1, 3))
    corners, drawn = _corners(boxes)
    count = len(corners)
    if labels is not None and len(labels) != count:
        raise ValueError(f"there are {len(labels)} labels for {count} boxes: give one for each box")
    if font is None and font_size is not None:
        raise ValueError(f"font_size={font_size} needs font, the file of a TrueType font")
    outlines = colors_of(colors, count)
    texts = colors_of(label_colors or "black", count) if label_colors or fill_labels else outlines
    backgrounds = colors_of(label_background_colors, count) if label_background_colors else outlines
    if array.shape[-1] == 1:
        array = np.tile(array, 3)
    if not drawn.any():
        return as_given(array, image)
    picture = pil_image(array)
    pen = PIL.ImageDraw.Draw(picture, "RGBA" if fill else None)
    text_font = PIL.ImageFont.truetype(font, font_size or 10) if font else PIL.ImageFont.load_default()
    for i in np.flatnonzero(drawn).tolist():
        points = corners[i].tolist()
        _outline(pen, points, outlines[i], (*outlines[i], FILL_ALPHA) if fill else None, width)
        if labels is not None and (text := labels[i]) is not None:
            place = (points[0] + width + 1, points[1] + width + 1)
            if fill_labels:
                left, top, right, bottom = pen.textbbox(place, text, font=text_font)
                pen.rectangle((left - 1, top - 1, right + 1, bottom + 1), fill=backgrounds[i])
            pen.text(place, text, fill=texts[i], font=text_font)
    return as_given(picture, image)


def _corners(boxes: Any) -> tuple[np.ndarray, np.ndarray]:
    """The boxes as ints, two corners or four of each, and which of them are to be drawn."""
    array = host_array(boxes, "draw_bounding_boxes")
    drawn = np.ones(array.shape[:1], bool)
    if isinstance(boxes, BoundingBoxes):
        if boxes.valid is not None:
            drawn = np.asarray(boxes.valid)
        form = "XYXY" if FORMATS[boxes.format] == 4 else "XYXYXYXY"
        array = convert_bounding_box_format(boxes.replace(array=array), new_format=form).array
    if array.shape == (0,):
        return array.reshape(0, 4), drawn
    if array.ndim != 2 or array.shape[-1] not in (4, 8) or drawn.shape != array.shape[:1]:
        raise ValueError(
            f"draw_bounding_boxes takes boxes [n, 4], or [n, 8] for rotated ones, and these have shape {array.shape}; "
            f"boxes of another format are tv_tensors.BoundingBoxes(array, format=..., canvas_size=...)"
        )
    kept = array[drawn].astype(np.float64)
    if not np.isfinite(kept).all():
        raise ValueError("a box has a coordinate that is NaN or infinite: leave it out, or make it invalid by `valid`")
    if array.shape[-1] == 4 and (kept[:, :2] > kept[:, 2:]).any():
        raise ValueError(
            "a box has its left edge right of its right one, or its top below its bottom: an array holds (left, top, "
            "right, bottom), and boxes of another format are tv_tensors.BoundingBoxes with that format"
        )
    corners = np.zeros(array.shape, np.int64)
    corners[drawn] = kept.astype(np.int64)
    return corners, drawn


def _outline(
    pen: PIL.ImageDraw.ImageDraw, points: list[int], color: tuple[int, ...], fill: tuple[int, ...] | None, width: int
) -> None:
    """Draws one box: a rectangle, or four edges of which the first is dashed."""
    if len(points) == 4:
        pen.rectangle(points, fill=fill, outline=color, width=width)
        return
    ring = [(points[i], points[i + 1]) for i in (0, 2, 4, 6, 0)]
    _dashed_line(pen, ring[0], ring[1], color, width)
    for start, end in itertools.pairwise(ring[1:]):
        pen.line((start, end), fill=color, width=width)
    pen.polygon(points, fill=fill, outline=None, width=0)


def _dashed_line(
    pen: PIL.ImageDraw.ImageDraw, start: tuple[float, float], end: tuple[float, float], color: tuple[int, ...],
    width: int,
) -> None:
    """Draws dashes and gaps of one length.

    Each begins where the one before ended, and the direction is computed anew: Pillow cuts coordinates off to whole
    pixels, so that another way of rounding would show.
    """
    (x, y), (end_x, end_y) = start, end
    left, is_dash = math.hypot(end_x - x, end_y - y), True
    while left > 0:
        step = min(left, DASH)
        angle = math.atan2(end_y - y, end_x - x)
        new = (x + math.cos(angle) * step, y + math.sin(angle) * step)
        if is_dash:
            pen.line(((x, y), new), fill=color, width=width)
        left -= step
        (x, y), is_dash = new, not is_dash
