"""Kernels that change the colours of an image pixel by pixel; masks, boxes and key points stay as they are.

On PIL images they are Pillow's operations. On arrays they compute what torchvision computes on tensors: floats are
taken to be in [0, 1], integers from 0 to the largest value of the dtype, and results are cut to that range. A factor
may be traced, but is then not checked.
"""

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
from jax import lax
from PIL import ImageEnhance, ImageOps

from ...tv_tensors import BoundingBoxes, KeyPoints, Mask
from ._blend import blend, grey, mean_grey
from ._hue import shift_hue
from ._kernel import PlainImage, array_namespace, kernel, namespace, pass_through
from ._loop import one_image_at_a_time
from ._values import (
    as_number,
    check_at_least_zero,
    check_grey_or_rgb,
    clip,
    largest_value,
    stored,
    with_pillow,
    working,
)
from .conversion import VALUE_BITS, to_dtype, to_image, to_pil_image

__all__ = [
    "adjust_brightness", "adjust_contrast", "adjust_gamma", "adjust_hue", "adjust_saturation", "autocontrast",
    "equalize", "grayscale_to_rgb", "invert", "permute_channels", "posterize", "rgb_to_grayscale", "solarize",
    "to_grayscale",
]


@kernel
def rgb_to_grayscale(image: PlainImage, num_output_channels: int = 1) -> Any:
    """The brightness of every pixel: `0.2989 red + 0.587 green + 0.114 blue`.

    Args:
        image: PIL image, or array `[..., height, width, 1 or 3]`.
        num_output_channels: 1, or 3 for three equal channels.

    Raises:
        ValueError: another number of channels.

    >>> rgb_to_grayscale(np.full((4, 5, 3), 7, np.uint8)).shape
    (4, 5, 1)
    """
    if num_output_channels not in (1, 3):
        raise ValueError(f"num_output_channels={num_output_channels!r} must be 1 or 3")
    if isinstance(image, PIL.Image.Image):
        plane = with_pillow(lambda image: image.convert("L"), image, "rgb_to_grayscale")
        return plane if num_output_channels == 1 else PIL.Image.merge("RGB", [plane] * 3)
    check_grey_or_rgb(image, "rgb_to_grayscale")
    plane = image if image.shape[-1] == 1 else grey(image, "rgb_to_grayscale").astype(image.dtype)
    return array_namespace(image).repeat(plane, num_output_channels, -1)


@kernel
def grayscale_to_rgb(image: PlainImage) -> Any:
    """A grey image with three equal channels; an array that has three channels or more comes back as it is."""
    if isinstance(image, PIL.Image.Image):
        return with_pillow(lambda image: image.convert("RGB"), image, "grayscale_to_rgb")
    namespace(image, "grayscale_to_rgb")
    return image if image.shape[-1] >= 3 else rgb_to_grayscale(image, 3)


@kernel
def adjust_brightness(image: PlainImage, brightness_factor: float | jax.Array) -> Any:
    """The image with all values multiplied by a factor: 0 gives black, 1 the image itself.

    Raises:
        ValueError: a negative factor; or neither 1 nor 3 channels.

    >>> adjust_brightness(np.full((1, 1, 1), 100, np.uint8), 1.5)
    array([[[150]]], dtype=uint8)
    """
    check_at_least_zero(brightness_factor, "brightness_factor")
    if isinstance(image, PIL.Image.Image):
        return _enhanced(ImageEnhance.Brightness, image, brightness_factor, "adjust_brightness")
    check_grey_or_rgb(image, "adjust_brightness")
    values = working(image, "adjust_brightness")
    return stored(values * as_number(brightness_factor, values), image)


@kernel
def adjust_contrast(image: PlainImage, contrast_factor: float | jax.Array) -> Any:
    """The image blended with its mean brightness: 0 gives uniform grey, 1 the image itself, 2 twice the contrast.

    Raises:
        ValueError: a negative factor; or neither 1 nor 3 channels.
    """
    check_at_least_zero(contrast_factor, "contrast_factor")
    if isinstance(image, PIL.Image.Image):
        return _enhanced(ImageEnhance.Contrast, image, contrast_factor, "adjust_contrast")
    check_grey_or_rgb(image, "adjust_contrast")
    return blend(image, mean_grey(grey(image, "adjust_contrast"), image), contrast_factor)


