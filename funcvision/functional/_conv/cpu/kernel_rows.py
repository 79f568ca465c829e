"""The gradient of a dense convolution with respect to the weight, by one matrix product for each row of the kernel.

A row of the kernel is a line of `k` elements along the last spatial axis. For each output column, the `k` pixels that a
row meets are gathered side by side: [N, H, W', k * in]. Each row of the kernel then meets a slice of this array, so no
array of whole patches is ever materialised. A few images are processed at a time, so that what was gathered from them
is still in the cache when the products read it.
"""

import math
from collections.abc import Iterator

import jax
import jax.numpy as jnp
from jax import lax

from ..geometry import Geometry
from .windows import as_matrix, pad_image, position_slices, split_batch

__all__ = ["weight_gradient"]

_MAX_BLOCK_BYTES = 6 << 20  # of gathered pixels and of the output's gradient


def weight_gradient(x: jax.Array, y: jax.Array, geometry: Geometry) -> jax.Array:
    """[N, *geometry.size, in] and [N, *geometry.out, out] give [*geometry.kernel, in, out]."""
    if set(geometry.strides) == {1} and y.shape[-1] < x.shape[-1]:  # gather from the array with fewer channels
        exchanged = weight_gradient(y, x, _exchange_image_and_output(geometry))
        return lax.rev(exchanged, range(len(geometry.kernel))).swapaxes(-1, -2)

    def products(image: jax.Array, gradient: jax.Array) -> jax.Array:
        """[rows of the kernel, k * in, out]."""
        slices = _row_slices(image, geometry)
        return jnp.stack([_transposed_product(as_matrix(pixels), as_matrix(gradient)) for pixels in slices])

    elements = _gathered_pixels(geometry) * x.shape[-1] + math.prod(geometry.out) * y.shape[-1]
    max_images = _MAX_BLOCK_BYTES // (elements * x.dtype.itemsize)
    images, gradients = (split_batch(array, max_images, geometry.devices) for array in (x, y))
    if len(images) == 1:
        total = products(images[0], gradients[0])
    else:
        zero = jnp.zeros(jax.eval_shape(products, images[0], gradients[0]).shape, x.dtype)
        total, _ = lax.scan(lambda total, block: (total + products(*block), None), zero, (images, gradients))
    return total.reshape(*geometry.kernel, x.shape[-1], y.shape[-1])


def _transposed_product(a: jax.Array, b: jax.Array) -> jax.Array:
    """a.T @ b, computed with the wider matrix on the right, where it fills the vector registers."""
    return a.T @ b if a.shape[-1] < b.shape[-1] else (b.T @ a).T


def _row_slices(x: jax.Array, geometry: Geometry) -> Iterator[jax.Array]:
    """For each row of the kernel the pixels that it meets, [N, *geometry.out, k * in]."""
    padded, axes = pad_image(x, geometry), len(geometry.size)
    k, s, d, out = geometry.kernel[-1], geometry.strides[-1], geometry.dilation[-1], geometry.out[-1]
    columns = [lax.slice_in_dim(padded, j * d, j * d + (out - 1) * s + 1, s, axis=-2) for j in range(k)]
    other_axes = geometry._replace(
        size=(*padded.shape[1:-2], out), kernel=(*geometry.kernel[:-1], 1), strides=(*geometry.strides[:-1], 1),
        padding=((0, 0),) * axes,
    )
    return position_slices(jnp.concatenate(columns, axis=-1), other_axes)


def _exchange_image_and_output(geometry: Geometry) -> Geometry:
    """For stride 1: the geometry in which the image moves over the output, not the output over the image."""
    pads = zip(geometry.padding, geometry.reach, strict=True)
    return geometry._replace(size=geometry.out, padding=tuple((r - low, r - high) for (low, high), r in pads))


def _gathered_pixels(geometry: Geometry) -> int:
    """The number of pixels that are gathered of one image."""
    heights = zip(geometry.size[:-1], geometry.padding[:-1], strict=True)
    return math.prod(n + low + high for n, (low, high) in heights) * geometry.out[-1] * geometry.kernel[-1]
