"""A detector with its weights and the names of its classes."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import PIL.Image

from .... import nn
from .._zoo.prepared import load_prepared
from .._zoo.published import Weights
from .batch import Detector, Preparation
from .detections import predict

__all__ = ["Predictor"]

Found = dict[str, Any]


class Predictor:
    """A detector with its arrays and the names of its classes.

    The forward pass is compiled once for each canvas. Nothing changes after construction, so threads may share it.

    Args:
        model: a detector.
        params: its parameters.
        state: its other arrays.
        categories: the names of the classes, the background first. By default "class 1" and so on.

    Attributes:
        model: as given.
        params: as given.
        state: as given.
        categories: as given.
        name: of the model; None unless the predictor comes from `load`.
        weights: the published weights that the model has or is prepared like; None unless it comes from `load`.
        preparation: says how images are prepared, and why.
    """

    def __init__(
        self, model: Detector, params: nn.Arrays, state: nn.Arrays, *, categories: Sequence[str] | None = None
    ):
        self.model, self.params, self.state = model, params, state
        self.categories = None if categories is None else tuple(categories)
        self.name: str | None = None
        self.weights: Weights | None = None
        self.preparation = _described(model.preparation)

    @classmethod
    def load(
        cls, name: str | None, weights: str | os.PathLike[str] = "DEFAULT", *,
        categories: Sequence[str] | None = None, dtype: Any = None, entry: str | None = None,
    ) -> "Predictor":
        """A predictor with published weights, or with those of a file.

        A file whose SHA-256 digest is that of published weights is treated as these.

        Args:
            name: one of `list_models("detection")`; None to recognise the model of a file.
            weights: the name of published weights, or a path.
            categories: the names of the classes; the published ones by default, if their number is the model's.
            dtype: of the parameters; by default the file's.
            entry: the entry of a checkpoint that holds the weights, such as "model_ema" (see `convert.read_torch`).

        Raises:
            ValueError: the model is not a detector, or the weights cannot be loaded (see `models.load`).
            DownloadError: the weights are not on this machine and could not be downloaded.
        """
        found = load_prepared(
            name, weights, "detection", who="detection.Predictor", entry=entry, categories=categories, dtype=dtype
        )
        predictor = cls(found.model, found.params, found.state, categories=found.categories)
        predictor.name, predictor.weights = found.name, found.weights
        predictor.preparation = f"{found.preparation}: {_described(found.model.preparation)}"
        return predictor

    def __call__(self, images: Any, *, threshold: float = 0.0) -> Any:
        """What is found in an image, or in each image of a batch.

        Args:
            images: one PIL image, array [height, width, 3] or `tv_tensors.Image`; or several of them of any sizes,
                which are one batch on the canvas of the largest.
            threshold: only what has at least this score is returned.

        Returns:
            For one image the dict that `predict` returns, and in it "names", the name of the class of each object; for
            several images a list of such dicts.
        """
        if isinstance(images, PIL.Image.Image) or getattr(images, "ndim", None) == 3:
            return self([images], threshold=threshold)[0]
        found = predict(self.model, self.params, self.state, images) if len(images) else []
        return [self._named(one, threshold) for one in found]

    def _named(self, found: dict[str, np.ndarray], threshold: float) -> Found:
        kept: Found = {name: array[found["scores"] >= threshold] for name, array in found.items()}
        return kept | {"names": [self._name(int(label)) for label in kept["labels"]]}

    def _name(self, label: int) -> str:
        known = self.categories is not None and label < len(self.categories)
        return self.categories[label] if known and self.categories else f"class {label}"


def _described(preparation: Preparation) -> str:
    """How images are resized, in words."""
    if preparation.fixed_size is not None:
        height, width = preparation.fixed_size
        return f"resized to {height} x {width} pixels"
    shorter = preparation.min_size if isinstance(preparation.min_size, int) else preparation.min_size[-1]
    return f"the shorter side resized to {shorter} pixels, or the longer one to {preparation.max_size}"
