"""Convolutions by sums of shifted images, where a channel is multiplied with few elements of the kernel.

Depthwise ones, and those of images of few channels: there each channel is multiplied with a row of the kernel.
"""

import functools
import math
import operator
from collections.abc import Iterable

import jax
import jax.numpy as jnp
from jax import lax

from ._conv_geometry import Geometry
from ._conv_shifts import offsets, padded, shifts, window

__all__ = ["depthwise_kernel_gradient", "depthwise_value", "few_channels_value", "has_few_channels"]

_UNROLLED_ROWS = 64  # rows of the kernel, [out], that are written out (7x7 of one channel, 3x3 of seven)
_UNROLLED_SUMS = 9  # kernel positions that are, in the kernel gradient
_FEW = 8  # channels: of so many, a product fills registers
_AT_ONCE = 4  # sums side by side, as a single one waits for each addition to end
_BY_IMAGE = 27  # kernel positions for which images are taken one by one, where an image is
_LARGE = 1 << 20  # at least so many bytes, and several would leave the cache between two positions


def has_few_channels(x: jax.Array, geometry: Geometry) -> bool:
    """Whether `few_channels_value` is made for them."""
    channels = x.shape[-1]
    return geometry.groups == 1 and channels < _FEW and math.prod(geometry.kernel) * channels <= _UNROLLED_ROWS


def few_channels_value(x: jax.Array, weight: jax.Array, geometry: Geometry) -> jax.Array:
    """[N, *geometry.size, in] with [*kernel, in, out] gives [N, *geometry.out, out]."""
    channels = (shifted[..., i : i + 1] for shifted in shifts(x, geometry) for i in range(x.shape[-1]))
    return _sum(map(operator.mul, channels, _rows(weight)))


def depthwise_value(x: jax.Array, weight: jax.Array, geometry: Geometry) -> jax.Array:
    """[N, *geometry.size, in] with [*kernel, 1, out] gives [N, *geometry.out, out]."""
    repeated = _repeated(x, weight.shape[-1])
    rows = _rows(weight)
    if x.shape[0] > 1 and len(rows) <= _BY_IMAGE and repeated.nbytes // x.shape[0] >= _LARGE:
        return lax.map(lambda image: depthwise_value(image[None], weight, geometry)[0], repeated)
    if len(rows) <= _UNROLLED_ROWS:
        return _sum(map(operator.mul, shifts(repeated, geometry), rows))
    whole, positions = padded(repeated, geometry), jnp.asarray(list(offsets(geometry)))

    def add(i: jax.Array, total: jax.Array) -> jax.Array:
        return total + window(whole, positions[i], geometry) * lax.dynamic_index_in_dim(rows, i, 0, keepdims=False)

    return lax.fori_loop(1, len(rows), add, add(jnp.asarray(0), jnp.zeros((), x.dtype)))


def depthwise_kernel_gradient(x: jax.Array, y: jax.Array, geometry: Geometry) -> jax.Array:
    """A small kernel image by image, for all positions while the image is in the cache; a large one by position."""
    repeated, axes = _repeated(x, y.shape[-1]), tuple(range(x.ndim - 1))
    if math.prod(geometry.kernel) <= _UNROLLED_SUMS:
        def add(total: jax.Array, pair: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
            image, gradient = (one[None] for one in pair)
            return total + jnp.stack([(shifted * gradient).sum(axes) for shifted in shifts(image, geometry)]), None

        rows, _ = lax.scan(add, jnp.zeros((math.prod(geometry.kernel), y.shape[-1]), x.dtype), (repeated, y))
    else:
        whole = padded(repeated, geometry)
        rows = lax.map(lambda at: (window(whole, at, geometry) * y).sum(axes), jnp.asarray(list(offsets(geometry))))
    return rows.reshape(*geometry.kernel, 1, -1)


def _rows(weight: jax.Array) -> jax.Array:
    """Of the kernel, each of the rank of an image: [positions * in/groups, 1, ..., 1, out]."""
    return weight.reshape(-1, *(1,) * (weight.ndim - 1), weight.shape[-1])


def _sum(terms: Iterable[jax.Array]) -> jax.Array:
    listed = list(terms)
    parts = (listed[i::_AT_ONCE] for i in range(min(_AT_ONCE, len(listed))))
    return functools.reduce(operator.add, (functools.reduce(operator.add, part) for part in parts))


def _repeated(x: jax.Array, out: int) -> jax.Array:
    """Every channel once for each of its outputs."""
    return jnp.repeat(x, out // x.shape[-1], axis=-1) if out > x.shape[-1] else x
