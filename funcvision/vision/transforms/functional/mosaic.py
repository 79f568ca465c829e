"""Kernels that make one image of several: four quadrants, and parts pasted by a mask."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import PIL.Image

from ...tv_tensors import Image, Mask, Video
from ._kernel import array_namespace, get_size, mask_planes

__all__ = ["paste", "quadrants"]


def quadrants(leaves: Sequence[Any], center: Sequence[Any]) -> Any:
    """One leaf of four of the same size: the upper left, upper right, lower left and lower right part of each.

    Args:
        leaves: four PIL images, arrays `[..., height, width, channels]`, `Image`, `Video` or `Mask`.
        center: (x, y) where the parts meet, in pixels; on jax arrays it may be traced.
    """
    height, width = get_size(leaves[0])
    if isinstance(leaves[0], PIL.Image.Image):
        x, y = map(int, center)
        result = leaves[0].copy()
        boxes = (x, 0, width, y), (0, y, x, height), (x, y, width, height)
        for leaf, box in zip(leaves[1:], boxes, strict=True):
            result.paste(leaf.crop(box), box)
        return result
    xp = jax.numpy if isinstance(_array(leaves[0]), jax.Array) else np
    left, upper = xp.arange(width)[None] < center[0], xp.arange(height)[:, None] < center[1]

    def one(planes: Sequence[Any], mask: bool) -> Any:
        column, line = (side if mask else side[..., None] for side in (left, upper))
        shape = planes[0].shape
        column, line = (xp.broadcast_to(xp.expand_dims(side, tuple(range(len(shape) - side.ndim))), shape)
                        for side in (column, line))
        return xp.where(line, xp.where(column, planes[0], planes[1]), xp.where(column, planes[2], planes[3]))

    return _like(leaves[0], one([_array(leaf) for leaf in leaves], isinstance(leaves[0], Mask)))


def paste(target: Any, source: Any, region: Any) -> Any:
    """The target, with the pixels of the source where the region is true.

    Args:
        target: PIL image, array `[..., height, width, channels]`, `Image`, `Video` or `Mask`.
        source: a leaf of the same kind and shape.
        region: bool `[height, width]`.
    """
    if isinstance(target, PIL.Image.Image):
        mask = PIL.Image.fromarray(np.asarray(region).astype(np.uint8) * 255)
        return PIL.Image.composite(source, target, mask)
    old, new = _array(target), _array(source)
    if old.shape != new.shape or old.dtype != new.dtype:
        raise ValueError(f"paste takes leaves of one shape and dtype, and got {target!r} and {source!r}")
    xp = array_namespace(old)
    region = region if isinstance(target, Mask) else region[..., None]
    region = xp.broadcast_to(xp.expand_dims(region, tuple(range(old.ndim - region.ndim))), old.shape)
    return _like(target, xp.where(region, new, old))


def _array(leaf: Any) -> Any:
    if isinstance(leaf, Mask):
        return mask_planes(leaf)
    return leaf.array if isinstance(leaf, Image | Video) else leaf


def _like(leaf: Any, array: Any) -> Any:
    return leaf.replace(array=array) if isinstance(leaf, Image | Video | Mask) else array
