"""Resizing and rearranging of channels-last arrays, with torch's modes."""

import operator
from collections.abc import Sequence
from typing import Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np

from ._check import Size, integer, per_axis
from ._mesh import reshape, take
from ._precision import accumulation_dtype
from ._resample import FILTERS, filter_taps, nearest_index, resample, rounds_fused
from .pool import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d

__all__ = [
    "channel_shuffle", "interpolate", "pixel_shuffle", "pixel_unshuffle", "upsample", "upsample_bilinear",
    "upsample_nearest",
]

Mode = Literal["nearest", "nearest-exact", "linear", "bilinear", "trilinear", "bicubic", "lanczos", "area"]

# The number of axes and the filter of each mode that has them.
_FILTERED = {
    "linear": (1, "linear"), "bilinear": (2, "linear"), "trilinear": (3, "linear"), "bicubic": (2, "cubic"),
    "lanczos": (2, "lanczos"),
}
_AREA = {1: adaptive_avg_pool1d, 2: adaptive_avg_pool2d, 3: adaptive_avg_pool3d}


def interpolate(
    x: jax.Array, size: Size | None = None, scale_factor: float | Sequence[float] | None = None, mode: Mode = "nearest",
    align_corners: bool | None = None, recompute_scale_factor: bool | None = None, antialias: bool = False,
) -> jax.Array:
    """Resizes the spatial axes, equal to torch's `interpolate`.

    Which axes are spatial: "linear" has one, "bilinear", "bicubic" and "lanczos" have two, "trilinear" three. For the
    other modes there are as many as `size` or `scale_factor` has numbers; where that is a single number, they are all
    but the first axis and the last, the batch and the channels.

    Args:
        x: [..., *spatial, channels].
        size: the output's size, one number for all axes or one per axis.
        scale_factor: output pixels per input pixel, in place of `size`; the output has floor(pixels * scale_factor).
        mode: "nearest" copies the pixel in which the left edge of each output lies, "nearest-exact" the one in which
            its centre lies; "linear", "bilinear" and "trilinear" mix two pixels per axis, "bicubic" four (Keys 1981),
            "lanczos" six; "area" is adaptive average pooling.
        align_corners: the centres of the corner pixels stay in place, not the outer edges; for the linear ones and
            "bicubic".
        recompute_scale_factor: measure places by the sizes of input and output, as `size` does, and not by
            `scale_factor`, which differs where the size was rounded down. As in torch, an axis that keeps its length
            is copied whatever the factor ("bicubic" without antialiasing apart), and so "nearest" on two axes ignores
            the factor of an axis that comes out at once or twice its length.
        antialias: widen the filter where the image shrinks, as Pillow does; for "bilinear", "bicubic", and a must for
            "lanczos".

    Returns:
        [..., *size, channels] in the dtype of `x`; half types are computed in float32.

    Raises:
        ValueError: options that contradict each other, or an axis of no elements.
        TypeError: an image of integers, except for "nearest" and "nearest-exact".

    >>> interpolate(jnp.ones((8, 500, 375, 3)), (256, 192), mode="bilinear", antialias=True).shape
    (8, 256, 192, 3)
    """
    _check_options(size, scale_factor, mode, align_corners, recompute_scale_factor, antialias)
    axes = _spatial_axes(x, size, scale_factor, mode)
    sizes, scales = _target(x.shape[x.ndim - 1 - axes : -1], size, scale_factor)
    if recompute_scale_factor:
        scales = (None,) * axes
    if mode == "area":
        return _AREA[axes](x, sizes)
    if mode in _FILTERED:
        return _filtered(x, sizes, scales, _FILTERED[mode][1], bool(align_corners), antialias)
    exact, fused = mode == "nearest-exact", rounds_fused(sizes)
    for axis, (out, scale) in enumerate(zip(sizes, scales, strict=True), start=x.ndim - 1 - axes):
        if axes == 2 and not exact and out in (x.shape[axis], 2 * x.shape[axis]):
            scale = None  # as torch, which takes a shortcut here
        x = _copied(x, axis, nearest_index(x.shape[axis], out, scale, exact=exact, fused=fused))
    return x


