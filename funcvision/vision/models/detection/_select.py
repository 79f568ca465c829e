"""The best candidates of a level, and what suppression leaves of those of an image, in fixed shapes."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from ...ops import batched_nms, clip_boxes_to_image
from .detections import Detections

__all__ = ["best_of_levels", "suppress", "top_pairs"]


def top_pairs(scores: jax.Array, threshold: float, count: int) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """The pairs of anchor and class with the highest scores, of one image and one level.

    All of them belong to the anchors whose best class scores highest, so that only the classes of `count` anchors are
    compared with each other.

    Args:
        scores: [anchors, classes].
        threshold: only pairs with a greater score are candidates.
        count: how many are taken, if there are as many.

    Returns:
        (anchors, classes, scores, valid), each [count], by falling score. Where `valid` is False the score is zero.
    """
    anchors, classes = scores.shape
    _, best = jax.lax.top_k(scores.max(1), min(count, anchors))
    best = jnp.sort(best)  # equal scores are taken in the order of the anchors
    values, pairs = jax.lax.top_k(scores[best].reshape(-1), min(count, anchors * classes, best.size * classes))
    valid = values > threshold
    return best[pairs // classes], (pairs % classes).astype(jnp.int32), jnp.where(valid, values, 0), valid


def suppress(
    boxes: jax.Array, scores: jax.Array, labels: jax.Array, valid: jax.Array, threshold: float, count: int
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """What non-maximum suppression within each class leaves of the candidates of an image.

    Args:
        boxes: [n, 4].
        scores: [n].
        labels: integers [n].
        valid: bool [n].
        threshold: of the IoU.
        count: how many are kept, the highest scores first.

    Returns:
        (boxes, scores, labels, valid) of `count` candidates; zero where `valid` is False.
    """
    kept, there = batched_nms(boxes, scores, labels, threshold, count, valid)
    found = (jnp.where(there[:, None], boxes[kept], 0), jnp.where(there, scores[kept], 0))
    return *found, jnp.where(there, labels[kept], 0), there


def best_of_levels(
    scores: Sequence[jax.Array], decode: Sequence[Callable[[jax.Array], jax.Array]], size: jax.Array, *,
    score_thresh: float, topk_candidates: int, nms_thresh: float, detections_per_img: int,
) -> Detections:
    """The detections of one image by a network that scores every anchor of every level.

    Args:
        scores: for each level [anchors, classes].
        decode: for each level a function from indices of anchors to their boxes [n, 4].
        size: (height, width) of the image.
        score_thresh: only pairs of anchor and class with a greater score are candidates.
        topk_candidates: how many of each level enter non-maximum suppression.
        nms_thresh: of the IoU.
        detections_per_img: the size of the result.
    """
    candidates = []
    for level_scores, boxes_of in zip(scores, decode, strict=True):
        chosen, labels, best, valid = top_pairs(level_scores, score_thresh, topk_candidates)
        candidates.append((clip_boxes_to_image(boxes_of(chosen), (size[0], size[1])), best, labels, valid))
    boxes, best, labels, valid = map(jnp.concatenate, zip(*candidates, strict=True))
    found = suppress(boxes, best, labels, valid, nms_thresh, detections_per_img)
    return Detections(*found, overflow=jnp.zeros((), jnp.int32))
