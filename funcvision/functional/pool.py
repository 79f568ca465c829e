"""Pooling of channels-last arrays, with torch's options."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ._check import Size, channels_last, integer, integers, per_axis
from ._kinks import absolute
from ._mesh import reshape, take
from ._pool_lowering import Window, first_largest, flat_indices, window_max, window_sum
from ._precision import at_least_float32
from ._resample import Taps, adaptive_windows, resample, window_index

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d",
    "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d",
    "avg_pool1d", "avg_pool2d", "avg_pool3d", "lp_pool1d", "lp_pool2d", "lp_pool3d",
    "max_pool1d", "max_pool2d", "max_pool3d",
]

OutputSize = int | None | Sequence[int | None]
ValuesAndIndices = Any
"""An array of values, or with `return_indices` a pair of arrays: the values and their indices."""


def max_pool1d(
    x: jax.Array, kernel_size: Size, stride: Size | None = None, padding: Size = 0, dilation: Size = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> ValuesAndIndices:
    """The largest element of each window of [..., length, channels]. Otherwise like `max_pool2d`."""
    return _max_pool(1, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    x: jax.Array, kernel_size: Size, stride: Size | None = None, padding: Size = 0, dilation: Size = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> ValuesAndIndices:
    """The largest element of each window over two axes, equal to torch's.

    Args:
        x: images [..., height, width, channels], with any number of leading axes; floating-point or integers.
        kernel_size: elements of the window, 1 or more; one integer, or one per axis, as for the next three options.
        stride: pixels from one window to the next, 1 or more; by default the window's size.
        padding: pixels to add at both ends of an axis, from 0 to half the window. They are never the largest.
        dilation: pixels from one element of a window to the next, 1 or more.
        ceil_mode: add a last window that reaches beyond the end, unless it would start in the padding.
        return_indices: return the places of the largest elements, too, for `max_unpool2d`.

    Returns:
        [..., height', width', channels] in the dtype of `x`. A window with a NaN gives NaN. The first of equal elements
        gets the gradient. With `return_indices`, also an array of the same shape with torch's indices, but int32: the
        place of each element in its channel's plane of the image, `row * width + column`.

    Raises:
        ValueError: the options do not fit the image or each other, or are out of their ranges.
        TypeError: an option is not an integer.

    >>> max_pool2d(jnp.ones((8, 112, 112, 64)), 3, stride=2, padding=1).shape
    (8, 56, 56, 64)
    """
    return _max_pool(2, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    x: jax.Array, kernel_size: Size, stride: Size | None = None, padding: Size = 0, dilation: Size = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> ValuesAndIndices:
    """The largest element of each window of [..., depth, height, width, channels]. Otherwise like `max_pool2d`."""
    return _max_pool(3, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def avg_pool1d(
    x: jax.Array, kernel_size: Size, stride: Size | None = None, padding: Size = 0, ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> jax.Array:
    """The mean of each window of [..., length, channels]. Otherwise like `avg_pool2d`."""
    return _avg_pool(1, x, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    x: jax.Array, kernel_size: Size, stride: Size | None = None, padding: Size = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> jax.Array:
    """The mean of each window over two axes, equal to torch's.

    Args:
        x: images [..., height, width, channels].
        kernel_size: elements of the window, 1 or more; one integer, or one per axis, as for the next two options.
        stride: pixels from one window to the next, 1 or more; by default the window's size.
        padding: zeros to add at both ends of an axis, from 0 to half the window.
        ceil_mode: add a last window that reaches beyond the end, unless it would start in the padding.
        count_include_pad: count the padding's zeros in the mean. What a window of `ceil_mode` covers beyond the padding
            is never counted.
        divisor_override: divide the sums by this integer instead of the count; any but 0.

    Returns:
        [..., height', width', channels] in the dtype of `x`; sums are accumulated in float32 at least.

    Raises:
        ValueError: the options do not fit the image or each other, or are out of their ranges.
        TypeError: `x` is not floating-point, or an option is not an integer.
    """
    return _avg_pool(2, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def avg_pool3d(
    x: jax.Array, kernel_size: Size, stride: Size | None = None, padding: Size = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> jax.Array:
    """The mean of each window of [..., depth, height, width, channels]. Otherwise like `avg_pool2d`."""
    return _avg_pool(3, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def lp_pool1d(
    x: jax.Array, norm_type: float, kernel_size: Size, stride: Size | None = None, ceil_mode: bool = False
) -> jax.Array:
    """The p-norm of each window of [..., length, channels]. Otherwise like `lp_pool2d`."""
    return _lp_pool(1, x, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    x: jax.Array, norm_type: float, kernel_size: Size, stride: Size | None = None, ceil_mode: bool = False
) -> jax.Array:
    """The p-norm of each window over two axes, `sum(x ** p) ** (1 / p)`, equal to torch's.

    As in torch, no absolute value is taken: with an odd p, a negative sum gives NaN. Where the sum is 0, so is the
    gradient.

    Args:
        x: images [..., height, width, channels].
        norm_type: p, any number but 0; infinity for the largest absolute value.
        kernel_size: elements of the window, 1 or more; one integer, or one per axis.
        stride: pixels from one window to the next, 1 or more; by default the window's size.
        ceil_mode: add a last window that reaches beyond the end. Its sum is scaled up to that of a full window.

    Returns:
        [..., height', width', channels] in the dtype of `x`.

    Raises:
        ValueError: the options do not fit the image or each other, or are out of their ranges.
        TypeError: `x` is not floating-point, or an option is not an integer.
    """
    return _lp_pool(2, x, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    x: jax.Array, norm_type: float, kernel_size: Size, stride: Size | None = None, ceil_mode: bool = False
) -> jax.Array:
    """The p-norm of each window of [..., depth, height, width, channels]. Otherwise like `lp_pool2d`."""
    return _lp_pool(3, x, norm_type, kernel_size, stride, ceil_mode)


def adaptive_avg_pool1d(x: jax.Array, output_size: OutputSize) -> jax.Array:
    """The means of `output_size` windows of [..., length, channels]. Otherwise like `adaptive_avg_pool2d`."""
    return _adaptive_avg_pool(1, x, output_size)


def adaptive_avg_pool2d(x: jax.Array, output_size: OutputSize) -> jax.Array:
    """The means of `output_size` windows that cover the image; 1 is the mean over the whole image.

    Args:
        x: images [..., height, width, channels].
        output_size: number of windows, 1 or more; one integer, or one per axis, where None keeps the size of an axis.
            Of n pixels, window i of m covers those from floor(i n / m) up to, not including, ceil((i + 1) n / m), as in
            torch.

    Returns:
        [..., *output_size, channels] in the dtype of `x`; sums are accumulated in float32 at least.

    Raises:
        ValueError: an output size is below 1, or the image has no pixel.
        TypeError: `x` is not floating-point, or an output size is not an integer.
    """
    return _adaptive_avg_pool(2, x, output_size)


def adaptive_avg_pool3d(x: jax.Array, output_size: OutputSize) -> jax.Array:
    """The means of windows of [..., depth, height, width, channels]. Otherwise like `adaptive_avg_pool2d`."""
    return _adaptive_avg_pool(3, x, output_size)


def adaptive_max_pool1d(
    x: jax.Array, output_size: OutputSize, return_indices: bool = False
) -> ValuesAndIndices:
    """The largest elements of windows of [..., length, channels]. Otherwise like `adaptive_max_pool2d`."""
    return _adaptive_max_pool(1, x, output_size, return_indices)


def adaptive_max_pool2d(
    x: jax.Array, output_size: OutputSize, return_indices: bool = False
) -> ValuesAndIndices:
    """The largest element of each window, for the windows of `adaptive_avg_pool2d`.

    Args:
        x: images [..., height, width, channels]; floating-point or integers.
        output_size: as in `adaptive_avg_pool2d`.
        return_indices: as in `max_pool2d`.

    Returns:
        [..., *output_size, channels] in the dtype of `x`. A window with a NaN gives NaN. The first of equal elements
        gets the gradient. With `return_indices`, also their places, as in `max_pool2d`.

    Raises:
        ValueError: an output size is below 1, or the image has no pixel.
        TypeError: an output size is not an integer.
    """
    return _adaptive_max_pool(2, x, output_size, return_indices)


def adaptive_max_pool3d(
    x: jax.Array, output_size: OutputSize, return_indices: bool = False
) -> ValuesAndIndices:
    """The largest elements of windows of [..., depth, height, width, channels]; like `adaptive_max_pool2d`."""
    return _adaptive_max_pool(3, x, output_size, return_indices)


def _max_pool(
    axes: int, x: jax.Array, kernel_size: Size, stride: Size | None, padding: Size, dilation: Size, ceil_mode: bool,
    return_indices: bool,
) -> ValuesAndIndices:
    windows = _windows(f"max_pool{axes}d", x, axes, kernel_size, stride, padding, dilation, ceil_mode)
    if return_indices:
        return window_max((x, flat_indices(x, axes)), windows)
    return window_max((x,), windows)[0]


def _avg_pool(
    axes: int, x: jax.Array, kernel_size: Size, stride: Size | None, padding: Size, ceil_mode: bool,
    count_include_pad: bool, divisor_override: int | None,
) -> jax.Array:
    name = f"avg_pool{axes}d"
    windows = _windows(name, x, axes, kernel_size, stride, padding, 1, ceil_mode)
    if divisor_override is not None:
        divisor_override = integer(divisor_override, f"{name}: divisor_override")
    if divisor_override == 0:
        raise ValueError(f"{name}: divisor_override is 0; give the number to divide the sums by, or None")
    total = window_sum(at_least_float32(x), windows)
    if divisor_override is not None:
        return (total / divisor_override).astype(x.dtype)
    margins = integers(padding if count_include_pad else 0, axes, f"{name}: padding")
    return (total / _counts(total, windows, x.shape[-axes - 1 :], margins)).astype(x.dtype)


def _lp_pool(
    axes: int, x: jax.Array, norm_type: float, kernel_size: Size, stride: Size | None, ceil_mode: bool
) -> jax.Array:
    windows = _windows(f"lp_pool{axes}d", x, axes, kernel_size, stride, 0, 1, ceil_mode)
    if abs(norm_type) == np.inf:
        sign = int(np.sign(norm_type))
        return sign * window_max((sign * absolute(x),), windows)[0]
    if norm_type == 0:
        raise ValueError(f"lp_pool{axes}d: norm_type is the order of the norm, which cannot be 0")
    total = window_sum(_power(at_least_float32(x), norm_type), windows)
    size = math.prod(window.size for window in windows)
    total = total * (size / _counts(total, windows, x.shape[-axes - 1 :], (0,) * axes))
    if norm_type == 1:  # torch takes the absolute value and the sign, so that the derivative is 0 at 0 and NaN
        return jnp.where(absolute(total) > 0, total, lax.stop_gradient(total)).astype(x.dtype)
    zero = total == 0  # there the derivative of the root is infinite, and torch's is 0
    root = _power(jnp.where(zero, 1, total), 1 / norm_type)
    return jnp.where(zero, 0 if norm_type > 0 else np.inf, root).astype(x.dtype)


def _power(x: jax.Array, exponent: float) -> jax.Array:
    """`x ** exponent`; NaN for the root of minus infinity, as in torch, which IEEE's power of 1/2 has as infinity."""
    return jnp.sqrt(x) if exponent == 0.5 else x**exponent


