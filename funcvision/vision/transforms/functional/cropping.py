"""Cropping, padding and flipping: pixels move and keep their values."""

import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import PIL.ImageOps
from jax import lax

from ..sample import PlainImage
from ._kernel import get_size, kernel, namespace

__all__ = ["center_crop", "crop", "hflip", "horizontal_flip", "pad"]

PADDING_MODES = ("constant", "edge", "reflect", "symmetric")


@kernel
def horizontal_flip(image: PlainImage) -> Any:
    """The image mirrored, left to right."""
    if isinstance(image, PIL.Image.Image):
        return image.transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT)
    namespace(image, "horizontal_flip")
    return image[..., ::-1, :]


hflip = horizontal_flip


@kernel
def crop(image: PlainImage, top: int | jax.Array, left: int | jax.Array, height: int, width: int) -> Any:
    """The box of `height` x `width` pixels whose upper left corner is at (top, left).

    What lies outside the image is black (zero). On jax arrays the corner may be traced; the box must then lie inside,
    which is not checked.
    """
    if isinstance(image, jax.Array) and (isinstance(top, jax.Array) or isinstance(left, jax.Array)):
        namespace(image, "crop")
        image = lax.dynamic_slice_in_dim(image, top, height, axis=image.ndim - 3)
        return lax.dynamic_slice_in_dim(image, left, width, axis=image.ndim - 2)
    top, left, height, width = map(operator.index, (top, left, height, width))
    if isinstance(image, PIL.Image.Image):
        return image.crop((left, top, left + width, top + height))
    namespace(image, "crop")
    rows, columns = (_range(*edge) for edge in zip((top, left), (height, width), get_size(image)))
    image = image[..., rows.kept, columns.kept, :]
    return pad(image, (columns.before, rows.before, columns.after, rows.after))


@kernel
def center_crop(image: PlainImage, output_size: int | Sequence[int]) -> Any:
    """The middle of the image; where that is smaller than `output_size`, in the middle of black.

    Args:
        image: PIL image, or array `[..., height, width, channels]`.
        output_size: (height, width), or an int for a square.

    >>> center_crop(np.arange(5).reshape(1, 5, 1), (1, 3)).ravel()
    array([1, 2, 3])
    """
    height, width = square(output_size, "output_size")
    old_height, old_width = get_size(image)
    return crop(image, _centred(old_height, height), _centred(old_width, width), height, width)


@kernel
def pad(
    image: PlainImage, padding: int | Sequence[int], fill: float | Sequence[float] = 0, *,
    padding_mode: str = "constant",
) -> Any:
    """The image with a border around it, or, where the padding is negative, without one.

    Args:
        image: PIL image, or array `[..., height, width, channels]`.
        padding: pixels on every side; or (left and right, top and bottom); or (left, top, right, bottom).
        fill: value of a constant border, or one value per channel. On uint8, 0 to 255.
        padding_mode: "constant", or "edge" (repeats the border pixel), "reflect" (mirrors, the border pixel being the
            axis), "symmetric" (mirrors, with the border pixel twice).

    Raises:
        ValueError: a padding, fill or mode that does not exist.

    >>> pad(np.arange(1, 4).reshape(1, 3, 1), (2, 0), padding_mode="reflect").ravel()
    array([3, 2, 1, 2, 3, 2, 1])
    """
    left, top, right, bottom = edges(padding)
    check_padding_mode(padding_mode)
    if padding_mode != "constant" and isinstance(fill, Sequence) and len(fill) > 1:
        raise ValueError(f"padding_mode={padding_mode!r} takes no fill, and fill={fill!r} was given")
    if isinstance(image, PIL.Image.Image):
        return _pad_pil(image, (left, top, right, bottom), fill, padding_mode)
    xp = namespace(image, "pad")
    height, width = get_size(image)
    image = image[..., max(-top, 0) : height - max(-bottom, 0), max(-left, 0) : width - max(-right, 0), :]
    border = [(0, 0)] * (image.ndim - 3) + [(max(top, 0), max(bottom, 0)), (max(left, 0), max(right, 0)), (0, 0)]
    if not any(map(any, border)):
        return image
    if padding_mode != "constant":
        return xp.pad(image, border, mode=padding_mode)
    colour = _colour(fill, image.shape[-1], image.dtype)
    if (colour == colour[0]).all():
        return xp.pad(image, border, constant_values=colour[0])
    padded = xp.pad(image, border)
    inside = np.pad(np.ones(image.shape[-3:-1], bool), border[-3:-1])
    shape = padded.shape
    return xp.where(np.broadcast_to(inside[..., None], shape), padded, np.broadcast_to(colour, shape))


