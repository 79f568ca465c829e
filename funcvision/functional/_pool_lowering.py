"""Maximum and sum of windows, by shifted and strided slices of the whole array, one axis after another.

Compared with `lax.reduce_window`: the gradient is an elementwise operation, whereas XLA's select-and-scatter visits the
windows one by one. Dilation, integers, ties, NaN, forward mode and second derivatives need no rules of their own,
because they follow from those of slices and comparisons.
"""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

__all__ = ["Window", "window_max", "window_sum"]


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


# Jitted so that a call outside of `jit` compiles one program, not one for each slice.
@functools.partial(jax.jit, static_argnames="windows", inline=True)
def window_max(x: jax.Array, windows: tuple[Window, ...]) -> jax.Array:
    """The largest element of each window over the axes before the last. The first of equal elements gets the gradient.

    Deviation from torch: a window that has padding and otherwise only -inf has no gradient, because its first -inf is
    in the padding. Torch gives the gradient to the first element. Padding that repeats the border would do the same, at
    several times the cost.

    Args:
        x: [..., *spatial, channels].
        windows: one `Window` for each spatial axis.

    Returns:
        [..., *counts, channels], in the dtype of `x`.
    """
    x = _padded(x, windows, _lowest(x.dtype))
    # The last axis first: then the first of equal elements in row-major order wins.
    for axis in reversed(range(len(windows))):
        x = _axis_max(x, x.ndim - 1 - len(windows) + axis, windows[axis])
    return x


@functools.partial(jax.jit, static_argnames="windows", inline=True)
def window_sum(x: jax.Array, windows: tuple[Window, ...]) -> jax.Array:
    """The sum of each window: [..., *spatial, channels] gives [..., *counts, channels]."""
    x = _padded(x, windows, 0)
    for axis, window in enumerate(windows, start=x.ndim - 1 - len(windows)):
        x = functools.reduce(jnp.add, (_elements(x, axis, window, i) for i in range(window.size)))
    return x


def _axis_max(x: jax.Array, axis: int, window: Window) -> jax.Array:
    """A long window is the maximum of two overlapping halves, recursively: a window of 100 takes 8 comparisons."""
    span = 1  # elements of the window that one element of x stands for
    while window.size > 4 * span:
        shift, length = span * window.dilation, x.shape[axis]
        left, right = (lax.slice_in_dim(x, i, length - shift + i, axis=axis) for i in (0, shift))
        x, span = _first_max(left, right), 2 * span
    parts = [*range(0, window.size - span, span), window.size - span]
    return functools.reduce(_first_max, (_elements(x, axis, window, i) for i in parts))


def _first_max(a: jax.Array, b: jax.Array) -> jax.Array:
    """The larger element, `a` if they are equal, NaN if one is NaN. `b != b` finds NaN and also works for integers."""
    return jnp.where((b > a) | (b != b), b, a)


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
