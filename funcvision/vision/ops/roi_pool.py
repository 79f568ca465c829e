"""RoIPool: the largest value in each bin of rounded boxes (Girshick 2015, https://arxiv.org/abs/1504.08083)."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ... import nn
from ._regions import Boxes, bin_bounds, laid_end_to_end, output_shape, regions_of, rounded

__all__ = ["RoIPool", "roi_pool"]


class _Bins(NamedTuple):
    """The pixels of each bin, from the first to before the last; all int32."""

    first: jax.Array  # [regions]: the first pixel of the feature map
    width: jax.Array  # [regions]: of the feature map
    top: jax.Array  # [regions, height]
    bottom: jax.Array
    left: jax.Array  # [regions, width]
    right: jax.Array


def roi_pool(
    input: jax.Array, boxes: Boxes, output_size: int | Sequence[int], spatial_scale: float = 1.0
) -> jax.Array:
    """The largest value of each channel in each bin of a box whose corners are rounded to pixels.

    Args:
        input: [batch, height, width, channels].
        boxes: xyxy boxes [regions, 5] with the number of the image first, or a list with boxes [n, 4] of each image.
        output_size: bins of a region, (height, width) or one number for both. Neighbouring bins may share pixels.
        spatial_scale: what box coordinates are multiplied by: pixels of the feature map per unit.

    Returns:
        [regions, *output_size, channels]; a bin without pixels is 0. The gradient goes to the first largest value.
    """
    shape = output_shape(output_size)
    image, coordinates = regions_of("roi_pool", boxes)
    pixels, maps = laid_end_to_end("roi_pool", [input], image)
    if len(image) == 0:
        return jnp.zeros((0, *shape, input.shape[3]), input.dtype)
    corners = rounded(coordinates * spatial_scale)
    size = corners[:, 2:] - corners[:, :2] + 1
    size = jnp.where(size < 1, 1, size)
    top, bottom = bin_bounds(corners[:, 1], size[:, 1], shape[0], maps.height)
    left, right = bin_bounds(corners[:, 0], size[:, 0], shape[1], maps.width)
    return _largest(pixels, _Bins(maps.first, maps.width, top, bottom, left, right))


@jax.custom_vjp
def _largest(pixels: jax.Array, bins: _Bins) -> jax.Array:
    return _find(pixels, bins)[0]


def _forward(pixels: jax.Array, bins: _Bins) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    values, where = _find(pixels, bins)
    return values, (where, pixels)


def _backward(residuals: tuple[jax.Array, jax.Array], gradient: jax.Array) -> tuple[jax.Array, None]:
    where, pixels = residuals
    channel = jnp.arange(pixels.shape[1], dtype=jnp.int32)[None, None, None]
    return jnp.zeros_like(pixels).at[where, channel].add(gradient, mode="drop"), None


_largest.defvjp(_forward, _backward)


def _find(pixels: jax.Array, bins: _Bins) -> tuple[jax.Array, jax.Array]:
    """The largest values and their pixels, [regions, height, width, channels] both; beyond the end where none is."""

    def one_by_one(pixels: jax.Array, bins: _Bins) -> tuple[jax.Array, jax.Array]:
        each = jax.tree.map(lambda x: x[:, None], bins)
        return jax.tree.map(lambda x: x[:, 0], lax.map(lambda region: at_once(pixels, region), each))

    def at_once(pixels: jax.Array, bins: _Bins) -> tuple[jax.Array, jax.Array]:
        tallest = jnp.maximum(jnp.max(bins.bottom - bins.top), 0)
        widest = jnp.maximum(jnp.max(bins.right - bins.left), 0)
        beyond, lowest = pixels.shape[0], jnp.finfo(pixels.dtype).min

        def look(i: jax.Array, best: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            value, where = best
            y, x = bins.top + i // widest, bins.left + i % widest
            place = bins.first[:, None, None] + y[:, :, None] * bins.width[:, None, None] + x[:, None, :]
            inside = (y < bins.bottom)[:, :, None] & (x < bins.right)[:, None, :]
            seen = jnp.take(pixels, place, axis=0, mode="clip")
            better = inside[..., None] & (seen > value)
            return jnp.where(better, seen, value), jnp.where(better, place[..., None], where)

        shape = (*bins.top.shape, bins.left.shape[1], pixels.shape[1])
        start = jnp.full(shape, lowest, pixels.dtype), jnp.full(shape, beyond, jnp.int32)
        value, where = lax.fori_loop(0, tallest * widest, look, start)
        filled = (bins.bottom > bins.top)[:, :, None] & (bins.right > bins.left)[:, None, :]
        return jnp.where(filled[..., None], value, 0), where

    return lax.platform_dependent(pixels, bins, cpu=one_by_one, default=at_once)


class RoIPool(nn.Module):
    """`roi_pool` with these options; called with feature map and boxes."""

    def __init__(self, output_size: int | Sequence[int], spatial_scale: float):
        self.output_size, self.spatial_scale = output_size, spatial_scale

    def forward(self, input: jax.Array, rois: Boxes) -> jax.Array:
        return roi_pool(input, rois, self.output_size, self.spatial_scale)
