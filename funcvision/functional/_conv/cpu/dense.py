"""Dense convolutions by XLA's own convolution, in the forms that XLA runs fastest on a CPU."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from .. import xla
from ..geometry import Geometry

__all__ = ["value", "weight_gradient_over_channels"]

_MIN_WIDTH_FOR_EXTRA_COLUMN = 9  # pixels of the output; for narrower ones an extra column costs more than it gains


def value(x: jax.Array, weight: jax.Array, geometry: Geometry, precision: Any) -> jax.Array:
    """[N, *geometry.size, in] and [*geometry.kernel, in, out] give [N, *geometry.out, out].

    An image without padding gets a column of zeros, and the output loses its last column if there is one too many:
    XLA's convolution takes up to three times as long when nothing is padded.
    """
    width = geometry.out[-1]
    if width >= _MIN_WIDTH_FOR_EXTRA_COLUMN and not any(map(any, geometry.padding)):
        geometry = geometry._replace(padding=(*geometry.padding[:-1], (0, 1)))
    return lax.slice_in_dim(xla.value(x, weight, geometry=geometry, precision=precision), 0, width, axis=-2)


def weight_gradient_over_channels(x: jax.Array, y: jax.Array, geometry: Geometry) -> jax.Array:
    """The gradient with respect to the weight as one convolution, for stride 1.

    The input's channels take the place of the batch, and the output's gradient takes the place of the kernel.
    [N, *geometry.size, in] and [N, *geometry.out, out] give [*geometry.kernel, in, out].
    """
    exchanged = geometry._replace(kernel=geometry.out, strides=geometry.dilation, dilation=geometry.strides)
    weight = xla.value(x.swapaxes(0, -1), jnp.moveaxis(y, 0, -2), geometry=exchanged)
    return jnp.moveaxis(weight, 0, -2)
