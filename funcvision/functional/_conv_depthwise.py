"""Depthwise convolutions by sums of shifted images: a channel is multiplied with its own element of the kernel."""

import functools
import math
import operator

import jax
import jax.numpy as jnp
from jax import lax

from ._conv_geometry import Geometry
from ._conv_shifts import offsets, padded, shifts, window

__all__ = ["kernel_gradient", "value"]

_UNROLLED_ROWS = 64  # kernel positions that are written out (7x7)
_UNROLLED_SUMS = 9  # the same in the kernel gradient
_BY_IMAGE = 27  # kernel positions for which images are taken one by one, where an image is
_LARGE = 1 << 20  # at least so many bytes, and several would leave the cache between two positions


def value(x: jax.Array, weight: jax.Array, geometry: Geometry) -> jax.Array:
    repeated = _repeated(x, weight.shape[-1])
    rows = weight.reshape(-1, *(1,) * (x.ndim - 1), weight.shape[-1])
    if x.shape[0] > 1 and len(rows) <= _BY_IMAGE and repeated.nbytes // x.shape[0] >= _LARGE:
        return lax.map(lambda image: value(image[None], weight, geometry)[0], repeated)
    if len(rows) <= _UNROLLED_ROWS:
        return functools.reduce(operator.add, map(operator.mul, shifts(repeated, geometry), rows))
    whole, positions = padded(repeated, geometry), jnp.asarray(list(offsets(geometry)))

    def add(i: jax.Array, total: jax.Array) -> jax.Array:
        return total + window(whole, positions[i], geometry) * lax.dynamic_index_in_dim(rows, i, 0, keepdims=False)

    return lax.fori_loop(1, len(rows), add, add(jnp.asarray(0), jnp.zeros((), x.dtype)))


def kernel_gradient(x: jax.Array, y: jax.Array, geometry: Geometry) -> jax.Array:
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


def _repeated(x: jax.Array, out: int) -> jax.Array:
    """Every channel once for each of its outputs."""
    return jnp.repeat(x, out // x.shape[-1], axis=-1) if out > x.shape[-1] else x
