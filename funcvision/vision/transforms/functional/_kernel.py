"""What every kernel asks first: which kind of image it was given, and of what size."""

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any, Concatenate, ParamSpec

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image

from ..sample import Image, ImageLike, PlainImage

__all__ = ["get_size", "kernel", "namespace"]

P = ParamSpec("P")


def kernel(function: Callable[Concatenate[PlainImage, P], Any]) -> Callable[Concatenate[ImageLike, P], Any]:
    """Makes a function of a PIL image, numpy array or jax array one of typed leaves too.

    An `Image` comes back as an `Image`. The result is a `functools.singledispatch` function, so a new kind of leaf
    registers what it needs: `@resize.register`.
    """
    dispatcher = functools.singledispatch(function)

    @dispatcher.register
    def _(image: Image, *args: P.args, **kwargs: P.kwargs) -> Image:
        return Image(function(image.array, *args, **kwargs))

    return dispatcher


def namespace(image: Any, function: str) -> ModuleType:
    """`numpy` or `jax.numpy`, whichever the array is of; the kernels are written once for both.

    Raises:
        TypeError: `image` is neither.
        ValueError: it is not `[..., height, width, channels]`.
    """
    if not isinstance(image, np.ndarray | jax.Array):
        raise TypeError(
            f"{function} takes a PIL image, a numpy array, a jax array or a transforms.Image, "
            f"and this is a {type(image).__name__}"
        )
    if image.ndim < 3:
        raise ValueError(
            f"{function} takes [..., height, width, channels] and got an array of shape {image.shape}; "
            f"a grey image has one channel: image[..., None]"
        )
    if image.shape[-3] in (1, 3) and image.shape[-1] > 4:
        order = (*range(image.ndim - 3), image.ndim - 2, image.ndim - 1, image.ndim - 3)
        raise ValueError(
            f"{function} takes [..., height, width, channels] and got {image.shape}, which looks like torch's "
            f"channels-first order: pass image.transpose{order}"
        )
    return np if isinstance(image, np.ndarray) else jnp


def get_size(image: ImageLike) -> tuple[int, int]:
    """Height and width in pixels.

    >>> get_size(np.zeros((8, 20, 30, 3), np.uint8)), get_size(PIL.Image.new("L", (30, 20)))
    ((20, 30), (20, 30))
    """
    array: Any = image.array if isinstance(image, Image) else image
    if isinstance(array, PIL.Image.Image):
        return array.height, array.width
    namespace(array, "get_size")
    height, width = array.shape[-3:-1]
    return height, width
