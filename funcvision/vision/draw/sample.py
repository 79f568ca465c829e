"""One picture of whatever a sample holds, and a sample beside its augmentations."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import PIL.Image

from ..transforms import Transform
from ..transforms import functional as F
from ..tv_tensors import FORMATS, BoundingBoxes, Image, KeyPoints, Mask, TVTensor, Video
from ._canvas import host_array, is_float
from .boxes import draw_bounding_boxes
from .flow import flow_to_image
from .keypoints import draw_keypoints
from .masks import draw_segmentation_masks

__all__ = ["line_width", "readable_on", "sample", "strip"]

PALETTE = [
    (230, 57, 70), (0, 119, 232), (255, 183, 3), (131, 56, 236), (6, 167, 125), (251, 86, 7), (255, 0, 144),
    (0, 180, 216), (158, 96, 50), (128, 128, 0),
]
"""Colours that differ from each other and show on photographs. Object i, or class i + 1 of a mask, has colour i."""

POINT_COLOR = (255, 240, 0)
FRAMES = 8
"""The largest number of frames of a video that a picture shows."""

GAP = 4
"""Pixels between the images of a picture."""

BACKGROUND = 255
"""Value of what is not covered by an image."""


def sample(sample: Any, *, classes: Sequence[str] | None = None) -> np.ndarray:
    """Draws one picture of whatever a sample holds.

    Every image gets the masks, boxes and key points that have its size; boxes without an area are left out. Several
    images, the frames of a video and an optical flow stand side by side. Boxes, key points and masks with a first axis
    as long as the video are those of its frames. A sample without an image is drawn on black.
    Floats are taken to be in [0, 1]; those of an image with other values, such as a normalised one, are stretched to
    its smallest and largest value.

    What has no type of its own is found by its name in a dict: "flow" is an optical flow `[height, width, 2]`; "labels"
    are the numbers or names of the boxes, or of the masks where there are no boxes; "label" belongs to the image. In a
    tuple `(image, label)` an int beside an image is its label.

    Args:
        sample: a PIL image, an array that is an image, a leaf of `tv_tensors`, or a tuple, list, dict or other pytree
            of these.
        classes: the names of labels that are numbers.

    Returns:
        uint8 `[height, width, 3]`.

    Raises:
        ValueError: there is nothing to draw, a leaf is a batch, or a label is not in `classes`.

    >>> from funcvision.vision import draw
    >>> draw.sample(draw.example_sample()).shape
    (150, 200, 3)
    """
    leaves = _named_leaves(sample)
    kinds = [leaf for _, leaf in leaves]
    annotations = [leaf for leaf in kinds if isinstance(leaf, Mask | BoundingBoxes | KeyPoints)]
    pictures = [
        (picture, [_of_frame(one, frame, leaf) for one in annotations])
        for leaf in kinds for frame, picture in _pictures(leaf)
    ]
    flows = [leaf for name, leaf in leaves if name == "flow" and not isinstance(leaf, TVTensor)]
    if not pictures and annotations:
        pictures = [(np.zeros((*F.get_size(annotations[0]), 3), np.uint8), annotations)]
    if not pictures and not flows:
        raise ValueError(
            f"there is nothing to draw in a sample of {', '.join(type(leaf).__name__ for leaf in kinds) or 'no leaves'}"
            f": in a tuple, list or dict an image is a PIL image or tv_tensors.Image(array)"
        )
    labels = _labels(leaves, classes)
    drawn = [_annotated(picture, on_it, labels) for picture, on_it in pictures]
    caption = _caption(leaves, classes)
    if caption is not None and drawn:
        drawn[0] = _captioned(drawn[0], caption)
    return _tiled([*drawn, *map(flow_to_image, flows)], len(drawn) + len(flows))


def strip(
    transform: Transform, sample: Any, key: Any = None, n: int = 4, *, classes: Sequence[str] | None = None,
    nrow: int = 5,
) -> np.ndarray:
    """Draws a sample beside what a transform makes of it.

    Args:
        transform: a transform, of the host or of the device.
        sample: as in `draw.sample`.
        key: on the host an int or a numpy Generator, which is advanced; on the device a jax key, which is split. May be
            left out where nothing is random.
        n: number of augmentations.
        classes: the names of labels that are numbers.
        nrow: the largest number of pictures in a row. Smaller ones get a white border.

    Returns:
        uint8 `[height, width, 3]`, with the original first.

    Raises:
        ValueError: `n` or `nrow` is not positive; or as `draw.sample` and the transform do.

    >>> from funcvision.vision import draw, transforms
    >>> draw.strip(transforms.RandomHorizontalFlip(), draw.example_sample(), key=0, n=2).shape
    (150, 608, 3)
    """
    if n < 1 or nrow < 1:
        raise ValueError(f"n={n} and nrow={nrow} must be positive")
    if key is None:
        keys: Any = [None] * n
    elif isinstance(key, jax.Array):
        keys = jax.random.split(key, n)
    else:
        keys = [key if isinstance(key, np.random.Generator) else np.random.default_rng(key)] * n
    results = [transform(sample, key=one) for one in keys]
    return _tiled([_draw(result, classes) for result in (sample, *results)], nrow)


def _draw(one: Any, classes: Sequence[str] | None) -> np.ndarray:
    """`sample`, where an argument of that name hides it."""
    return sample(one, classes=classes)


def _named_leaves(sample: Any) -> list[tuple[str, Any]]:
    """The leaves of a sample, each with the name of the innermost dict entry or field that it is in, or ""."""
    if isinstance(sample, np.ndarray | jax.Array):
        return [("", Image(sample))]
    found = jax.tree_util.tree_leaves_with_path(sample, is_leaf=lambda node: isinstance(node, TVTensor))
    return [(_name(path), leaf) for path, leaf in found]


def _name(path: Sequence[Any]) -> str:
    for part in reversed(path):
        name = getattr(part, "key", getattr(part, "name", None))
        if isinstance(name, str):
            return name
    return ""


def _pictures(leaf: Any) -> list[tuple[int, np.ndarray]]:
    """The images of a leaf as uint8 `[height, width, 3]`, each with the number of its frame.

    There is one of an image, some of a video, none of other leaves.
    """
    if isinstance(leaf, PIL.Image.Image):
        return [(0, np.asarray(leaf.convert("RGB")))]
    if not isinstance(leaf, Image | Video):
        return []
    array = host_array(leaf, "draw.sample")
    if array.ndim != (4 if isinstance(leaf, Video) else 3) or array.shape[-1] > 4:
        raise ValueError(
            f"draw.sample takes one sample, an image [height, width, 1 to 4] or a video [time, height, width, 1 to 4], "
            f"and this {type(leaf).__name__} has shape {array.shape}; take one out of a batch by "
            f"jax.tree.map(lambda leaf: leaf[0], batch)"
        )
    if isinstance(leaf, Video):
        places = np.linspace(0, len(array) - 1, min(FRAMES, len(array))).round().astype(int)
        return [*zip(places.tolist(), _as_uint8(array[places]))]
    return [(0, _as_uint8(array))]


def _of_frame(leaf: Any, frame: int, image: Any) -> Any:
    """The part of boxes, key points or masks that belongs to a frame of a video; of an image all of them."""
    if isinstance(image, Video) and leaf.ndim > 2 and leaf.shape[0] == image.shape[0]:
        return jax.tree.map(lambda array: array[frame], leaf)
    return leaf


def _as_uint8(array: np.ndarray) -> np.ndarray:
    """Images of any dtype and 1 to 4 channels as uint8 of three; transparency is left out."""
    colors = array[..., :3] if array.shape[-1] >= 3 else np.repeat(array[..., :1], 3, -1)
    if is_float(colors):
        colors = np.nan_to_num(colors.astype(np.float32))
        low, high = float(colors.min()), float(colors.max())
        if low < 0 or high > 1:
            colors = np.clip((colors - low) / max(high - low, 1e-5), 0, 1)
    return F.to_dtype(colors, np.uint8, True)


def _labels(leaves: Sequence[tuple[str, Any]], classes: Sequence[str] | None) -> list[str] | None:
    """The texts of the entry "labels", or None if there is none."""
    for name, leaf in leaves:
        if name == "labels" and isinstance(leaf, np.ndarray | jax.Array) and leaf.ndim == 1:
            return [_class_name(value, classes) for value in np.asarray(leaf)]
    texts = [_class_name(leaf, classes) for name, leaf in leaves if name == "labels" and isinstance(leaf, str | int)]
    return texts or None  # a list is a container, whose leaves are its entries


def _caption(leaves: Sequence[tuple[str, Any]], classes: Sequence[str] | None) -> str | None:
    """The text of the label of the whole image, or None."""
    for name, leaf in leaves:
        if isinstance(leaf, PIL.Image.Image | TVTensor) or np.ndim(leaf) > 0:
            continue
        if name == "label" or (name == "" and np.issubdtype(np.asarray(leaf).dtype, np.integer)):
            return _class_name(leaf, classes)
    return None


def _class_name(value: Any, classes: Sequence[str] | None) -> str:
    """The name of one label."""
    if isinstance(value, str) or classes is None:
        return str(value)
    if not 0 <= int(value) < len(classes):
        raise ValueError(f"the label {int(value)} has no name among the {len(classes)} classes")
    return classes[int(value)]


def _annotated(picture: np.ndarray, leaves: Sequence[Any], labels: list[str] | None) -> np.ndarray:
    """The picture with those leaves that have its size: first masks, then boxes, then key points."""
    fitting = [leaf for leaf in leaves if F.get_size(leaf) == picture.shape[:2]]
    boxes = [_with_area(leaf) for leaf in fitting if isinstance(leaf, BoundingBoxes)]
    for leaf in fitting:
        if isinstance(leaf, Mask):
            picture = _with_mask(picture, leaf)
    number = 0  # of the first box of a leaf, so that boxes of several leaves have different colours
    for leaf in boxes:
        count = leaf.shape[0]
        colors = _colors(count, number)
        number += count
        texts = None
        if labels is not None and len(labels) == count:
            texts, labels = labels, None  # the first boxes of that number have them
        picture = draw_bounding_boxes(
            picture, leaf, texts, colors=colors, width=line_width(picture), fill_labels=True,
            label_colors=[readable_on(color) for color in colors] or "black",
        )
    for leaf in fitting:
        if isinstance(leaf, KeyPoints):
            picture = draw_keypoints(picture, leaf, colors=POINT_COLOR, radius=1 + line_width(picture))
    return picture


def _with_area(boxes: BoundingBoxes) -> BoundingBoxes:
    """The boxes, of which those without an area are not valid: a crop or a mosaic leaves such boxes behind."""
    if FORMATS[boxes.format] != 4:
        return boxes
    array = host_array(boxes, "draw.sample")
    corners = F.convert_bounding_box_format(boxes.replace(array=array), new_format="XYXY").array
    covers = (corners[..., 2:] > corners[..., :2]).all(-1)
    return boxes.replace(array=array, valid=covers if boxes.valid is None else covers & np.asarray(boxes.valid))


def _with_mask(picture: np.ndarray, mask: Mask) -> np.ndarray:
    """The picture with a mask. Planes are drawn one after the other, so that those in front cover those behind."""
    array = host_array(mask, "draw.sample")
    if array.ndim == 2 and array.dtype != bool:
        largest = int(array.max(initial=0))
        return draw_segmentation_masks(picture, mask, alpha=0.5, colors=_colors(largest + 1, first=-1))
    planes = array.reshape(-1, *array.shape[-2:]) != 0
    for plane, color in zip(planes, _colors(len(planes))):
        picture = draw_segmentation_masks(picture, plane, alpha=0.45, colors=color)
    return picture


def _colors(count: int, first: int = 0) -> list[Any]:
    return [PALETTE[i % len(PALETTE)] for i in range(first, first + count)]


def readable_on(color: Sequence[int]) -> tuple[int, int, int]:
    """Black or white, whichever can be read on the colour."""
    red, green, blue = color
    return (0, 0, 0) if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else (255, 255, 255)


def line_width(picture: np.ndarray) -> int:
    """Width of a line that can be seen on a picture of this size, in pixels."""
    return max(1, round(min(picture.shape[:2]) / 150))


def _captioned(picture: np.ndarray, text: str) -> np.ndarray:
    """The picture with a text in its upper left corner, by way of the label of a box without a size."""
    return draw_bounding_boxes(
        picture, np.array([[-1, -1, -1, -1]]), [text], colors="black", label_colors="white", fill_labels=True
    )


def _tiled(pictures: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """The pictures side by side, row by row, each in the upper left corner of a cell of one size."""
    if len(pictures) == 1:
        return pictures[0]
    columns = min(columns, len(pictures))
    height, width = (max(picture.shape[axis] for picture in pictures) for axis in (0, 1))
    rows = math.ceil(len(pictures) / columns)
    whole = np.full(
        (rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, 3), BACKGROUND, np.uint8
    )
    for i, picture in enumerate(pictures):
        top, left = i // columns * (height + GAP), i % columns * (width + GAP)
        whole[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return whole
