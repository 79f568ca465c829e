"""Maximum and sum of windows, by shifted and strided slices of the whole array, one axis after another.

Compared with `lax.reduce_window`: the gradient is an elementwise operation, whereas XLA's select-and-scatter visits the
windows one by one. Dilation, integers, ties, NaN, forward mode and second derivatives need no rules of their own,
because they follow from those of slices and comparisons.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

__all__ = ["Candidates", "Window", "first_largest", "first_max", "flat_indices", "window_max", "window_sum"]


class Window(NamedTuple):
    """The windows along one axis.

    Attributes:
        count: number of windows.
        size: elements in a window.
        stride: elements from the start of one window to the next.
        dilation: elements from one element of a window to the next.
        low: elements of padding before the axis.
        high: elements of padding after it.
    """

    count: int
    size: int
    stride: int
    dilation: int
    low: int
    high: int

    @property
    def starts(self) -> np.ndarray:
        """The index of the first element of each window; negative if it is in the padding."""
        return np.arange(self.count) * self.stride - self.low


Candidates = tuple[jax.Array, ...]
"""The values of elements and, if they are wanted, their indices, which are negative in the padding."""


def flat_indices(x: jax.Array, axes: int) -> jax.Array:
    """The position of each element of `x` among the pixels of its image, in row-major order: int32, as `x` in shape."""
    sizes = x.shape[x.ndim - 1 - axes : -1]
    if math.prod(sizes) > np.iinfo(np.int32).max:
        raise ValueError(f"return_indices=True counts the pixels of an image in int32; {sizes} are too many")
    index = jnp.arange(math.prod(sizes), dtype=jnp.int32)
    return jnp.broadcast_to(index.reshape(*(1,) * (x.ndim - 1 - axes), *sizes, 1), x.shape)


# Jitted so that a call outside of `jit` compiles one program, not one for each slice.
@functools.partial(jax.jit, static_argnames="windows", inline=True)
def window_max(candidates: Candidates, windows: tuple[Window, ...]) -> Candidates:
    """The largest element of each window over the axes before the last. The first of equal elements gets the gradient.

    Deviation from torch if there are no indices: a window that has padding and otherwise only -inf has no gradient,
    because its first -inf is in the padding. Torch gives the gradient to the first element. Another comparison for each
    element would do the same.

    Args:
        candidates: the values [..., *spatial, channels], and optionally their indices of the same shape.
        windows: one `Window` for each spatial axis.

    Returns:
        The values [..., *counts, channels], and their indices if there were any.
    """
    fill = _lowest(candidates[0].dtype), -1
    candidates = tuple(_padded(x, windows, value) for x, value in zip(candidates, fill, strict=False))
    # The last axis first: then the first of equal elements in row-major order wins.
    for axis in reversed(range(len(windows))):
        candidates = _axis_max(candidates, candidates[0].ndim - 1 - len(windows) + axis, windows[axis])
    return candidates


@functools.partial(jax.jit, static_argnames="axis", inline=True)
def first_largest(candidates: Candidates, axis: int) -> Candidates:
    """The largest element along an axis, which is removed. The first of equal elements gets the gradient.

    It compares neighbours again and again, each time with half as many left. So the gradient is elementwise.
    """
    fill = _lowest(candidates[0].dtype), -1
    while (size := candidates[0].shape[axis]) > 1:
        if size % 2:
            widths = [(0, int(a == axis), 0) for a in range(candidates[0].ndim)]
            pairs = zip(candidates, fill, strict=False)
            candidates = tuple(lax.pad(x, np.asarray(value, x.dtype), widths) for x, value in pairs)
        left, right = (tuple(lax.slice_in_dim(x, i, None, 2, axis) for x in candidates) for i in (0, 1))
        candidates = first_max(left, right)
    return tuple(x.squeeze(axis) for x in candidates)


@functools.partial(jax.jit, static_argnames="windows", inline=True)
def window_sum(x: jax.Array, windows: tuple[Window, ...]) -> jax.Array:
    """The sum of each window: [..., *spatial, channels] gives [..., *counts, channels]."""
    x = _padded(x, windows, 0)
    for axis, window in enumerate(windows, start=x.ndim - 1 - len(windows)):
        x = functools.reduce(jnp.add, (_elements(x, axis, window, i) for i in range(window.size)))
    return x


def _axis_max(candidates: Candidates, axis: int, window: Window) -> Candidates:
    """A long window is the maximum of two overlapping halves, recursively: a window of 100 takes 8 comparisons."""
    span = 1  # elements of the window that one candidate stands for
    while window.size > 4 * span:
        shift, length = span * window.dilation, candidates[0].shape[axis]
        left, right = (
            tuple(lax.slice_in_dim(x, i, length - shift + i, axis=axis) for x in candidates) for i in (0, shift)
        )
        candidates, span = first_max(left, right), 2 * span
    parts = [*range(0, window.size - span, span), window.size - span]
    return functools.reduce(first_max, (tuple(_elements(x, axis, window, i) for x in candidates) for i in parts))


def first_max(a: Candidates, b: Candidates) -> Candidates:
    """The larger element, `a` if they are equal, NaN if one is NaN, as `b != b` finds; any rather than the padding."""
    chosen = (b[0] > a[0]) | (b[0] != b[0])
    if len(a) > 1:
        chosen |= a[1] < 0
    return tuple(jnp.where(chosen, y, x) for x, y in zip(a, b, strict=True))


def _elements(x: jax.Array, axis: int, window: Window, i: int) -> jax.Array:
    """Element `i` of each window."""
    start = i * window.dilation
    return lax.slice_in_dim(x, start, start + (window.count - 1) * window.stride + 1, window.stride, axis)


def _padded(x: jax.Array, windows: Sequence[Window], value: Any) -> jax.Array:
    if not any(window.low or window.high for window in windows):
        return x
    widths = [(0, 0, 0)] * (x.ndim - 1 - len(windows)) + [(w.low, w.high, 0) for w in windows] + [(0, 0, 0)]
    return lax.pad(x, np.asarray(value, x.dtype), widths)


def _lowest(dtype: Any) -> Any:
    return -np.inf if jnp.issubdtype(dtype, jnp.floating) else jnp.iinfo(dtype).min
