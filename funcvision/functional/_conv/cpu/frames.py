"""Convolutions of clips [N, time, height, width, channels], as convolutions of their frames.

XLA's convolutions over three axes are slow on a CPU, and their gradients most of all. Three cases have two axes only:

- A kernel of one frame: the frames become part of the batch.
- A kernel of one pixel: height and width become one axis.
- Otherwise: each frame of the kernel convolves the frames of the clip that it meets, and these results are summed. Where
  it costs less, the frames that one output frame needs are first put side by side along the channels, and one
  convolution does all of it.

The functions take the operation with two axes as an argument, `operation(a, b, geometry=geometry)`, which chooses a
method of its own. They compute what the functions of `choose.py` compute.
"""

import functools
import math
import operator
from collections.abc import Callable, Iterable, Sequence

import jax
import jax.numpy as jnp
from jax import lax

from ..geometry import Geometry
from .windows import pad_spatial, subsample

__all__ = [
    "input_gradient", "is_separable", "separable_input_gradient", "separable_value", "separable_weight_gradient",
    "value", "weight_gradient",
]

Operation = Callable[..., jax.Array]

_MIN_SUMMED_PER_COPIED = 3  # elements that a sum over kernel frames adds, for each that putting frames side by side copies


def is_separable(geometry: Geometry) -> bool:
    """Whether the kernel has three axes, but only one frame or only one pixel in each frame."""
    return len(geometry.kernel) == 3 and (geometry.kernel[0] == 1 or geometry.kernel[1:] == (1, 1))


def separable_value(convolve: Operation, x: jax.Array, weight: jax.Array, geometry: Geometry) -> jax.Array:
    """The convolution, for a kernel of one frame or of one pixel."""
    merged, flat = _two_axes(geometry)
    y = convolve(_merge(_meet(x, geometry), merged), _flat_kernel(weight, merged), geometry=flat)
    return y.reshape(x.shape[0], *geometry.out, y.shape[-1])


def separable_input_gradient(gradient: Operation, y: jax.Array, weight: jax.Array, geometry: Geometry) -> jax.Array:
    """The gradient with respect to the input, for a kernel of one frame or of one pixel."""
    merged, flat = _two_axes(geometry)
    x = gradient(_merge(y, merged), _flat_kernel(weight, merged), geometry=flat)
    met = _met_geometry(geometry)
    clip = x.reshape(y.shape[0], *met.out, x.shape[-1])
    axes = zip(met.size, met.out, met.strides, met.padding, strict=True)
    return pad_spatial(clip, [(-low, n + low - (m - 1) * s - 1, s - 1) for n, m, s, (low, _) in axes])


def separable_weight_gradient(gradient: Operation, x: jax.Array, y: jax.Array, geometry: Geometry) -> jax.Array:
    """The gradient with respect to the weight, for a kernel of one frame or of one pixel."""
    merged, flat = _two_axes(geometry)
    weight = gradient(_merge(_meet(x, geometry), merged), _merge(y, merged), geometry=flat)
    return weight.reshape(*geometry.kernel, *weight.shape[-2:])


def _two_axes(geometry: Geometry) -> tuple[int, Geometry]:
    """The axis of a clip that is merged with the axis before it, and the geometry of the result."""
    met = _met_geometry(geometry)
    if geometry.kernel[0] == 1:
        return 1, _frame_geometry(geometry)
    time = geometry._replace(size=(geometry.size[0], math.prod(met.out[1:])), kernel=(geometry.kernel[0], 1))
    return 3, time._replace(
        strides=(geometry.strides[0], 1), padding=(geometry.padding[0], (0, 0)), dilation=(geometry.dilation[0], 1)
    )


def _met_geometry(geometry: Geometry) -> Geometry:
    """That of a kernel of one element, which meets what the kernel meets along the axes where it has one element."""
    pairs = list(zip(geometry.kernel, geometry.strides, geometry.padding, strict=True))
    is_time = geometry.kernel[0] == 1
    own = [(s, pads) if (axis == 0) == is_time else (1, (0, 0)) for axis, (_, s, pads) in enumerate(pairs)]
    strides, padding = zip(*own, strict=True)
    return geometry._replace(kernel=(1, 1, 1), strides=strides, padding=padding, dilation=(1, 1, 1))


def _meet(x: jax.Array, geometry: Geometry) -> jax.Array:
    """The pixels of a clip that the kernel meets, along the axes where it has one element."""
    met = _met_geometry(geometry)
    return subsample(pad_spatial(x, [(low, high, 0) for low, high in met.padding]), met)


