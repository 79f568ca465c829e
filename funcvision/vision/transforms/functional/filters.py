"""Kernels that compute a pixel from its neighbours, and noise; masks, boxes and key points stay as they are."""

import itertools
import math
import operator
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
from PIL import ImageEnhance

from ...tv_tensors import BoundingBoxes, KeyPoints, Mask
from .._random import random_from
from ._kernel import PlainImage, array_namespace, kernel, namespace, pass_through
from ._values import (
    check_at_least_zero,
    check_grey_or_rgb,
    multiply_add,
    stored,
    with_pillow,
    working,
)
from ._values import clip as cut
from .conversion import to_image, to_pil_image

__all__ = ["adjust_sharpness", "gaussian_blur", "gaussian_noise", "motion_blur"]


@kernel
def adjust_sharpness(image: PlainImage, sharpness_factor: float | jax.Array) -> Any:
    """The image blended with a smoothed copy: 0 gives that copy, 1 the image itself, 2 twice the sharpness.

    A smoothed pixel is the mean of 3 x 3 pixels, of which the middle one counts five times. Pixels at the border, and
    images with fewer than three rows or columns, stay as they are.

    Raises:
        ValueError: a negative factor; or neither 1 nor 3 channels.
    """
    check_at_least_zero(sharpness_factor, "sharpness_factor")
    if isinstance(image, PIL.Image.Image):
        factor = float(sharpness_factor)
        return with_pillow(lambda image: ImageEnhance.Sharpness(image).enhance(factor), image, "adjust_sharpness")
    check_grey_or_rgb(image, "adjust_sharpness")
    if not image.size or min(image.shape[-3:-1]) < 3:
        return image
    xp, values = array_namespace(image), working(image, "adjust_sharpness")
    columns = values[..., :-2, :, :] + values[..., 1:-1, :, :] + values[..., 2:, :, :]
    total = columns[..., :-2, :] + columns[..., 1:-1, :] + columns[..., 2:, :]
    middle = values[..., 1:-1, 1:-1, :]
    smooth = (total + 4 * middle) / 13
    if not jnp.issubdtype(image.dtype, jnp.floating):
        smooth = xp.round(smooth)
    change = xp.pad(smooth - middle, [(0, 0)] * (image.ndim - 3) + [(1, 1), (1, 1), (0, 0)])
    return stored(multiply_add(values, change, 1.0 - sharpness_factor, image), image)


@kernel
def gaussian_blur(
    image: PlainImage, kernel_size: int | Sequence[int], sigma: float | Sequence[float] | jax.Array | None = None
) -> Any:
    """The image smoothed by a Gaussian, with the image mirrored at its border.

    Integers are rounded to the nearest. The rows and columns are smoothed one after the other, and torchvision sums
    over both at once, so a value close to halfway between two levels may be rounded the other way.

    Args:
        image: PIL image, which is blurred as an array; or array `[..., height, width, channels]`.
        kernel_size: length of the window along the width and the height, both odd; or one int for both.
        sigma: standard deviation in pixels along the width and the height, or one number for both; it may be traced.
            None is 0.15 * kernel_size + 0.35.

    Raises:
        ValueError: an even or negative size, a sigma that is not positive, or a window too large for the image.
    """
    lengths, deviations = blur_sizes(kernel_size), blur_deviations(sigma, kernel_size)
    if isinstance(image, PIL.Image.Image):
        return to_pil_image(gaussian_blur(to_image(image), kernel_size, sigma), image.mode)
    xp = namespace(image, "gaussian_blur")
    if not image.size:
        return image
    values = working(image, "gaussian_blur")
    for axis, length, deviation in zip((-2, -3), lengths, deviations):
        values = _blur_axis(values, axis, length, deviation)
    if jnp.issubdtype(image.dtype, jnp.floating):
        return values.astype(image.dtype)
    return stored(xp.round(values), image)


@kernel
def gaussian_noise(
    image: PlainImage, mean: float | jax.Array = 0.0, sigma: float | jax.Array = 0.1, clip: bool = True, *,
    key: int | np.random.Generator | jax.Array,
) -> Any:
    """The image plus independent normal noise for every value.

    Args:
        image: array `[..., height, width, channels]` of floats in [0, 1] or of uint8.
        mean: mean of the noise, where 1 is white for every dtype.
        sigma: standard deviation of the noise, in the same unit.
        clip: cut the result to the range of the dtype. Without it uint8 wraps around.
        key: an int or a numpy Generator for a numpy array, a jax key for a jax array.

    Raises:
        TypeError: a PIL image; a dtype that is neither a float nor uint8; or a key of the other place.
        ValueError: a negative sigma.
    """
    if isinstance(image, PIL.Image.Image):
        raise TypeError("gaussian_noise takes an array and got a PIL image: put ToImage() before it")
    check_at_least_zero(sigma, "sigma")
    xp = namespace(image, "gaussian_noise")
    floats = jnp.issubdtype(image.dtype, jnp.floating)
    if not floats and image.dtype != np.uint8:
        raise TypeError(f"gaussian_noise takes floats or uint8 and got {image.dtype}: convert it by ToDtype")
    noise = random_from(key, isinstance(image, jax.Array)).normal(image.shape)
    if floats:
        values = working(image, "gaussian_noise")
        scaled = noise.astype(values.dtype) * xp.asarray(sigma, values.dtype)
        values = values + (xp.asarray(mean, values.dtype) + scaled)
        return (cut(values, 0, 1) if clip else values).astype(image.dtype)
    noise = (xp.asarray(mean * 255, np.float32) + noise * xp.asarray(sigma * 255, np.float32)).astype(np.int16)
    values = image.astype(np.int16) + noise
    return (xp.clip(values, 0, 255) if clip else values).astype(np.uint8)


