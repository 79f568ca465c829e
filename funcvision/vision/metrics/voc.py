"""Pascal VOC's mean average precision of boxes (Everingham et al. 2010, https://doi.org/10.1007/s11263-009-0275-4)."""

from typing import Any, Literal

import numpy as np

from ._objects import Objects, read_objects
from .detection_metric import DetectionMetric

__all__ = ["VOCMeanAveragePrecision"]

_RECALLS = np.arange(11) / 10  # at which VOC2007 samples the curve


class VOCMeanAveragePrecision(DetectionMetric):
    """Pascal VOC's average precision of each class and its mean, by the rules of VOC's development kit.

    A detection is right if its IoU with the object that it overlaps most, of its class, is at least the threshold, and
    no detection with a higher score has that object. Boxes include their last row and column of pixels, so that a box
    from 1 to 10 is 10 pixels wide. Difficult objects count neither as found nor as missed.

    Predictions are dicts with "boxes" `[n, 4]` (left, top, right, bottom in pixels), "scores" and "labels" `[n]`;
    targets have "boxes" and "labels", as arrays or typed leaves, and optionally "difficult" `[n]`.

    `compute` returns "map"; "classes", those of the objects that are not difficult; and "ap_per_class" `[classes]`.
    Without objects, "map" is -1.

    Args:
        rule: "area" under the interpolated curve, since VOC2010; or "11-point", the mean of the precision at eleven
            recalls, of VOC2007.
        iou_threshold: from which a detection counts as right.
    """

    def __init__(self, rule: Literal["area", "11-point"] = "area", *, iou_threshold: float = 0.5):
        super().__init__()
        if rule not in ("area", "11-point"):
            raise ValueError(f'rule is "area" or "11-point"; got {rule!r}')
        self.rule = rule
        self.iou_threshold = iou_threshold

    def compute(self) -> dict[str, Any]:
        """The metrics of all images, by name."""
        images = self._ordered()
        labels = [true["labels"][true["difficult"] == 0] for _, _, true in images]
        classes, totals = np.unique(np.concatenate([np.zeros(0, np.int64), *labels]), return_counts=True)
        precisions = [self._average_precision(images, label, total) for label, total in zip(classes, totals)]
        mean = float(np.mean(precisions)) if precisions else -1.0
        return {"map": mean, "classes": classes, "ap_per_class": np.array(precisions)}

    def _read(self, prediction: Any, target: Any, what: str) -> tuple[Objects, Objects]:
        found = read_objects(prediction, ["boxes", "scores", "labels"], [], f"the prediction for {what}")
        true = read_objects(target, ["boxes", "labels"], ["difficult"], f"the target of {what}")
        true.setdefault("difficult", np.zeros(len(true["labels"]), np.int64))
        return found, true

    def _average_precision(self, images: Any, label: int, total: int) -> float:
        """The average precision of a class that has `total` objects that are not difficult."""
        sides = [[{name: column[side["labels"] == label] for name, column in side.items()} for side in image[1:]]
                 for image in images]  # fmt: skip
        scores = np.concatenate([found["scores"] for found, _ in sides])
        outcomes = np.concatenate([self._outcomes(found, true) for found, true in sides])
        outcomes = outcomes[np.argsort(-scores, kind="stable")]
        right, wrong = np.cumsum(outcomes == 1), np.cumsum(outcomes == 0)
        recall, precision = right / total, right / np.maximum(right + wrong, 1)
        if self.rule == "11-point":
            return float(np.mean([precision[recall >= level].max(initial=0) for level in _RECALLS]))
        best = np.maximum.accumulate(precision[::-1])[::-1]  # of any recall at least as high
        return float(np.sum(np.diff(recall, prepend=0) * best))

    def _outcomes(self, found: Objects, true: Objects) -> np.ndarray:
        """1 for each right detection, 0 for each wrong one, -1 for those that do not count, in one image and class."""
        outcomes = np.zeros(len(found["scores"]), np.int64)
        if len(true["labels"]) == 0:
            return outcomes
        overlaps = _overlaps(found["boxes"], true["boxes"])
        best = overlaps.argmax(1)
        taken = np.zeros(len(true["labels"]), bool)
        for number in np.argsort(-found["scores"], kind="stable"):
            match = best[number]
            if overlaps[number, match] < self.iou_threshold:
                continue
            if true["difficult"][match]:
                outcomes[number] = -1
            elif not taken[match]:
                outcomes[number] = 1
                taken[match] = True
        return outcomes


def _overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The IoU of boxes `[n, 4]` and `[m, 4]`, whose last row and column belong to them: `[n, m]`."""
    first = np.maximum(boxes[:, None, :2], others[None, :, :2])
    last = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = np.prod(np.maximum(last - first + 1, 0), axis=-1)
    areas, other_areas = (np.prod(each[:, 2:] - each[:, :2] + 1, axis=-1) for each in (boxes, others))
    return shared / (areas[:, None] + other_areas[None] - shared)
