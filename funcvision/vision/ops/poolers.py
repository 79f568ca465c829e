"""RoIAlign on a feature pyramid: each box is pooled from the one level that fits its size."""

import math
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
from jax import lax

from ... import nn
from ._regions import laid_end_to_end, output_shape, regions_of
from ._sampling import computed_once
from .boxes import box_area
from .roi_align import pool

__all__ = ["MultiScaleRoIAlign"]

LEVEL_SLACK = 1e-6  # added before rounding down, as in torchvision


class MultiScaleRoIAlign(nn.Module):
    """`roi_align` of the level of a pyramid that equation 1 of the FPN paper gives (https://arxiv.org/abs/1612.03144).

    All levels are laid end to end, so that a box is computed on its own level only.

    Args:
        featmap_names: which feature maps are used where they come as a mapping, in the mapping's order.
        output_size: bins of a region, (height, width) or one number for both.
        sampling_ratio: samples of a bin in each direction; see `roi_align` for numbers that are not positive.
        canonical_scale: the side of a square box that belongs to the canonical level, in pixels of the image.
        canonical_level: the level with strides of 2 to its power.
        max_sampling_ratio: see `roi_align`.
    """

    def __init__(
        self, featmap_names: Sequence[str], output_size: int | Sequence[int], sampling_ratio: int, *,
        canonical_scale: int = 224, canonical_level: int = 4, max_sampling_ratio: int | None = None,
    ):
        self.featmap_names = tuple(featmap_names)
        self.output_size = output_shape(output_size)
        self.sampling_ratio, self.max_sampling_ratio = sampling_ratio, max_sampling_ratio
        self.canonical_scale, self.canonical_level = canonical_scale, canonical_level

    def forward(
        self, x: Mapping[str, jax.Array] | Sequence[jax.Array], boxes: Sequence[jax.Array] | jax.Array,
        image_shapes: Sequence[tuple[int, int]],
    ) -> jax.Array:
        """Pools boxes of all images.

        Args:
            x: feature maps [batch, height, width, channels], finest first; a mapping by name, or exactly those that
                are used as a tuple. Under `jit` a dict that is an argument is sorted by name: pass a tuple.
            boxes: xyxy boxes [n, 4] of each image as a list, or [regions, 5] with the number of the image first; in
                pixels of the image.
            image_shapes: (height, width) of each image before padding to a batch. The scales of the levels, powers
                of two, follow from the largest.

        Returns:
            [regions, *output_size, channels].
        """
        levels = self._levels(x)
        image, coordinates = regions_of("MultiScaleRoIAlign", boxes)
        scales = _scales(levels, image_shapes)
        level = None
        if len(levels) > 1:
            level = self._level_of(coordinates, scales)
        pixels, maps = laid_end_to_end("MultiScaleRoIAlign", levels, image, level)
        scale = jnp.array(scales, coordinates.dtype)[jnp.zeros_like(image) if level is None else level]
        largest = max(max(features.shape[1:3]) for features in levels)
        return pool(
            pixels, coordinates * scale[:, None], maps, self.output_size, self.sampling_ratio, False, largest,
            self.max_sampling_ratio,
        )

    def _levels(self, x: Mapping[str, jax.Array] | Sequence[jax.Array]) -> list[jax.Array]:
        if isinstance(x, Mapping):
            levels = [features for name, features in x.items() if name in self.featmap_names]
        else:
            levels = list(x)
        if len(levels) != len(self.featmap_names):
            raise ValueError(
                f"MultiScaleRoIAlign pools from {len(self.featmap_names)} feature maps, "
                f"{', '.join(self.featmap_names)}; got {', '.join(x) if isinstance(x, Mapping) else len(levels)}"
            )
        return levels

    def _level_of(self, boxes: jax.Array, scales: Sequence[float]) -> jax.Array:
        """int32 [regions]: the index of the level of each box."""
        side = jnp.sqrt(box_area(lax.stop_gradient(boxes)))
        level = jnp.floor(self.canonical_level + jnp.log2(side / self.canonical_scale) + LEVEL_SLACK)
        finest, coarsest = int(-math.log2(scales[0])), int(-math.log2(scales[-1]))
        level = jnp.where(jnp.isnan(level), finest, level)  # of an inverted box
        return computed_once(jnp.clip(level, finest, coarsest).astype(jnp.int32) - finest)


def _scales(levels: Sequence[jax.Array], image_shapes: Sequence[tuple[int, int]]) -> list[float]:
    """Pixels of each level per pixel of the image: the nearest power of two, by height as in torchvision."""
    if not len(image_shapes):
        raise ValueError("MultiScaleRoIAlign needs the shape of each image to find the scales of the levels; got none")
    height = max(int(shape[0]) for shape in image_shapes)
    return [2.0 ** round(math.log2(features.shape[1] / height)) for features in levels]