@kernel
def adjust_saturation(image: PlainImage, saturation_factor: float | jax.Array) -> Any:
    """The image blended with its grey version: 0 gives grey, 1 the image itself, 2 twice the saturation.

    Raises:
        ValueError: a negative factor; or neither 1 nor 3 channels.
    """
    check_at_least_zero(saturation_factor, "saturation_factor")
    if isinstance(image, PIL.Image.Image):
        return _enhanced(ImageEnhance.Color, image, saturation_factor, "adjust_saturation")
    check_grey_or_rgb(image, "adjust_saturation")
    if image.shape[-1] == 1:
        return image
    return blend(image, grey(image, "adjust_saturation"), saturation_factor)


@kernel
def adjust_hue(image: PlainImage, hue_factor: float | jax.Array) -> Any:
    """The image with its hues shifted around the colour circle; a grey image comes back as it is.

    The shift goes by way of HSV, so 0 may change the last bit of a float.

    Args:
        image: PIL image, or array `[..., height, width, 1 or 3]`.
        hue_factor: the shift from -0.5 to 0.5; both ends are half a turn.

    Raises:
        ValueError: a factor outside [-0.5, 0.5]; or neither 1 nor 3 channels.
    """
    if not isinstance(hue_factor, jax.Array) and not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"hue_factor={hue_factor!r} must be from -0.5 to 0.5")
    if isinstance(image, PIL.Image.Image):
        return with_pillow(lambda image: _shift_pil_hue(image, float(hue_factor)), image, "adjust_hue")
    check_grey_or_rgb(image, "adjust_hue")
    if image.shape[-1] == 1:
        return image
    if jnp.issubdtype(image.dtype, jnp.floating):
        return shift_hue(working(image, "adjust_hue"), hue_factor).astype(image.dtype)
    working(image, "adjust_hue")
    return to_dtype(shift_hue(to_dtype(image, np.float32, scale=True), hue_factor), image.dtype, scale=True)


@kernel
def adjust_gamma(image: PlainImage, gamma: float | jax.Array, gain: float | jax.Array = 1) -> Any:
    """`gain * image ** gamma`, for values scaled to [0, 1].

    Args:
        image: PIL image, or array `[..., height, width, channels]`.
        gamma: exponent; more than 1 makes dark parts darker, less than 1 makes them brighter.
        gain: factor.

    Raises:
        ValueError: a negative gamma.
    """
    check_at_least_zero(gamma, "gamma")
    if isinstance(image, PIL.Image.Image):
        return with_pillow(lambda image: _pil_gamma(image, float(gamma), float(gain)), image, "adjust_gamma")
    xp = namespace(image, "adjust_gamma")
    if image.dtype == np.uint8 and isinstance(image, np.ndarray) and image.size > 256:
        levels = np.arange(256, dtype=np.uint8).reshape(1, 256, 1)
        return adjust_gamma(levels, gamma, gain).reshape(-1)[image]
    floats = jnp.issubdtype(image.dtype, jnp.floating)
    values = working(image, "adjust_gamma") if floats else to_dtype(image, np.float32, scale=True)
    values = xp.power(values, as_number(gamma, values))
    if isinstance(gain, jax.Array) or gain != 1:
        values = clip(values * as_number(gain, values), 0, 1)
    return values.astype(image.dtype) if floats else to_dtype(values, image.dtype, scale=True)


@kernel
def autocontrast(image: PlainImage) -> Any:
    """Each channel stretched so that its darkest pixel becomes 0 and its brightest one white.

    A channel of one value only stays as it is.

    Raises:
        ValueError: neither 1 nor 3 channels.
    """
    if isinstance(image, PIL.Image.Image):
        return with_pillow(ImageOps.autocontrast, image, "autocontrast")
    check_grey_or_rgb(image, "autocontrast")
    if not image.size:
        return image
    xp, values = array_namespace(image), working(image, "autocontrast")
    # First along the height, whose rows numpy and XLA compare as vectors; and before the conversion to floats.
    low = as_number(image.min(-3, keepdims=True).min(-2, keepdims=True), values)
    high = as_number(image.max(-3, keepdims=True).max(-2, keepdims=True), values)
    scale = (high - low) * as_number(1 / largest_value(image, "autocontrast"), values)
    flat = low == high
    return stored((values - xp.where(flat, 0, low)) / xp.where(flat, 1, scale), image)


