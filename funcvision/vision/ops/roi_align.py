"""RoIAlign: the means of interpolated samples in the bins of boxes (He et al. 2017, https://arxiv.org/abs/1703.06870)."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax
from jax.core import Tracer

from ... import nn
from ...functional._precision import accumulation_dtype
from ._regions import Boxes, Maps, bin_sizes, laid_end_to_end, output_shape, regions_of
from ._sampling import Places, Weights, computed_once, slots, weighted_sums

__all__ = ["RoIAlign", "roi_align"]


def roi_align(
    input: jax.Array, boxes: Boxes, output_size: int | Sequence[int], spatial_scale: float = 1.0,
    sampling_ratio: int = -1, aligned: bool = False, *, max_sampling_ratio: int | None = None,
) -> jax.Array:
    """Pools the feature map inside each box to a fixed size, by interpolation.

    Args:
        input: [batch, height, width, channels].
        boxes: xyxy boxes [regions, 5] with the number of the image first, or a list with boxes [n, 4] of each image.
        output_size: bins of a region, (height, width) or one number for both.
        spatial_scale: what box coordinates are multiplied by: pixels of the feature map per unit.
        sampling_ratio: samples of a bin in each direction. If it is not positive, a bin takes
            ceil(bin size in pixels) of them, a number of its own for each region and direction.
        aligned: whether pixel (0, 0) covers 0 to 1, so that coordinates are shifted by half a pixel. Otherwise, as in
            torchvision's first version, they are not, and regions are at least one pixel wide and high.
        max_sampling_ratio: the most samples in each direction where the number depends on the box. By default it
            suffices for boxes as large as the feature map, and outside `jit` for all boxes. A bin that needs more
            takes this many.

    Returns:
        [regions, *output_size, channels] in the dtype of `input`. Differentiable by boxes too, between the places
        where the number of samples changes.

    Raises:
        ValueError: shapes that do not fit.

    >>> image = jnp.arange(16.0).reshape(1, 4, 4, 1)
    >>> roi_align(image, [jnp.array([[0.0, 0.0, 4.0, 4.0]])], 2, aligned=True)[0, ..., 0].tolist()
    [[2.5, 4.5], [10.5, 12.5]]
    """
    image, coordinates = regions_of("roi_align", boxes)
    pixels, maps = laid_end_to_end("roi_align", [input], image)
    scale = jnp.full(len(image), spatial_scale, coordinates.dtype)
    largest = max(input.shape[1:3])
    return pool(
        pixels, coordinates * scale[:, None], maps, output_shape(output_size), sampling_ratio, aligned,
        largest, max_sampling_ratio,
    )


def pool(
    pixels: jax.Array, boxes: jax.Array, maps: Maps, shape: tuple[int, int], sampling_ratio: int, aligned: bool,
    largest: int, max_sampling_ratio: int | None, pixels_per_bin: int = 0,
) -> jax.Array:
    """`roi_align` of feature maps that are laid end to end.

    Args:
        pixels: [pixels, channels].
        boxes: [regions, 4], in pixels of their feature maps.
        maps: the feature map of each region.
        shape: of the bins.
        sampling_ratio: see `roi_align`.
        aligned: see `roi_align`.
        largest: side of a feature map.
        max_sampling_ratio: see `roi_align`.
        pixels_per_bin: where each bin has feature maps of its own, from one to the next.
    """
    dtype = accumulation_dtype(pixels.dtype)
    if len(boxes) == 0:
        return jnp.zeros((0, *shape, pixels.shape[1]), pixels.dtype)
    start, size = _extents(boxes, aligned)
    bin_size = jnp.stack([bin_sizes(size[:, 0], shape[1]), bin_sizes(size[:, 1], shape[0])], -1)
    samples = most_samples(bin_size, shape, sampling_ratio, largest, max_sampling_ratio)
    counts = sample_counts(bin_size, sampling_ratio, samples)
    places, weights = sample_grid(start, bin_size, counts, samples, maps, shape)
    weights = Weights(weights.rows.astype(dtype), weights.columns.astype(dtype))
    step_y, step_x = (jnp.arange(bins, dtype=jnp.int32) * pixels_per_bin for bins in shape)
    places = Places(
        places.rows + (step_y * shape[1])[None, :, None, None], places.columns + step_x[None, :, None],
        None if sampling_ratio > 0 else places.counts,
    )
    return weighted_sums(pixels, places, weights).astype(pixels.dtype)


def _extents(boxes: jax.Array, aligned: bool) -> tuple[jax.Array, jax.Array]:
    """Start and size [regions, 2] as (x, y)."""
    corners = boxes - 0.5 if aligned else boxes
    size = corners[:, 2:] - corners[:, :2]
    return corners[:, :2], size if aligned else jnp.where(size < 1, 1, size)


def most_samples(
    bin_size: jax.Array, shape: tuple[int, int], sampling_ratio: int, largest: int, max_sampling_ratio: int | None
) -> int:
    """The static number of samples that arrays hold, of which a region uses its own number."""
    if sampling_ratio > 0:
        return sampling_ratio
    if max_sampling_ratio is None and not isinstance(bin_size, Tracer):
        needed = jnp.where(jnp.isfinite(bin_size), bin_size, 1)
        max_sampling_ratio = 1 << (max(1, math.ceil(float(jnp.max(needed)))) - 1).bit_length()
    bound = max_sampling_ratio or math.ceil(largest / min(shape))
    return bound + bound % 2 if bound > 1 else 1  # two at a time


def sample_counts(bin_size: jax.Array, sampling_ratio: int, samples: int) -> jax.Array:
    """int32 [regions, 2] as (x, y): the samples of a bin."""
    if sampling_ratio > 0:
        return jnp.full(bin_size.shape, sampling_ratio, jnp.int32)
    needed = jnp.ceil(lax.stop_gradient(bin_size))
    return computed_once(jnp.clip(jnp.where(jnp.isnan(needed), 0, needed), 0, samples).astype(jnp.int32))


def sample_grid(
    start: jax.Array, bin_size: jax.Array, counts: jax.Array, samples: int, maps: Maps, shape: tuple[int, int]
) -> tuple[Places, Weights]:
    """Where the samples of a region lie, and their weights: samples in the middles of equal parts of each bin."""

    def axis(axis: int, bins: int, size: jax.Array) -> tuple[jax.Array, jax.Array]:
        first, step, count = (x[:, axis, None, None] for x in (start, bin_size, counts))
        number = jnp.arange(samples, dtype=jnp.int32)[None, None]
        middle = (number.astype(step.dtype) + 0.5) * step / jnp.maximum(count, 1).astype(step.dtype)
        x = first + jnp.arange(bins, dtype=step.dtype)[None, :, None] * step + middle
        size = size[:, None, None]
        inside = (x >= -1) & (x <= size.astype(x.dtype)) & (number < count)
        last = (size - 1).astype(x.dtype)
        x = jnp.where(x < 0, 0, jnp.where(x > last, last, x))  # a sample up to a pixel outside has the border's value
        pixel, weights = slots(x, size)
        return pixel, jnp.where(inside[..., None], weights, 0) / jnp.maximum(count, 1).astype(x.dtype)[..., None]

    row, of_rows = axis(1, shape[0], maps.height)
    column, of_columns = axis(0, shape[1], maps.width)
    rows = jnp.stack([row, jnp.minimum(row + 1, maps.height[:, None, None] - 1)], -1)
    rows = maps.first[:, None, None, None] + rows * maps.width[:, None, None, None]
    return Places(rows, column, counts[:, ::-1]), Weights(of_rows, of_columns)


class RoIAlign(nn.Module):
    """`roi_align` with these options; called with feature map and boxes."""

    def __init__(
        self, output_size: int | Sequence[int], spatial_scale: float, sampling_ratio: int, aligned: bool = False, *,
        max_sampling_ratio: int | None = None,
    ):
        self.output_size, self.spatial_scale = output_size, spatial_scale
        self.sampling_ratio, self.aligned, self.max_sampling_ratio = sampling_ratio, aligned, max_sampling_ratio

    def forward(self, input: jax.Array, rois: Boxes) -> jax.Array:
        return roi_align(
            input, rois, self.output_size, self.spatial_scale, self.sampling_ratio, self.aligned,
            max_sampling_ratio=self.max_sampling_ratio,
        )
