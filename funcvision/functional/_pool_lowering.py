"""How pooling is handed to XLA. The choice of a lowering by platform and shape lives here and nowhere else.

Windows are taken apart into shifted, strided slices of the whole array, axis after axis. Compared with
`lax.reduce_window`, the gradient is element by element where XLA's select-and-scatter walks through the windows one
by one, and dilation, integers, ties and NaN, forward mode and second derivatives follow from those of a comparison.
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
    """The windows along one axis: `count` of them, with `low` and `high` elements of padding at the ends."""

    count: int
    size: int
    stride: int
    dilation: int
    low: int
    high: int

    @property
    def starts(self) -> np.ndarray:
        """The first element of every window, negative in the padding."""
        return np.arange(self.count) * self.stride - self.low


# Jitted so that outside of `jit` a pool is compiled once, and not once for every slice.
@functools.partial(jax.jit, static_argnames="windows", inline=True)
def window_max(x: jax.Array, windows: tuple[Window, ...]) -> jax.Array:
    """The largest element of each window over the axes ahead of the last; of equal ones the first has the gradient.

    A window with padding in which all is -inf has no gradient, because its first -inf is the padding's; torch gives
    it to the first element. Padding that repeats the border would do so too, at several times the cost.
    """
    x = _padded(x, windows, _lowest(x.dtype))
    # The last axis first: the first largest element in row-major order is the first in its row, in the first such row.
    for axis in reversed(range(len(windows))):
        x = _axis_max(x, x.ndim - 1 - len(windows) + axis, windows[axis])
    return x


@functools.partial(jax.jit, static_argnames="windows", inline=True)
def window_sum(x: jax.Array, windows: tuple[Window, ...]) -> jax.Array:
    """The sum of each window over the axes ahead of the last."""
    x = _padded(x, windows, 0)
    for axis, window in enumerate(windows, start=x.ndim - 1 - len(windows)):
        x = functools.reduce(jnp.add, (_elements(x, axis, window, i) for i in range(window.size)))
    return x


def _axis_max(x: jax.Array, axis: int, window: Window) -> jax.Array:
    """Long windows are made of halves that overlap: a window of 100 takes 8 comparisons."""
    span = 1  # elements of the window that one element of x stands for
    while window.size > 4 * span:
        shift, length = span * window.dilation, x.shape[axis]
        left, right = (lax.slice_in_dim(x, i, length - shift + i, axis=axis) for i in (0, shift))
        x, span = _first_max(left, right), 2 * span
    parts = [*range(0, window.size - span, span), window.size - span]
    return functools.reduce(_first_max, (_elements(x, axis, window, i) for i in parts))


def _first_max(a: jax.Array, b: jax.Array) -> jax.Array:
    """The larger, the first if they are equal, and NaN if there is one; `b != b` says NaN for integers too."""
    return jnp.where((b > a) | (b != b), b, a)


def _elements(x: jax.Array, axis: int, window: Window, i: int) -> jax.Array:
    """The i-th element of every window."""
    start = i * window.dilation
    return lax.slice_in_dim(x, start, start + (window.count - 1) * window.stride + 1, window.stride, axis)


def _padded(x: jax.Array, windows: Sequence[Window], value: Any) -> jax.Array:
    if not any(window.low or window.high for window in windows):
        return x
    widths = [(0, 0, 0)] * (x.ndim - 1 - len(windows)) + [(w.low, w.high, 0) for w in windows] + [(0, 0, 0)]
    return lax.pad(x, np.asarray(value, x.dtype), widths)


def _lowest(dtype: Any) -> Any:
    return -np.inf if jnp.issubdtype(dtype, jnp.floating) else jnp.iinfo(dtype).min
