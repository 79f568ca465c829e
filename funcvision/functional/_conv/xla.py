"""A convolution and its gradients by `lax.conv_general_dilated`: what a GPU and a TPU are given."""

from typing import Any

import jax
from jax import lax

from .geometry import Geometry

__all__ = ["input_gradient", "weight_gradient", "value"]


def value(x: jax.Array, weight: jax.Array, *, geometry: Geometry, precision: Any = None) -> jax.Array:
    """[N, *size, in] with [*kernel, in/groups, out] gives [N, *out, out]."""
    spatial = "DHW"[-len(geometry.size) :]
    layout = f"N{spatial}C", f"{spatial}IO", f"N{spatial}C"
    return lax.conv_general_dilated(
        x, weight, geometry.strides, geometry.padding, rhs_dilation=geometry.dilation, dimension_numbers=layout,
        feature_group_count=geometry.groups, precision=precision,
    )


def input_gradient(y: jax.Array, weight: jax.Array, *, geometry: Geometry, precision: Any = None) -> jax.Array:
    """The transpose of `value` in the image: [N, *out, out] with [*kernel, in/groups, out] gives [N, *size, in]."""
    image = jax.ShapeDtypeStruct((y.shape[0], *geometry.size, weight.shape[-2] * geometry.groups), y.dtype)
    (x,) = jax.linear_transpose(lambda x: value(x, weight, geometry=geometry, precision=precision), image)(y)
    return x


def weight_gradient(x: jax.Array, y: jax.Array, *, geometry: Geometry, precision: Any = None) -> jax.Array:
    """The transpose of `value` in the kernel: [N, *size, in] with [N, *out, out] gives [*kernel, in/groups, out]."""
    kernel = jax.ShapeDtypeStruct((*geometry.kernel, x.shape[-1] // geometry.groups, y.shape[-1]), x.dtype)
    (weight,) = jax.linear_transpose(lambda w: value(x, w, geometry=geometry, precision=precision), kernel)(y)
    return weight
