"""Resampling along one axis: every output is a weighted sum of a few inputs, its taps, whose places are static.

The plans are made with numpy while tracing, from sizes alone; only `resample` touches the image.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

__all__ = [
    "FILTERS", "Filter", "Taps", "adaptive_windows", "filter_taps", "mean_taps", "nearest_index", "resample",
    "window_index",
]


class Taps(NamedTuple):
    """The places each output looks at, `index` [out, k], and how much each of them counts, `weight` [out, k]."""

    index: np.ndarray
    weight: np.ndarray


class Filter(NamedTuple):
    """An interpolation kernel: `weight` as a function of the distance in pixels, zero from `support` on."""

    support: int
    weight: Callable[[np.ndarray], np.ndarray]


def resample(x: jax.Array, axis: int, taps: Taps) -> jax.Array:
    """The weighted sums along `axis` (counted from the front), in the dtype of `x`.

    It gathers rather than multiplies by an [out, in] matrix: that is less work, and a NaN stays in its windows.
    """
    shape = tuple(len(taps.index) if a == axis else 1 for a in range(x.ndim))
    index, weight = taps.index.T, taps.weight.T.astype(x.dtype)

    def weighted(index: Any, weight: Any) -> jax.Array:
        return jnp.take(x, index, axis, mode="clip", indices_are_sorted=True) * weight.reshape(shape)

    # A loop in blocks of eight: written out, the hundreds of taps of a strong reduction compile for a minute.
    first = weighted(index[0], weight[0])
    return lax.scan(lambda y, tap: (y + weighted(*tap), None), first, (index[1:], weight[1:]), unroll=8)[0]


def nearest_index(size: int, out: int, scale: float | None, *, exact: bool) -> np.ndarray:
    """Which input each output copies: the one at its left edge, as torch's "nearest" has it, or at its centre."""
    # Float32 whatever the image is, because torch's kernels for images compute it so.
    step = _step(size, out, scale, np.float32)
    position = np.arange(out, dtype=np.float32) + np.float32(0.5 if exact else 0)
    return np.minimum(np.floor(position * step).astype(np.int32), size - 1)


def filter_taps(
    size: int, out: int, scale: float | None, filter: Filter, *, align_corners: bool, antialias: bool, dtype: Any
) -> Taps:
    """Interpolation with a filter centred on each output's place in the input.

    Args:
        size: pixels of the input.
        out: pixels of the output.
        scale: output pixels per input pixel, or None for out / size.
        filter: one of `FILTERS`.
        align_corners: the first and last pixels' centres stay where they are; else the outer edges do.
        antialias: where the image shrinks, the filter is stretched to cover all input pixels, and at the border it is
            cut off and normalised; else the border pixels are repeated outwards.
        dtype: what to compute in; torch's results show the rounding of float32.
    """
    step = _step(size, out, scale, dtype)
    if align_corners:
        step = dtype(size - 1) / dtype(out - 1) if out > 1 else dtype(0)
    pixel = np.arange(out, dtype=dtype)
    if not antialias:
        shift = 0.0 if align_corners else 0.5
        # Rounded once, as by the fused multiply-add that torch's compiler makes of it.
        place = ((pixel + shift) * np.float64(step) - shift).astype(dtype)
        index = _after(place - filter.support)[:, None] + np.arange(2 * filter.support, dtype=np.int32)
        return Taps(np.clip(index, 0, size - 1), filter.weight(index.astype(dtype) - place[:, None]))
    place = (pixel + dtype(0.5)) * step - dtype(0.5)  # in torch with align_corners too
    stretch = max(step, dtype(1))
    radius = filter.support * stretch
    index, inside = window_index(np.maximum(_after(place - radius), 0), np.minimum(_after(place + radius), size))
    weight = np.where(inside, filter.weight((index.astype(dtype) - place[:, None]) / stretch), dtype(0))
    return Taps(index, weight / weight.sum(1, keepdims=True))


def adaptive_windows(size: int, out: int) -> tuple[np.ndarray, np.ndarray]:
    """Start and end of the `out` windows that share `size` pixels; they overlap where they do not fit evenly."""
    window = np.arange(out)
    return window * size // out, -(-(window + 1) * size // out)


def window_index(start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The places of windows, [out, longest window]; shorter ones repeat their last place. Also which are no repeats."""
    place = start[:, None] + np.arange((end - start).max())
    return np.minimum(place, end[:, None] - 1).astype(np.int32), place < end[:, None]


def mean_taps(size: int, out: int) -> Taps:
    """The mean of each adaptive window."""
    start, end = adaptive_windows(size, out)
    index, inside = window_index(start, end)
    return Taps(index, inside / (end - start)[:, None])


def _step(size: int, out: int, scale: float | None, dtype: Any) -> Any:
    """Input pixels per output pixel."""
    return dtype(size) / dtype(out) if scale is None else dtype(1 / scale)


def _after(place: np.ndarray) -> np.ndarray:
    """The first pixel to the right."""
    return np.floor(place).astype(np.int32) + 1


def _linear(t: np.ndarray) -> np.ndarray:
    return np.maximum(1 - np.abs(t), 0)


def _cubic(a: float) -> Callable[[np.ndarray], np.ndarray]:
    """Keys 1981, https://doi.org/10.1109/TASSP.1981.1163711, equation 4 with its free parameter `a`."""

    def weight(t: np.ndarray) -> np.ndarray:
        t = np.abs(t)
        near = ((a + 2) * t - (a + 3)) * t * t + 1
        far = ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
        return np.where(t < 1, near, np.where(t < 2, far, 0))

    return weight


def _lanczos(t: np.ndarray) -> np.ndarray:
    return np.where(np.abs(t) < 3, np.sinc(t) * np.sinc(t / 3), 0)


FILTERS = {
    "linear": Filter(1, _linear),
    "cubic": Filter(2, _cubic(-0.75)),
    "cubic_antialias": Filter(2, _cubic(-0.5)),
    "lanczos": Filter(3, _lanczos),
}
"""torch's cubic filter is sharper without antialiasing (a = -0.75) than with it (a = -0.5, Pillow's)."""
