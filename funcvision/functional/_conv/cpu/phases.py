"""Gradients that are convolutions themselves, of stride 1 and with the channels last.

In that form XLA has fast code for them everywhere; inside a loop it does not bring others into it.
"""

import itertools
import operator
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from .. import xla
from ..geometry import Geometry, Shape
from .windows import interleaved

__all__ = ["by_phases", "canonical", "weight_gradient_over_channels", "turned"]

_TOGETHER = 16  # channels: of fewer, all phases are made by one convolution


def turned(weight: jax.Array, groups: int) -> jax.Array:
    """[*kernel, in/groups, out] as [*kernel, out/groups, in]."""
    *kernel, channels, out = weight.shape
    each = weight.reshape(*kernel, channels, groups, out // groups)
    return each.swapaxes(-1, -3).reshape(*kernel, out // groups, groups * channels)


def _phase_extent(geometry: Geometry) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The first pixel of a phase, counted from the edge of the padding in strides, and the number of its pixels."""
    axes = list(zip(geometry.size, geometry.padding, geometry.strides, strict=True))
    firsts = tuple(low // s for _, (low, _), s in axes)
    return firsts, tuple(-(-(n + low) // s) - first for (n, (low, _), s), first in zip(axes, firsts, strict=True))


def canonical(geometry: Geometry, kernel: Shape) -> Geometry:
    """The convolution, of stride 1, that makes a phase of the image gradient with the positions it meets."""
    one = geometry._replace(size=geometry.out, kernel=kernel, strides=(1,) * len(kernel))
    pads = zip(one.reach, *_phase_extent(geometry), geometry.out, strict=True)
    return one._replace(padding=tuple((reach - first, first + n - out) for reach, first, n, out in pads))


def by_phases(
    convolve: Callable[..., jax.Array], y: jax.Array, turned: jax.Array, geometry: Geometry
) -> jax.Array:
    """The image gradient, by the output and the turned kernel.

    A pixel meets every `stride`-th position of the kernel; which these are, its phase, repeats after `stride`.

    Phases of few channels, as those of a colour image, are made together, as channels of one convolution.
    """
    firsts, counts = _phase_extent(geometry)

    def kernel(whole: jax.Array, at: tuple[int, ...]) -> jax.Array:
        positions = tuple(slice(a, None, s) for a, s in zip(at, geometry.strides, strict=True))
        return lax.rev(whole[positions], range(len(at)))

    def phases(kernel: jax.Array) -> jax.Array:
        if 0 in kernel.shape:
            return jnp.zeros((y.shape[0], *counts, kernel.shape[-1]), y.dtype)
        return convolve(y, kernel, geometry=canonical(geometry, kernel.shape[:-2]))

    starts = list(itertools.product(*map(range, geometry.strides)))
    if len(starts) == 1:
        return phases(kernel(turned, starts[0]))
    if geometry.groups == 1 and turned.shape[-1] < _TOGETHER:
        missing = [(0, -k % s, 0) for k, s in zip(geometry.kernel, geometry.strides, strict=True)]
        whole = lax.pad(turned, jnp.zeros((), turned.dtype), [*missing, (0, 0, 0), (0, 0, 0)])
        apart = phases(jnp.concatenate([kernel(whole, at) for at in starts], axis=-1))
    else:
        apart = jnp.concatenate([phases(kernel(turned, at)) for at in starts], axis=-1)
    together = interleaved(apart, counts, geometry.strides)
    lows = (low for low, _ in geometry.padding)
    offsets = tuple(low - s * first for low, s, first in zip(lows, geometry.strides, firsts, strict=True))
    limits = map(operator.add, offsets, geometry.size)
    return lax.slice(together, (0, *offsets, 0), (y.shape[0], *limits, together.shape[-1]))


def weight_gradient_over_channels(x: jax.Array, y: jax.Array, geometry: Geometry) -> jax.Array:
    """With stride 1: the channels are a batch of images, over which the output's gradient moves as the kernel."""
    one = geometry._replace(kernel=geometry.out, strides=geometry.dilation, dilation=geometry.strides)
    weight = xla.value(x.swapaxes(0, -1), jnp.moveaxis(y, 0, -2), geometry=one)
    return jnp.moveaxis(weight, 0, -2)