def _merge(x: jax.Array, axis: int) -> jax.Array:
    return x.reshape(*x.shape[: axis - 1], x.shape[axis - 1] * x.shape[axis], *x.shape[axis + 1 :])


def _flat_kernel(weight: jax.Array, axis: int) -> jax.Array:
    return weight.squeeze(0) if axis == 1 else weight.squeeze(2)


def value(convolve: Operation, x: jax.Array, weight: jax.Array, geometry: Geometry) -> jax.Array:
    """The convolution, without groups."""
    frame = _frame_geometry(geometry)
    met = _frames_met(x, geometry)
    if _is_cheaper_side_by_side(x.shape[-1], weight.shape[-1], geometry):
        y = convolve(_frames_side_by_side(met), _kernel_side_by_side(weight), geometry=frame)
    else:
        y = _sum(convolve(images, kernel, geometry=frame) for images, kernel in zip(met, weight, strict=True))
    return y.reshape(x.shape[0], *geometry.out, y.shape[-1])


def input_gradient(gradient: Operation, y: jax.Array, weight: jax.Array, geometry: Geometry) -> jax.Array:
    """The gradient with respect to the input.

    The gradients of the frames that one output frame meets are computed side by side, and then added to those frames.
    """
    frame, images = _frame_geometry(geometry), _merge(y, 1)
    if geometry.groups == 1:
        together = gradient(images, _kernel_side_by_side(weight), geometry=frame)
        parts = jnp.split(together, len(weight), axis=-1)
    else:
        parts = [gradient(images, kernel, geometry=frame) for kernel in weight]
    (size, *_), (count, *_), (stride, *_), (dilation, *_) = geometry.size, geometry.out, geometry.strides, geometry.dilation

    def at_its_frames(position: int, part: jax.Array) -> jax.Array:
        first = position * dilation - geometry.padding[0][0]
        widths = [(first, size - first - (count - 1) * stride - 1, stride - 1), (0, 0, 0), (0, 0, 0)]
        return pad_spatial(part.reshape(y.shape[0], count, *part.shape[1:]), widths)

    return _sum(at_its_frames(position, part) for position, part in enumerate(parts))


def weight_gradient(gradient: Operation, x: jax.Array, y: jax.Array, geometry: Geometry) -> jax.Array:
    """The gradient with respect to the weight."""
    frame, met, gradients = _frame_geometry(geometry), _frames_met(x, geometry), _merge(y, 1)
    if geometry.groups > 1 or not _is_cheaper_side_by_side(x.shape[-1], y.shape[-1], geometry):
        return jnp.stack([gradient(images, gradients, geometry=frame) for images in met])
    together = gradient(_frames_side_by_side(met), gradients, geometry=frame)
    by_frame = together.reshape(*together.shape[:2], geometry.kernel[0], x.shape[-1], y.shape[-1])
    return jnp.moveaxis(by_frame, 2, 0)


def _frame_geometry(geometry: Geometry) -> Geometry:
    """That of one frame."""
    size, kernel, strides, padding, dilation, *rest = geometry
    return Geometry(size[1:], kernel[1:], strides[1:], padding[1:], dilation[1:], *rest)


def _frames_met(x: jax.Array, geometry: Geometry) -> list[jax.Array]:
    """For each frame of the kernel, the frames of a clip that it meets: [N * out frames, height, width, channels]."""
    padded = pad_spatial(x, [(*geometry.padding[0], 0), (0, 0, 0), (0, 0, 0)])
    count, stride = geometry.out[0], geometry.strides[0]
    starts = range(0, geometry.reach[0] + 1, geometry.dilation[0])
    slices = (lax.slice_in_dim(padded, i, i + (count - 1) * stride + 1, stride, axis=1) for i in starts)
    return [_merge(one, 1) for one in slices]


def _frames_side_by_side(frames: Sequence[jax.Array]) -> jax.Array:
    return jnp.concatenate(frames, axis=-1)


def _kernel_side_by_side(weight: jax.Array) -> jax.Array:
    """[frames, height, width, in, out] as [height, width, frames * in, out]."""
    frames, height, width, channels, out = weight.shape
    return jnp.moveaxis(weight, 0, 2).reshape(height, width, frames * channels, out)


def _is_cheaper_side_by_side(channels: int, out: int, geometry: Geometry) -> bool:
    copied, summed = math.prod(geometry.size[1:]) * channels, math.prod(geometry.out[1:]) * out
    return copied * _MIN_SUMMED_PER_COPIED < summed


def _sum(terms: Iterable[jax.Array]) -> jax.Array:
    return functools.reduce(operator.add, terms)
