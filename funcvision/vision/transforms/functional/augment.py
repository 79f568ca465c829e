"""Kernels that damage an image: erasing and JPEG compression; masks, boxes and key points stay as they are."""

import io
import operator
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image

from ...tv_tensors import BoundingBoxes, KeyPoints, Mask
from ._kernel import PlainImage, kernel, namespace, pass_through
from .conversion import to_image, to_pil_image

__all__ = ["erase", "jpeg"]


@kernel
def erase(
    image: PlainImage, i: int | jax.Array, j: int | jax.Array, h: int | jax.Array, w: int | jax.Array,
    v: float | Sequence[float] | np.ndarray | jax.Array,
) -> Any:
    """The image with the pixels of a box replaced; the input is never changed.

    Args:
        image: PIL image, or array `[..., height, width, channels]`.
        i: upper edge of the box in pixels. On jax arrays the four numbers may be traced.
        j: left edge of the box.
        h: height of the box; 0 erases nothing.
        w: width of the box; 0 erases nothing.
        v: the new values: a number, one number for each channel, or an array that broadcasts to the whole image
            `[height, width, channels]`, of which the box is used. For integer images it is rounded towards zero.

    Raises:
        ValueError: `v` does not broadcast to the image.

    >>> erase(np.zeros((2, 2, 1), np.uint8), 0, 1, 2, 1, 7)[..., 0]
    array([[0, 7],
           [0, 7]], dtype=uint8)
    """
    if isinstance(image, PIL.Image.Image):
        return to_pil_image(erase(to_image(image), i, j, h, w, v), image.mode)
    xp = namespace(image, "erase")
    height, width, channels = image.shape[-3:]
    values = xp.asarray(v)
    if jnp.issubdtype(values.dtype, jnp.floating) and not jnp.issubdtype(image.dtype, jnp.floating):
        values = values.astype(np.int32)
    try:
        values = xp.broadcast_to(values.astype(image.dtype), (height, width, channels))
    except ValueError as error:
        raise ValueError(
            f"v has the shape {values.shape} and does not broadcast to an image of {(height, width, channels)}"
        ) from error
    values = values.reshape((1,) * (image.ndim - 3) + values.shape)
    return xp.where(inside_box(image, i, j, h, w), values, image)


@kernel
def jpeg(image: PlainImage, quality: int) -> Any:
    """The image after JPEG compression, on the host only.

    Args:
        image: PIL image, or numpy array `[..., height, width, 1 or 3]` of uint8.
        quality: from 1 to 100; lower means more compression.

    Raises:
        TypeError: a jax array; or a dtype other than uint8.
        ValueError: a quality outside 1 to 100; or neither 1 nor 3 channels.
    """
    if isinstance(image, jax.Array):
        raise TypeError("jpeg runs on the host only and got a jax array: apply it to numpy arrays before device_put")
    if isinstance(quality, bool) or not 1 <= operator.index(quality) <= 100:
        raise ValueError(f"quality={quality!r} must be an int from 1 to 100")
    if isinstance(image, PIL.Image.Image):
        buffer = io.BytesIO()
        image.save(buffer, format="JPEG", quality=operator.index(quality))
        return PIL.Image.open(buffer).copy()
    namespace(image, "jpeg")
    if image.dtype != np.uint8:
        raise TypeError(f"jpeg takes uint8 and got {image.dtype}: convert it by ToDtype(jnp.uint8, scale=True)")
    if image.shape[-1] not in (1, 3):
        raise ValueError(f"jpeg takes images of 1 or 3 channels and got {image.shape[-1]}, shape {image.shape}")
    planes = [to_image(jpeg(to_pil_image(plane), quality)) for plane in image.reshape(-1, *image.shape[-3:])]
    return np.stack(planes).reshape(image.shape) if planes else image


for _kernel in (erase, jpeg):
    pass_through(_kernel, BoundingBoxes, KeyPoints, Mask)


def inside_box(image: Any, top: Any, left: Any, height: Any, width: Any) -> Any:
    """Which pixels of `[..., height, width, channels]` lie in a box: bool, with axes of 1 in all other places."""
    axes = (1,) * (image.ndim - 3)
    rows = np.arange(image.shape[-3], dtype=np.int32).reshape(*axes, -1, 1, 1)
    columns = np.arange(image.shape[-2], dtype=np.int32).reshape(*axes, 1, -1, 1)
    return (rows >= top) & (rows < top + height) & (columns >= left) & (columns < left + width)
