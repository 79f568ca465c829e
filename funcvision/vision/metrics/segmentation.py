"""Metrics of semantic segmentation, from the confusion matrix, as torchvision's training scripts report them."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..tv_tensors import Mask
from ._totals import add_count, count_value, exact_counts, new_count, weights
from .metric import Metric, State

__all__ = ["ConfusionMatrix", "confusion_matrix", "mean_iou", "pixel_accuracy"]


def confusion_matrix(
    predictions: Any, targets: Any, num_classes: int, *, ignore_index: int | None = None, valid: Any = None
) -> jax.Array:
    """How often each class was taken for each: int32 `[num_classes, num_classes]`, a row for each true class.

    Args:
        predictions: class numbers of the shape of the targets, or scores with a further last axis of the classes, of
            which the highest counts. What lies outside 0..num_classes - 1 is in no column.
        targets: class numbers `[...]`, or a `Mask`. What lies outside 0..num_classes - 1, such as 255, is ignored.
        num_classes: the number of classes.
        ignore_index: a further class to ignore in the targets.
        valid: which entries count, bool with the first axes of the targets; None means all.

    Raises:
        ValueError: predictions of another shape; an array of fewer than one class.
    """
    return _counts(predictions, targets, num_classes, ignore_index, valid)[:, :num_classes]


def mean_iou(matrix: Any) -> jax.Array:
    """The mean, over the classes that occur, of intersection / union, from a confusion matrix `[classes, classes]`.

    A class that neither the targets nor the predictions have is left out; in torchvision's scripts it makes the mean
    NaN.
    """
    return jnp.nanmean(_iou(jnp.asarray(matrix).astype(float)))


def pixel_accuracy(matrix: Any) -> jax.Array:
    """Which part of all pixels has the right class, from a confusion matrix `[classes, classes]`."""
    counts = jnp.asarray(matrix).astype(float)
    return jnp.diagonal(counts).sum() / counts.sum()


@dataclass(frozen=True)
class ConfusionMatrix(Metric):
    """The confusion matrix over a data set, and what follows from it.

    `update` takes predictions, targets and `valid` as `confusion_matrix` does. `compute` returns, from 0 to 1:
    "pixel_accuracy"; "accuracy", for each class the part of its pixels that were found; "iou" for each class; and
    "mean_iou" over the classes that occur. Those of a class that does not occur are NaN. A prediction outside
    0..num_classes - 1 counts as wrong.

    Attributes:
        num_classes: the number of classes.
        ignore_index: a class to ignore in the targets, beside all outside 0..num_classes - 1.
    """

    num_classes: int
    ignore_index: int | None = None

    def init(self) -> State:
        return {"counts": new_count(self.num_classes, self.num_classes + 1)}

    def update(self, state: State, predictions: Any, targets: Any, *, valid: Any = None) -> State:
        more = _counts(predictions, targets, self.num_classes, self.ignore_index, valid)
        return {"counts": add_count(state["counts"], more)}

    def compute(self, state: State) -> dict[str, jax.Array]:
        counts = count_value(state["counts"])
        right, iou = jnp.diagonal(counts), _iou(counts)
        return {
            "pixel_accuracy": right.sum() / counts.sum(),
            "accuracy": right / counts.sum(1),
            "iou": iou,
            "mean_iou": jnp.nanmean(iou),
        }

    def matrix(self, state: State) -> np.ndarray:
        """The confusion matrix itself, int64 `[num_classes, num_classes]`, a row for each true class."""
        return exact_counts(state["counts"])[:, : self.num_classes]


def _counts(predictions: Any, targets: Any, classes: int, ignore_index: int | None, valid: Any) -> jax.Array:
    """The confusion matrix with a last column for predictions that are no class, int32 `[classes, classes + 1]`."""
    if classes < 1:
        raise ValueError(f"num_classes={classes}, expected at least 1")
    predictions, targets = (
        jnp.asarray(one.array if isinstance(one, Mask) else one) for one in (predictions, targets)
    )
    if predictions.ndim == targets.ndim + 1 and predictions.shape[-1] == classes:
        predictions = predictions.argmax(-1)
    if predictions.shape != targets.shape:
        raise ValueError(
            f"targets {targets.shape} need predictions of the same shape, or scores {(*targets.shape, classes)}; "
            f"got {predictions.shape}"
        )
    for name, array in {"predictions": predictions, "targets": targets}.items():
        if not jnp.issubdtype(array.dtype, jnp.integer):
            raise ValueError(f"{name} are class numbers, which are integers; got {array.dtype}")
    true, found = targets.astype(jnp.int32), predictions.astype(jnp.int32)
    counted = weights(valid, true.shape) & (true >= 0) & (true < classes)
    if ignore_index is not None:
        counted &= true != ignore_index
    found = jnp.where((found >= 0) & (found < classes), found, classes)
    cells = classes * (classes + 1)
    cell = jnp.where(counted, true * (classes + 1) + found, cells).reshape(-1)
    return jnp.zeros(cells, jnp.int32).at[cell].add(1, mode="drop").reshape(classes, classes + 1)


def _iou(counts: jax.Array) -> jax.Array:
    """Intersection / union of each class, from counts `[classes, classes or one more]`."""
    right = jnp.diagonal(counts)
    return right / (counts.sum(1) + counts.sum(0)[: len(counts)] - right)
