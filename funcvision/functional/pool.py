"""Pooling over channels-last arrays, with torch's options."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from ._check import Size, channels_last, per_axis
from ._kinks import absolute
from ._pool_lowering import Window, window_max, window_sum
from ._precision import at_least_float32
from ._resample import adaptive_windows, mean_taps, resample, window_index

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d",
    "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d",
    "avg_pool1d", "avg_pool2d", "avg_pool3d", "lp_pool1d", "lp_pool2d", "lp_pool3d",
    "max_pool1d", "max_pool2d", "max_pool3d",
]

OutputSize = int | None | Sequence[int | None]


def max_pool1d(
    x: jax.Array, kernel_size: Size, stride: Size | None = None, padding: Size = 0, dilation: Size = 1,
    ceil_mode: bool = False,
) -> jax.Array:
    """The largest element of windows over one axis of [..., length, channels]. Otherwise as `max_pool2d`."""
    return _max_pool(1, x, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d(
    x: jax.Array, kernel_size: Size, stride: Size | None = None, padding: Size = 0, dilation: Size = 1,
    ceil_mode: bool = False,
) -> jax.Array:
    """The largest element of windows over two axes, equal to torch's.

    Args:
        x: images [..., height, width, channels] of numbers, integers too; any number of leading axes.
        kernel_size: the window, one number or one per axis; so too the other options.
        stride: pixels from one window to the next, by default the window's size.
        padding: pixels added at both ends of an axis, which never are the largest; at most half the window.
        dilation: pixels from one element of a window to the next.
        ceil_mode: a last window may reach over the end, unless it would start in the padding.

    Returns:
        [..., height', width', channels] in the dtype of `x`. NaN wins; the first of equal elements has the gradient.

    Raises:
        ValueError: options that do not fit the image or each other.

    >>> max_pool2d(jnp.ones((8, 112, 112, 64)), 3, stride=2, padding=1).shape
    (8, 56, 56, 64)
    """
    return _max_pool(2, x, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool3d(
    x: jax.Array, kernel_size: Size, stride: Size | None = None, padding: Size = 0, dilation: Size = 1,
    ceil_mode: bool = False,
) -> jax.Array:
    """The largest element of windows over three axes of [..., depth, height, width, channels]; as `max_pool2d`."""
    return _max_pool(3, x, kernel_size, stride, padding, dilation, ceil_mode)


def avg_pool1d(
    x: jax.Array, kernel_size: Size, stride: Size | None = None, padding: Size = 0, ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> jax.Array:
    """The mean of windows over one axis of [..., length, channels]. Otherwise as `avg_pool2d`."""
    return _avg_pool(1, x, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    x: jax.Array, kernel_size: Size, stride: Size | None = None, padding: Size = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> jax.Array:
    """The mean of windows over two axes, equal to torch's.

    Args:
        x: images [..., height, width, channels].
        kernel_size: as in `max_pool2d`, and so too `stride` and `ceil_mode`.
        stride: by default the window's size.
        padding: zeros added at both ends of an axis, at most half the window.
        ceil_mode: a last window may reach over the end.
        count_include_pad: the padding's zeros count in the mean. What a window of `ceil_mode` covers beyond the
            padding never counts.
        divisor_override: what to divide the sums by instead.

    Returns:
        [..., height', width', channels] in the dtype of `x`, added up in float32 at least.

    Raises:
        ValueError: options that do not fit the image or each other.
        TypeError: an image of integers.
    """
    return _avg_pool(2, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def avg_pool3d(
    x: jax.Array, kernel_size: Size, stride: Size | None = None, padding: Size = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> jax.Array:
    """The mean of windows over three axes of [..., depth, height, width, channels]. Otherwise as `avg_pool2d`."""
    return _avg_pool(3, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def lp_pool1d(
    x: jax.Array, norm_type: float, kernel_size: Size, stride: Size | None = None, ceil_mode: bool = False
) -> jax.Array:
    """The p-norm of windows over one axis of [..., length, channels]. Otherwise as `lp_pool2d`."""
    return _lp_pool(1, x, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    x: jax.Array, norm_type: float, kernel_size: Size, stride: Size | None = None, ceil_mode: bool = False
) -> jax.Array:
    """The p-norm of windows over two axes of [..., height, width, channels], `sum(x**p) ** (1/p)`, p = `norm_type`.

    As in torch there is no absolute value: an odd p may give NaN for negative numbers. The gradient is 0 where the sum
    is 0, p = inf is the largest absolute value, and the sum of a window that `ceil_mode` lets reach over the end is
    scaled up to a full one. Options otherwise as in `max_pool2d`.
    """
    return _lp_pool(2, x, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    x: jax.Array, norm_type: float, kernel_size: Size, stride: Size | None = None, ceil_mode: bool = False
) -> jax.Array:
    """The p-norm of windows over three axes of [..., depth, height, width, channels]. Otherwise as `lp_pool2d`."""
    return _lp_pool(3, x, norm_type, kernel_size, stride, ceil_mode)


def adaptive_avg_pool1d(x: jax.Array, output_size: OutputSize) -> jax.Array:
    """The means of `output_size` windows of [..., length, channels]. Otherwise as `adaptive_avg_pool2d`."""
    return _adaptive_avg_pool(1, x, output_size)


def adaptive_avg_pool2d(x: jax.Array, output_size: OutputSize) -> jax.Array:
    """The means of as many windows as there shall be outputs; 1 is the mean over the whole image.

    Args:
        x: images [..., height, width, channels].
        output_size: one number or one per axis; None keeps an axis as it is. Where n pixels do not divide into m
            windows evenly, window i is from floor(i n / m) up to ceil((i + 1) n / m), as in torch.

    Returns:
        [..., *output_size, channels] in the dtype of `x`, added up in float32 at least.

    Raises:
        ValueError: an output size below 1.
        TypeError: an image of integers.
    """
    return _adaptive_avg_pool(2, x, output_size)


def adaptive_avg_pool3d(x: jax.Array, output_size: OutputSize) -> jax.Array:
    """The means of windows of [..., depth, height, width, channels]. Otherwise as `adaptive_avg_pool2d`."""
    return _adaptive_avg_pool(3, x, output_size)


def adaptive_max_pool1d(x: jax.Array, output_size: OutputSize) -> jax.Array:
    """The largest elements of `output_size` windows of [..., length, channels]. Otherwise as `adaptive_max_pool2d`."""
    return _adaptive_max_pool(1, x, output_size)


def adaptive_max_pool2d(x: jax.Array, output_size: OutputSize) -> jax.Array:
    """The largest element of each window of `adaptive_avg_pool2d`, for integers too.

    NaN wins; the first of equal elements has the gradient.
    """
    return _adaptive_max_pool(2, x, output_size)


def adaptive_max_pool3d(x: jax.Array, output_size: OutputSize) -> jax.Array:
    """The largest elements of windows of [..., depth, height, width, channels]. Otherwise as `adaptive_max_pool2d`."""
    return _adaptive_max_pool(3, x, output_size)


def _max_pool(
    axes: int, x: jax.Array, kernel_size: Size, stride: Size | None, padding: Size, dilation: Size, ceil_mode: bool
) -> jax.Array:
    return window_max(x, _windows(f"max_pool{axes}d", x, axes, kernel_size, stride, padding, dilation, ceil_mode))


def _avg_pool(
    axes: int, x: jax.Array, kernel_size: Size, stride: Size | None, padding: Size, ceil_mode: bool,
    count_include_pad: bool, divisor_override: int | None,
) -> jax.Array:
    name = f"avg_pool{axes}d"
    windows = _windows(name, x, axes, kernel_size, stride, padding, 1, ceil_mode)
    if divisor_override == 0:
        raise ValueError(f"{name}: divisor_override is 0; it is what the sums are divided by, or None")
    total = window_sum(at_least_float32(x), windows)
    if divisor_override is not None:
        return (total / divisor_override).astype(x.dtype)
    margins = per_axis(padding if count_include_pad else 0, axes, "padding")
    return (total / _counts(total, windows, x.shape[-axes - 1 :], margins)).astype(x.dtype)


def _lp_pool(
    axes: int, x: jax.Array, norm_type: float, kernel_size: Size, stride: Size | None, ceil_mode: bool
) -> jax.Array:
    windows = _windows(f"lp_pool{axes}d", x, axes, kernel_size, stride, 0, 1, ceil_mode)
    if abs(norm_type) == np.inf:
        sign = int(np.sign(norm_type))
        return sign * window_max(sign * absolute(x), windows)
    total = window_sum(at_least_float32(x) ** norm_type, windows)
    size = math.prod(window.size for window in windows)
    total = total * (size / _counts(total, windows, x.shape[-axes - 1 :], (0,) * axes))
    zero = total == 0  # where the derivative of the root is infinite and torch's is 0
    return jnp.where(zero, 0, jnp.where(zero, 1, total) ** (1 / norm_type)).astype(x.dtype)


def _adaptive_avg_pool(axes: int, x: jax.Array, output_size: OutputSize) -> jax.Array:
    sizes = _output_sizes(f"adaptive_avg_pool{axes}d", x, axes, output_size)
    y, first = at_least_float32(x), x.ndim - 1 - axes
    # Axes that divide evenly are averaged at once: [height, width] -> [h, height / h, w, width / w] -> [h, w].
    blocks = [(m, n // m) if n % m == 0 else (n, 1) for n, m in zip(x.shape[first:], sizes, strict=False)]
    split = y.reshape(*x.shape[:first], *(length for block in blocks for length in block), x.shape[-1])
    y = jnp.mean(split, tuple(range(first + 1, first + 2 * axes, 2)))
    for axis, m in enumerate(sizes, start=first):
        if y.shape[axis] != m:
            y = resample(y, axis, mean_taps(y.shape[axis], m))
    return y.astype(x.dtype)


def _adaptive_max_pool(axes: int, x: jax.Array, output_size: OutputSize) -> jax.Array:
    sizes = _output_sizes(f"adaptive_max_pool{axes}d", x, axes, output_size)
    for i in reversed(range(axes)):  # so that the first in row-major order has the gradient
        x = _adaptive_axis_max(x, x.ndim - 1 - axes + i, sizes[i])
    return x


def _adaptive_axis_max(x: jax.Array, axis: int, m: int) -> jax.Array:
    n = x.shape[axis]
    if n % m == 0:
        blocks = x.reshape(*x.shape[:axis], m, n // m, *x.shape[axis + 1 :])
    else:
        index, _ = window_index(*adaptive_windows(n, m))
        blocks = jnp.take(x, index, axis, mode="clip")
    # Not `max`, whose gradient is shared by all that are equal.
    largest = jnp.argmax(blocks, axis + 1, keepdims=True)
    return jnp.take_along_axis(blocks, largest, axis + 1, mode="clip").squeeze(axis + 1)


def _windows(
    name: str, x: jax.Array, axes: int, kernel_size: Size, stride: Size | None, padding: Size, dilation: Size,
    ceil_mode: bool,
) -> tuple[Window, ...]:
    """The windows along each axis, after all checks."""
    channels_last(x, axes, x.shape[-1], name)
    kernel, pads = per_axis(kernel_size, axes, "kernel_size"), per_axis(padding, axes, "padding")
    strides = kernel if stride is None else per_axis(stride, axes, "stride")
    dilations = per_axis(dilation, axes, "dilation")
    if min(*kernel, *strides, *dilations) < 1:
        raise ValueError(f"{name}: kernel_size={kernel}, stride={strides} and dilation={dilations} start at 1")
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
        windows.append(Window(steps + 1, k, s, d, p, max(steps * s + extent - n - p, 0)))
    return tuple(windows)


def _counts(
    total: jax.Array, windows: Sequence[Window], sizes: Sequence[int], margins: Sequence[int]
) -> np.ndarray:
    """How many elements within `margins` of the image each window has, in the dtype and rank of `total`."""
    count = np.ones((), total.dtype)
    for window, n, margin in zip(windows, sizes, margins, strict=False):
        ends = np.minimum(window.starts + window.size, n + margin)
        count = np.multiply.outer(count, (ends - np.maximum(window.starts, -margin)).astype(total.dtype))
    return count.reshape((1,) * (total.ndim - 1 - count.ndim) + (*count.shape, 1))


def _output_sizes(name: str, x: jax.Array, axes: int, output_size: OutputSize) -> list[int]:
    channels_last(x, axes, x.shape[-1], name)
    sizes = per_axis(output_size, axes, "output_size")
    wanted = [n if m is None else m for n, m in zip(x.shape[-axes - 1 :], sizes, strict=False)]
    if min(wanted) < 1:
        raise ValueError(f"{name}: output_size={output_size} for an image of shape {x.shape} must be at least 1")
    return wanted
