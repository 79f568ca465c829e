"""Segmentation masks, as coloured planes over an image."""

from typing import Any

import numpy as np

from ..tv_tensors import Mask
from ._canvas import as_given, host_array, is_float, one_image
from ._colors import Colors, colors_of

__all__ = ["draw_segmentation_masks"]


def draw_segmentation_masks(image: Any, masks: Any, alpha: float = 0.8, colors: Colors = None) -> Any:
    """Draws masks on an image; what two masks share becomes black.

    The pixels are those of `torchvision.utils.draw_segmentation_masks`. Without masks the image comes back as it is.

    Args:
        image: `[height, width, 3]`, uint8 or floats in [0, 1].
        masks: bool `[n, height, width]` or `[height, width]`; or a `Mask`. A `Mask` of integers is `[n, height, width]`
            planes that are not zero inside of the mask, or `[height, width]` class numbers, of which 0 is left out and
            class c has colour c.
        alpha: opacity of the masks, from 0 to 1.
        colors: one colour for all masks or a list with one for each; by default torchvision's palette.

    Returns:
        The image in its dtype.

    Raises:
        ValueError: the shape of image or masks is another one, the masks of an array are not bool, `alpha` is outside
            of [0, 1], or there are fewer colours than masks.
    """
    array = one_image(image, "draw_segmentation_masks", (3,))
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha={alpha!r} must be from 0 to 1")
    planes, numbers = _planes(masks)
    if planes.shape[1:] != array.shape[:2]:
        raise ValueError(
            f"the masks are {planes.shape[1:]} and the image is {array.shape[:2]} (height, width): they must be equal"
        )
    palette = colors_of(colors, max(numbers, default=-1) + 1)
    if not numbers:
        return as_given(array, image)
    wide = array.dtype if array.dtype == np.float64 else np.float32
    before = array.astype(wide)
    after = before.copy()
    for plane, number in zip(planes, numbers):
        color = np.asarray(palette[number], wide)
        after[plane] = color / np.asarray(255, wide) if is_float(array) else color
    after[planes.sum(0) > 1] = 0
    return as_given((before * (1 - alpha) + after * alpha).astype(array.dtype), image)


def _planes(masks: Any) -> tuple[np.ndarray, list[int]]:
    """The masks as bool `[n, height, width]`, and the place of each in the list of colours."""
    array = host_array(masks, "draw_segmentation_masks")
    if array.ndim not in (2, 3):
        raise ValueError(f"masks are [height, width] or [n, height, width], and these have shape {array.shape}")
    if array.dtype != bool:
        if not isinstance(masks, Mask) or is_float(array):
            raise ValueError(
                f"masks are bool and these are {array.dtype}: pass masks > 0.5, or tv_tensors.Mask(masks) if they are "
                f"integers"
            )
        if array.ndim == 2:
            numbers = [int(number) for number in np.unique(array) if number != 0]
            if numbers and numbers[0] < 0:
                raise ValueError(f"a mask has the class {numbers[0]}: classes are zero or more")
            return np.stack([array == number for number in [*numbers, 0]])[:-1], numbers
        array = array != 0
    planes = array if array.ndim == 3 else array[None]
    return planes, [*range(len(planes))]
