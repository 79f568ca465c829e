"""Top-k accuracy of classifiers, as torchvision's training scripts report it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from ._totals import add_count, count_value, new_count, weights
from .metric import Metric, State

__all__ = ["Accuracy", "accuracy"]


def accuracy(logits: Any, labels: Any, topk: Sequence[int] = (1,), *, valid: Any = None) -> list[jax.Array]:
    """In how many percent of samples the label is among the k classes of the highest logits, for each k.

    Of equal logits, those of lower classes come first.

    Args:
        logits: `[..., classes]`, logits or probabilities.
        labels: class numbers `[...]`, or a probability for each class `[..., classes]`, of which the highest counts.
        topk: the values of k.
        valid: which samples count, bool with the first axes of the labels; None means all.

    Returns:
        One scalar for each k, from 0 to 100; NaN where no sample counts.

    Raises:
        ValueError: labels of another shape, or a k above the number of classes.
    """
    hits, count = _hits(logits, labels, topk, valid)
    shares = 100 * (hits.astype(float) / count.astype(float)[None])
    return list(shares)


@dataclass(frozen=True)
class Accuracy(Metric):
    """Top-k accuracy over a data set, in percent: `{"acc1": ..., "acc5": ...}`.

    `update` takes the arguments of `accuracy`: logits `[..., classes]` and labels. For clips of videos this is the clip
    accuracy.

    Attributes:
        topk: the values of k.
    """

    topk: tuple[int, ...] = (1, 5)

    def init(self) -> State:
        return {"hits": new_count(len(self.topk)), "count": new_count()}

    def update(self, state: State, predictions: Any, targets: Any, *, valid: Any = None) -> State:
        hits, count = _hits(predictions, targets, self.topk, valid)
        return {"hits": add_count(state["hits"], hits), "count": add_count(state["count"], count)}

    def compute(self, state: State) -> dict[str, jax.Array]:
        shares = 100 * (count_value(state["hits"]) / count_value(state["count"])[None])
        return {f"acc{k}": share for k, share in zip(self.topk, shares, strict=True)}


def _hits(logits: Any, labels: Any, topk: Sequence[int], valid: Any) -> tuple[jax.Array, jax.Array]:
    """The number of samples whose label is among the first k, int32 `[len(topk)]`, and the number of samples."""
    logits, labels = jnp.asarray(logits), jnp.asarray(labels)
    if labels.ndim == logits.ndim and labels.shape == logits.shape:
        labels = labels.argmax(-1)
    if labels.shape != logits.shape[:-1]:
        raise ValueError(f"logits {logits.shape} need labels of the shape {logits.shape[:-1]}; got {labels.shape}")
    if not topk or min(topk) < 1 or max(topk) > logits.shape[-1]:
        raise ValueError(f"topk={tuple(topk)} is not possible with {logits.shape[-1]} classes")
    counts = weights(valid, labels.shape)
    best = jax.lax.top_k(logits, max(topk))[1]
    right = (best == labels[..., None].astype(best.dtype)) & counts[..., None]
    by_rank = right.reshape(-1, right.shape[-1]).sum(0, dtype=jnp.int32)
    hits = jnp.cumsum(by_rank)[jnp.array([k - 1 for k in topk])]
    return hits, counts.sum(dtype=jnp.int32)
