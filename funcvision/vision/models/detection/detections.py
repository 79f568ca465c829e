"""What a detector finds: arrays of fixed size inside `jit`, and torchvision's lists of results outside."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from .... import nn
from ._paste import paste_masks
from ._serialization import exportable
from .batch import DetectionBatch, Detector, Size, batch

__all__ = ["Detections", "of_image", "predict"]

_COMPILED_MODELS = 8  # models whose compiled functions are kept for further calls of `predict`


@exportable
@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Detections:
    """Objects that a detector found, at most d in each image, the highest score first.

    Attributes:
        boxes: [batch, d, 4], (left, top, right, bottom) in pixels of the canvas.
        scores: [batch, d].
        labels: int32 [batch, d].
        valid: bool [batch, d]: which of them exist. All other numbers of the rest are zero.
        masks: [batch, d, m, m], the probability of the object on a grid over its box; None if the model has no masks.
        keypoints: [batch, d, points, 3]: x and y in pixels of the canvas, and visibility, which is 1; or None.
        keypoints_scores: [batch, d, points]; or None.
        overflow: int32 [batch]: how many candidates a bound of the model has dropped that torchvision would have kept.
    """

    boxes: Any
    scores: Any
    labels: Any
    valid: Any
    masks: Any = None
    keypoints: Any = None
    keypoints_scores: Any = None
    overflow: Any = 0


def predict(
    model: Detector, params: nn.Arrays, state: nn.Arrays, images: Sequence[Any], *,
    canvas: Size | Sequence[Size] | None = None,
) -> list[dict[str, np.ndarray]]:
    """What a detector finds in images of any sizes, as torchvision's `model(images)`.

    The images are one batch, whose forward pass is compiled once for every size of the canvas.

    Args:
        model: a detector.
        params: its parameters.
        state: its other arrays.
        images: as in `batch`.
        canvas: as in `batch`.

    Returns:
        For each image a dict: "boxes" [n, 4] (left, top, right, bottom) in pixels of the image, "scores" [n], "labels"
        int32 [n], the highest score first; where the model has them "masks" float32 [n, 1, height, width] from 0 to 1,
        "keypoints" [n, points, 3] (x, y, 1) and "keypoints_scores" [n, points].
    """
    prepared = batch(model, images, canvas=canvas)
    found = jax.tree.map(np.asarray, _compiled(model)(params, state, prepared))
    return [of_image(found, prepared, i) for i in range(len(found.boxes))]


@functools.lru_cache(maxsize=_COMPILED_MODELS)
def _compiled(model: nn.Module) -> Callable[[nn.Arrays, nn.Arrays, DetectionBatch], Detections]:
    """The compiled forward pass of a model, the same one for every caller."""
    return jax.jit(lambda params, state, prepared: model.apply(params, state, prepared)[0])


def of_image(found: Detections, prepared: DetectionBatch, index: int) -> dict[str, np.ndarray]:
    """What was found in one image, in its own pixels."""
    valid = found.valid[index]
    height, width = map(int, prepared.original_sizes[index])
    ratios = np.asarray((height, width), np.float32) / np.asarray(prepared.sizes[index], np.float32)
    y, x = ratios.astype(found.boxes.dtype)
    boxes = found.boxes[index][valid] * np.stack([x, y, x, y])
    result = {"boxes": boxes, "labels": found.labels[index][valid], "scores": found.scores[index][valid]}
    if found.masks is not None:
        result["masks"] = paste_masks(found.masks[index][valid], boxes, (height, width))
    if found.keypoints is not None:
        result["keypoints"] = found.keypoints[index][valid] * np.stack([x, y, np.ones_like(x)])
        result["keypoints_scores"] = found.keypoints_scores[index][valid]
    return result
