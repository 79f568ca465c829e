"""Sampling of images at computed places: torch's `grid_sample`, and `affine_grid`, which computes the places."""

from collections.abc import Sequence
from itertools import product
from typing import Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np

from ._check import shape as checked_shape
from ._precision import accumulation_dtype
from ._resample import FILTERS

__all__ = ["affine_grid", "grid_sample"]

Mode = Literal["bilinear", "nearest", "bicubic"]
PaddingMode = Literal["zeros", "border", "reflection"]


def grid_sample(
    input: jax.Array, grid: jax.Array, mode: Mode = "bilinear", padding_mode: PaddingMode = "zeros",
    align_corners: bool = False,
) -> jax.Array:
    """The pixels of images at given places, equal to torch's `grid_sample` (Jaderberg et al. 2015).

    https://arxiv.org/abs/1506.02025. Differentiable by the images and, but for "nearest", by the places.

    Args:
        input: images [batch, height, width, channels], or volumes [batch, depth, height, width, channels].
        grid: places [batch, rows, columns, 2], x before y, or [batch, planes, rows, columns, 3], x before y and z. From
            -1, the first pixel, to 1, the last one. NaN is taken as -1.
        mode: "bilinear" mixes the pixels around a place (of a volume eight, as torch's name does not say), "nearest"
            takes the nearest one, half to even, and "bicubic" mixes 16 (Keys 1981), of images only.
        padding_mode: pixels outside are zero, or those of the border, or those of the image mirrored at its border.
        align_corners: -1 and 1 are the centres of the first and the last pixel, not their outer edges. Mirrors stand
            there, too.

    Returns:
        [batch, rows, columns, channels], or with planes, in the dtype of `input`; half types are computed in float32.

    Raises:
        ValueError: shapes that do not fit, an option that does not exist, or "bicubic" for a volume.
        TypeError: images or places of integers.

    >>> image = jnp.arange(4.0).reshape(1, 2, 2, 1)
    >>> grid_sample(image, jnp.zeros((1, 1, 1, 2))).tolist()
    [[[[1.5]]]]
    """
    axes = _check(input, grid, mode, padding_mode)
    dtype = accumulation_dtype(jnp.result_type(input.dtype, grid.dtype))
    sizes = input.shape[1:-1]
    grid = jnp.where(jnp.isnan(grid), -1, grid).astype(dtype)
    places = [_pixel(grid[..., axes - 1 - axis], size, align_corners) for axis, size in enumerate(sizes)]
    taps = [_taps(place, size, mode, padding_mode, align_corners) for place, size in zip(places, sizes, strict=True)]
    pixels = input.reshape(-1, input.shape[-1])
    images = np.arange(len(input), dtype=np.int32).reshape(-1, *(1,) * axes)
    total = jnp.zeros((), dtype)
    for chosen in product(*taps):  # one pixel each
        index, weight, inside = images, jnp.ones((), dtype), True
        for (place, own), size in zip(chosen, sizes, strict=True):
            inside = inside & (place >= 0) & (place < size)
            index = index * size + place.clip(0, size - 1)
            weight = weight * own
        value = jnp.take(pixels, index, axis=0, mode="clip").astype(dtype)
        total = total + jnp.where(inside, weight, 0)[..., None] * value
    return total.astype(input.dtype)


def affine_grid(theta: jax.Array, size: Sequence[int], align_corners: bool = False) -> jax.Array:
    """The places at which `grid_sample` takes the pixels of affinely moved images, equal to torch's `affine_grid`.

    Args:
        theta: matrices [batch, 2, 3], from places in the result to places in the image, x before y; or [batch, 3, 4].
        size: of the result: (batch, height, width, channels), or (batch, depth, height, width, channels).
        align_corners: as in `grid_sample`.

    Returns:
        [batch, height, width, 2], or [batch, depth, height, width, 3].

    Raises:
        ValueError: shapes that do not fit.
        TypeError: matrices of integers.

    >>> affine_grid(jnp.eye(2, 3)[None], (1, 1, 2, 3)).tolist()
    [[[[-0.5, 0.0], [0.5, 0.0]]]]
    """
    size = checked_shape(size, "affine_grid: size", 1)
    axes = len(size) - 2
    if axes not in (2, 3) or theta.shape != (size[0], axes, axes + 1):
        raise ValueError(
            "affine_grid takes theta [batch, 2, 3] with size (batch, height, width, channels), or [batch, 3, 4] with "
            f"(batch, depth, height, width, channels); got {theta.shape} and {tuple(size)}"
        )
    if not jnp.issubdtype(theta.dtype, jnp.floating):
        raise TypeError(f"affine_grid takes matrices of floats; these are {theta.dtype}")
    lines = [_line(length, align_corners, theta.dtype) for length in size[1:-1]]
    places = jnp.stack([*jnp.meshgrid(*lines, indexing="ij")[::-1], jnp.ones(size[1:-1], theta.dtype)], -1)
    precision = jax.lax.Precision.HIGHEST
    return jnp.einsum("...k,njk->n...j", places, theta, precision=precision)


