"""What a model says about one image."""

import dataclasses
from collections.abc import Sequence

import numpy as np

__all__ = ["Classification", "Detection", "Prediction", "Segmentation"]


@dataclasses.dataclass(frozen=True)
class Classification:
    """How likely each class is.

    Attributes:
        probabilities: float32 [classes].
    """

    probabilities: np.ndarray

    def best(self, count: int) -> list[int]:
        """The numbers of the most likely classes, the most likely first."""
        return np.argsort(-self.probabilities, kind="stable")[:count].tolist()

    def top(self, count: int, categories: Sequence[str]) -> list[tuple[str, float]]:
        """The most likely classes with their probabilities, the most likely first."""
        return [(categories[index], float(self.probabilities[index])) for index in self.best(count)]


@dataclasses.dataclass(frozen=True)
class Detection:
    """The objects on an image, the most certain first. Those whose scores are very low are left out.

    Attributes:
        boxes: float32 [objects, 4], left, top, right and bottom in pixels of the image.
        labels: whole numbers [objects], of `ServedModel.categories`.
        scores: float32 [objects].
        masks: bool [objects, rows, columns], each over the whole image, or None if the model has none. Of a
            large image they have fewer pixels than the image.
        size: height and width of the image.
    """

    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    masks: np.ndarray | None
    size: tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Segmentation:
    """The class of each pixel.

    Attributes:
        classes: whole numbers [rows, columns], of `ServedModel.categories`, over the whole image. Of a large image
            there are fewer than it has pixels.
    """

    classes: np.ndarray


Prediction = Classification | Detection | Segmentation
