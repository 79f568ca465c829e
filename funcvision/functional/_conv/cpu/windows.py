"""Slices of an image [N, *spatial, channels] that the positions of a kernel meet, and other rearrangements of it.

A kernel position is one spatial index of the kernel. As the kernel moves over the image, each position meets a shifted
and strided slice of the padded image, [N, *geometry.out, channels]: this file calls it the slice of the position.
"""

import itertools
import math
import operator
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ..geometry import Geometry, Shape

__all__ = [
    "Overlap", "as_matrix", "depth_to_space", "join_batch", "join_channels", "overlaps", "pad_image", "pad_spatial",
    "position_offsets", "position_slice_at", "position_slices", "position_slices_of_padded", "split_batch",
    "split_channels", "subsample",
]


def as_matrix(x: jax.Array) -> jax.Array:
    """[..., channels] as a matrix with one column for each channel."""
    return x.reshape(-1, x.shape[-1])


def split_channels(x: jax.Array, count: int) -> jax.Array:
    """[..., channels] as [count, ..., channels / count]."""
    return jnp.moveaxis(x.reshape(*x.shape[:-1], count, -1), -2, 0)


def join_channels(parts: jax.Array) -> jax.Array:
    """The inverse of `split_channels`."""
    last = jnp.moveaxis(parts, 0, -2)
    return last.reshape(*last.shape[:-2], -1)


