"""What the positions of a kernel meet of an image [N, *spatial, channels]."""

import itertools
import operator
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ..geometry import Geometry, Shape

__all__ = [
    "Overlap", "as_matrix", "in_blocks", "interleaved", "joined", "offsets", "overlaps", "pad", "padded", "shifts",
    "shifts_of", "split", "strided", "window",
]


def as_matrix(x: jax.Array) -> jax.Array:
    """Images or a kernel, [..., channels], as one matrix of so many columns."""
    return x.reshape(-1, x.shape[-1])


def split(x: jax.Array, count: int) -> jax.Array:
    """[..., channels] as [count, ..., channels / count]."""
    return jnp.moveaxis(x.reshape(*x.shape[:-1], count, -1), -2, 0)


def joined(parts: jax.Array) -> jax.Array:
    """What `split` split."""
    together = jnp.moveaxis(parts, 0, -2)
    return together.reshape(*together.shape[:-2], -1)


def pad(x: jax.Array, spatial: Sequence[tuple[int, int, int]]) -> jax.Array:
    """With zeros: before, after and between the pixels of each spatial axis."""
    return lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *spatial, (0, 0, 0)])


def padded(x: jax.Array, geometry: Geometry) -> jax.Array:
    return pad(x, [(low, high, 0) for low, high in geometry.padding])


def strided(x: jax.Array, geometry: Geometry) -> jax.Array:
    return lax.slice(x, (0,) * x.ndim, x.shape, (1, *geometry.strides, 1))


def shifts(x: jax.Array, geometry: Geometry) -> Iterator[jax.Array]:
    """For every kernel position the pixels [N, *out, channels] that it meets."""
    return shifts_of(padded(x, geometry), geometry)


def shifts_of(whole: jax.Array, geometry: Geometry) -> Iterator[jax.Array]:
    """The same of an image that is padded."""
    for at in offsets(geometry):
        limit = (whole.shape[0], *map(operator.add, at, _extent(geometry)), whole.shape[-1])
        yield lax.slice(whole, (0, *at, 0), limit, (1, *geometry.strides, 1))


def window(whole: jax.Array, at: jax.Array, geometry: Geometry) -> jax.Array:
    """The same for the position that lies `at`, an array, in an image that is padded."""
    met = lax.dynamic_slice(whole, (0, *at, 0), (whole.shape[0], *_extent(geometry), whole.shape[-1]))
    return strided(met, geometry)


class Overlap(NamedTuple):
    """Where a kernel position meets the image and not its padding: of each axis the pixels and the outputs."""

    pixels: tuple[range, ...]
    outputs: tuple[range, ...]

    @property
    def is_empty(self) -> bool:
        return not all(self.outputs)

    def met(self, x: jax.Array) -> jax.Array:
        """The pixels [N, *counts, channels]."""
        return x[:, *(slice(one.start, one.stop, one.step) for one in self.pixels)]

    def placed(self, y: jax.Array, geometry: Geometry) -> jax.Array:
        """[N, *counts, out] at the outputs of [N, *geometry.out, out], with zeros elsewhere."""
        return pad(y, [(one.start, n - one.stop, 0) for one, n in zip(self.outputs, geometry.out, strict=True)])


def overlaps(geometry: Geometry) -> Iterator[Overlap]:
    """One for each kernel position."""

    def along(axis: int, at: int) -> tuple[range, range]:
        start, stride = at - geometry.padding[axis][0], geometry.strides[axis]  # the pixel that the first output meets
        first = max(0, -(start // stride))
        end = max(first, min(geometry.out[axis], (geometry.size[axis] - 1 - start) // stride + 1))
        return range(first * stride + start, end * stride + start, stride), range(first, end)

    return (Overlap(*zip(*itertools.starmap(along, enumerate(at)), strict=True)) for at in offsets(geometry))


def offsets(geometry: Geometry) -> Iterator[tuple[int, ...]]:
    """Where the kernel positions lie in a window."""
    return itertools.product(*(range(0, k * d, d) for k, d in zip(geometry.kernel, geometry.dilation, strict=True)))


def _extent(geometry: Geometry) -> tuple[int, ...]:
    """What one kernel position meets in the padded image, before striding."""
    return tuple((n - 1) * s + 1 for n, s in zip(geometry.out, geometry.strides, strict=True))


def in_blocks(x: jax.Array, most: int) -> jax.Array:
    """[N, ...] as [blocks, images, ...], with at most so many images in a block; missing ones are zero."""
    blocks = -(-len(x) // max(1, most))
    images = -(-len(x) // blocks)
    whole = lax.pad(x, jnp.zeros((), x.dtype), [(0, blocks * images - len(x), 0), *[(0, 0, 0)] * (x.ndim - 1)])
    return whole.reshape(blocks, images, *x.shape[1:])


def interleaved(apart: jax.Array, counts: Shape, strides: Shape) -> jax.Array:
    """[N, *counts, strides * channels] as the pixels of one image, [N, *(counts * strides), channels]."""
    axes = len(counts)
    pairs = itertools.chain.from_iterable((1 + i, 1 + axes + i) for i in range(axes))
    ordered = apart.reshape(apart.shape[0], *counts, *strides, -1).transpose(0, *pairs, 1 + 2 * axes)
    return ordered.reshape(apart.shape[0], *map(operator.mul, counts, strides), ordered.shape[-1])