@kernel
def motion_blur(image: PlainImage, kernel_size: int, angle: Any) -> Any:
    """The image smoothed along a line, as if the camera had moved; it is mirrored at its border.

    Args:
        image: PIL image, which is blurred as an array; or array `[..., height, width, channels]`.
        kernel_size: length of the line in pixels, odd.
        angle: of the line in degrees, counter-clockwise from the x axis; it may be traced.

    Raises:
        ValueError: an even or negative size, or a line too long for the image.
    """
    blur_sizes(kernel_size)
    if isinstance(image, PIL.Image.Image):
        return to_pil_image(motion_blur(to_image(image), kernel_size, angle), image.mode)
    xp, reach = namespace(image, "motion_blur"), kernel_size // 2
    values = working(image, "motion_blur")
    height, width = image.shape[-3:-1]
    if reach >= min(height, width):
        raise ValueError(
            f"motion_blur mirrors {reach} pixels at the border for kernel_size={kernel_size}, and the image has "
            f"{height} x {width}: take a smaller kernel_size"
        )
    weights = _line(xp, kernel_size, angle, values.dtype)
    padded = xp.pad(values, [(0, 0)] * (image.ndim - 3) + [(reach, reach), (reach, reach), (0, 0)], mode="reflect")
    total = xp.zeros_like(values)
    for i, j in itertools.product(range(kernel_size), repeat=2):
        if xp is np and weights[i, j] == 0:
            continue
        total = total + weights[i, j] * padded[..., i : i + height, j : j + width, :]
    if jnp.issubdtype(image.dtype, jnp.floating):
        return total.astype(image.dtype)
    return stored(xp.round(total), image)


for _kernel in (adjust_sharpness, gaussian_blur, gaussian_noise, motion_blur):
    pass_through(_kernel, BoundingBoxes, KeyPoints, Mask)


def blur_sizes(kernel_size: int | Sequence[int]) -> tuple[int, int]:
    """The window along width and height; raises ValueError unless both are odd and positive."""
    values = tuple(kernel_size) if isinstance(kernel_size, Sequence) else (kernel_size, kernel_size)
    if len(values) != 2 or any(operator.index(value) < 1 or value % 2 == 0 for value in values):
        raise ValueError(f"kernel_size={kernel_size!r} must be an odd positive int, or two of them: (width, height)")
    return values[0], values[1]


def blur_deviations(sigma: Any, kernel_size: int | Sequence[int]) -> tuple[Any, Any]:
    """The standard deviations along width and height; raises ValueError unless both are positive."""
    if sigma is None:
        width, height = blur_sizes(kernel_size)
        return width * 0.15 + 0.35, height * 0.15 + 0.35
    if isinstance(sigma, Sequence | np.ndarray | jax.Array) and getattr(sigma, "ndim", 1):
        values: list[Any] = [sigma[0], sigma[-1]] if len(sigma) in (1, 2) else []
    else:
        values = [sigma, sigma]
    if not values or any(not isinstance(value, jax.Array) and not 0 < value < math.inf for value in values):
        raise ValueError(f"sigma={sigma!r} must be a positive number, or two of them: (width, height)")
    return values[0], values[1]


def _blur_axis(values: Any, axis: int, length: int, deviation: Any) -> Any:
    """The sum of shifted copies along one axis, weighted by a Gaussian."""
    xp, reach, size = array_namespace(values), length // 2, values.shape[axis]
    if reach >= size:
        raise ValueError(
            f"gaussian_blur mirrors {reach} pixels at the border for kernel_size={length}, and the image has only "
            f"{size} along that axis: take a smaller kernel_size"
        )
    weights = _gaussian(xp, length, deviation, values.dtype)
    before = [(0, 0)] * values.ndim
    before[axis] = (reach, reach)
    padded = xp.pad(values, before, mode="reflect")
    rest = (slice(None),) * (-axis - 1)
    return sum(weights[i] * padded[(..., slice(i, i + size), *rest)] for i in range(length))


def _gaussian(xp: Any, length: int, deviation: Any, dtype: Any) -> Any:
    """The weights of the window, whose sum is 1; the exponent is `-(x / deviation)**2 / 2`, x in pixels."""
    places = (np.arange(length) - length // 2) / math.sqrt(2)
    exponents = -((xp.asarray(places, dtype) / xp.asarray(deviation, dtype)) ** 2)
    weights = xp.exp(exponents - exponents.max())
    return weights / weights.sum()


def _line(xp: Any, length: int, angle: Any, dtype: Any) -> Any:
    """Weights `[length, length]` of a line through the middle: points on it, shared by the four nearest pixels."""
    turn = xp.asarray(angle, dtype) * np.asarray(math.pi / 180, dtype)
    steps = xp.asarray(np.arange(length) - length // 2, dtype)
    places = np.arange(length, dtype=dtype)[None] - np.asarray(length // 2, dtype)
    rows, columns = (
        xp.maximum(1 - xp.abs(places - xp.round(steps * part * 4096)[:, None] / 4096), 0)
        for part in (-xp.sin(turn), xp.cos(turn))
    )
    weights = (rows[:, :, None] * columns[:, None, :]).sum(0)
    return weights / weights.sum()
