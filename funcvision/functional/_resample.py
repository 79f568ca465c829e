"""Resampling of one axis: each output is a weighted sum of a few input elements, its taps.

The first half of this file computes taps from sizes. The sizes are Python ints, or traced integers of jax where a
program resizes a box that it computed. Then the number of taps follows from a static bound, and only their indices and
weights are traced.

`resample` applies taps to a jax array, `_resample_numpy.resample_numpy` to a numpy array. The cost grows with the
number of outputs times the number of taps, and not with outputs times inputs as that of a product with a dense matrix.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ._resample_lowering import gathered, resample_static
from ._resample_numpy import exact_dtype

__all__ = [
    "FILTERS", "Filter", "Taps", "adaptive_windows", "filter_taps", "fixed_point", "mean_taps", "nearest_index",
    "resample", "rounds_fused", "window_index",
]


class Taps(NamedTuple):
    """What each output is a sum of.

    Attributes:
        index: [out, taps], which input elements. A row with fewer taps than the longest repeats one of its own with
            weight 0, so that a NaN outside an output's window never reaches it.
        weight: [out, taps], their weights; whole numbers for `resample` of uint8.
        bits: the weights are to be divided by 2**bits; 0 unless they are those of `fixed_point`.
    """

    index: Any
    weight: Any
    bits: Any = 0


class Filter(NamedTuple):
    """An interpolation filter.

    Attributes:
        radius: the filter is zero from this distance on, in pixels.
        weight: the filter as a function of (numpy or jax.numpy, distance).
    """

    radius: int
    weight: Callable[[ModuleType, Any], Any]


def _linear(xp: ModuleType, t: Any) -> Any:
    return xp.maximum(1 - xp.abs(t), 0)


def _cubic(xp: ModuleType, t: Any, a: float) -> Any:
    """Keys 1981, https://doi.org/10.1109/TASSP.1981.1163711, equation 4 with its free parameter `a`."""
    t = xp.abs(t)
    near = ((a + 2) * t - (a + 3)) * t * t + 1
    far = ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
    return xp.where(t < 1, near, xp.where(t < 2, far, 0))


def _lanczos(xp: ModuleType, t: Any) -> Any:
    return xp.where(xp.abs(t) < 3, xp.sinc(t) * xp.sinc(t / 3), 0)


FILTERS = {
    "linear": Filter(1, _linear),
    "cubic": Filter(2, partial(_cubic, a=-0.75)),
    "cubic_antialias": Filter(2, partial(_cubic, a=-0.5)),
    "lanczos": Filter(3, _lanczos),
}
"""Torch's cubic filter has a = -0.75 without antialiasing, and with it a = -0.5, as Pillow's."""


def nearest_index(
    size: Any, out: int, scale: float | None = None, *, exact: bool, fused: bool = False, longest: int | None = None
) -> Any:
    """The input element that each output copies, [out].

    Args:
        size: elements of the input, an int or a traced int32.
        out: elements of the output.
        scale: output elements per input element, or None for out / size.
        exact: copy the element in which the centre of the output lies (torch's "nearest-exact"), and not the one in
            which its left edge lies ("nearest").
        fused: round as torch does for all but small images, see `rounds_fused`.
        longest: the largest value of a traced `size`.
    """
    # Where an output lies on the border of two elements, the last bit decides. Torch computes in float32, whatever the
    # dtype of the image.
    half = np.float32(0.5 if exact else 0)
    position = np.arange(out, dtype=np.float32) + half
    traced = isinstance(size, jax.Array)
    xp: ModuleType = jnp if traced else np
    if traced:
        # The quotients come from a table: XLA would multiply by 1 / out, which rounds differently.
        step = jnp.take(np.arange(_bound(longest) + 1, dtype=np.float32) / np.float32(out), size, mode="clip")
    else:
        step = _step(size, out, scale, np.float32)
    place = position * step
    if fused:  # product and difference are rounded at once, which XLA does by itself
        centre = place - half if traced else (position * np.float64(step) - half).astype(np.float32)
        place = xp.maximum(centre, 0) + half
    return xp.minimum(xp.floor(place).astype(np.int32), size - 1)