def _line(length: int, align_corners: bool, dtype: jnp.dtype) -> jax.Array:
    """The places from -1 to 1 of a row of pixels."""
    if length == 1:
        return jnp.zeros(1, dtype)
    line = jnp.linspace(-1, 1, length, dtype=dtype)
    return line if align_corners else line * ((length - 1) / length)


def _check(input: jax.Array, grid: jax.Array, mode: str, padding_mode: str) -> int:
    """The number of spatial axes."""
    for name, value, choices in (("mode", mode, get_args(Mode)), ("padding_mode", padding_mode, get_args(PaddingMode))):
        if value not in choices:
            raise ValueError(f"grid_sample: {name}={value!r} is none of {', '.join(choices)}")
    axes = input.ndim - 2
    if axes not in (2, 3) or grid.shape != (len(input), *grid.shape[1:-1], axes) or grid.ndim != input.ndim:
        raise ValueError(
            "grid_sample takes images [batch, height, width, channels] with places [batch, rows, columns, 2], or "
            "volumes [batch, depth, height, width, channels] with places [batch, planes, rows, columns, 3]; got "
            f"{input.shape} and {grid.shape}"
        )
    if 0 in input.shape[1:-1]:
        raise ValueError(f"grid_sample takes images with pixels; got {input.shape}")
    if mode == "bicubic" and axes == 3:
        raise ValueError("grid_sample: mode='bicubic' is for images; volumes take 'bilinear' and 'nearest'")
    for name, array in (("input", input), ("grid", grid)):
        if not jnp.issubdtype(array.dtype, jnp.floating):
            raise TypeError(f"grid_sample takes floats; {name} is {array.dtype}")
    return axes


def _pixel(place: jax.Array, size: int, align_corners: bool) -> jax.Array:
    """Where a place from -1 to 1 lies among pixels whose centres are 0, 1, ..., size - 1."""
    if align_corners:
        return (place + 1) / 2 * (size - 1)
    return ((place + 1) * size - 1) / 2


def _taps(
    place: jax.Array, size: int, mode: Mode, padding_mode: PaddingMode, align_corners: bool
) -> list[tuple[jax.Array, jax.Array]]:
    """Along one axis, the pixels that are mixed and their weights."""
    if mode == "bicubic":
        first = jnp.floor(place)
        taps = []
        for offset in range(-1, 3):
            pixel = _padded(jax.lax.stop_gradient(first + offset), size, padding_mode, align_corners)
            taps.append((_integer(pixel, size), FILTERS["cubic"].weight(jnp, place - first - offset)))
        return taps
    place = _padded(place, size, padding_mode, align_corners)
    if mode == "nearest":
        return [(_integer(jnp.round(place), size), jnp.ones((), place.dtype))]
    first = jnp.floor(jax.lax.stop_gradient(place))
    ahead = place - first
    return [(_integer(first, size), 1 - ahead), (_integer(first + 1, size), ahead)]


def _integer(pixel: jax.Array, size: int) -> jax.Array:
    """Whole numbers as int32; what is far outside comes close, so that it does not wrap."""
    return pixel.clip(-2, size + 1).astype(jnp.int32)


def _padded(place: jax.Array, size: int, padding_mode: PaddingMode, align_corners: bool) -> jax.Array:
    """The place within the image that stands for one outside. The derivative is zero where a place is clipped."""
    if padding_mode == "zeros":
        return place
    if padding_mode == "reflection":
        low, span = (0, size - 1) if align_corners else (-0.5, size)
        place = _reflected(place, low, span)
    clipped = jnp.where(place < size - 1, place, size - 1)
    return jnp.where(place > 0, clipped, 0)


def _reflected(place: jax.Array, low: float, span: int) -> jax.Array:
    """The place mirrored into [low, low + span], as often as needed."""
    if span == 0:
        return jnp.zeros_like(place)
    distance = place - low
    distance = jnp.where(distance < 0, -distance, distance)
    times = jnp.floor(jax.lax.stop_gradient(distance) / span)
    rest = distance - times * span
    return jnp.where(times % 2 == 0, rest, span - rest) + low