def upsample(
    x: jax.Array, size: Size | None = None, scale_factor: float | Sequence[float] | None = None, mode: Mode = "nearest",
    align_corners: bool | None = None,
) -> jax.Array:
    """`interpolate` under its former name, without its last options."""
    return interpolate(x, size, scale_factor, mode, align_corners)


def upsample_nearest(
    x: jax.Array, size: Size | None = None, scale_factor: float | Sequence[float] | None = None
) -> jax.Array:
    """`interpolate` with `mode="nearest"`."""
    return interpolate(x, size, scale_factor)


def upsample_bilinear(
    x: jax.Array, size: Size | None = None, scale_factor: float | Sequence[float] | None = None
) -> jax.Array:
    """`interpolate` with `mode="bilinear"` and `align_corners=True`."""
    return interpolate(x, size, scale_factor, "bilinear", align_corners=True)


def pixel_shuffle(x: jax.Array, upscale_factor: int) -> jax.Array:
    """[..., height, width, channels * r**2] to [..., height * r, width * r, channels] with r = `upscale_factor`.

    Input channel `(c * r + i) * r + j` goes to row i and column j of the r x r block, as in torch
    (Shi et al. 2016, https://arxiv.org/abs/1609.05158).
    """
    *lead, height, width, channels = _image_shape("pixel_shuffle", x)
    r = upscale_factor
    if r < 1 or channels % r**2:
        raise ValueError(f"pixel_shuffle: {channels} channels of {x.shape} do not divide by upscale_factor={r} squared")
    blocks = reshape(x, (*lead, height, width, channels // r**2, r, r))
    blocks = jnp.moveaxis(blocks, (-2, -1), (-4, -2))  # [..., height, r, width, r, channels]
    return reshape(blocks, (*lead, height * r, width * r, channels // r**2))


def pixel_unshuffle(x: jax.Array, downscale_factor: int) -> jax.Array:
    """The inverse of `pixel_shuffle`: [..., h * r, w * r, channels] to [..., h, w, channels * r**2]."""
    *lead, height, width, channels = _image_shape("pixel_unshuffle", x)
    r = downscale_factor
    if r < 1 or height % r or width % r:
        raise ValueError(f"pixel_unshuffle: {height} x {width} pixels of {x.shape} do not divide by {r}")
    blocks = reshape(x, (*lead, height // r, r, width // r, r, channels))
    blocks = jnp.moveaxis(blocks, (-4, -2), (-2, -1))  # [..., height, width, channels, r, r]
    return reshape(blocks, (*lead, height // r, width // r, channels * r**2))


def channel_shuffle(x: jax.Array, groups: int) -> jax.Array:
    """Interleaves groups of channels of [..., channels] (Zhang et al. 2017, https://arxiv.org/abs/1707.01083).

    Of n channels in g groups, channel `i * (n / g) + j` goes to place `j * g + i`.

    Raises:
        ValueError: `groups` does not divide the channels.
        TypeError: `groups` is not an integer.

    >>> channel_shuffle(jnp.arange(6), 2)
    Array([0, 3, 1, 4, 2, 5], dtype=int32)
    """
    groups = integer(groups, "channel_shuffle: groups", 1)
    if x.ndim < 1 or x.shape[-1] % groups:
        raise ValueError(f"channel_shuffle takes [..., channels] that divide by groups={groups}; got shape {x.shape}")
    grouped = reshape(x, (*x.shape[:-1], groups, x.shape[-1] // groups))
    return reshape(grouped.swapaxes(-1, -2), x.shape)


def _image_shape(name: str, x: jax.Array) -> tuple[int, ...]:
    if x.ndim < 3:
        raise ValueError(f"{name} takes [..., height, width, channels] and got an array of shape {x.shape}")
    return x.shape


def _copied(x: jax.Array, axis: int, index: np.ndarray) -> jax.Array:
    """The elements at `index`; a whole multiple is a repetition, whose gradient is a sum and not a scatter."""
    times, rest = divmod(len(index), x.shape[axis])
    if rest == 0 and np.array_equal(index, np.arange(len(index)) // times):
        return jnp.repeat(x, times, axis)
    return take(x, index, axis, is_sorted=True)


def _filtered(
    x: jax.Array, sizes: Sequence[int], scales: Sequence[float | None], name: str, align_corners: bool, antialias: bool
) -> jax.Array:
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise TypeError(
            f'interpolate computes on floating-point images and this one is {x.dtype}: cast it, or use mode="nearest"'
        )
    wide = accumulation_dtype(x.dtype)
    y = x.astype(wide)
    filter = FILTERS["cubic_antialias" if name == "cubic" and antialias else name]
    for axis in reversed(range(x.ndim - 1 - len(sizes), x.ndim - 1)):  # the width first, as torch
        out, scale = sizes[axis - x.ndim + 1], scales[axis - x.ndim + 1]
        # torch copies an axis that keeps its length, whatever the scale factor; its plain cubic filter does not.
        if out != x.shape[axis] or (name == "cubic" and not antialias):
            taps = filter_taps(
                x.shape[axis], out, scale, filter, align_corners=align_corners, antialias=antialias, dtype=wide.type
            )
            y = resample(y, axis, taps)
    return y.astype(x.dtype)


def _spatial_axes(
    x: jax.Array, size: Size | None, scale_factor: float | Sequence[float] | None, mode: str
) -> int:
    given = size if size is not None else scale_factor
    if mode in _FILTERED:
        axes = _FILTERED[mode][0]
    else:
        axes = len(given) if isinstance(given, Sequence) else x.ndim - 2
    if axes not in (1, 2, 3) or x.ndim < axes + 1:
        raise ValueError(
            f'interpolate: mode="{mode}" to {given} takes [..., *spatial, channels] with '
            f"{axes if axes in (1, 2, 3) else '1 to 3'} spatial axes and got {x.shape}"
        )
    return axes


def _target(
    sizes: Sequence[int], size: Size | None, scale_factor: float | Sequence[float] | None
) -> tuple[tuple[int, ...], tuple[float | None, ...]]:
    """The output's size, and the scale of each axis where places are measured by it."""
    wanted: tuple[int, ...] = tuple(sizes)
    scales: tuple[float | None, ...] = (None,) * len(sizes)
    if size is not None:
        wanted = tuple(operator.index(n) for n in per_axis(size, len(sizes), "size"))
    if scale_factor is not None:
        scales = factors = per_axis(scale_factor, len(sizes), "scale_factor")
        wanted = tuple(int(n * s) for n, s in zip(sizes, factors, strict=True))
    if min(*wanted, *sizes) < 1:
        raise ValueError(f"interpolate: from {tuple(sizes)} to {wanted} pixels; both must be at least 1")
    return wanted, scales


def _check_options(
    size: Size | None, scale_factor: float | Sequence[float] | None, mode: str, align_corners: bool | None,
    recompute_scale_factor: bool | None, antialias: bool,
) -> None:
    if mode not in (*_FILTERED, "nearest", "nearest-exact", "area"):
        raise ValueError(f"interpolate: mode={mode!r}; it is one of {', '.join(get_args(Mode))}")
    if (size is None) == (scale_factor is None):
        raise ValueError(f"interpolate takes size or scale_factor, one of them, and got {size} and {scale_factor}")
    if size is not None and recompute_scale_factor:
        raise ValueError("interpolate: recompute_scale_factor is about scale_factor; with size leave it out")
    if align_corners is not None and mode not in _FILTERED:
        raise ValueError(f'interpolate: align_corners has no meaning for mode="{mode}": leave it out')
    if antialias and mode not in ("bilinear", "bicubic", "lanczos"):
        raise ValueError(f'interpolate: antialias is for "bilinear", "bicubic" and "lanczos", not for mode="{mode}"')
    if mode == "lanczos" and (align_corners or not antialias):
        raise ValueError('interpolate: mode="lanczos" takes antialias=True and no align_corners')
