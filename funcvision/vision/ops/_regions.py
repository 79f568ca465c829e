"""Regions of interest: how boxes, images and levels become places in feature maps that are laid end to end."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ...functional._check import per_axis
from ...functional._precision import accumulation_dtype
from ._sampling import computed_once

__all__ = [
    "Maps", "Regions", "bin_bounds", "bin_sizes", "laid_end_to_end", "maps_of_bins", "output_shape", "regions_of",
    "rounded",
]

Boxes = jax.Array | Sequence[jax.Array]


class Regions(NamedTuple):
    """Boxes with the number of their image."""

    image: jax.Array  # int32 [regions]
    boxes: jax.Array  # [regions, 4], in float32 at least


class Maps(NamedTuple):
    """For each region the feature map that it is taken from; all int32 [regions]."""

    first: jax.Array  # the first pixel of the map of its image
    height: jax.Array
    width: jax.Array


def regions_of(function: str, boxes: Boxes) -> Regions:
    """Boxes as torchvision takes them: [regions, 5] with the number of the image first, or one [n, 4] an image."""
    if isinstance(boxes, (list, tuple)):
        each = [jnp.asarray(b) for b in boxes]
        if not each or any(b.ndim != 2 or b.shape[1] != 4 for b in each):
            raise ValueError(f"{function} takes a list with boxes [n, 4] of each image; got {[b.shape for b in each]}")
        image = jnp.concatenate([jnp.full(len(b), i, jnp.int32) for i, b in enumerate(each)])
        coordinates = jnp.concatenate(each)
    else:
        rois = jnp.asarray(boxes)
        if rois.ndim != 2 or rois.shape[1] != 5:
            raise ValueError(
                f"{function} takes boxes [regions, 5], the number of the image first, or a list with boxes [n, 4] of "
                f"each image; got an array of shape {rois.shape}"
            )
        image, coordinates = lax.stop_gradient(rois[:, 0]).astype(jnp.int32), rois[:, 1:]
    if not jnp.issubdtype(coordinates.dtype, jnp.floating):
        raise TypeError(f"{function}: boxes are floating-point numbers; these are {coordinates.dtype}: cast them")
    return Regions(image, coordinates.astype(accumulation_dtype(coordinates.dtype)))


def output_shape(output_size: int | Sequence[int]) -> tuple[int, int]:
    """(height, width) of the bins of a region."""
    height, width = per_axis(output_size, 2, "output_size")
    return height, width


def laid_end_to_end(
    function: str, levels: Sequence[jax.Array], image: jax.Array, level: jax.Array | None = None
) -> tuple[jax.Array, Maps]:
    """Feature maps [batch, height, width, channels] as one array [pixels, channels], and the map of each region.

    Args:
        function: for errors.
        levels: one or more, with the same batch and channels.
        image: int32 [regions].
        level: int32 [regions]; None for level 0.
    """
    shapes = [x.shape for x in levels]
    if any(len(shape) != 4 for shape in shapes) or len({(shape[0], shape[3]) for shape in shapes}) != 1:
        raise ValueError(
            f"{function} takes feature maps [batch, height, width, channels] of one batch and number of channels; got "
            f"{', '.join(map(str, shapes))}"
        )
    sizes = [shape[0] * shape[1] * shape[2] for shape in shapes]
    parts = [x.reshape(-1, x.shape[3]) for x in levels]
    if any(shape[2] == 1 for shape in shapes):  # the last pixel needs a right neighbour
        parts.append(jnp.zeros((1, shapes[0][3]), parts[0].dtype))
    pixels = parts[0] if len(parts) == 1 else jnp.concatenate(parts)
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    table = jnp.array([(start, shape[1], shape[2]) for start, shape in zip(starts, shapes, strict=True)], jnp.int32)
    start, height, width = table[jnp.zeros_like(image) if level is None else level].T
    return pixels, Maps(start + image * height * width, height, width)


def maps_of_bins(function: str, input: jax.Array, shape: tuple[int, int]) -> jax.Array:
    """Splits channels by the bin they belong to: [bins * batch, height, width, channels / bins], bins first.

    The channels are torch's: by channel of the result, then by bin, row first.
    """
    bins = shape[0] * shape[1]
    if input.ndim != 4 or input.shape[3] % bins:
        raise ValueError(
            f"{function} takes [batch, height, width, channels] with a multiple of {shape[0]} * {shape[1]} channels; "
            f"got {input.shape}"
        )
    batch, height, width, channels = input.shape
    apart = jnp.moveaxis(input.reshape(batch, height, width, channels // bins, bins), 4, 0)
    return apart.reshape(bins * batch, height, width, channels // bins)


def rounded(x: jax.Array) -> jax.Array:
    """To the nearest whole number, halves away from zero as C rounds."""
    x = lax.stop_gradient(x)
    return jnp.sign(x) * jnp.floor(jnp.abs(x) + 0.5)


def bin_sizes(size: jax.Array, bins: int) -> jax.Array:
    """`size / bins`, correctly rounded: numbers of pixels and samples are rounded up from it.

    XLA replaces a division by one number with a product, which is not; so the divisor is an array that it cannot see
    through.
    """
    return size / lax.optimization_barrier(jnp.full(size.shape, bins, size.dtype))


def bin_bounds(start: jax.Array, size: jax.Array, bins: int, limit: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The pixels of each bin along one axis, from the first to before the last, within 0 and `limit`.

    Args:
        start: of a region in pixels, whole numbers [regions].
        size: of a region in pixels [regions].
        bins: of a region.
        limit: int32 [regions].

    Returns:
        (begin, end): int32 [regions, bins].
    """
    edge = bin_sizes(size, bins)
    number = jnp.arange(bins, dtype=size.dtype)[None]
    most = limit.astype(size.dtype)[:, None]
    begin = jnp.clip(jnp.floor(number * edge[:, None]) + start[:, None], 0, most)
    end = jnp.clip(jnp.ceil((number + 1) * edge[:, None]) + start[:, None], 0, most)
    return computed_once(begin.astype(jnp.int32)), computed_once(end.astype(jnp.int32))
