"""Resampling a box of an image: separable filters and nearest neighbours, on numpy and jax arrays.

Each axis is a product with a matrix `[out, in]` of filter weights. The box may be traced: its numbers only enter the
weights, never a shape. (The price: a NaN or an infinity spreads over its row and its column.) What is computed is what
torch computes on a CPU:

- float32 and float64 in their own precision, other dtypes in float32 and rounded back;
- uint8 in fixed point, the columns first, each axis rounded to uint8 (as in Pillow, with 16-bit weights). So the
  result is torch's to the bit; rounding a float32 result would differ by one level in a fifth of the pixels.
"""

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ._kernel import namespace

__all__ = ["FILTERS", "NEAREST", "Span", "resample"]

NEAREST = ("nearest", "nearest-exact")


class Span(NamedTuple):
    """Part of an axis, `length` pixels from `start` on: two ints, or two int32 scalars of jax, which may be traced."""

    start: Any
    length: Any


class Filter(NamedTuple):
    """An interpolation filter: zero from `radius` on. Torch's cubic is a sharper one where it does not antialias."""

    radius: int
    antialiased: Callable[[ModuleType, Any], Any]
    plain: Callable[[ModuleType, Any], Any]


def _triangle(xp: ModuleType, x: Any) -> Any:
    return xp.maximum(1 - xp.abs(x), 0)


def _cubic(xp: ModuleType, x: Any, a: float) -> Any:
    """Keys 1981, https://doi.org/10.1109/TASSP.1981.1163711, with slope `a` at 1."""
    x = xp.abs(x)
    inner = ((a + 2) * x - (a + 3)) * x * x + 1
    outer = (((x - 5) * x + 8) * x - 4) * a
    return xp.where(x < 1, inner, xp.where(x < 2, outer, 0))


def _lanczos(xp: ModuleType, x: Any) -> Any:
    return xp.where(xp.abs(x) < 3, xp.sinc(x) * xp.sinc(x / 3), 0)


FILTERS = {
    "bilinear": Filter(1, _triangle, _triangle),
    "bicubic": Filter(2, partial(_cubic, a=-0.5), partial(_cubic, a=-0.75)),
    "lanczos": Filter(3, _lanczos, _lanczos),
}


def resample(
    image: Any, rows: Span, columns: Span, size: tuple[int, int], *, interpolation: str, antialias: bool
) -> Any:
    """The box `rows` x `columns` of `image`, `[..., height, width, channels]`, as an image of `size`."""
    xp = namespace(image, "resize")
    axes = ((-2, columns, size[1]), (-3, rows, size[0]))
    if interpolation in NEAREST:
        for axis, span, out in axes:
            index = _nearest(span, image.shape[axis], out, exact=interpolation == "nearest-exact")
            image = xp.take(image, index, axis=axis, mode="clip")
        return image
    dtype = image.dtype
    if dtype.kind == "b":
        raise ValueError(f'interpolation={interpolation!r} makes no sense on booleans; give "nearest"')
    static = _namespace(rows) is np
    precision = np.float64 if dtype == np.float64 or (dtype == np.uint8 and static) else np.float32
    if dtype not in (np.uint8, precision):
        image = image.astype(precision)
    for axis, span, out in axes:
        weights = _weights(span, image.shape[axis], out, FILTERS[interpolation], antialias, precision)
        if dtype == np.uint8:
            image = _apply_bytes(xp, weights, image, axis)
        else:  # the default precision on GPUs and TPUs is less than float32's
            image = _apply(xp, weights, image, axis, "highest")
    if jnp.issubdtype(dtype, jnp.integer) and dtype != np.uint8:
        limits = jnp.iinfo(dtype)
        image = xp.clip(xp.round(image), limits.min, limits.max)
    image = image.astype(dtype)
    return np.ascontiguousarray(image) if xp is np else image


def _nearest(span: Span, size: int, out: int, *, exact: bool) -> Any:
    """The index, in an axis of `size` pixels, of the input pixel for each output pixel, `[out]`.

    Where an output pixel falls on the border of two input pixels, the last bit of float32 decides, so every operation
    is rounded as torch's is. There product and difference are one operation: hence float64 on the host, where XLA
    fuses them.
    """
    xp = _namespace(span)
    half = 0.5 if exact else 0.0
    if xp is jnp:  # the quotients in a table, for XLA multiplies by 1 / out, which rounds otherwise
        scale = jnp.take(np.arange(size + 1, dtype=np.float32) / np.float32(out), span.length, mode="clip")
        position = (jnp.arange(out, dtype=np.float32) + half) * scale - half
    else:
        scale = np.float32(span.length) / np.float32(out)
        position = ((np.arange(out) + half) * np.float64(scale) - half).astype(np.float32)
    index = xp.floor(xp.maximum(position, 0) + half).astype(np.int32)
    return xp.minimum(index, span.length - 1) + span.start


