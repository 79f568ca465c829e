"""Key points, and the lines that connect them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import PIL.ImageDraw

from ..tv_tensors import KeyPoints
from ._canvas import as_given, host_array, one_image, pil_image
from ._colors import Color, color_of

__all__ = ["draw_keypoints"]


def draw_keypoints(
    image: Any, keypoints: Any, connectivity: Sequence[tuple[int, int]] | None = None, colors: Color | None = None,
    radius: int = 2, width: int = 3, visibility: Any = None,
) -> Any:
    """Draws points, and white lines between them, on an image.

    The pixels are those of `torchvision.utils.draw_keypoints`, and so is the default that without `colors` the lines
    are drawn and the points are not. Coordinates are cut off towards zero. A float image is rounded to 8 bits.

    Args:
        image: `[height, width, 3]`, uint8 or floats in [0, 1].
        keypoints: an array `[instances, points, 2]`; or `KeyPoints` of this shape or `[points, 2]`, of which those that
            are not `valid` or not `visible` are left out.
        connectivity: pairs of numbers of points of one instance that a line connects, if both are visible.
        colors: one colour for all points.
        radius: radius of the points in pixels.
        width: width of the lines in pixels.
        visibility: which points are drawn, bool `[instances, points]` or `[instances, points, 1]`; of `KeyPoints`, in
            the place of their own `visible`.

    Returns:
        The image in its dtype.

    Raises:
        ValueError: the shape of image, points or visibility is another one, or a coordinate is not finite.
    """
    array = one_image(image, "draw_keypoints", (3,))
    points, seen = _points(keypoints, visibility)
    picture = pil_image(array)
    pen = PIL.ImageDraw.Draw(picture)
    fill = None if colors is None else color_of(colors)
    for instance, visible in zip(points.tolist(), seen.tolist()):
        for (x, y), is_visible in zip(instance, visible):
            if is_visible:
                pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill, outline=None, width=0)
        for first, second in connectivity or ():
            if visible[first] and visible[second]:
                pen.line((*instance[first], *instance[second]), width=width)
    return as_given(picture if seen.any() else array, image)


def _points(keypoints: Any, visibility: Any) -> tuple[np.ndarray, np.ndarray]:
    """The points as ints `[instances, points, 2]`, and which of them are drawn."""
    array = host_array(keypoints, "draw_keypoints")
    valid = None
    if isinstance(keypoints, KeyPoints):
        visibility = keypoints.visible if visibility is None else visibility
        valid = keypoints.valid
        if array.ndim == 2:
            array = array[None]
    if array.ndim != 3 or array.shape[-1] != 2:
        raise ValueError(f"key points are [instances, points, 2], and these have shape {array.shape}")
    seen = np.ones(array.shape[:-1], bool)
    for flags in (visibility, valid):
        if flags is not None:
            seen &= _flags(flags, seen.shape)
    if not np.isfinite(array[seen].astype(np.float64)).all():
        raise ValueError("a key point is NaN or infinite: leave it out, or make it invisible by `visibility`")
    points = np.zeros(array.shape, np.int64)
    points[seen] = array[seen].astype(np.int64)
    return points, seen


def _flags(flags: Any, shape: tuple[int, ...]) -> np.ndarray:
    """The flags as bool, of the shape of the points."""
    array = host_array(flags, "draw_keypoints").astype(bool)
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim == 1 and shape[0] == 1:
        array = array[None]
    if array.shape != shape:
        raise ValueError(f"visibility has shape {array.shape} for points of {shape} (instances, points)")
    return array
