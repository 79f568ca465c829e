"""Convolutions of clips [N, time, height, width, channels], as convolutions of their frames.

XLA's convolutions over three axes are slow on a CPU, and their gradients most of all. Three cases have two axes only:

- A kernel of one frame: the frames become part of the batch.
- A kernel of one pixel: height and width become one axis.
- Otherwise there is one convolution for each frame of the kernel, and the results are summed. These convolutions can
  also be one: input frames that meet the same output frame are put side by side along the channels, or the frames of
  the kernel are put side by side along the output channels.

The functions take the operation with two axes as an argument, `operation(a, b, geometry=geometry)`, which chooses a
method of its own. They compute what the functions of `choose.py` compute.
"""

import functools
import math
import operator
from collections.abc import Callable, Iterable

import jax
import jax.numpy as jnp
from jax import lax

from ..geometry import Geometry
from .windows import pad_spatial, subsample

__all__ = [
    "input_gradient", "is_separable", "separable_input_gradient", "separable_value", "separable_weight_gradient",
    "value", "value_by_input_frames", "weight_gradient", "weight_gradient_by_input_frames",
]

Operation = Callable[..., jax.Array]

_MIN_SUMMED_PER_COPIED = 3  # output elements for each input element, from which on input frames are put side by side


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
        return 1, geometry.of_a_frame()
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
    """The convolution, without groups: the frames that each output frame needs are selected first."""
    frame, met = geometry.of_a_frame(), _frames_met(x, geometry)
    if _is_cheaper_side_by_side(x.shape[-1], weight.shape[-1], geometry):
        y = convolve(jnp.concatenate(met, axis=-1), _side_by_side(weight, -2), geometry=frame)
    else:
        y = _sum(convolve(images, kernel, geometry=frame) for images, kernel in zip(met, weight, strict=True))
    return y.reshape(x.shape[0], *geometry.out, y.shape[-1])


def value_by_input_frames(convolve: Operation, x: jax.Array, weight: jax.Array, geometry: Geometry) -> jax.Array:
    """The convolution, without groups: each input frame is convolved once, for all output frames that meet it.

    Winograd's method then transforms each frame once.
    """
    together = convolve(_merge(x, 1), _side_by_side(weight, -1), geometry=geometry.of_a_frame())
    clip = together.reshape(*x.shape[:2], *together.shape[1:])
    pairs = enumerate(jnp.split(clip, len(weight), axis=-1))
    return _sum(_frames_at(position, part, geometry) for position, part in pairs)


def input_gradient(gradient: Operation, y: jax.Array, weight: jax.Array, geometry: Geometry) -> jax.Array:
    """The gradient with respect to the input: each output frame contributes to all input frames that it meets."""
    frame, images = geometry.of_a_frame(), _merge(y, 1)
    if geometry.groups == 1:
        parts = jnp.split(gradient(images, _side_by_side(weight, -2), geometry=frame), len(weight), axis=-1)
    else:
        parts = [gradient(images, kernel, geometry=frame) for kernel in weight]
    clips = (part.reshape(*y.shape[:2], *part.shape[1:]) for part in parts)
    return _sum(_at_input_frames(position, clip, geometry) for position, clip in enumerate(clips))


def weight_gradient(gradient: Operation, x: jax.Array, y: jax.Array, geometry: Geometry) -> jax.Array:
    """The gradient with respect to the weight."""
    frame, met, gradients = geometry.of_a_frame(), _frames_met(x, geometry), _merge(y, 1)
    if geometry.groups > 1 or not _is_cheaper_side_by_side(x.shape[-1], y.shape[-1], geometry):
        return jnp.stack([gradient(images, gradients, geometry=frame) for images in met])
    return _frame_by_frame(gradient(jnp.concatenate(met, axis=-1), gradients, geometry=frame), geometry, -2)


def weight_gradient_by_input_frames(
    gradient: Operation, x: jax.Array, y: jax.Array, geometry: Geometry
) -> jax.Array:
    """The gradient with respect to the weight, where Winograd's method transforms each input frame once."""
    placed = [_at_input_frames(position, y, geometry) for position in range(geometry.kernel[0])]
    gradients = _merge(jnp.concatenate(placed, axis=-1), 1)
    return _frame_by_frame(gradient(_merge(x, 1), gradients, geometry=geometry.of_a_frame()), geometry, -1)


def _side_by_side(weight: jax.Array, axis: int) -> jax.Array:
    """[frames, height, width, in, out] as [height, width, frames * in, out], or [..., in, frames * out] for axis -1."""
    return jnp.concatenate(list(weight), axis=axis)


def _frame_by_frame(weight: jax.Array, geometry: Geometry, axis: int) -> jax.Array:
    """The inverse of `_side_by_side`."""
    return jnp.stack(jnp.split(weight, geometry.kernel[0], axis=axis))


def _at_input_frames(position: int, y: jax.Array, geometry: Geometry) -> jax.Array:
    """[N, out frames, ...] as [N, frames, ...]: each output frame at the input frame that the kernel frame meets."""
    count, stride = geometry.out[0], geometry.strides[0]
    first = position * geometry.dilation[0] - geometry.padding[0][0]
    after = geometry.size[0] - first - (count - 1) * stride - 1
    return pad_spatial(y, [(first, after, stride - 1), (0, 0, 0), (0, 0, 0)])


def _frames_at(position: int, x: jax.Array, geometry: Geometry) -> jax.Array:
    """The transpose of `_at_input_frames`: for each output frame, the input frame that the kernel frame meets."""
    padded = pad_spatial(x, [(*geometry.padding[0], 0), (0, 0, 0), (0, 0, 0)])
    first, count, stride = position * geometry.dilation[0], geometry.out[0], geometry.strides[0]
    return lax.slice_in_dim(padded, first, first + (count - 1) * stride + 1, stride, axis=1)


def _frames_met(x: jax.Array, geometry: Geometry) -> list[jax.Array]:
    """For each frame of the kernel, the frames of a clip that it meets: [N * out frames, height, width, channels]."""
    return [_merge(_frames_at(position, x, geometry), 1) for position in range(geometry.kernel[0])]


def _is_cheaper_side_by_side(channels: int, out: int, geometry: Geometry) -> bool:
    copied, summed = math.prod(geometry.size[1:]) * channels, math.prod(geometry.out[1:]) * out
    return copied * _MIN_SUMMED_PER_COPIED < summed


def _sum(terms: Iterable[jax.Array]) -> jax.Array:
    return functools.reduce(operator.add, terms)