def rounds_fused(sizes: Sequence[int]) -> bool:
    """Whether torch finds the nearest elements with a fused multiply-add, for an output of these spatial sizes.

    It has another kernel for two axes of 128 elements together at most (and for more than three channels in
    channels-last order, which is not imitated). The two differ for a few elements that lie on a border.
    """
    return len(sizes) != 2 or sum(sizes) > 128


def filter_taps(
    size: Any, out: int, scale: float | None, filter: Filter, *, align_corners: bool, antialias: bool, dtype: Any,
    longest: int | None = None,
) -> Taps:
    """Taps of an interpolation filter that is centred on each output's place in the input.

    Args:
        size: elements of the input, an int or a traced int32.
        out: elements of the output.
        scale: output elements per input element, or None for out / size; None if `size` is traced.
        filter: one of `FILTERS`.
        align_corners: the centres of the first and last elements stay where they are, and not the outer edges; False
            if `size` is traced.
        antialias: where the axis shrinks, stretch the filter to cover all input elements; at the border it is cut off
            and normalised. Without it, the border elements are repeated outwards.
        dtype: what to compute in; torch's results show the rounding of float32.
        longest: the largest value of a traced `size`; it bounds the number of taps.
    """
    traced = isinstance(size, jax.Array)
    xp: ModuleType = jnp if traced else np
    if not antialias:
        half = 0.0 if align_corners else 0.5
        ratio = None if traced else _step(size, out, scale, dtype, align_corners)
        left, part = _centres(size, out, ratio, half, half, dtype)
        tap = np.arange(1 - filter.radius, filter.radius + 1, dtype=np.int32)
        index = xp.clip(left[:, None] + tap[None], 0, size - 1)
        return _merged(xp, index, filter.weight(xp, tap.astype(dtype)[None] - part[:, None]))
    ratio = size.astype(dtype) / dtype(out) if traced else _step(size, out, scale, dtype, align_corners)
    whole, part = _centres(size, out, ratio, 0.5, 0.0, dtype)  # with align_corners too, as in torch
    stretch = xp.maximum(ratio, dtype(1))
    radius = filter.radius * stretch
    first = xp.maximum(whole + xp.floor(part - radius + dtype(0.5)).astype(np.int32), 0)
    last = xp.minimum(whole + xp.floor(part + radius + dtype(0.5)).astype(np.int32), size)
    taps = 2 * math.ceil(filter.radius * max(_bound(longest) / out, 1)) + 1 if traced else int((last - first).max())
    index = first[:, None] + np.arange(taps, dtype=np.int32)[None]
    distance = (index - whole[:, None]).astype(dtype) + (dtype(0.5) - part[:, None])
    weight = xp.where(index < last[:, None], filter.weight(xp, distance / stretch), dtype(0))
    return Taps(xp.minimum(index, last[:, None] - 1), weight / weight.sum(1, keepdims=True))


def fixed_point(taps: Taps) -> Taps:
    """The taps with whole weights w and a number of bits b, w / 2**b being the weights.

    b is the largest number, 22 at most, for which every w is below 2**15. Torch resizes uint8 images with such weights
    (Pillow with 22 bits always), and so the result equals torch's to the bit.
    """
    xp: ModuleType = np if isinstance(taps.weight, np.ndarray) else jnp
    dtype = taps.weight.dtype
    scales = 2.0 ** np.arange(1, 23).astype(dtype)
    bits = (xp.floor(taps.weight.max() * scales + 0.5) < 2**15).sum().astype(np.int32)
    scaled = taps.weight * 2.0 ** bits.astype(dtype)
    half = xp.where(scaled < 0, -0.5, 0.5).astype(dtype)
    return Taps(taps.index, xp.trunc(scaled + half).astype(np.int32), bits)


def adaptive_windows(size: int, out: int) -> tuple[np.ndarray, np.ndarray]:
    """First and last + 1 of the `out` windows that share `size` elements; they overlap where they don't fit evenly."""
    window = np.arange(out)
    return window * size // out, -(-(window + 1) * size // out)