@kernel
def equalize(image: PlainImage) -> Any:
    """Each channel with its values spread so that all are about equally frequent; it has no gradient.

    It works on 256 levels: other dtypes are brought to uint8 and back.
    """
    if isinstance(image, PIL.Image.Image):
        return with_pillow(ImageOps.equalize, image, "equalize")
    namespace(image, "equalize")
    largest_value(image, "equalize")
    if not image.size:
        return image
    levels = to_dtype(image, np.uint8, scale=True)
    # XLA's CPU compiler makes a slow loop of a scatter with a batch axis.
    equalized = _equalized if isinstance(image, np.ndarray) else one_image_at_a_time(_equalized)
    return to_dtype(equalized(levels), image.dtype, scale=True)


@kernel
def invert(image: PlainImage) -> Any:
    """The negative: white minus the image.

    >>> invert(np.full((1, 1, 1), 5, np.uint8))
    array([[[250]]], dtype=uint8)
    """
    if isinstance(image, PIL.Image.Image):
        return with_pillow(ImageOps.invert, image, "invert")
    namespace(image, "invert")
    white = largest_value(image, "invert")
    return 1 - image if white == 1 else image ^ as_number(white, image)


@kernel
def posterize(image: PlainImage, bits: int | jax.Array) -> Any:
    """The image with only the highest bits of every value kept; floats are rounded down to `2**bits` levels.

    Raises:
        ValueError: bits is no int from 0 to 8.
    """
    if not isinstance(bits, jax.Array) and (isinstance(bits, bool) or not 0 <= operator.index(bits) <= 8):
        raise ValueError(f"bits={bits!r} must be an int from 0 to 8")
    if isinstance(image, PIL.Image.Image):
        return with_pillow(lambda image: ImageOps.posterize(image, int(bits)), image, "posterize")
    xp = namespace(image, "posterize")
    if largest_value(image, "posterize") == 1:
        levels = as_number(2**bits, image)
        return xp.minimum(xp.maximum(xp.floor(image * levels), as_number(0, image)), levels - 1) / levels
    dropped = xp.maximum(VALUE_BITS[image.dtype.name] - bits, 0)
    return image & as_number(largest_value(image, "posterize") >> dropped << dropped, image)


@kernel
def solarize(image: PlainImage, threshold: float | jax.Array) -> Any:
    """The image with all values from a threshold up inverted.

    Raises:
        ValueError: a threshold above white.
    """
    if isinstance(image, PIL.Image.Image):
        level: Any = threshold  # Pillow compares it with every level, so it may be a float
        return with_pillow(lambda image: ImageOps.solarize(image, level), image, "solarize")
    xp = namespace(image, "solarize")
    white = largest_value(image, "solarize")
    if not isinstance(threshold, jax.Array) and not threshold <= white:
        raise ValueError(f"threshold={threshold!r} is above {white}, the value of white in {image.dtype}")
    if white == 1:
        bright = image >= as_number(threshold, image)
    elif isinstance(threshold, jax.Array):
        bright = image.astype(np.float32) >= threshold.astype(np.float32)
    else:
        bright = image >= as_number(max(math.ceil(threshold), int(jnp.iinfo(image.dtype).min)), image)
    return xp.where(bright, invert(image), image)


