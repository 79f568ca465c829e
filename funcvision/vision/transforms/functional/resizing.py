"""Resizing an image, or a box of it."""

import operator
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import PIL.Image

from ..sample import PlainImage
from ._kernel import get_size, kernel, namespace
from ._resampling import FILTERS, NEAREST, Span, resample
from .cropping import crop

__all__ = ["check_interpolation", "resize", "resized_crop"]

PIL_FILTERS = {
    "nearest": PIL.Image.Resampling.NEAREST,
    "nearest-exact": PIL.Image.Resampling.NEAREST,
    "bilinear": PIL.Image.Resampling.BILINEAR,
    "bicubic": PIL.Image.Resampling.BICUBIC,
    "lanczos": PIL.Image.Resampling.LANCZOS,
    "box": PIL.Image.Resampling.BOX,
    "hamming": PIL.Image.Resampling.HAMMING,
}


@kernel
def resize(
    image: PlainImage, size: int | Sequence[int] | None, interpolation: str = "bilinear", *,
    max_size: int | None = None, antialias: bool = True,
) -> Any:
    """The image in another size; it comes back as it is if it has that size already.

    A PIL image is resized by Pillow. On arrays the result is torch's, for uint8 to the bit.

    Args:
        image: PIL image, or array `[..., height, width, channels]`.
        size: (height, width); or an int, for the length of the shorter edge, where the other edge keeps the ratio
            (rounded down); or None, to make the longer edge `max_size`.
        interpolation: "nearest" (on arrays torch's, which is half a pixel off), "nearest-exact", "bilinear", "bicubic",
            "lanczos"; on PIL images also "box" and "hamming".
        max_size: with an int `size`, the most that the longer edge may measure; the image shrinks further for it.
        antialias: average over what an output pixel covers when shrinking. Pillow always does.

    Raises:
        ValueError: a size, mode or combination that does not exist.

    >>> import numpy as np
    >>> resize(np.zeros((30, 40, 3), np.uint8), 15).shape
    (15, 20, 3)
    """
    height, width = new_size = _resized_size(get_size(image), size, max_size)
    check_interpolation(interpolation, antialias)
    if new_size == get_size(image):
        return image
    if isinstance(image, PIL.Image.Image):
        _check_pil(interpolation, antialias)
        return image.resize((width, height), PIL_FILTERS[interpolation])
    namespace(image, "resize")
    _check_array(interpolation)
    rows, columns = (Span(0, length) for length in get_size(image))
    return resample(image, rows, columns, new_size, interpolation=interpolation, antialias=antialias)


@kernel
def resized_crop(
    image: PlainImage, top: int | jax.Array, left: int | jax.Array, height: int | jax.Array, width: int | jax.Array,
    size: int | Sequence[int], interpolation: str = "bilinear", *, antialias: bool = True,
) -> Any:
    """`resize(crop(image, top, left, height, width), size)`, where on jax arrays the box may be traced.

    Args:
        image: PIL image, or array `[..., height, width, channels]`.
        top, left, height, width: the box in pixels. Ints may lie partly outside the image, which counts as black
            there. Traced values must lie inside, which is not checked.
        size: as in `resize`; (height, width) where the box is traced, since a shape cannot depend on it.
        interpolation: as in `resize`.
        antialias: as in `resize`.

    For a traced box the weights are computed in float32. On uint8, where torch computes them in float64, this moves
    a pixel in some ten thousand by one level.

    Raises:
        ValueError: a size or mode that does not exist.
    """
    box = (top, left, height, width)
    if not any(isinstance(edge, jax.Array) for edge in box):
        return resize(crop(image, *map(operator.index, box)), size, interpolation, antialias=antialias)
    if isinstance(size, int) or len(size) != 2:
        raise ValueError(f"size={size!r}: a box of jax arrays needs size=(height, width), one shape for every box")
    namespace(image, "resized_crop")
    check_interpolation(interpolation, antialias)
    _check_array(interpolation)
    y, x, h, w = (jnp.asarray(edge).astype(jnp.int32) for edge in box)
    height, width = map(operator.index, size)
    return resample(
        image, Span(y, h), Span(x, w), (height, width), interpolation=interpolation, antialias=antialias
    )


def check_interpolation(interpolation: str, antialias: bool) -> None:
    """Raises ValueError unless the mode exists and goes with `antialias`."""
    if interpolation not in PIL_FILTERS:
        raise ValueError(f"interpolation={interpolation!r} is not one of {', '.join(map(repr, PIL_FILTERS))}")
    if interpolation == "lanczos" and not antialias:
        raise ValueError('interpolation="lanczos" needs antialias=True')


def _check_pil(interpolation: str, antialias: bool) -> None:
    # torchvision warns and antialiases all the same
    if not antialias and interpolation not in NEAREST:
        raise ValueError(
            "Pillow always antialiases, and antialias=False was asked for: leave it out, or resize an array "
            "(ToImage() before Resize)"
        )


def _check_array(interpolation: str) -> None:
    if interpolation not in (*NEAREST, *FILTERS):
        raise ValueError(f"interpolation={interpolation!r} is for PIL images only; arrays have {(*NEAREST, *FILTERS)}")


def _resized_size(old: tuple[int, int], size: int | Sequence[int] | None, max_size: int | None) -> tuple[int, int]:
    """Height and width after `resize`."""
    if isinstance(size, Sequence) and len(size) == 2:
        if max_size is not None:
            raise ValueError(f"max_size={max_size} goes with an int size or None, not with size={size!r}")
        height, width = map(operator.index, size)
    else:
        short, long = _resized_edges(min(old), max(old), size, max_size)
        height, width = (long, short) if old[0] >= old[1] else (short, long)
    if height < 1 or width < 1:
        raise ValueError(f"size={size!r}, max_size={max_size} would make an image of {old} pixels {(height, width)}")
    return height, width


def _resized_edges(short: int, long: int, size: int | Sequence[int] | None, max_size: int | None) -> tuple[int, int]:
    """The shorter and the longer edge after `resize` with a size that fixes only one."""
    if size is None:
        if max_size is None:
            raise ValueError("size=None needs max_size, the length of the longer edge")
        return int(max_size * short / long), max_size
    if isinstance(size, Sequence):
        if len(size) != 1:
            raise ValueError(f"size={size!r} is neither an int nor (height, width)")
        size = size[0]
    if max_size is not None and max_size <= size:
        raise ValueError(f"max_size={max_size} must be greater than size={size}, the length of the shorter edge")
    new_short, new_long = operator.index(size), int(size * long / short)
    if max_size is None or new_long <= max_size:
        return new_short, new_long
    return int(max_size * new_short / new_long), max_size
