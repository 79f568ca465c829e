"""How an image of any kind becomes an array to draw on, and how the picture becomes an image of that kind again."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
from jax.core import Tracer

from ..transforms import functional as F
from ..tv_tensors import Image, TVTensor

__all__ = ["as_given", "host_array", "is_float", "one_image", "pil_image"]


def host_array(value: Any, function: str) -> np.ndarray:
    """The values of a PIL image, of a typed leaf or of an array of numpy or jax, as an array of numpy.

    Raises:
        TypeError: it is none of these, or it is traced.
    """
    array = value.array if isinstance(value, TVTensor) else value
    if isinstance(array, PIL.Image.Image):
        return F.to_image(array)
    if isinstance(array, Tracer):
        raise TypeError(f"{function} draws on the host and got a traced array: call it outside of jax.jit and jax.vmap")
    if not isinstance(array, np.ndarray | jax.Array):
        raise TypeError(
            f"{function} takes an array of numpy or jax or a leaf of tv_tensors, and this is a {type(value).__name__}"
        )
    return np.asarray(array)


def one_image(image: Any, function: str, channels: tuple[int, ...]) -> np.ndarray:
    """One image `[height, width, channels]` as an array of numpy.

    Raises:
        TypeError: it is no image.
        ValueError: its dtype is neither uint8 nor a float, it is a batch, or it has another number of channels.
    """
    if isinstance(image, TVTensor) and not isinstance(image, Image):
        raise TypeError(f"{function} draws on an image, and this is a {type(image).__name__}")
    array = host_array(image, function)
    if array.dtype != np.uint8 and not is_float(array):
        raise ValueError(f"{function} takes an image of dtype uint8 or float, and this one is {array.dtype}")
    if array.ndim != 3:
        raise ValueError(
            f"{function} takes one image [height, width, channels], and this array has shape {array.shape}: draw the "
            f"images of a batch one by one"
        )
    if array.shape[-1] not in channels:
        hint = ", which looks like torch's channels-first order: pass image.transpose(1, 2, 0)"
        raise ValueError(
            f"{function} takes an image of {' or '.join(map(str, channels))} channels, and this one has shape "
            f"{array.shape}{hint if array.shape[0] in (1, 3) else ''}"
        )
    return array


def is_float(array: np.ndarray) -> bool:
    """Whether the dtype is a float, bfloat16 included."""
    return bool(jnp.issubdtype(array.dtype, jnp.floating))


def pil_image(array: np.ndarray) -> PIL.Image.Image:
    """An image of three channels as a PIL image of 8 bits, to draw on; floats in [0, 1] are scaled."""
    return PIL.Image.fromarray(F.to_dtype(array, np.uint8, True))


def as_given(picture: np.ndarray | PIL.Image.Image, image: Any) -> Any:
    """The picture as the kind and in the dtype of the image that was given."""
    if isinstance(image, PIL.Image.Image):
        return picture if isinstance(picture, PIL.Image.Image) else PIL.Image.fromarray(picture)
    array = image.array if isinstance(image, TVTensor) else image
    result: Any = np.array(picture)
    if result.dtype != array.dtype:
        result = F.to_dtype(result, array.dtype, True)
    if isinstance(array, jax.Array):
        result = jnp.asarray(result)
    return image.replace(array=result) if isinstance(image, TVTensor) else result
