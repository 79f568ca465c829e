"""Kernels that cut several crops of one size out of an image."""

from collections.abc import Sequence
from typing import Any

from ...tv_tensors import Image, Video
from ._kernel import PlainImage, get_size, kernel
from ._sizes import square
from .geometry import center_crop, crop, horizontal_flip
from .geometry import vertical_flip as flip_vertically

__all__ = ["five_crop", "ten_crop"]


@kernel
def five_crop(image: PlainImage, size: int | Sequence[int]) -> Any:
    """The four corners and the middle of an image.

    Args:
        image: PIL image, array `[..., height, width, channels]`, `Image` or `Video`.
        size: (height, width) of a crop, or an int for a square.

    Returns:
        A tuple: upper left, upper right, lower left, lower right, middle.

    Raises:
        TypeError: masks, boxes or key points.
        ValueError: the image is smaller than `size`.

    >>> import numpy as np
    >>> [part.item() for part in five_crop(np.arange(9).reshape(3, 3, 1), 1)]
    [0, 2, 6, 8, 4]
    """
    (height, width), (old_height, old_width) = square(size), get_size(image)
    if height > old_height or width > old_width:
        raise ValueError(f"a crop of {(height, width)} does not fit into an image of {(old_height, old_width)}")
    bottom, right = old_height - height, old_width - width
    corners = [crop(image, top, left, height, width) for top in (0, bottom) for left in (0, right)]
    return (*corners, center_crop(image, (height, width)))


@kernel
def ten_crop(image: PlainImage, size: int | Sequence[int], vertical_flip: bool = False) -> Any:
    """The crops of `five_crop`, followed by those of the mirrored image.

    Args:
        image: as in `five_crop`.
        size: as in `five_crop`.
        vertical_flip: mirror the image upside down rather than left to right.
    """
    mirrored = flip_vertically(image) if vertical_flip else horizontal_flip(image)
    return (*five_crop(image, size), *five_crop(mirrored, size))


@five_crop.register(Image)
@five_crop.register(Video)
def _(leaf: Image | Video, size: int | Sequence[int]) -> Any:
    return tuple(leaf.replace(array=part) for part in five_crop(leaf.array, size))


@ten_crop.register(Image)
@ten_crop.register(Video)
def _(leaf: Image | Video, size: int | Sequence[int], vertical_flip: bool = False) -> Any:
    return tuple(leaf.replace(array=part) for part in ten_crop(leaf.array, size, vertical_flip))