def split_batch(x: jax.Array, max_images: int, devices: int = 1) -> jax.Array:
    """[N, ...] as [blocks, images, ...] with at most `max_images` of each device in a block.

    If the batch is sharded, each device has the same number of images of each block. So a loop over the blocks moves no
    images between devices. Up to twice as many blocks as needed are made so that all are full, because then nothing is
    copied. Otherwise the last block is filled with zeros.
    """
    parts = math.gcd(len(x), devices)
    share = len(x) // parts
    blocks = -(-share // max(1, max_images))
    blocks = next((n for n in range(blocks, 2 * blocks) if share % n == 0), blocks)
    images = -(-share // blocks)
    if parts == 1:  # without the axis of parts: XLA would copy the batch
        padding = [(0, blocks * images - share, 0), *[(0, 0, 0)] * (x.ndim - 1)]
        return lax.pad(x, jnp.zeros((), x.dtype), padding).reshape(blocks, images, *x.shape[1:])
    by_part = x.reshape(parts, share, *x.shape[1:])
    padding = [(0, 0, 0), (0, blocks * images - share, 0), *[(0, 0, 0)] * (x.ndim - 1)]
    whole = lax.pad(by_part, jnp.zeros((), x.dtype), padding).reshape(parts, blocks, images, *x.shape[1:])
    return whole.swapaxes(0, 1).reshape(blocks, parts * images, *x.shape[1:])


def join_batch(blocks: jax.Array, count: int, devices: int = 1) -> jax.Array:
    """The inverse of `split_batch`, to an array of `count` images."""
    parts = math.gcd(count, devices)
    if parts == 1:
        return lax.slice_in_dim(blocks.reshape(-1, *blocks.shape[2:]), 0, count)
    by_part = blocks.reshape(blocks.shape[0], parts, -1, *blocks.shape[2:]).swapaxes(0, 1)
    whole = by_part.reshape(parts, -1, *blocks.shape[2:])
    return lax.slice_in_dim(whole, 0, count // parts, axis=1).reshape(count, *blocks.shape[2:])


def depth_to_space(x: jax.Array, counts: Shape, strides: Shape) -> jax.Array:
    """[N, *counts, strides * channels] as [N, *(counts * strides), channels]; each pixel becomes `strides` pixels."""
    axes = len(counts)
    pairs = itertools.chain.from_iterable((1 + i, 1 + axes + i) for i in range(axes))
    ordered = x.reshape(x.shape[0], *counts, *strides, -1).transpose(0, *pairs, 1 + 2 * axes)
    return ordered.reshape(x.shape[0], *map(operator.mul, counts, strides), ordered.shape[-1])


def pad_spatial(x: jax.Array, widths: Sequence[tuple[int, int, int]]) -> jax.Array:
    """Pads each spatial axis with zeros: (before, after, between the pixels). Negative numbers crop."""
    return lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *widths, (0, 0, 0)])


def pad_image(x: jax.Array, geometry: Geometry) -> jax.Array:
    """Applies the convolution's padding."""
    return pad_spatial(x, [(low, high, 0) for low, high in geometry.padding])


def subsample(x: jax.Array, geometry: Geometry) -> jax.Array:
    """Every stride-th pixel, from the first."""
    return lax.slice(x, (0,) * x.ndim, x.shape, (1, *geometry.strides, 1))


def position_offsets(geometry: Geometry) -> Iterator[tuple[int, ...]]:
    """The offset of each kernel position from the first, in pixels."""
    return itertools.product(*(range(0, k * d, d) for k, d in zip(geometry.kernel, geometry.dilation, strict=True)))


def position_slices(x: jax.Array, geometry: Geometry) -> Iterator[jax.Array]:
    """The slice [N, *geometry.out, channels] of each kernel position, from an image that is not padded yet."""
    return position_slices_of_padded(pad_image(x, geometry), geometry)


def position_slices_of_padded(padded: jax.Array, geometry: Geometry) -> Iterator[jax.Array]:
    """The slice [N, *geometry.out, channels] of each kernel position, from a padded image."""
    for offset in position_offsets(geometry):
        limit = (padded.shape[0], *map(operator.add, offset, _extent(geometry)), padded.shape[-1])
        yield lax.slice(padded, (0, *offset, 0), limit, (1, *geometry.strides, 1))


def position_slice_at(padded: jax.Array, offset: jax.Array, geometry: Geometry) -> jax.Array:
    """The slice of the kernel position with this offset, an array of one number for each axis, from a padded image."""
    covered = lax.dynamic_slice(padded, (0, *offset, 0), (padded.shape[0], *_extent(geometry), padded.shape[-1]))
    return subsample(covered, geometry)


class Overlap(NamedTuple):
    """Where a kernel position meets the image itself and not its padding.

    Attributes:
        pixels: indices of the image along each spatial axis.
        outputs: indices of the output that those pixels contribute to, along each spatial axis.
    """

    pixels: tuple[range, ...]
    outputs: tuple[range, ...]

    @property
    def is_empty(self) -> bool:
        return not all(self.outputs)

    def image_slice(self, x: jax.Array) -> jax.Array:
        """The pixels [N, *counts, channels] of an image that is not padded."""
        bounds = [(one[0], one[-1] + 1, one.step) if one else (0, 0, 1) for one in self.pixels]
        starts, limits, steps = zip(*bounds, strict=True)
        # Not by indexing, which makes a gather of an array with a symbolic batch.
        return lax.slice(x, (0, *starts, 0), (x.shape[0], *limits, x.shape[-1]), (1, *steps, 1))

    def place(self, y: jax.Array, geometry: Geometry) -> jax.Array:
        """[N, *counts, out] at its outputs in [N, *geometry.out, out], with zeros elsewhere."""
        widths = [(one.start, n - one.stop, 0) for one, n in zip(self.outputs, geometry.out, strict=True)]
        return pad_spatial(y, widths)


def overlaps(geometry: Geometry) -> Iterator[Overlap]:
    """The overlap of each kernel position with the image."""

    def along(axis: int, offset: int) -> tuple[range, range]:
        start, stride = offset - geometry.padding[axis][0], geometry.strides[axis]  # the pixel that output 0 meets
        first = max(0, -(start // stride))
        end = max(first, min(geometry.out[axis], (geometry.size[axis] - 1 - start) // stride + 1))
        return range(first * stride + start, end * stride + start, stride), range(first, end)

    offsets = position_offsets(geometry)
    return (Overlap(*zip(*itertools.starmap(along, enumerate(offset)), strict=True)) for offset in offsets)


def _extent(geometry: Geometry) -> tuple[int, ...]:
    """The number of pixels from the first to the last that one kernel position meets, along each spatial axis."""
    return tuple((n - 1) * s + 1 for n, s in zip(geometry.out, geometry.strides, strict=True))