def square(size: int | Sequence[int], name: str = "size") -> tuple[int, int]:
    """(height, width) from one int, or from a sequence of one or two."""
    values = tuple(size) if isinstance(size, Sequence) else (size,)
    if len(values) not in (1, 2) or any(operator.index(value) < 1 for value in values):
        raise ValueError(f"{name}={size!r} is neither a positive int nor (height, width)")
    return operator.index(values[0]), operator.index(values[-1])


def edges(padding: int | Sequence[int]) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) from any form of `padding`."""
    values = tuple(padding) if isinstance(padding, Sequence) else (padding,)
    if len(values) not in (1, 2, 4):
        raise ValueError(
            f"padding={padding!r} is neither an int nor (left and right, top and bottom) nor (left, top, right, bottom)"
        )
    left, top, right, bottom = (values * 4)[:4]
    return operator.index(left), operator.index(top), operator.index(right), operator.index(bottom)


def check_padding_mode(padding_mode: str) -> None:
    """Raises ValueError unless the mode exists."""
    if padding_mode not in PADDING_MODES:
        raise ValueError(f"padding_mode={padding_mode!r} is not one of {', '.join(map(repr, PADDING_MODES))}")


class _Range(NamedTuple):
    """What a crop takes of an axis: the slice that exists, and the pixels that are missing before and after it."""

    kept: slice
    before: int
    after: int


def _range(start: int, length: int, size: int) -> _Range:
    stop = start + length
    return _Range(slice(max(start, 0), max(stop, 0)), min(max(-start, 0), length), min(max(stop - size, 0), length))


def _centred(old: int, new: int) -> int:
    """Where a crop starts that keeps the centre; torchvision's roundings, which differ for the two cases."""
    return round((old - new) / 2) if old >= new else -((new - old) // 2)


def _colour(fill: float | Sequence[float], channels: int, dtype: Any) -> np.ndarray:
    """The fill as one value per channel, `[channels]`."""
    values = tuple(fill) if isinstance(fill, Sequence) else (fill,)
    if len(values) not in (1, channels):
        raise ValueError(f"fill={fill!r} has {len(values)} values for an image of {channels} channels")
    if jnp.issubdtype(dtype, jnp.integer):
        limits = jnp.iinfo(dtype)
        if not all(limits.min <= value <= limits.max for value in values):
            raise ValueError(f"fill={fill!r} does not fit in {dtype}, which holds {limits.min} to {limits.max}")
    return np.broadcast_to(np.asarray(values).astype(dtype), (channels,))


def _pad_pil(
    image: PIL.Image.Image, border: tuple[int, int, int, int], fill: float | Sequence[float], padding_mode: str
) -> PIL.Image.Image:
    if padding_mode == "constant":
        bands = len(image.getbands())
        dtype = {"F": np.float32, "I": np.int32, "I;16": np.uint16}.get(image.mode, np.uint8)
        colour = _colour(fill, bands, dtype).tolist()
        return PIL.ImageOps.expand(image, border, colour[0] if bands == 1 else tuple(colour))
    left, top, right, bottom = border
    image = image.crop((max(-left, 0), max(-top, 0), image.width - max(-right, 0), image.height - max(-bottom, 0)))
    widths = ((max(top, 0), max(bottom, 0)), (max(left, 0), max(right, 0)))

    def padded(band: PIL.Image.Image) -> PIL.Image.Image:
        return PIL.Image.fromarray(np.pad(np.asarray(band), widths, mode=padding_mode))  # pyright: ignore

    if len(image.getbands()) > 1:
        return PIL.Image.merge(image.mode, [padded(band) for band in image.split()])
    result = padded(image)
    palette = image.getpalette()
    if palette is not None:
        result.putpalette(palette)
    return result
