"""Blends of an array with black, with its mean brightness, or with its grey version."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ._kernel import array_namespace
from ._values import as_number, check_grey_or_rgb, multiply_add, stored, working

__all__ = ["blend", "blend_one_of", "grey", "mean_grey"]


def grey(image: Any, function: str) -> Any:
    """The brightness of every pixel in the dtype to compute in, one channel; whole numbers if the image has them."""
    xp, values = array_namespace(image), working(image, function)
    if image.shape[-1] == 1:
        return values
    red, green, blue = (values[..., channel : channel + 1] for channel in range(3))
    brightness = multiply_add(red * as_number(0.2989, values), green, 0.587, image)
    brightness = multiply_add(brightness, blue, 0.114, image)
    return brightness if jnp.issubdtype(image.dtype, jnp.floating) else xp.floor(brightness)


def mean_grey(brightness: Any, image: Any) -> Any:
    """The mean over the pixels of each image, with the number of axes kept; that of an empty image is itself."""
    if not brightness.size:
        return brightness
    # numpy adds whole numbers in float64, where their sum is exact.
    exact = isinstance(image, np.ndarray) and image.dtype.kind != "f"
    wide = np.float64 if exact else brightness.dtype
    return brightness.mean((-3, -2, -1), wide, keepdims=True).astype(brightness.dtype)


def blend(image: Any, other: Any, ratio: Any) -> Any:
    """`ratio * image + (1 - ratio) * other`, in the dtype of the image and cut to its range."""
    values = working(image, "blend")
    return stored(multiply_add(values * as_number(ratio, values), other, 1.0 - ratio, image), image)


def blend_one_of(image: jax.Array, which: jax.Array, ratio: jax.Array) -> jax.Array:
    """`adjust_brightness`, `adjust_contrast` or `adjust_saturation`, for `which` 0, 1 or 2, of a jax array.

    The three differ only in what the image is blended with, so a choice that is traced costs no more than one of them.
    A ratio of 1 leaves the image as it is.
    """
    check_grey_or_rgb(image, "blend_one_of")
    brightness = grey(image, "blend_one_of")
    mean = jnp.broadcast_to(mean_grey(brightness, image), brightness.shape)
    other = lax.select_n(which.astype(jnp.int32), jnp.zeros_like(brightness), mean, brightness)
    unchanged = (ratio == 1) | ((which == 2) & (image.shape[-1] == 1))
    return jnp.where(unchanged, image, blend(image, other, ratio))
