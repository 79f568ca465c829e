"""What models find, drawn on the image: objects with boxes, masks and key points, and the classes of all pixels."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from ..tv_tensors import BoundingBoxes, Image, Mask
from ._canvas import host_array, pil_image
from .keypoints import draw_keypoints
from .sample import PALETTE, POINT_COLOR, line_width, readable_on, sample

__all__ = ["COCO_SKELETON", "draw_classes", "draw_detections"]

COCO_SKELETON = (
    (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8), (7, 9), (8, 10), (1, 2),
    (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6),
)
"""Pairs of numbers of COCO's 17 key points of a person that a line connects (https://cocodataset.org/#format-data)."""

MASK_LEVEL = 0.5
"""The probability above which a pixel belongs to the mask of an object."""

POINT_LEVEL = 0.0
"""The score, a logit, above which a key point is drawn."""

MARGIN = 3
"""Pixels around the names in a legend."""


def draw_detections(
    image: Any, found: Mapping[str, Any], *, classes: Sequence[str] | None = None, threshold: float = 0.5,
    connectivity: Sequence[tuple[int, int]] | None = None,
) -> np.ndarray:
    """Draws the objects that a detector finds: boxes with names and scores, masks, key points.

    Args:
        image: a PIL image or array [height, width, 3], on which the objects were found.
        found: "boxes" [n, 4] (left, top, right, bottom), "scores" [n] and "labels" [n], and optionally "masks"
            [n, 1, height, width] and "keypoints" [n, points, 3] with "keypoints_scores" [n, points], as
            `models.detection.predict` returns them; or "names", n texts, in place of names by `classes`.
        classes: the names of the labels; by default their numbers.
        threshold: the smallest score of an object that is drawn.
        connectivity: pairs of numbers of key points that a line connects; by default COCO's for 17 points.

    Returns:
        uint8 [height, width, 3].

    >>> found = {"boxes": np.array([[1, 1, 6, 6]]), "labels": np.array([1]), "scores": np.array([0.9])}
    >>> draw_detections(np.zeros((8, 8, 3), np.uint8), found, classes=("nothing", "dog")).any()
    np.True_
    """
    pixels = _pixels(image)
    kept = np.asarray(found["scores"]) >= threshold
    scores, labels, boxes = (np.asarray(found[name])[kept] for name in ("scores", "labels", "boxes"))
    given = found.get("names")
    names = [_name(label, classes) for label in labels.tolist()]
    if given is not None:
        names = [name for name, keep in zip(given, kept, strict=True) if keep]
    parts: dict[str, Any] = {"image": Image(pixels)}
    if len(boxes):
        parts["boxes"] = BoundingBoxes(boxes, format="XYXY", canvas_size=pixels.shape[:2])
        parts["labels"] = [f"{name} {score:.0%}" for name, score in zip(names, scores.tolist(), strict=True)]
        if "masks" in found:
            parts["masks"] = Mask(np.asarray(found["masks"])[kept][:, 0] > MASK_LEVEL)
    picture = sample(parts)
    if "keypoints" not in found or not len(boxes):
        return picture
    points = np.asarray(found["keypoints"])[kept]
    if connectivity is None:
        connectivity = COCO_SKELETON if points.shape[1] == 17 else ()
    seen = points[..., 2] > 0
    if "keypoints_scores" in found:
        seen &= np.asarray(found["keypoints_scores"])[kept] > POINT_LEVEL
    line = line_width(picture)
    return draw_keypoints(
        picture, points[..., :2], connectivity, colors=POINT_COLOR, radius=1 + line, width=line, visibility=seen
    )


def draw_classes(
    image: Any, numbers: Any, *, classes: Sequence[str] | None = None, background: int | None = 0
) -> np.ndarray:
    """Colours an image by the classes of its pixels, and adds a legend of their names in the top left corner.

    Args:
        image: a PIL image or array [height, width, 3].
        numbers: the class of each pixel, integers [height, width], as `models.segmentation.predict` returns them.
        classes: the names of the classes; by default their numbers.
        background: the class that gets no colour; None if there is none.

    Returns:
        uint8 [height, width, 3].
    """
    pixels, numbers = _pixels(image), host_array(numbers, "draw_classes")
    if numbers.shape != pixels.shape[:2]:
        raise ValueError(f"the image has (height, width) {pixels.shape[:2]}, and the classes have {numbers.shape}")
    shown = [number for number in np.unique(numbers).tolist() if number != background]
    if not shown:
        return pixels.copy()
    picture = pixels.astype(np.float32)
    for number in shown:
        plane = numbers == number
        picture[plane] = picture[plane] / 2 + np.asarray(_color(number), np.float32) / 2
    return _with_legend(
        PIL.Image.fromarray(picture.astype(np.uint8)), [(_name(number, classes), _color(number)) for number in shown]
    )


def _with_legend(picture: PIL.Image.Image, entries: Sequence[tuple[str, tuple[int, int, int]]]) -> np.ndarray:
    """The picture with one line for each name, on its colour."""
    pen, font = PIL.ImageDraw.Draw(picture), PIL.ImageFont.load_default()
    top = 0
    for name, color in entries:
        left, upper, right, lower = map(int, pen.textbbox((MARGIN, top + MARGIN), name, font=font))
        pen.rectangle((left - MARGIN, upper - MARGIN, right + MARGIN, lower + MARGIN), fill=color)
        pen.text((MARGIN, top + MARGIN), name, fill=readable_on(color), font=font)
        top = lower + MARGIN + 1
    return np.array(picture)


def _pixels(image: Any) -> np.ndarray:
    """The image as uint8 [height, width, 3]."""
    if isinstance(image, PIL.Image.Image):
        return np.asarray(image.convert("RGB"))
    return np.asarray(pil_image(host_array(image, "draw")))


def _name(number: int, classes: Sequence[str] | None) -> str:
    return classes[number] if classes is not None and number < len(classes) else str(number)


def _color(number: int) -> tuple[int, int, int]:
    return PALETTE[(number - 1) % len(PALETTE)]
