"""The kernel gradient of a dense convolution by one product for every row of the kernel.

Along the last axis each pixel is gathered with those that a row of the kernel meets beside it, [N, H, out, k * in]; the
rows of the kernel meet slices of that, so that no patch is ever written as a whole. Few images are taken at a time:
what was gathered of them is still in the cache when the products read it.
"""

import math
from collections.abc import Iterator

import jax
import jax.numpy as jnp
from jax import lax

from ..geometry import Geometry
from .windows import as_matrix, in_blocks, padded, shifts

__all__ = ["weight_gradient"]

_BLOCK = 6 << 20  # bytes, gathered and of the output's gradient


def weight_gradient(x: jax.Array, y: jax.Array, geometry: Geometry) -> jax.Array:
    """[N, *geometry.size, in] with [N, *geometry.out, out] gives [*geometry.kernel, in, out]."""
    if set(geometry.strides) == {1} and y.shape[-1] < x.shape[-1]:  # less is gathered of the narrower one
        turned = weight_gradient(y, x, _exchanged(geometry))
        return lax.rev(turned, range(len(geometry.kernel))).swapaxes(-1, -2)

    def products(image: jax.Array, gradient: jax.Array) -> jax.Array:
        """[rows, k * in, out]."""
        return jnp.stack([_product(as_matrix(row), as_matrix(gradient)) for row in _rows(image, geometry)])

    elements = _gathered_pixels(geometry) * x.shape[-1] + math.prod(geometry.out) * y.shape[-1]
    most = _BLOCK // (elements * x.dtype.itemsize)
    images, gradients = in_blocks(x, most), in_blocks(y, most)
    if len(images) == 1:
        total = products(images[0], gradients[0])
    else:
        zero = jnp.zeros(jax.eval_shape(products, images[0], gradients[0]).shape, x.dtype)
        total, _ = lax.scan(lambda total, block: (total + products(*block), None), zero, (images, gradients))
    return total.reshape(*geometry.kernel, x.shape[-1], y.shape[-1])


def _product(a: jax.Array, b: jax.Array) -> jax.Array:
    """a.T @ b, with the wider one on the right, where it fills registers."""
    return a.T @ b if a.shape[-1] < b.shape[-1] else (b.T @ a).T


def _rows(x: jax.Array, geometry: Geometry) -> Iterator[jax.Array]:
    """For every row of the kernel what it meets, [N, *out, k * in]."""
    whole, axes = padded(x, geometry), len(geometry.size)
    k, s, d, out = geometry.kernel[-1], geometry.strides[-1], geometry.dilation[-1], geometry.out[-1]
    beside = [lax.slice_in_dim(whole, j * d, j * d + (out - 1) * s + 1, s, axis=-2) for j in range(k)]
    others = geometry._replace(
        size=(*whole.shape[1:-2], out), kernel=(*geometry.kernel[:-1], 1), strides=(*geometry.strides[:-1], 1),
        padding=((0, 0),) * axes,
    )
    return shifts(jnp.concatenate(beside, axis=-1), others)


def _exchanged(geometry: Geometry) -> Geometry:
    """With stride 1: the image moves over the output in place of the output over the image."""
    pads = zip(geometry.padding, geometry.reach, strict=True)
    return geometry._replace(size=geometry.out, padding=tuple((r - low, r - high) for (low, high), r in pads))


def _gathered_pixels(geometry: Geometry) -> int:
    """In an image."""
    heights = zip(geometry.size[:-1], geometry.padding[:-1], strict=True)
    return math.prod(n + low + high for n, (low, high) in heights) * geometry.out[-1] * geometry.kernel[-1]
