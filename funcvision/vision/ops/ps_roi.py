"""Position-sensitive pooling of regions, in which each bin reads channels of its own.

Dai et al. 2016, R-FCN, https://arxiv.org/abs/1605.06409. The channels of a feature map are torch's: by channel of the
result, then by bin, row first.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from ... import nn
from ...functional._precision import accumulation_dtype
from ._regions import Boxes, Maps, bin_bounds, laid_end_to_end, maps_of_bins, output_shape, regions_of, rounded
from ._sampling import Places, Weights, weighted_sums
from .roi_align import pool

__all__ = ["PSRoIAlign", "PSRoIPool", "ps_roi_align", "ps_roi_pool"]


def ps_roi_align(
    input: jax.Array, boxes: Boxes, output_size: int | Sequence[int], spatial_scale: float = 1.0,
    sampling_ratio: int = -1, *, max_sampling_ratio: int | None = None,
) -> jax.Array:
    """The means of interpolated samples in each bin, which reads channels of its own.

    Args:
        input: [batch, height, width, channels * bins].
        boxes: xyxy boxes [regions, 5] with the number of the image first, or a list with boxes [n, 4] of each image.
        output_size: bins of a region, (height, width) or one number for both.
        spatial_scale: what box coordinates are multiplied by: pixels of the feature map per unit.
        sampling_ratio: see `roi_align`.
        max_sampling_ratio: see `roi_align`.

    Returns:
        [regions, *output_size, channels]. A box without area is 0 where the number of samples depends on the box, and
        not NaN as in torchvision, so that boxes that fill up an array do no harm.
    """
    shape = output_shape(output_size)
    image, coordinates = regions_of("ps_roi_align", boxes)
    apart = maps_of_bins("ps_roi_align", input, shape)
    pixels, maps = laid_end_to_end("ps_roi_align", [apart], image)
    return pool(
        pixels, coordinates * spatial_scale, maps, shape, sampling_ratio, True, max(input.shape[1:3]),
        max_sampling_ratio, input.shape[0] * input.shape[1] * input.shape[2],
    )


def ps_roi_pool(
    input: jax.Array, boxes: Boxes, output_size: int | Sequence[int], spatial_scale: float = 1.0
) -> jax.Array:
    """The means of the pixels of each bin, which reads channels of its own; bins of rounded boxes.

    Args:
        input: [batch, height, width, channels * bins].
        boxes: xyxy boxes [regions, 5] with the number of the image first, or a list with boxes [n, 4] of each image.
        output_size: bins of a region, (height, width) or one number for both.
        spatial_scale: what box coordinates are multiplied by: pixels of the feature map per unit.

    Returns:
        [regions, *output_size, channels]; a bin without pixels is 0.
    """
    shape = output_shape(output_size)
    image, coordinates = regions_of("ps_roi_pool", boxes)
    apart = maps_of_bins("ps_roi_pool", input, shape)
    pixels, maps = laid_end_to_end("ps_roi_pool", [apart], image)
    if len(image) == 0:
        return jnp.zeros((0, *shape, apart.shape[3]), input.dtype)
    per_bin = input.shape[0] * input.shape[1] * input.shape[2]
    corners = rounded(coordinates * spatial_scale)
    samples = [
        _samples_of_bins(corners, maps, shape, input.shape[1:3], per_bin, last, accumulation_dtype(input.dtype))
        for last in (1, 0)
    ]
    return _means(pixels, *samples).astype(input.dtype)


def _samples_of_bins(
    corners: jax.Array, maps: Maps, shape: tuple[int, int], map_size: tuple[int, ...], per_bin: int, last: int,
    dtype: np.dtype,
) -> tuple[Places, Weights]:
    """The pixels of each bin, two by two, without the `last` row and column of the feature map."""
    size = corners[:, 2:] - corners[:, :2]
    size = jnp.where(size < 1, 1, size)

    def axis(axis: int, bins: int, limit: jax.Array, longest: int) -> tuple[jax.Array, jax.Array, jax.Array]:
        """The first of two neighbouring pixels of each sample, their weights, and the samples that are used."""
        begin, end = bin_bounds(corners[:, axis], size[:, axis], bins, limit - last)
        wanted = begin[..., None] + jnp.arange(0, longest, 2, dtype=jnp.int32)[None, None]
        first = jnp.clip(wanted, 0, jnp.maximum(limit - 2, 0)[:, None, None])
        pair = first[..., None] + jnp.arange(2, dtype=jnp.int32)[None, None, None]
        inside = (pair >= wanted[..., None]) & (pair < jnp.minimum(wanted + 2, end[..., None])[..., None])
        share = 1 / jnp.maximum(end - begin, 1).astype(dtype)
        used = jnp.max((jnp.maximum(end - begin, 0) + 1) // 2, 1)
        return first, jnp.where(inside, share[..., None, None], 0), used

    row, of_rows, used_y = axis(1, shape[0], maps.height, map_size[0])
    column, of_columns, used_x = axis(0, shape[1], maps.width, map_size[1])
    rows = jnp.stack([row, jnp.minimum(row + 1, maps.height[:, None, None] - 1)], -1)
    rows = maps.first[:, None, None, None] + rows * maps.width[:, None, None, None]
    rows += (jnp.arange(shape[0], dtype=jnp.int32) * shape[1] * per_bin)[None, :, None, None]
    column += (jnp.arange(shape[1], dtype=jnp.int32) * per_bin)[None, :, None]
    return Places(rows, column, jnp.stack([used_y, used_x], -1)), Weights(of_rows, of_columns)


Samples = tuple[Places, Weights]


@jax.custom_vjp
def _means(pixels: jax.Array, of_value: Samples, of_gradient: Samples) -> jax.Array:
    """Sums by one set of samples, whose gradient is that of another.

    torchvision's kernel leaves out the last row and column of the feature map, its gradient does not:
    https://github.com/pytorch/vision/blob/main/torchvision/csrc/ops/cpu/ps_roi_pool_kernel.cpp. Both are kept.
    """
    return weighted_sums(pixels, *of_value)


def _means_forward(
    pixels: jax.Array, of_value: Samples, of_gradient: Samples
) -> tuple[jax.Array, tuple[jax.Array, Samples]]:
    return weighted_sums(pixels, *of_value), (pixels, of_gradient)


def _means_backward(residuals: tuple[jax.Array, Samples], gradient: jax.Array) -> tuple[jax.Array, None, None]:
    pixels, samples = residuals
    return jax.vjp(lambda pixels: weighted_sums(pixels, *samples), pixels)[1](gradient)[0], None, None


_means.defvjp(_means_forward, _means_backward)


class PSRoIAlign(nn.Module):
    """`ps_roi_align` with these options; called with feature map and boxes."""

    def __init__(
        self, output_size: int | Sequence[int], spatial_scale: float, sampling_ratio: int, *,
        max_sampling_ratio: int | None = None,
    ):
        self.output_size, self.spatial_scale = output_size, spatial_scale
        self.sampling_ratio, self.max_sampling_ratio = sampling_ratio, max_sampling_ratio

    def forward(self, input: jax.Array, rois: Boxes) -> jax.Array:
        return ps_roi_align(
            input, rois, self.output_size, self.spatial_scale, self.sampling_ratio,
            max_sampling_ratio=self.max_sampling_ratio,
        )


class PSRoIPool(nn.Module):
    """`ps_roi_pool` with these options; called with feature map and boxes."""

    def __init__(self, output_size: int | Sequence[int], spatial_scale: float):
        self.output_size, self.spatial_scale = output_size, spatial_scale

    def forward(self, input: jax.Array, rois: Boxes) -> jax.Array:
        return ps_roi_pool(input, rois, self.output_size, self.spatial_scale)
