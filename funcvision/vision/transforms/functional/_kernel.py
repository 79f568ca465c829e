"""How a kernel chooses what it does by the type of a leaf, and what it checks first."""

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image

from ..._options import option_value
from ...tv_tensors import BoundingBoxes, Image, KeyPoints, Mask, TVTensor, Video

__all__ = [
    "PlainImage", "array_namespace", "get_size", "kernel", "mask_planes", "namespace", "pass_through",
    "with_channel_axis",
]

PlainImage: TypeAlias = PIL.Image.Image | np.ndarray | jax.Array
"""What is an image without further words."""


def kernel(function: Callable[..., Any]) -> Any:
    """Makes a kernel: a function of one leaf that has an implementation for every kind of leaf.

    The decorated function takes what is an image without further words: PIL images, and arrays `[..., height, width,
    channels]` of numpy and jax. Of an `Image` or a `Video` it is given the array. Every other kind is declared:

        @resize.register(BoundingBoxes)
        def _(boxes, size, ...): ...

        pass_through(normalize, Mask, BoundingBoxes)

    A subclass of a kind is treated as the kind. A leaf of any other type is a TypeError that names kernel and type. An
    image with a side of 0 is a ValueError: here for PIL images, in `namespace` for arrays. An option
    that is a member of an enum is replaced by its value. The result has the methods `register` and `registry` of a
    `functools.singledispatch` function.
    """
    @functools.wraps(function)
    def of_untyped(leaf: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(leaf, PIL.Image.Image):
            _check_pil_size(dispatcher, leaf)
        if isinstance(leaf, PIL.Image.Image | np.ndarray | jax.Array):
            return function(leaf, *args, **kwargs)
        raise _unknown_kind(dispatcher, leaf)

    def of_pixels(leaf: Image | Video, *args: Any, **kwargs: Any) -> Any:
        return leaf.replace(array=function(leaf.array, *args, **kwargs))

    dispatcher = functools.singledispatch(of_untyped)
    dispatcher.register(Image, of_pixels)
    dispatcher.register(Video, of_pixels)

    @functools.wraps(function)
    def call(leaf: Any, *args: Any, **kwargs: Any) -> Any:
        options = {name: option_value(value) for name, value in kwargs.items()}
        return dispatcher(leaf, *map(option_value, args), **options)

    call.register, call.registry = dispatcher.register, dispatcher.registry  # pyright: ignore
    return call


def pass_through(kernel: Any, *kinds: type[TVTensor]) -> None:
    """Declares that a kernel leaves leaves of some kinds as they are."""
    for kind in kinds:
        kernel.register(kind, lambda leaf, *args, **kwargs: leaf)


def _check_pil_size(kernel: Any, image: PIL.Image.Image) -> None:
    if 0 in image.size:
        raise ValueError(
            f"{kernel.__name__} takes an image of at least 1 x 1 pixels and got a PIL image of size {image.size}"
        )


def _unknown_kind(kernel: Any, leaf: Any) -> TypeError:
    known = [kind.__name__ for kind in kernel.registry if issubclass(kind, TVTensor)]
    name, kind = kernel.__name__, type(leaf).__name__
    hint = f"; register what it does with them by @{name}.register({kind})" if isinstance(leaf, TVTensor) else ""
    return TypeError(
        f"{name} takes a PIL image, a numpy array, a jax array or a leaf of type {', '.join(known)}, and this is a "
        f"{kind}{hint}"
    )


def with_channel_axis(function: Callable[..., Any]) -> Callable[..., Mask]:
    """The implementation for masks that treats a mask as an image of one channel."""
    def of_mask(mask: Mask, *args: Any, **kwargs: Any) -> Mask:
        return mask.replace(array=function(mask_planes(mask)[..., None], *args, **kwargs)[..., 0])

    return of_mask


def mask_planes(mask: Mask) -> Any:
    """The array of a mask; raises ValueError if it has fewer than two axes, or a side of 0."""
    if mask.ndim < 2 or 0 in mask.shape[-2:]:
        raise ValueError(
            f"a Mask holds [..., height, width] with sides of at least 1 pixel, and this one has shape {mask.shape}"
        )
    return mask.array


def namespace(image: Any, function: str) -> ModuleType:
    """`numpy` or `jax.numpy`, whichever the array belongs to; the kernels are written once for both.

    Raises:
        TypeError: `image` is no array.
        ValueError: it is not `[..., height, width, channels]`, or one of these three is 0.
    """
    if not isinstance(image, np.ndarray | jax.Array):
        raise TypeError(f"{function} takes a numpy array or a jax array here, and this is a {type(image).__name__}")
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
    if 0 in image.shape[-3:]:
        raise ValueError(
            f"{function} takes [..., height, width, channels] of at least 1 x 1 pixels and one channel, and got "
            f"an array of shape {image.shape}"
        )
    return array_namespace(image)


def array_namespace(array: Any) -> ModuleType:
    """`numpy` or `jax.numpy`, whichever the array belongs to."""
    return np if isinstance(array, np.ndarray) else jnp


@kernel
def get_size(image: Any) -> tuple[int, int]:
    """Height and width of a leaf in pixels; for boxes and key points, of the canvas.

    >>> get_size(np.zeros((8, 20, 30, 3), np.uint8)), get_size(PIL.Image.new("L", (30, 20)))
    ((20, 30), (20, 30))
    """
    if isinstance(image, PIL.Image.Image):
        return image.height, image.width
    namespace(image, "get_size")
    height, width = image.shape[-3:-1]
    return height, width


@get_size.register(Image)
@get_size.register(Video)
def _(leaf: Image | Video) -> tuple[int, int]:
    return get_size(leaf.array)


@get_size.register(Mask)
def _(mask: Mask) -> tuple[int, int]:
    height, width = mask_planes(mask).shape[-2:]
    return height, width


@get_size.register(BoundingBoxes)
@get_size.register(KeyPoints)
def _(leaf: BoundingBoxes | KeyPoints) -> tuple[int, int]:
    return leaf.canvas_size
