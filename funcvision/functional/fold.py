"""Sliding windows of images as columns, and back, with torch's options."""

import functools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ._check import Size, channels_last, integers
from ._mesh import reshape

__all__ = ["fold", "unfold"]


def unfold(
    x: jax.Array, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1
) -> jax.Array:
    """The elements of each window of an image, as one row of features for each window (im2col).

    Args:
        x: images [..., height, width, channels].
        kernel_size: elements of the window, 1 or more; one integer, or one per axis, as for all options.
        dilation: pixels from one element of a window to the next, 1 or more.
        padding: zeros at both ends of an axis, 0 or more.
        stride: pixels from one window to the next, 1 or more.

    Returns:
        [..., windows, channels * kh * kw]: windows in row-major order, and features in torch's order, in which the
        channel changes slowest. Torch has the last two axes the other way round.

    Raises:
        ValueError: the options do not fit the image, or are out of their ranges.
        TypeError: an option is not an integer.

    >>> unfold(jnp.ones((8, 10, 12, 3)), (4, 5)).shape
    (8, 56, 60)
    """
    channels_last(x, 2, x.shape[-1], "unfold")
    kernel, dilations, pads, strides = _options("unfold", kernel_size, dilation, padding, stride)
    *lead, height, width, channels = x.shape
    counts = _counts("unfold", (height, width), kernel, dilations, pads, strides)
    x = jnp.pad(x, [(0, 0)] * len(lead) + [(p, p) for p in pads] + [(0, 0)])
    for axis in (0, 1):
        x = _windows(x, len(lead) + axis, counts[axis], kernel[axis], dilations[axis], strides[axis])
    return reshape(x, (*lead, math.prod(counts), channels * math.prod(kernel)))


def _windows(x: jax.Array, axis: int, count: int, size: int, dilation: int, stride: int) -> jax.Array:
    """`count` windows along an axis, with the `size` elements of each along a new last axis.

    It stacks strided slices, because the gradient of a gather would be a scatter.
    """
    span = (count - 1) * stride + 1
    elements = (lax.slice_in_dim(x, i * dilation, i * dilation + span, stride, axis) for i in range(size))
    return jnp.stack(list(elements), -1)


def fold(
    x: jax.Array, output_size: Size, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1
) -> jax.Array:
    """The sum of windows at their places in an image: the transpose of `unfold`, not its inverse (col2im).

    Args:
        x: [..., windows, channels * kh * kw], as `unfold` returns it.
        output_size: (height, width) of the image, or one integer for both.
        kernel_size: as in `unfold`, like the other options.
        dilation: pixels from one element of a window to the next.
        padding: zeros that `unfold` added.
        stride: pixels from one window to the next.

    Returns:
        Images [..., height, width, channels].

    Raises:
        ValueError: the options do not fit `x`, or are out of their ranges.
        TypeError: an option is not an integer.

    >>> fold(unfold(jnp.ones((8, 10, 12, 3)), 2, stride=2), (10, 12), 2, stride=2).shape
    (8, 10, 12, 3)
    """
    if x.ndim < 2:
        raise ValueError(f"fold takes [..., windows, channels * kh * kw] and got shape {x.shape}")
    kernel, dilations, pads, strides = _options("fold", kernel_size, dilation, padding, stride)
    sizes = integers(output_size, 2, "fold: output_size", 1)
    counts = _counts("fold", sizes, kernel, dilations, pads, strides)
    *lead, windows, features = x.shape
    if windows != math.prod(counts) or features % math.prod(kernel):
        raise ValueError(
            f"fold takes [..., {math.prod(counts)} windows, channels * {math.prod(kernel)}] for output_size={sizes} "
            f"and kernel_size={kernel}; got {x.shape}"
        )
    channels = features // math.prod(kernel)
    x = reshape(x, (*lead, *counts, channels, *kernel))
    for axis in (1, 0):  # the last axis of `x` holds the elements of a window along this axis
        padded = sizes[axis] + 2 * pads[axis]
        x = _placed(x, len(lead) + axis, padded, dilations[axis], strides[axis])
        x = lax.slice_in_dim(x, pads[axis], pads[axis] + sizes[axis], axis=len(lead) + axis)
    return x


def _placed(x: jax.Array, axis: int, size: int, dilation: int, stride: int) -> jax.Array:
    """The sum of windows at their places along an axis.

    Args:
        x: windows along `axis`, and the elements of each window along the last axis.
        axis: the axis of windows.
        size: the number of places.
        dilation: places from one element of a window to the next.
        stride: places from one window to the next.

    Returns:
        An array without the last axis of `x`, and with `size` places along `axis`. It is a sum of padded arrays, one
        for each element of a window, because a scatter would be slow.
    """
    span = (x.shape[axis] - 1) * stride + 1

    def element(i: int) -> jax.Array:
        low = i * dilation
        widths = [(low, size - low - span, stride - 1) if a == axis else (0, 0, 0) for a in range(x.ndim - 1)]
        return lax.pad(x[..., i], np.zeros((), x.dtype), widths)

    return functools.reduce(jnp.add, map(element, range(x.shape[-1])))


Pairs = tuple[tuple[int, ...], ...]


def _options(name: str, kernel_size: Size, dilation: Size, padding: Size, stride: Size) -> Pairs:
    return (
        integers(kernel_size, 2, f"{name}: kernel_size", 1), integers(dilation, 2, f"{name}: dilation", 1),
        integers(padding, 2, f"{name}: padding", 0), integers(stride, 2, f"{name}: stride", 1),
    )


def _counts(
    name: str, sizes: Sequence[int], kernel: Sequence[int], dilations: Sequence[int], pads: Sequence[int],
    strides: Sequence[int],
) -> tuple[int, ...]:
    """The number of windows along each axis."""
    rooms = [n + 2 * p - d * (k - 1) - 1 for n, k, d, p in zip(sizes, kernel, dilations, pads, strict=True)]
    if min(rooms) < 0:
        raise ValueError(
            f"{name}: a window of kernel_size={tuple(kernel)} and dilation={tuple(dilations)} is larger than an image "
            f"of {tuple(sizes)} pixels with padding={tuple(pads)}"
        )
    return tuple(room // s + 1 for room, s in zip(rooms, strides, strict=True))