def _adaptive_avg_pool(axes: int, x: jax.Array, output_size: OutputSize) -> jax.Array:
    sizes = _output_sizes(f"adaptive_avg_pool{axes}d", x, axes, output_size)
    y, first = at_least_float32(x), x.ndim - 1 - axes
    # Axes that divide evenly are averaged together: [height, width] -> [h, height / h, w, width / w] -> [h, w].
    blocks = [(m, n // m) if n % m == 0 else (n, 1) for n, m in zip(x.shape[first:], sizes, strict=False)]
    split = reshape(y, (*x.shape[:first], *(length for block in blocks for length in block), x.shape[-1]))
    y = jnp.mean(split, tuple(range(first + 1, first + 2 * axes, 2)))
    for axis, m in enumerate(sizes, start=first):
        if y.shape[axis] != m:
            y = resample(y, axis, _mean_taps(y.shape[axis], m))
    return y.astype(x.dtype)


def _mean_taps(size: int, out: int) -> Taps:
    """The taps of the mean over each adaptive window.

    Shorter windows repeat their last element. Its copies share its weight, so that none is 0: 0 * inf would be NaN.
    """
    start, end = adaptive_windows(size, out)
    index, _ = window_index(start, end)
    last = index == index[:, -1:]
    weight = np.where(last, 1 / last.sum(1, keepdims=True), 1)
    return Taps(index, weight / (end - start)[:, None])


def _adaptive_max_pool(axes: int, x: jax.Array, output_size: OutputSize, return_indices: bool) -> ValuesAndIndices:
    sizes = _output_sizes(f"adaptive_max_pool{axes}d", x, axes, output_size)
    candidates = (x, flat_indices(x, axes)) if return_indices else (x,)
    for i in reversed(range(axes)):  # the last axis first: then the first in row-major order gets the gradient
        axis = x.ndim - 1 - axes + i
        blocks = tuple(_adaptive_blocks(array, axis, sizes[i]) for array in candidates)
        candidates = first_largest(blocks, axis + 1)
    return candidates if return_indices else candidates[0]


def _adaptive_blocks(x: jax.Array, axis: int, m: int) -> jax.Array:
    """The elements of `m` windows along an axis, on a new axis after it; shorter windows repeat their last element."""
    n = x.shape[axis]
    if n % m == 0:
        return x.reshape(*x.shape[:axis], m, n // m, *x.shape[axis + 1 :])
    index, _ = window_index(*adaptive_windows(n, m))
    return take(x, index, axis)


def _windows(
    name: str, x: jax.Array, axes: int, kernel_size: Size, stride: Size | None, padding: Size, dilation: Size,
    ceil_mode: bool,
) -> tuple[Window, ...]:
    """Checks the options and computes the windows along each axis."""
    channels_last(x, axes, x.shape[-1], name)
    kernel, pads = integers(kernel_size, axes, f"{name}: kernel_size", 1), integers(padding, axes, f"{name}: padding")
    strides = kernel if stride is None else integers(stride, axes, f"{name}: stride", 1)
    dilations = integers(dilation, axes, f"{name}: dilation", 1)
    if any(not 0 <= 2 * p <= k for k, p in zip(kernel, pads, strict=True)):
        raise ValueError(f"{name}: padding={pads} must be from 0 to half of kernel_size={kernel}")
    windows = []
    for n, k, s, d, p in zip(x.shape[-axes - 1 : -1], kernel, strides, dilations, pads, strict=True):
        extent = d * (k - 1) + 1
        room = n + 2 * p - extent
        steps = -(-room // s) if ceil_mode else room // s
        if ceil_mode and steps * s >= n + p:  # the last window would start in the padding
            steps -= 1
        if steps < 0:
            raise ValueError(f"{name}: a window of kernel_size={kernel} is larger than the padded image {x.shape}")
        # Without padding nothing is added at the end. Said apart, because a symbolic size decides no comparison.
        high = 0 if p == 0 and not ceil_mode else max(steps * s + extent - n - p, 0)
        windows.append(Window(steps + 1, k, s, d, p, high))
    return tuple(windows)


def _counts(
    total: jax.Array, windows: Sequence[Window], sizes: Sequence[int], margins: Sequence[int]
) -> np.ndarray:
    """The number of elements in each window, counting those up to `margins` pixels outside the image.

    The result has the dtype and the rank of `total`, to divide it by. An axis along which all windows have the same
    number has the length 1; its size may be symbolic.
    """
    count = np.ones((), total.dtype)
    for window, n, margin in zip(windows, sizes, margins, strict=False):
        if isinstance(window.high, int) and max(window.low, window.high) <= margin:
            count = np.multiply.outer(count, np.full(1, window.size, total.dtype))
            continue
        ends = np.minimum(window.starts + window.size, n + margin)
        count = np.multiply.outer(count, (ends - np.maximum(window.starts, -margin)).astype(total.dtype))
    return count.reshape((1,) * (total.ndim - 1 - count.ndim) + (*count.shape, 1))


def _output_sizes(name: str, x: jax.Array, axes: int, output_size: OutputSize) -> list[int]:
    channels_last(x, axes, x.shape[-1], name)
    sizes = x.shape[x.ndim - 1 - axes : -1]
    if any(size < 1 for size in sizes):
        raise ValueError(f"{name} divides an image in windows, and that of shape {x.shape} has no pixel")
    wanted = per_axis(output_size, axes, "output_size")
    return [
        n if m is None else integer(m, f"{name}: output_size", 1) for n, m in zip(sizes, wanted, strict=True)
    ]