def _weights(span: Span, size: int, out: int, kind: Filter, antialias: bool, precision: Any) -> Any:
    """The matrix `[out, size]` that resamples `span` of an axis of `size` pixels to `out` pixels.

    Antialiasing stretches the filter over as many input pixels as an output pixel covers, and leaves out what lies
    beyond the span; without it, pixels beyond the span repeat its border.
    """
    xp = _namespace(span)
    source = xp.arange(size, dtype=np.int32)[None, :] - span.start
    if antialias:
        whole, part = _positions(span.length, out, 0.0, precision)
        stretch = xp.maximum(xp.asarray(span.length).astype(precision) / out, 1)
        distance = (source - whole).astype(precision) + (0.5 - part)
        weights = kind.antialiased(xp, distance / stretch)
        weights = xp.where((source >= 0) & (source < span.length), weights, 0)
        return weights / weights.sum(axis=1, keepdims=True)
    left, part = _positions(span.length, out, 0.5, precision)
    weights = xp.zeros((out, size), precision)
    for tap in range(1 - kind.radius, kind.radius + 1):
        here = source == xp.clip(left + tap, 0, span.length - 1)
        weights += xp.where(here, kind.plain(xp, tap - part), 0)
    return weights


def _positions(length: Any, out: int, shift: float, precision: Any) -> tuple[Any, Any]:
    """The centres of the output pixels less `shift`, in input pixels from the start of the span; each `[out, 1]`.

    As a whole number, and the part of a pixel that is left. A static length is divided in the precision given and
    rounded where torch rounds. A traced one is divided in whole numbers: float32, all that jax has by default, would
    leave an error of 1e-5 pixels at pixel 200, which shows in the fixed point of uint8.
    """
    if isinstance(length, jax.Array):
        doubled = (2 * jnp.arange(out, dtype=np.int32)[:, None] + 1) * length - int(2 * shift) * out
        return doubled // (2 * out), (doubled % (2 * out)).astype(precision) / (2 * out)
    scale = precision(length) / precision(out)
    position = ((np.arange(out)[:, None] + 0.5) * np.float64(scale) - shift).astype(precision)
    whole = np.floor(position)
    return whole.astype(np.int32), position - whole


def _apply(xp: ModuleType, weights: Any, image: Any, axis: int, precision: str) -> Any:
    """Replaces an axis by the product of the matrix `[out, in]` with it; `precision` is the product's on the device."""
    tensordot = np.tensordot if xp is np else partial(jnp.tensordot, precision=precision)
    return xp.moveaxis(tensordot(weights, image, axes=(1, axis)), 0, axis)


def _apply_bytes(xp: ModuleType, weights: Any, image: Any, axis: int) -> Any:
    """As `_apply`, on uint8, with weights rounded to 16 bits and the result to uint8.

    Sums of whole numbers are exact in float32 while they fit in 24 bits. So the weights are split in two bytes, high
    and low, whose products with bytes need 16 bits at most: that leaves room to add 500 of them, on the fast float
    product of any hardware, for bytes are exact in bfloat16 too.
    """
    whole, bits = _fixed_point(weights)
    high = (whole + 128) // 256
    parts = np if isinstance(weights, np.ndarray) else jnp
    stacked = parts.concatenate([high, whole - 256 * high]).astype(np.float32)
    sums = _apply(xp, stacked, image.astype(np.float32), axis, "default").astype(np.int32)
    high, low = xp.split(sums, 2, axis=axis)
    return xp.clip((256 * high + low + (1 << (bits - 1))) >> bits, 0, 255).astype(np.uint8)


def _fixed_point(weights: Any) -> tuple[Any, Any]:
    """Whole numbers w and a number of bits b, w / 2**b being the weights: the largest b that keeps w below 2**15."""
    xp = np if isinstance(weights, np.ndarray) else jnp
    scales = 2.0 ** np.arange(1, 23).astype(weights.dtype)
    bits = (xp.floor(weights.max() * scales + 0.5) < 2**15).sum().astype(np.int32)
    scaled = weights * 2.0 ** bits.astype(weights.dtype)
    return xp.trunc(scaled + xp.where(scaled < 0, -0.5, 0.5).astype(weights.dtype)).astype(np.int32), bits


def _namespace(span: Span) -> ModuleType:
    """numpy for a static span, also of a jax array: its weights are constants of the program."""
    return jnp if isinstance(span.length, jax.Array) else np