@kernel
def permute_channels(image: PlainImage, permutation: Sequence[int] | np.ndarray | jax.Array) -> Any:
    """The channels in another order: channel `permutation[i]` becomes channel i.

    Raises:
        ValueError: it is no permutation of the channels. Of a traced one only the length is checked.

    >>> permute_channels(np.array([[[1, 2, 3]]]), [2, 0, 1])
    array([[[3, 1, 2]]])
    """
    if isinstance(image, PIL.Image.Image):
        return to_pil_image(permute_channels(to_image(image), permutation))
    namespace(image, "permute_channels")
    count = image.shape[-1]
    if len(permutation) != count:
        raise ValueError(f"the permutation has {len(permutation)} entries, and the image {count} channels")
    if isinstance(permutation, jax.Array):
        channels = [image[..., channel] for channel in range(count)]
        # A choice between few channels vectorises, a gather along the last axis does not.
        chosen = [lax.select_n(entry, *channels) for entry in permutation.astype(np.int32)]
        return jnp.stack(chosen, -1) if count > 1 else image
    order = [operator.index(entry) for entry in permutation]
    if sorted(order) != list(range(count)):
        raise ValueError(f"permutation={order} does not name each of the channels 0 to {count - 1} once")
    return image[..., np.asarray(order)]


to_grayscale = rgb_to_grayscale

for _kernel in (
    adjust_brightness, adjust_contrast, adjust_gamma, adjust_hue, adjust_saturation, autocontrast, equalize,
    grayscale_to_rgb, invert, permute_channels, posterize, rgb_to_grayscale, solarize,
):
    pass_through(_kernel, BoundingBoxes, KeyPoints, Mask)


def _enhanced(
    enhancer: Callable[[PIL.Image.Image], Any], image: PIL.Image.Image, factor: Any, function: str
) -> PIL.Image.Image:
    """A PIL image after one of Pillow's enhancers."""
    return with_pillow(lambda image: enhancer(image).enhance(float(factor)), image, function)


def _shift_pil_hue(image: PIL.Image.Image, shift: float) -> PIL.Image.Image:
    if image.mode in ("L", "1", "I", "F"):
        return image
    hue, saturation, value = image.convert("HSV").split()
    turned = np.array(hue) + np.int32(shift * 255).astype(np.uint8)  # bytes wrap around, and so do hues
    hue = PIL.Image.fromarray(turned)
    return PIL.Image.merge("HSV", (hue, saturation, value)).convert(image.mode)


def _pil_gamma(image: PIL.Image.Image, gamma: float, gain: float) -> PIL.Image.Image:
    table = [int((256 - 1e-3) * gain * pow(level / 255, gamma)) for level in range(256)]
    return image.convert("RGB").point(table * 3).convert(image.mode)


def _equalized(levels: Any) -> Any:
    """`equalize` for uint8; all planes share one list of tables, so that nothing is transposed."""
    xp, (height, width, channels) = array_namespace(levels), levels.shape[-3:]
    planes = levels.size // (height * width)
    first = xp.arange(0, 256 * planes, 256, dtype=np.int32).reshape(-1, 1, channels)
    place = levels.reshape(-1, height * width, channels).astype(np.int32) + first
    tables = _equalizing_tables(_counts(place, 256 * planes).reshape(planes, 256), height * width).ravel()
    if isinstance(tables, np.ndarray):
        return tables[place].reshape(levels.shape)
    return tables.at[place].get(mode="promise_in_bounds").reshape(levels.shape)


def _counts(places: Any, length: int) -> Any:
    """How often each of the numbers from 0 to `length - 1` occurs."""
    if isinstance(places, np.ndarray):
        return np.bincount(places.ravel(), minlength=length)
    return jnp.zeros(length, jnp.int32).at[places].add(1, mode="promise_in_bounds")


def _equalizing_tables(counts: Any, pixels: int) -> Any:
    """The new level for each of the 256 levels, from histograms `[planes, 256]`, as in Pillow.

    The step is the number of pixels, without those of the brightest level, for each of the 255 new levels. A plane
    with fewer pixels than that keeps its levels.
    """
    xp = array_namespace(counts)
    cumulative = counts.cumsum(-1)
    brightest = xp.take_along_axis(counts, cumulative.argmax(-1)[:, None], 1)
    step = (pixels - brightest) // 255
    spread = xp.clip((cumulative + step // 2) // xp.maximum(step, 1), 0, 255)
    table = xp.concatenate([xp.zeros_like(spread[:, :1]), spread[:, :-1]], 1)
    kept = xp.broadcast_to(xp.arange(256, dtype=table.dtype), table.shape)
    return xp.where(step == 0, kept, table).astype(np.uint8)
