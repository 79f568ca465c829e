"""The values of pixels: their range, the dtype to compute in, and the way back to the dtype of the image."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image

from ._kernel import array_namespace, namespace
from .conversion import VALUE_BITS

__all__ = [
    "as_number", "check_at_least_zero", "check_grey_or_rgb", "clip", "largest_value", "multiply_add", "stored",
    "with_pillow", "working",
]


def largest_value(image: Any, function: str) -> int:
    """The value of white: the largest integer of an integer dtype, 1 for floats; TypeError for any other dtype."""
    if jnp.issubdtype(image.dtype, jnp.floating):
        return 1
    if image.dtype.name in VALUE_BITS:
        return int(jnp.iinfo(image.dtype).max)
    raise TypeError(f"{function} takes floats or {', '.join(VALUE_BITS)}, and the image is {image.dtype}")


def working(image: Any, function: str) -> Any:
    """The image in the dtype to compute in: float64 stays, everything else becomes float32.

    Raises:
        TypeError: integers of more than 16 bits, which float32 does not hold exactly; or neither integers nor floats.
    """
    if largest_value(image, function) > 65535:
        raise TypeError(
            f"{function} computes in float32, which does not hold every {image.dtype}: convert the image to float32 "
            f"or uint8 by ToDtype(dtype, scale=True)"
        )
    return image if image.dtype == np.float64 else image.astype(np.float32)


def stored(values: Any, image: Any) -> Any:
    """Computed values in the dtype of the image: cut to its range, and for integers rounded down."""
    return clip(values, 0, largest_value(image, "stored")).astype(image.dtype)


def clip(values: Any, low: float, high: float) -> Any:
    """Values cut to [low, high]; the derivative is 1 at the ends, as in torch, where `jnp.clip` has 1/2."""
    if isinstance(values, np.ndarray):
        return np.clip(values, values.dtype.type(low), values.dtype.type(high))
    return jnp.where(values < low, float(low), jnp.where(values > high, float(high), values))


def as_number(number: Any, like: Any) -> Any:
    """A number, which may be traced, in the dtype and the namespace of an array."""
    xp = array_namespace(like)
    return xp.asarray(number, like.dtype)


def multiply_add(summand: Any, values: Any, factor: Any, image: Any) -> Any:
    """`summand + values * factor`.

    Torch rounds once, after the sum, and where the image holds integers that decides about a level. numpy rounds
    twice, so such an image is computed in float64. XLA decides by itself whether it rounds once or twice, so a jax
    array may differ from torch by one level.
    """
    factor = as_number(factor, summand)
    if isinstance(image, np.ndarray) and image.dtype.kind != "f":
        return (summand + values.astype(np.float64) * factor.astype(np.float64)).astype(summand.dtype)
    return summand + values * factor


def check_at_least_zero(number: Any, name: str) -> None:
    """Raises ValueError if a number is negative or not a number; a traced one is not checked."""
    if not isinstance(number, jax.Array) and not number >= 0:
        raise ValueError(f"{name}={number!r} must be zero or more")


def check_grey_or_rgb(image: Any, function: str) -> None:
    """Raises ValueError unless the array is `[..., height, width, 1 or 3]`."""
    namespace(image, function)
    if image.shape[-1] not in (1, 3):
        raise ValueError(
            f"{function} takes images of 1 or 3 channels and got {image.shape[-1]}, shape {image.shape}: an alpha "
            f"channel is dropped by image[..., :3]"
        )


def with_pillow(
    operation: Callable[[PIL.Image.Image], PIL.Image.Image], image: PIL.Image.Image, function: str
) -> PIL.Image.Image:
    """The PIL image after an operation of Pillow; ValueError if Pillow does not do it in the mode of the image."""
    try:
        return operation(image)
    except (OSError, ValueError, NotImplementedError) as error:
        raise ValueError(
            f"{function} does not take a PIL image of mode {image.mode!r} ({error}): convert it by "
            f"image.convert('RGB')"
        ) from error
