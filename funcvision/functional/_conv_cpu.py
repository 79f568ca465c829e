"""A convolution and its gradients on a CPU: lowerings that keep out of XLA's slow loops.

The functions are those of `_conv_lax`, by way of what XLA runs fast there: products of matrices, dense convolutions of
one stride whose kernel fits into the image, and sums of shifted images. `benchmarks/conv_sweep.py` measures the choice.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from . import _conv_cost as cost
from . import _conv_gradients as gradients
from . import _conv_groups as groups
from . import _conv_lax as plain
from . import _conv_products as products
from . import _conv_rows as rows
from . import _conv_sums as sums
from . import _conv_winograd as winograd
from ._conv_geometry import Geometry
from ._precision import at_least_float32

__all__ = ["image_gradient", "kernel_gradient", "value"]

_SHORT = 8  # pixels, to which a column more would add too much
_NARROW = 32  # channels: of fewer, as in merged groups, the kernel gradient is as fast as a convolution


def value(x: jax.Array, weight: jax.Array, *, geometry: Geometry, precision: Any = None) -> jax.Array:
    fallback = functools.partial(plain.value, geometry=geometry, precision=precision)
    if not _is_known(x, weight):
        return fallback(x, weight)
    by = functools.partial(_in_float32, x, weight, geometry)
    channels, out = x.shape[-1], weight.shape[-1]
    if products.is_disjoint(geometry):
        return by(products.disjoint_value)
    if sums.has_few_channels(x, geometry):
        return by(sums.few_channels_value)
    if _is_depthwise(x, geometry):
        return by(sums.depthwise_value)
    if geometry.groups > 1:
        if _is_small(x, out // groups.merged(geometry, weight.shape[-2]), geometry) or _is_larger_than_image(geometry):
            return by(products.by_patches_of_groups)
        return groups.value(functools.partial(value, precision=precision), x, weight, geometry)
    if _is_small(x, out, geometry):
        return by(products.by_patches)
    if _is_larger_than_image(geometry) or products.is_mostly_padding(geometry):
        return by(products.by_overlaps)
    if _is_winograd(geometry) and cost.VALUE.prefer_winograd(x.shape[0], channels, out, geometry):
        return by(winograd.value)
    return _xla_value(x, weight, geometry, precision)


def _xla_value(x: jax.Array, weight: jax.Array, geometry: Geometry, precision: Any) -> jax.Array:
    """XLA's own, which takes up to three times as long for an image without padding: such a one gets a column."""
    width = geometry.out[-1]
    if width > _SHORT and not any(map(any, geometry.padding)):
        geometry = geometry._replace(padding=(*geometry.padding[:-1], (0, 1)))
    return lax.slice_in_dim(plain.value(x, weight, geometry=geometry, precision=precision), 0, width, axis=-2)


def image_gradient(y: jax.Array, weight: jax.Array, *, geometry: Geometry, precision: Any = None) -> jax.Array:
    fallback = functools.partial(plain.image_gradient, geometry=geometry, precision=precision)
    if not _is_known(y, weight):
        return fallback(y, weight)
    by = functools.partial(_in_float32, y, weight, geometry)
    if products.is_disjoint(geometry):
        return by(products.disjoint_image_gradient)
    strided = max(geometry.strides) > 1
    if strided and max(geometry.dilation) > 1:
        return fallback(y, weight)
    if geometry.groups == 1 and not strided and _is_small(y, weight.shape[-2], geometry):
        return by(products.image_gradient_by_position)
    return gradients.by_phases(
        functools.partial(value, precision=precision), y, gradients.turned(weight, geometry.groups), geometry
    )


def kernel_gradient(x: jax.Array, y: jax.Array, *, geometry: Geometry, precision: Any = None) -> jax.Array:
    fallback = functools.partial(plain.kernel_gradient, geometry=geometry, precision=precision)
    if not _is_known(x, y):
        return fallback(x, y)
    by = functools.partial(_in_float32, x, y, geometry)
    channels, out = x.shape[-1], y.shape[-1]
    if _is_depthwise(x, geometry):
        return by(sums.depthwise_kernel_gradient)
    if geometry.groups > 1:
        return groups.kernel_gradient(functools.partial(kernel_gradient, precision=precision), x, y, geometry)
    if products.is_disjoint(geometry):
        return by(products.disjoint_kernel_gradient)
    if any(m > n for m, n in zip(geometry.out, geometry.size, strict=True)):
        return by(products.kernel_gradient_by_position)
    if _is_winograd(geometry) and cost.KERNEL_GRADIENT.prefer_winograd(x.shape[0], channels, out, geometry):
        return by(winograd.kernel_gradient)
    if set(geometry.strides) == {1} and max(channels, out) < _NARROW:
        return by(gradients.kernel_gradient_over_channels)
    return by(rows.kernel_gradient)


def _in_float32(a: jax.Array, b: jax.Array, geometry: Geometry, operation: Callable[..., jax.Array]) -> jax.Array:
    """Or in float64, where the operands are."""
    return operation(at_least_float32(a), at_least_float32(b), geometry).astype(a.dtype)


def _is_depthwise(x: jax.Array, geometry: Geometry) -> bool:
    return geometry.groups == x.shape[-1] > 1


def _is_winograd(geometry: Geometry) -> bool:
    ones = {geometry.groups, *geometry.strides, *geometry.dilation}
    return geometry.kernel == (3, 3) and ones == {1}


def _is_known(a: jax.Array, b: jax.Array) -> bool:
    """In floating point, with sizes that are known (an export may have symbols) and none of them 0."""
    return all(isinstance(n, int) and n > 0 for n in a.shape + b.shape) and jnp.issubdtype(a.dtype, jnp.floating)


def _is_small(x: jax.Array, out: int, geometry: Geometry) -> bool:
    """Whether all patches together are no larger than the kernel."""
    return x.shape[0] * math.prod(geometry.out) <= out and math.prod(geometry.kernel) > 1


def _is_larger_than_image(geometry: Geometry) -> bool:
    """Whether the kernel is, along some axis."""
    return any(k > n for k, n in zip(geometry.kernel, geometry.size, strict=True))
