"""The masks of a second stage: what they learn, and what they say."""

import jax
import jax.numpy as jnp

from .... import functional as F
from ...ops import roi_align

__all__ = ["mask_loss", "mask_probabilities"]


def mask_loss(
    logits: jax.Array, labels: jax.Array, boxes: jax.Array, matches: jax.Array, valid: jax.Array, masks: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The binary cross-entropy of the masks of an image's positive boxes, summed, and their number times pixels.

    Args:
        logits: [n, m, m, classes].
        labels: int32 [n], the class of each box.
        boxes: [n, 4], in pixels of the canvas.
        matches: int32 [n], the object of each box.
        valid: bool [n], which boxes exist.
        masks: [objects, height, width] on the canvas.

    Returns:
        The sum and the count, to be divided over a batch.
    """
    side = logits.shape[1]
    regions = jnp.concatenate([matches[:, None].astype(boxes.dtype), boxes], 1)
    wanted = roi_align(masks[..., None].astype(boxes.dtype), regions, side)[..., 0]
    own = _of_class(logits, labels)
    loss = F.binary_cross_entropy_with_logits(own, jax.lax.stop_gradient(wanted), reduction="none")
    return jnp.where(valid[:, None, None], loss, 0).sum(), valid.sum() * side * side


def mask_probabilities(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """The masks [n, m, m] of the boxes' classes, from logits [n, m, m, classes] and labels [n]."""
    return jax.nn.sigmoid(_of_class(logits, labels))


def _of_class(logits: jax.Array, labels: jax.Array) -> jax.Array:
    return jnp.take_along_axis(logits, labels[:, None, None, None], -1)[..., 0]
