"""Chooses the method for a convolution and for its two gradients on a CPU, by their shapes.

The three functions compute what those of `xla` compute, by way of what XLA runs fast on a CPU: matrix products, dense
convolutions of stride 1 whose kernel fits into the image, and sums of shifted images. `docs/speed.md` has the choice as
a table, and `benchmarks/conv_sweep.py` measures it.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ..._precision import at_least_float32
from .. import xla
from ..geometry import Geometry
from . import cost_model, dense, frames, grouped, kernel_rows, matmul, phases, shift_add, winograd

__all__ = ["input_gradient", "value", "weight_gradient"]

_MIN_CHANNELS_FOR_KERNEL_ROWS = 32  # with fewer, as in merged groups, one convolution is as fast and compiles sooner
_MIN_PIXELS_FOR_DEPTHWISE_FRAMES = 256  # of an output frame; with fewer, a loop over whole clips is faster


def value(x: jax.Array, weight: jax.Array, *, geometry: Geometry, precision: Any = None) -> jax.Array:
    """[N, *geometry.size, in] and [*geometry.kernel, in/groups, out] give [N, *geometry.out, out]."""
    if not _is_supported(x, weight, may_have_symbolic_batch=True):
        return xla.value(x, weight, geometry=geometry, precision=precision)
    run = functools.partial(_run_in_float32, x, weight, geometry)
    channels, out = x.shape[-1], weight.shape[-1]
    if matmul.has_disjoint_patches(geometry):
        return run(matmul.disjoint_value)
    again = functools.partial(value, precision=precision)
    if frames.is_separable(geometry):
        return frames.separable_value(again, x, weight, geometry)
    if shift_add.has_few_channels(x, geometry):
        return run(shift_add.few_channels_value)
    if _is_depthwise(x, geometry):
        return run(shift_add.depthwise_value)
    if geometry.groups > 1:
        group_out = out // grouped.merged_groups(geometry, weight.shape[-2])
        if _has_few_pixels(x, group_out, geometry) or _is_kernel_larger_than_image(geometry):
            return run(matmul.by_patches_of_groups)
        return grouped.value(again, x, weight, geometry)
    if _has_few_pixels(x, out, geometry):
        return run(matmul.by_patches)
    if _is_kernel_larger_than_image(geometry) or matmul.is_mostly_padding(geometry):
        return run(matmul.by_overlaps)
    if (size := _tile_size(cost_model.VALUE, x, out, geometry)) > 1:
        return run(functools.partial(winograd.value, size=size))
    if len(geometry.kernel) == 3:
        clips = x.shape[0] if isinstance(x.shape[0], int) else 1
        by_input = _prefers_winograd_for_frames(cost_model.VALUE, channels, out, clips, geometry)
        return run(functools.partial(frames.value_by_input_frames if by_input else frames.value, again))
    return dense.value(x, weight, geometry, precision)


def input_gradient(y: jax.Array, weight: jax.Array, *, geometry: Geometry, precision: Any = None) -> jax.Array:
    """[N, *geometry.out, out] and [*geometry.kernel, in/groups, out] give [N, *geometry.size, in]."""
    if not _is_supported(y, weight, may_have_symbolic_batch=len(geometry.kernel) < 3):
        return xla.input_gradient(y, weight, geometry=geometry, precision=precision)
    run = functools.partial(_run_in_float32, y, weight, geometry)
    again = functools.partial(input_gradient, precision=precision)
    is_strided, is_dilated = max(geometry.strides) > 1, max(geometry.dilation) > 1
    channels = weight.shape[-2] * geometry.groups
    if matmul.has_disjoint_patches(geometry):
        return run(matmul.disjoint_input_gradient)
    if frames.is_separable(geometry):
        return frames.separable_input_gradient(again, y, weight, geometry)
    if geometry.groups == 1 and not is_strided and _has_few_pixels(y, channels, geometry):
        return run(matmul.input_gradient_by_position)
    is_depthwise = geometry.groups == channels > 1
    if len(geometry.kernel) == 3 and (not is_depthwise or (is_strided and is_dilated)):
        return run(functools.partial(frames.input_gradient, again))
    if is_strided and is_dilated:
        return xla.input_gradient(y, weight, geometry=geometry, precision=precision)
    return phases.input_gradient(functools.partial(value, precision=precision), y, weight, geometry)


def weight_gradient(x: jax.Array, y: jax.Array, *, geometry: Geometry, precision: Any = None) -> jax.Array:
    """[N, *geometry.size, in] and [N, *geometry.out, out] give [*geometry.kernel, in/groups, out]."""
    if not _is_supported(x, y):
        return xla.weight_gradient(x, y, geometry=geometry, precision=precision)
    run = functools.partial(_run_in_float32, x, y, geometry)
    again = functools.partial(weight_gradient, precision=precision)
    if frames.is_separable(geometry):
        return frames.separable_weight_gradient(again, x, y, geometry)
    channels, out = x.shape[-1], y.shape[-1]
    if _is_depthwise(x, geometry):
        if len(geometry.kernel) == 3 and math.prod(geometry.out[1:]) >= _MIN_PIXELS_FOR_DEPTHWISE_FRAMES:
            return run(functools.partial(frames.weight_gradient, again))
        return run(shift_add.depthwise_weight_gradient)
    if geometry.groups > 1:
        return grouped.weight_gradient(again, x, y, geometry)
    if matmul.has_disjoint_patches(geometry):
        return run(matmul.disjoint_weight_gradient)
    if any(m > n for m, n in zip(geometry.out, geometry.size, strict=True)):
        return run(matmul.weight_gradient_by_position)
    if (size := _tile_size(cost_model.WEIGHT_GRADIENT, x, out, geometry)) > 1:
        return run(functools.partial(winograd.weight_gradient, size=size))
    if len(geometry.kernel) == 3:
        if _has_few_pixels(x, out, geometry):
            return run(matmul.weight_gradient_by_patches)
        by_input = _prefers_winograd_for_frames(cost_model.WEIGHT_GRADIENT, channels, out, x.shape[0], geometry)
        method = frames.weight_gradient_by_input_frames if by_input else frames.weight_gradient
        return run(functools.partial(method, again))
    if set(geometry.strides) == {1} and max(channels, out) < _MIN_CHANNELS_FOR_KERNEL_ROWS:
        return run(dense.weight_gradient_over_channels)
    return run(kernel_rows.weight_gradient)


def _run_in_float32(a: jax.Array, b: jax.Array, geometry: Geometry, method: Callable[..., jax.Array]) -> jax.Array:
    """Runs the method in float32, or in float64 where the operands are, and rounds the result to their dtype once."""
    return method(at_least_float32(a), at_least_float32(b), geometry).astype(a.dtype)


def _is_supported(a: jax.Array, b: jax.Array, *, may_have_symbolic_batch: bool = False) -> bool:
    """Whether the operands are floating-point, not empty, and of known sizes; an exported program may have symbols."""
    first = 1 if may_have_symbolic_batch and not isinstance(a.shape[0], int) else 0
    known = all(isinstance(n, int) and n > 0 for n in a.shape[first:] + b.shape)
    return known and jnp.issubdtype(a.dtype, jnp.floating)


def _is_depthwise(x: jax.Array, geometry: Geometry) -> bool:
    return geometry.groups == x.shape[-1] > 1


def _allows_winograd(geometry: Geometry) -> bool:
    ones = {geometry.groups, *geometry.strides, *geometry.dilation}
    return geometry.kernel == (3, 3) and ones == {1}


def _tile_size(costs: cost_model.Costs, x: jax.Array, out: int, geometry: Geometry) -> int:
    """The size of Winograd's tiles, or 1 for another method."""
    if not _allows_winograd(geometry) or not isinstance(x.shape[0], int):
        return 1
    return costs.tile_size(x.shape[0], x.shape[-1], out, geometry)


def _prefers_winograd_for_frames(
    costs: cost_model.Costs, channels: int, out: int, clips: int, geometry: Geometry
) -> bool:
    """Whether Winograd's method is predicted to be faster if it convolves each input frame with all kernel frames."""
    frame = geometry.of_a_frame()
    if geometry.strides[0] > 1 or not _allows_winograd(frame):
        return False
    return costs.tile_size(clips * geometry.size[0], channels, geometry.kernel[0] * out, frame) > 1


def _has_few_pixels(x: jax.Array, out: int, geometry: Geometry) -> bool:
    """Whether the patches of all output pixels together are no larger than the weight, of `out` output channels."""
    few = isinstance(x.shape[0], int) and x.shape[0] * math.prod(geometry.out) <= out
    return few and math.prod(geometry.kernel) > 1


def _is_kernel_larger_than_image(geometry: Geometry) -> bool:
    """Whether it is, along some axis."""
    return any(k > n for k, n in zip(geometry.kernel, geometry.size, strict=True))
