"""Boxes as differences from reference boxes, which is what a detector's head predicts."""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp

__all__ = ["BoxCoder", "BoxLinearCoder"]


@dataclass(frozen=True)
class BoxCoder:
    """Differences of centres in units of the reference's sides, and logarithms of the ratios of sides (R-CNN).

    Attributes:
        weights: factors of the differences in x, y, width and height.
        log_limit: to which the logarithms are limited before the exponential.
    """

    weights: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    log_limit: float = math.log(1000.0 / 16)

    def encode(self, boxes: jax.Array, references: jax.Array) -> jax.Array:
        """The differences [..., 4] of boxes from references, both [..., 4] (left, top, right, bottom)."""
        x, y, width, height = _centres_and_sides(boxes)
        x0, y0, width0, height0 = _centres_and_sides(references)
        wx, wy, ww, wh = self.weights
        dx, dy = wx * (x - x0) / width0, wy * (y - y0) / height0
        return jnp.stack([dx, dy, ww * jnp.log(width / width0), wh * jnp.log(height / height0)], -1)

    def decode(self, differences: jax.Array, references: jax.Array) -> jax.Array:
        """The boxes [..., 4] with these differences from references [..., 4]; the inverse of `encode`."""
        x0, y0, width0, height0 = _centres_and_sides(references.astype(differences.dtype))
        dx, dy, dw, dh = (differences[..., i] / weight for i, weight in enumerate(self.weights))
        x, y = dx * width0 + x0, dy * height0 + y0
        half_width = 0.5 * (jnp.exp(jnp.minimum(dw, self.log_limit)) * width0)
        half_height = 0.5 * (jnp.exp(jnp.minimum(dh, self.log_limit)) * height0)
        return jnp.stack([x - half_width, y - half_height, x + half_width, y + half_height], -1)


@dataclass(frozen=True)
class BoxLinearCoder:
    """Distances of the four edges from the centre of the reference, in units of its sides (FCOS).

    Attributes:
        normalize_by_size: whether the distances are in these units; otherwise they are in pixels.
    """

    normalize_by_size: bool = True

    def encode(self, boxes: jax.Array, references: jax.Array) -> jax.Array:
        """The distances [..., 4] (left, top, right, bottom) of boxes, seen from references, both [..., 4]."""
        x, y = _centres(references)
        distances = jnp.stack([x - boxes[..., 0], y - boxes[..., 1], boxes[..., 2] - x, boxes[..., 3] - y], -1)
        return distances / _sides_twice(references) if self.normalize_by_size else distances

    def decode(self, distances: jax.Array, references: jax.Array) -> jax.Array:
        """The boxes [..., 4] with these distances from the centres of references [..., 4]."""
        references = references.astype(distances.dtype)
        x, y = _centres(references)
        if self.normalize_by_size:
            distances = distances * _sides_twice(references)
        left, top, right, bottom = (distances[..., i] for i in range(4))
        return jnp.stack([x - left, y - top, x + right, y + bottom], -1)


def _centres_and_sides(boxes: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    width, height = boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]
    return boxes[..., 0] + 0.5 * width, boxes[..., 1] + 0.5 * height, width, height


def _centres(boxes: jax.Array) -> tuple[jax.Array, jax.Array]:
    return 0.5 * (boxes[..., 0] + boxes[..., 2]), 0.5 * (boxes[..., 1] + boxes[..., 3])


def _sides_twice(boxes: jax.Array) -> jax.Array:
    sides = boxes[..., 2:] - boxes[..., :2]
    return jnp.concatenate([sides, sides], -1)
