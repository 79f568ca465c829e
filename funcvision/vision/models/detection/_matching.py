"""Which anchor learns which object, and which anchors are sampled for a loss. All shapes are fixed.

Each function is for one image; `jax.vmap` makes it one for a batch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import jax
import jax.numpy as jnp

__all__ = ["BACKGROUND", "IGNORED", "BalancedSampler", "Matcher", "SSDMatcher", "Sampler", "members"]

BACKGROUND, IGNORED = -1, -2

Sampler: TypeAlias = Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]
"""From a key and labels to what is sampled, as `BalancedSampler.__call__`."""


@dataclass(frozen=True)
class Matcher:
    """Gives each anchor the object that it overlaps most.

    Attributes:
        high_threshold: an anchor with at least this IoU is matched.
        low_threshold: an anchor with a smaller IoU is background; one between the thresholds is ignored.
        allow_low_quality_matches: also match, for each object, the anchors with the highest IoU of all, whatever it is.
    """

    high_threshold: float
    low_threshold: float
    allow_low_quality_matches: bool = False

    def __post_init__(self) -> None:
        if self.low_threshold > self.high_threshold:
            raise ValueError(f"low_threshold={self.low_threshold} is above high_threshold={self.high_threshold}")

    def __call__(self, iou: jax.Array, valid: jax.Array) -> jax.Array:
        """For each anchor the index of its object, `BACKGROUND` or `IGNORED`.

        Args:
            iou: [objects, anchors].
            valid: bool [objects]; other objects match nothing.
        """
        iou = jnp.where(valid[:, None], iou, -1)
        best, match = iou.max(0), iou.argmax(0).astype(jnp.int32)
        matched = jnp.where(best < self.low_threshold, BACKGROUND, match)
        matched = jnp.where((best >= self.low_threshold) & (best < self.high_threshold), IGNORED, matched)
        if self.allow_low_quality_matches:
            highest = iou.max(1, keepdims=True)
            wanted = ((iou == highest) & valid[:, None]).any(0)
            matched = jnp.where(wanted, match, matched)
        return matched


@dataclass(frozen=True)
class SSDMatcher:
    """Gives each anchor the object that it overlaps most, and each object the anchor that overlaps it most.

    Attributes:
        threshold: an anchor with a smaller IoU is background, unless an object needs it. Where two objects need one
            anchor, the later object gets it.
    """

    threshold: float

    def __call__(self, iou: jax.Array, valid: jax.Array) -> jax.Array:
        """For each anchor the index of its object, or `BACKGROUND`; the arguments are those of `Matcher`."""
        matched = Matcher(self.threshold, self.threshold)(iou, valid)
        objects, anchors = iou.shape
        needed = jnp.where(valid, iou.argmax(1), anchors)
        owner = jnp.full(anchors, -1, jnp.int32).at[needed].max(jnp.arange(objects, dtype=jnp.int32), mode="drop")
        return jnp.where(owner >= 0, owner, matched)


@dataclass(frozen=True)
class BalancedSampler:
    """Samples a fixed number of anchors of an image, a fixed part of them positive if there are enough.

    Attributes:
        batch_size_per_image: how many are sampled.
        positive_fraction: the largest part of them that is positive.
    """

    batch_size_per_image: int
    positive_fraction: float

    def __call__(self, key: jax.Array, labels: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Two bool arrays [anchors]: the sampled positive and the sampled negative ones.

        Args:
            key: random.
            labels: [anchors]: positive where at least 1, negative where 0, never sampled otherwise.
        """
        positive, negative = labels >= 1, labels == 0
        wanted = int(self.batch_size_per_image * self.positive_fraction)
        for_positive, for_negative = jax.random.split(key)
        taken = jnp.minimum(positive.sum(), wanted)
        rest = self.batch_size_per_image - taken
        return _random_subset(for_positive, positive, taken), _random_subset(for_negative, negative, rest)


def _random_subset(key: jax.Array, members: jax.Array, count: jax.Array) -> jax.Array:
    """`count` of the members, or all of them if they are fewer, as a mask."""
    order = jnp.where(members, jax.random.uniform(key, members.shape), 2.0)
    rank = jnp.zeros(members.shape, jnp.int32).at[jnp.argsort(order)].set(jnp.arange(members.size, dtype=jnp.int32))
    return members & (rank < count)


def members(mask: jax.Array, count: int) -> tuple[jax.Array, jax.Array]:
    """The indices of the first `count` True elements, and which of these indices exist; the others are 0."""
    indices = jnp.nonzero(mask, size=count, fill_value=0)[0].astype(jnp.int32)
    return indices, jnp.arange(count) < mask.sum()