def window_index(start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The elements of each window, [windows, longest window], and which of them are not padding.

    The rows of shorter windows are padded with their last element.
    """
    place = start[:, None] + np.arange((end - start).max())
    return np.minimum(place, end[:, None] - 1).astype(np.int32), place < end[:, None]


def mean_taps(size: int, out: int) -> Taps:
    """The taps of the mean over each adaptive window."""
    start, end = adaptive_windows(size, out)
    index, inside = window_index(start, end)
    return Taps(index, inside / (end - start)[:, None])


def resample(x: jax.Array, axis: int, taps: Taps) -> jax.Array:
    """The weighted sums along one axis, in the dtype of `x`.

    Args:
        x: floating-point numbers, or uint8.
        axis: which axis, counted from the front.
        taps: the taps; of uint8, those of `fixed_point`. The result is rounded to uint8 then.
    """
    x = jnp.asarray(x)
    if x.dtype == np.uint8:
        return _resample_bytes(x, axis, taps)
    if isinstance(taps.index, jax.Array):
        return gathered(x, taps.index, taps.weight.astype(x.dtype), axis=axis)
    return resample_static(x, axis, taps.index, taps.weight)


def _resample_bytes(x: jax.Array, axis: int, taps: Taps) -> jax.Array:
    """As `resample` of uint8; the taps are those of `fixed_point`. Gathers of bytes would take longer."""
    traced = isinstance(taps.index, jax.Array)
    if traced or exact_dtype(taps.weight, taps.bits) != np.float32:
        sums = gathered(x.astype(np.int32), taps.index, taps.weight, axis=axis)
        rounded = (sums + (1 << (taps.bits - 1))) >> taps.bits
    else:  # float32 is faster; the conversion to uint8 cuts off the fraction
        weight = (taps.weight * 2.0 ** -float(taps.bits)).astype(np.float32)
        rounded = gathered(x.astype(np.float32), taps.index, weight, axis=axis) + np.float32(0.5)
    return jnp.clip(rounded, 0, 255).astype(np.uint8)


def _merged(xp: ModuleType, index: Any, weight: Any) -> Taps:
    """The taps with the weights of equal elements added up, on the first of them; the border repeats elements."""
    equal = index[:, :, None] == index[:, None, :]
    total = xp.where(equal, weight[:, None, :], 0).sum(2)
    repeated = (equal & np.tri(index.shape[1], k=-1, dtype=bool)[None]).any(2)
    return Taps(index, xp.where(repeated, 0, total).astype(weight.dtype))


def _centres(size: Any, out: int, step: Any, offset: float, shift: float, dtype: Any) -> tuple[Any, Any]:
    """The places (i + offset) * step - shift of the outputs i, in input elements.

    A static size is divided in `dtype` and rounded where torch rounds. A traced one, whose `offset` must be 0.5, is
    divided in whole numbers: float32, all that jax has by default, would leave an error of 1e-5 at element 200, which
    shows in the fixed point of uint8.

    Returns:
        [out] whole numbers, and [out] fractions.
    """
    if isinstance(size, jax.Array):
        whole, rest = _product_divided(2 * np.arange(out, dtype=np.int32) + 1, size, 2 * out)
        rest = rest - int(2 * shift) * out
        return jnp.where(rest < 0, whole - 1, whole), (rest % (2 * out)).astype(dtype) / dtype(2 * out)
    # Rounded once, as the fused multiply-add is that torch's compiler makes of it.
    place = ((np.arange(out) + offset) * np.float64(step) - shift).astype(dtype)
    whole = np.floor(place)
    return whole.astype(np.int32), place - whole


def _product_divided(a: np.ndarray, b: jax.Array, c: int) -> tuple[jax.Array, jax.Array]:
    """Quotient and remainder of a * b by c, where a <= c <= 2**23 and the product may not fit in int32."""
    digit = 7  # bits of b at a time; the remainder, below c, and a times these bits fit in 31 bits
    quotient = rest = jnp.zeros(a.shape, np.int32)
    for low in range(28, -1, -digit):
        rest = (rest << digit) + a * ((b >> low) & (2**digit - 1))
        quotient = (quotient << digit) + rest // c
        rest = rest % c
    return quotient, rest


def _step(size: int, out: int, scale: float | None, dtype: Any, align_corners: bool = False) -> Any:
    """Input elements per output element."""
    if align_corners:
        return dtype(size - 1) / dtype(out - 1) if out > 1 else dtype(0)
    return dtype(size) / dtype(out) if scale is None else dtype(1 / scale)


def _bound(longest: int | None) -> int:
    if longest is None:
        raise TypeError("resampling an axis of a traced size needs `longest`, the largest value of the size")
    return longest
