"""The gradient with respect to the input, as convolutions of stride 1 of the output's gradient.

An input pixel meets every `stride`-th position of the kernel. Which positions these are depends only on the pixel's
index modulo the stride; all pixels with the same remainder along each axis form a phase. Each phase is a convolution of
stride 1 of the output's gradient with the kernel positions that the phase meets, in reverse order. Interleaving the
phases gives the gradient. XLA has fast code for these convolutions on a CPU, and none for the transposes that `lax`
would give it.
"""

import itertools
import operator
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from ..geometry import Geometry, Shape
from .windows import depth_to_space

__all__ = ["input_gradient", "phase_geometry"]

_MIN_CHANNELS_FOR_SEPARATE_PHASES = 16  # with fewer, as in a colour image, one convolution makes all phases


def input_gradient(
    convolve: Callable[..., jax.Array], y: jax.Array, weight: jax.Array, geometry: Geometry
) -> jax.Array:
    """The gradient with respect to the input of a convolution that is strided or dilated, but not both.

    Args:
        convolve: `convolve(x, weight, geometry=geometry)`, a convolution of stride 1.
        y: [N, *geometry.out, out], the gradient with respect to the output.
        weight: [*geometry.kernel, in/groups, out].
        geometry: sizes and options.

    Returns:
        [N, *geometry.size, in].
    """
    firsts, counts = _phase_extent(geometry)
    weight = _transpose_channels(weight, geometry.groups)

    def phase_kernel(whole: jax.Array, start: tuple[int, ...]) -> jax.Array:
        positions = tuple(slice(a, None, s) for a, s in zip(start, geometry.strides, strict=True))
        return lax.rev(whole[positions], range(len(start)))

    def phase_pixels(kernel: jax.Array) -> jax.Array:
        if 0 in kernel.shape:
            return jnp.zeros((y.shape[0], *counts, kernel.shape[-1]), y.dtype)
        return convolve(y, kernel, geometry=phase_geometry(geometry, kernel.shape[:-2]))

    starts = list(itertools.product(*map(range, geometry.strides)))
    if len(starts) == 1:
        return phase_pixels(phase_kernel(weight, starts[0]))
    if geometry.groups == 1 and weight.shape[-1] < _MIN_CHANNELS_FOR_SEPARATE_PHASES:
        missing = [(0, -k % s, 0) for k, s in zip(geometry.kernel, geometry.strides, strict=True)]
        whole = lax.pad(weight, jnp.zeros((), weight.dtype), [*missing, (0, 0, 0), (0, 0, 0)])
        phases = phase_pixels(jnp.concatenate([phase_kernel(whole, start) for start in starts], axis=-1))
    else:
        phases = jnp.concatenate([phase_pixels(phase_kernel(weight, start)) for start in starts], axis=-1)
    covered = depth_to_space(phases, counts, geometry.strides)
    lows = (low for low, _ in geometry.padding)
    offsets = tuple(low - s * first for low, s, first in zip(lows, geometry.strides, firsts, strict=True))
    limits = map(operator.add, offsets, geometry.size)
    return lax.slice(covered, (0, *offsets, 0), (y.shape[0], *limits, covered.shape[-1]))


def phase_geometry(geometry: Geometry, kernel: Shape) -> Geometry:
    """The geometry of the stride-1 convolution that makes a phase, with the `kernel` of positions that it meets."""
    phase = geometry._replace(size=geometry.out, kernel=kernel, strides=(1,) * len(kernel))
    pads = zip(phase.reach, *_phase_extent(geometry), geometry.out, strict=True)
    return phase._replace(padding=tuple((reach - first, first + n - out) for reach, first, n, out in pads))


def _phase_extent(geometry: Geometry) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Where a phase begins along each axis, in strides from the edge of the padding, and how many pixels it has."""
    axes = list(zip(geometry.size, geometry.padding, geometry.strides, strict=True))
    firsts = tuple(low // s for _, (low, _), s in axes)
    return firsts, tuple(-(-(n + low) // s) - first for (n, (low, _), s), first in zip(axes, firsts, strict=True))


def _transpose_channels(weight: jax.Array, groups: int) -> jax.Array:
    """[*kernel, in/groups, out] as [*kernel, out/groups, in]."""
    *kernel, channels, out = weight.shape
    by_group = weight.reshape(*kernel, channels, groups, out // groups)
    return by_group.swapaxes(-1, -3).reshape(*kernel, out // groups, groups * channels)
