"""Soft non-maximum suppression: boxes that overlap a better one lose score instead of being dropped."""

from typing import Literal

import jax
import jax.numpy as jnp
from jax import lax
from jax.core import Tracer

from ._rotated import rectangles, rotated_iou
from .boxes import UPRIGHT, BoxFormat, box_convert, checked, floating, wide
from .iou import box_iou

__all__ = ["soft_nms"]


def soft_nms(
    boxes: jax.Array, scores: jax.Array, iou_threshold: float = 0.3, sigma: float = 0.5,
    score_threshold: float = 0.001, max_output: int | None = None, valid: jax.Array | None = None, *,
    method: Literal["gaussian", "linear"] = "gaussian", fmt: BoxFormat = "xyxy",
) -> tuple[jax.Array, ...]:
    """Takes the best box again and again, and lowers the scores of the others by their overlap with it.

    Bodla et al. 2017, https://arxiv.org/abs/1704.04503. Among equal scores the lowest index is taken.

    Args:
        boxes: [n, coordinates].
        scores: [n], floating-point.
        iou_threshold: "linear" multiplies a score by 1 - IoU where the IoU exceeds it; "gaussian" does not use it.
        sigma: "gaussian" multiplies a score by exp(-IoU^2 / sigma); "linear" does not use it.
        score_threshold: boxes whose score has fallen below it are dropped.
        max_output: the length of the result, n by default within `jit`.
        valid: bool [n]; other boxes are left out.
        method: how scores are lowered.
        fmt: the format of the boxes.

    Returns:
        Outside `jit` without `max_output`: (indices, scores), the lowered scores of the kept boxes, falling.
        Otherwise (indices, scores, valid), each [max_output].

    Raises:
        ValueError: an unknown method, or shapes that do not fit.
    """
    boxes, scores = checked("soft_nms", boxes, fmt), wide(floating(jnp.asarray(scores)))
    if boxes.ndim != 2 or scores.shape != boxes.shape[:1]:
        raise ValueError(f"soft_nms takes boxes [n, coordinates] and scores [n]; got {boxes.shape} and {scores.shape}")
    if method not in ("gaussian", "linear"):
        raise ValueError(f"soft_nms: method={method!r}; it is 'gaussian' or 'linear'")
    n = boxes.shape[0]
    static = max_output is not None or any(isinstance(x, Tracer) for x in (boxes, scores, valid))
    length = n if max_output is None else max_output
    alive = ~jnp.isnan(scores) if valid is None else ~jnp.isnan(scores) & valid
    boxes = wide(floating(box_convert(boxes, fmt, "xyxy" if fmt in UPRIGHT else "cxcywhr")))

    def overlaps(index: jax.Array) -> jax.Array:
        if fmt in UPRIGHT:
            iou = box_iou(boxes[index][None], boxes)[0]
        else:
            iou = rotated_iou(rectangles(boxes[index][None]), rectangles(boxes))
        return jnp.where(jnp.isnan(iou), 0, iou).astype(scores.dtype)

    def step(i: int | jax.Array, carry: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        current, indices, result, kept = carry
        best = jnp.argmax(current).astype(jnp.int32)
        keep = (current[best] >= score_threshold) & (current[best] > -jnp.inf)
        iou = overlaps(best)
        factor = jnp.exp(-(iou**2) / sigma) if method == "gaussian" else jnp.where(iou > iou_threshold, 1 - iou, 1)
        indices = indices.at[i].set(jnp.where(keep, best, 0))
        result = result.at[i].set(jnp.where(keep, current[best], 0))
        return (current * factor).at[best].set(-jnp.inf), indices, result, kept.at[i].set(keep)

    start = jnp.where(alive, scores, -jnp.inf)
    indices, kept = jnp.zeros(length, jnp.int32), jnp.zeros(length, bool)
    result = jnp.zeros(length, scores.dtype)
    if n and length:
        _, indices, result, kept = lax.fori_loop(0, min(n, length), step, (start, indices, result, kept))
    return (indices, result, kept) if static else (indices[kept], result[kept])
