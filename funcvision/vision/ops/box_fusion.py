"""Weighted box fusion: one box for each cluster of boxes that several models found."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.core import Tracer

from .boxes import checked, floating, wide
from .iou import box_iou

__all__ = ["weighted_box_fusion"]


class _Clusters(NamedTuple):
    """The clusters that have been opened, in order; the first `count` places are filled."""

    sums: jax.Array  # [n, 4]: the boxes of each cluster, weighted by their scores
    scores: jax.Array  # [n]: the sum of their scores
    sizes: jax.Array  # [n]
    labels: jax.Array  # [n]
    count: jax.Array


def weighted_box_fusion(
    boxes: Sequence[jax.Array], scores: Sequence[jax.Array], labels: Sequence[jax.Array],
    weights: Sequence[float] | None = None, iou_threshold: float = 0.55, score_threshold: float = 0.0,
    valid: Sequence[jax.Array] | None = None, *, allows_overflow: bool = False,
) -> tuple[jax.Array, ...]:
    """Fuses the boxes of several models into their averages, weighted by score.

    Solovyev et al. 2019, https://arxiv.org/abs/1910.13302. Boxes are taken by falling score. Each joins the cluster
    of its label whose fused box it overlaps most, if by more than the threshold, or opens a cluster. The score of a
    cluster is the mean of its scores, times the number of models that found it, at most all, over the sum of weights.

    Args:
        boxes: xyxy boxes [n_i, 4] of each model.
        scores: [n_i] of each model.
        labels: integers [n_i] of each model; boxes of different labels are not fused.
        weights: one number a model, which multiplies its scores; 1 by default.
        iou_threshold: a box joins a cluster if its IoU with the fused box is greater.
        score_threshold: boxes with lower scores, before weights, are left out.
        valid: bool [n_i] of each model; other boxes are left out.
        allows_overflow: whether a cluster may count more boxes than there are models.

    Returns:
        (boxes, scores, labels) by falling score; within `jit` (boxes, scores, labels, valid), each of length sum n_i.

    Raises:
        ValueError: no model, or lists of different lengths.
    """
    models = len(boxes)
    lists = {"scores": scores, "labels": labels, "weights": weights, "valid": valid}
    for name, given in lists.items():
        if models == 0 or (given is not None and len(given) != models):
            raise ValueError(f"weighted_box_fusion takes one entry a model: {models} boxes, {len(given or ())} {name}")
    factors = jnp.asarray([1.0] * models if weights is None else weights)
    each = [wide(floating(checked("weighted_box_fusion", b, "xyxy"))) for b in boxes]
    every_box = jnp.concatenate(each)
    dtype = every_box.dtype
    raw = jnp.concatenate([jnp.asarray(s).astype(dtype) for s in scores])
    factor = jnp.repeat(factors.astype(dtype), jnp.array([len(b) for b in each]), total_repeat_length=len(raw))
    usable = jnp.ones(len(raw), bool) if valid is None else jnp.concatenate(list(valid))
    usable &= raw >= score_threshold
    every_label = jnp.concatenate([jnp.asarray(label).astype(jnp.int32) for label in labels])
    fused = _fuse(every_box, raw * factor, every_label, usable, iou_threshold)
    counted = fused.sizes if allows_overflow else jnp.minimum(fused.sizes, models)
    sizes = jnp.maximum(fused.sizes, 1).astype(dtype)
    score = fused.scores / sizes * counted.astype(dtype) / jnp.sum(factors).astype(dtype)
    filled = jnp.arange(len(raw), dtype=jnp.int32) < fused.count
    order = jnp.argsort(jnp.where(filled, -score, jnp.inf))
    averages = fused.sums / jnp.where(filled, fused.scores, 1)[:, None]
    result = averages[order], score[order], fused.labels[order]
    filled = filled[order]
    return (*result, filled) if isinstance(filled, Tracer) else tuple(part[filled] for part in result)


def _fuse(
    boxes: jax.Array, scores: jax.Array, labels: jax.Array, usable: jax.Array, threshold: float | jax.Array
) -> _Clusters:
    n = boxes.shape[0]
    order = jnp.argsort(jnp.where(usable, -scores, jnp.inf))
    boxes, scores, labels, usable = boxes[order], scores[order], labels[order], usable[order]

    def step(i: jax.Array, at: _Clusters) -> _Clusters:
        fused = at.sums / jnp.where(at.scores == 0, 1, at.scores)[:, None]
        candidate = (jnp.arange(n, dtype=jnp.int32) < at.count) & (at.labels == labels[i])
        iou = jnp.where(candidate, box_iou(boxes[i][None], fused)[0], -1)
        best = jnp.argmax(jnp.where(jnp.isnan(iou), -1, iou)).astype(jnp.int32)
        joins = iou[best] > threshold
        place = jnp.where(joins, best, at.count)
        place = jnp.where(usable[i], place, n)  # beyond the end: nothing is written
        return _Clusters(
            at.sums.at[place].add(scores[i] * boxes[i], mode="drop"),
            at.scores.at[place].add(scores[i], mode="drop"),
            at.sizes.at[place].add(1, mode="drop"),
            at.labels.at[place].set(labels[i], mode="drop"),
            at.count + (usable[i] & ~joins).astype(jnp.int32),
        )

    zeros = jnp.zeros(n, scores.dtype)
    start = _Clusters(jnp.zeros_like(boxes), zeros, jnp.zeros(n, jnp.int32), jnp.zeros_like(labels), jnp.int32(0))
    return lax.fori_loop(0, n, step, start) if n else start
