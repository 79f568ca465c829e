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

from ..._precision import at_least_float32
from .. import xla
from ..geometry import Geometry
from . import cost_model, grouped, kernel_rows, matmul, phases, shift_add, winograd

__all__ = ["input_gradient", "weight_gradient", "value"]

_SHORT = 8  # pixels, to which a column more would add too much
_NARROW = 32  # channels: of fewer, as in merged groups, the kernel gradient is as fast as a convolution


def value(x: jax.Array, weight: jax.Array, *, geometry: Geometry, precision: Any = None) -> jax.Array:
    fallback = functools.partial(xla.value, geometry=geometry, precision=precision)
    if not _is_known(x, weight):
        return fallback(x, weight)
    by = functools.partial(_in_float32, x, weight, geometry)
    channels, out = x.shape[-1], weight.shape[-1]
    if matmul.is_disjoint(geometry):
        return by(matmul.disjoint_value)
    if shift_add.has_few_channels(x, geometry):
        return by(shift_add.few_channels_value)
    if _is_depthwise(x, geometry):
        return by(shift_add.depthwise_value)
    if geometry.groups > 1:
        if _is_small(x, out // grouped.merged(geometry, weight.shape[-2]), geometry) or _is_larger_than_image(geometry):
            return by(matmul.by_patches_of_groups)
        return grouped.value(functools.partial(value, precision=precision), x, weight, geometry)
    if _is_small(x, out, geometry):
        return by(matmul.by_patches)
    if _is_larger_than_image(geometry) or matmul.is_mostly_padding(geometry):
        return by(matmul.by_overlaps)
    if _is_winograd(geometry) and cost_model.VALUE.prefer_winograd(x.shape[0], channels, out, geometry):
        return by(winograd.value)
    return _xla_value(x, weight, geometry, precision)


def _xla_value(x: jax.Array, weight: jax.Array, geometry: Geometry, precision: Any) -> jax.Array:
    """XLA's own, which takes up to three times as long for an image without padding: such a one gets a column."""
    width = geometry.out[-1]
    if width > _SHORT and not any(map(any, geometry.padding)):
        geometry = geometry._replace(padding=(*geometry.padding[:-1], (0, 1)))
    return lax.slice_in_dim(xla.value(x, weight, geometry=geometry, precision=precision), 0, width, axis=-2)


def input_gradient(y: jax.Array, weight: jax.Array, *, geometry: Geometry, precision: Any = None) -> jax.Array:
    fallback = functools.partial(xla.input_gradient, geometry=geometry, precision=precision)
    if not _is_known(y, weight):
        return fallback(y, weight)
    by = functools.partial(_in_float32, y, weight, geometry)
    if matmul.is_disjoint(geometry):
        return by(matmul.disjoint_input_gradient)
    strided = max(geometry.strides) > 1
    if strided and max(geometry.dilation) > 1:
        return fallback(y, weight)
    if geometry.groups == 1 and not strided and _is_small(y, weight.shape[-2], geometry):
        return by(matmul.input_gradient_by_position)
    return phases.by_phases(
        functools.partial(value, precision=precision), y, phases.turned(weight, geometry.groups), geometry
    )


def weight_gradient(x: jax.Array, y: jax.Array, *, geometry: Geometry, precision: Any = None) -> jax.Array:
    fallback = functools.partial(xla.weight_gradient, geometry=geometry, precision=precision)
    if not _is_known(x, y):
        return fallback(x, y)
    by = functools.partial(_in_float32, x, y, geometry)
    channels, out = x.shape[-1], y.shape[-1]
    if _is_depthwise(x, geometry):
        return by(shift_add.depthwise_weight_gradient)
    if geometry.groups > 1:
        return grouped.weight_gradient(functools.partial(weight_gradient, precision=precision), x, y, geometry)
    if matmul.is_disjoint(geometry):
        return by(matmul.disjoint_weight_gradient)
    if any(m > n for m, n in zip(geometry.out, geometry.size, strict=True)):
        return by(matmul.weight_gradient_by_position)
    if _is_winograd(geometry) and cost_model.WEIGHT_GRADIENT.prefer_winograd(x.shape[0], channels, out, geometry):
        return by(winograd.weight_gradient)
    if set(geometry.strides) == {1} and max(channels, out) < _NARROW:
        return by(phases.weight_gradient_over_channels)
    return by(kernel_rows.weight_gradient)


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
