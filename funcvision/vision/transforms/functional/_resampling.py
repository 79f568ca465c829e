"""Resampling a box of an image: `functional`'s resampler for two axes, with the dtypes and modes of the transforms.

The box may be traced: its numbers enter the taps, never a shape. What is computed is what torch computes on a CPU:

- float32 and float64 in their own precision, other dtypes in float32 and rounded back;
- uint8 in fixed point, the columns first, each axis rounded to uint8. So the result equals torch's to the bit;
  rounding a float32 result would differ by one level in a fifth of the pixels.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ....functional import _resample
from ....functional._resample_numpy import resample_numpy
from ._kernel import array_namespace, namespace
from ._loop import one_image_at_a_time

__all__ = ["FILTERS", "NEAREST", "Span", "resample"]

NEAREST = ("nearest", "nearest-exact")
# The filter with antialiasing, and without.
FILTERS = {
    "bilinear": ("linear", "linear"),
    "bicubic": ("cubic_antialias", "cubic"),
    "lanczos": ("lanczos", "lanczos"),
}


class Span(NamedTuple):
    """Part of an axis, `length` pixels from `start` on: two ints, or two int32 scalars of jax, which may be traced."""

    start: Any
    length: Any


def resample(
    image: Any, rows: Span, columns: Span, size: tuple[int, int], *, interpolation: str, antialias: bool
) -> Any:
    """The box `rows` x `columns` of an image in another size.

    Args:
        image: [..., height, width, channels], a numpy or jax array.
        rows: the rows of the box; inside the image.
        columns: its columns.
        size: height and width of the result.
        interpolation: one of `NEAREST` or `FILTERS`.
        antialias: stretch the filter over all pixels that an output pixel covers.

    Raises:
        ValueError: the image, the box or the result has a side of 0, or a filter is asked for on booleans.
    """
    namespace(image, "resize")
    _check_sides(image, rows, columns, size)
    compute = partial(_resample_box, size=size, interpolation=interpolation, antialias=antialias)
    numbers = (*rows, *columns)
    if not any(isinstance(number, jax.Array) for number in numbers):
        return compute(image, *numbers)
    return one_image_at_a_time(compute)(image, *(jnp.asarray(number, jnp.int32) for number in numbers))


def _resample_box(
    image: Any, top: Any, height: Any, left: Any, width: Any, *, size: tuple[int, int], interpolation: str,
    antialias: bool,
) -> Any:
    """`resample` after its checks, with the numbers of the box one by one."""
    xp, dtype, rows, columns = array_namespace(image), image.dtype, Span(top, height), Span(left, width)
    if dtype.kind == "b" and interpolation not in NEAREST:
        raise ValueError(f'interpolation={interpolation!r} makes no sense on booleans; give "nearest"')
    axes = [(image.ndim - 2, columns, size[1]), (image.ndim - 3, rows, size[0])]
    if interpolation in NEAREST:
        for axis, span, out in axes:
            index = _resample.nearest_index(
                span.length, out, exact=interpolation == "nearest-exact", fused=_resample.rounds_fused(size),
                longest=image.shape[axis],
            )
            image = xp.take(image, index + span.start, axis=axis, mode="clip")
        return image
    if dtype != np.uint8:
        image = image.astype(np.float64 if dtype == np.float64 else np.float32, copy=False)
        axes.sort(key=lambda one: one[2] / image.shape[one[0]])  # the axis first that shrinks most
    for axis, span, out in axes:
        image = _resampled(image, axis, span, out, interpolation, antialias)
    if jnp.issubdtype(dtype, jnp.integer) and dtype != np.uint8:
        limits = jnp.iinfo(dtype)
        image = xp.clip(xp.round(image), limits.min, limits.max)
    return image.astype(dtype, copy=False)


def _resampled(image: Any, axis: int, span: Span, out: int, interpolation: str, antialias: bool) -> Any:
    """One axis of the box in another length."""
    traced = isinstance(span.length, jax.Array)
    longest = image.shape[axis]
    if not traced and span != (0, longest):
        image = image[(slice(None),) * axis + (slice(span.start, span.start + span.length),)]
    wide = image.dtype == np.float64 or (image.dtype == np.uint8 and not traced)
    name = FILTERS[interpolation][0 if antialias else 1]
    taps = _resample.filter_taps(
        span.length, out, None, _resample.FILTERS[name], align_corners=False, antialias=antialias,
        dtype=np.float64 if wide else np.float32, longest=longest,
    )
    if traced:
        taps = taps._replace(index=taps.index + span.start)
    if image.dtype == np.uint8:
        taps = _resample.fixed_point(taps)
    if isinstance(image, np.ndarray):
        return resample_numpy(image, axis, *taps)
    return _resample.resample(image, axis, taps)


def _check_sides(image: Any, rows: Span, columns: Span, size: tuple[int, int]) -> None:
    box = tuple(1 if isinstance(span.length, jax.Array) else span.length for span in (rows, columns))
    if min(*image.shape[-3:-1], *box, *size) < 1:
        raise ValueError(
            f"resize: from {box} pixels of an image of shape {image.shape} to {tuple(size)} pixels; "
            f"every side must be at least 1"
        )
