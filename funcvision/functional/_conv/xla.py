"""A convolution and its two gradients by `lax.conv_general_dilated`. GPUs and TPUs always run these."""

from typing import Any

import jax
from jax import lax

from .geometry import Geometry

__all__ = ["input_gradient", "value", "weight_gradient"]


def value(x: jax.Array, weight: jax.Array, *, geometry: Geometry, precision: Any = None) -> jax.Array:
    """The convolution.

    Args:
        x: images [N, *geometry.size, in].
        weight: [*geometry.kernel, in/groups, out].
        geometry: sizes and options.
        precision: of the products, as in `lax.conv_general_dilated`.

    Returns:
        [N, *geometry.out, out].
    """
    spatial = "DHW"[-len(geometry.size) :]
    layout = f"N{spatial}C", f"{spatial}IO", f"N{spatial}C"
    return lax.conv_general_dilated(
        x, weight, geometry.strides, geometry.padding, rhs_dilation=geometry.dilation, dimension_numbers=layout,
        feature_group_count=geometry.groups, precision=precision,
    )


def input_gradient(y: jax.Array, weight: jax.Array, *, geometry: Geometry, precision: Any = None) -> jax.Array:
    """The transpose of `value` as a function of the image: [N, *geometry.out, out] gives [N, *geometry.size, in]."""
    image = jax.ShapeDtypeStruct((y.shape[0], *geometry.size, weight.shape[-2] * geometry.groups), y.dtype)
    (x,) = jax.linear_transpose(lambda x: value(x, weight, geometry=geometry, precision=precision), image)(y)
    return x


def weight_gradient(x: jax.Array, y: jax.Array, *, geometry: Geometry, precision: Any = None) -> jax.Array:
    """The transpose of `value` as a function of the weight.

    [N, *geometry.size, in] and [N, *geometry.out, out] give [*geometry.kernel, in/groups, out].
    """
    kernel = jax.ShapeDtypeStruct((*geometry.kernel, x.shape[-1] // geometry.groups, y.shape[-1]), x.dtype)
    (weight,) = jax.linear_transpose(lambda w: value(x, w, geometry=geometry, precision=precision), kernel)(y)
    return weight
