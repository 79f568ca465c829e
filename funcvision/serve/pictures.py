"""From the bytes of an image to the inputs of a model, and from its results to a prediction.

The work of the host is that of `export.predictor`. Here are the limits that a server needs in addition.
"""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import PIL.Image

from .. import export
from ..export import LoadedFunction
from ..export.predictors import Prepared
from .images import Limits, fitted, open_image
from .predictions import Classification, Detection, Prediction, Segmentation

__all__ = ["Pictures", "small_image", "task_of"]

_TASKS = ("classification", "detection", "segmentation")
_LEAST_SCORE = 0.05
"""Of an object in a prediction."""
_MOST_MASK_PIXELS = 1_500_000
_MOST_MASKS = 40
"""Objects of an image, if each has a mask. Such images are made smaller, because each mask is as large as the image."""


def task_of(function: LoadedFunction) -> str:
    """What a model does: "classification", "detection", "segmentation", or "tensors" if it takes no images."""
    known = function.task in _TASKS and function.preset is not None
    return str(function.task) if known else "tensors"


class Pictures:
    """What happens on the host for a model that takes images.

    Args:
        function: the model.
        max_pixels: of an image, before and after resizing.

    Attributes:
        open_size: height and width of prepared images; None if they depend on the image.
    """

    def __init__(self, function: LoadedFunction, *, max_pixels: int):
        self._predictor: Any = export.predictor(function)
        self._function = function
        options = (function.preset or {}).get("options", {})
        classifies = function.task == "classification" and not function.prepared
        crop = options.get("crop_size") if classifies else None
        self.open_size = None if crop is None else (crop, crop) if isinstance(crop, int) else (crop[0], crop[-1])
        self._limits = Limits(max_pixels, resize=options.get("resize_size") if classifies else None)
        shape = function.programs[0]["inputs"]["leaves"][0]["shape"]
        self._exact = (shape[-3], shape[-2]) if function.prepared else None

    def prepare(self, data: bytes) -> tuple[Prepared, tuple[int, int]]:
        """The inputs of the model for the bytes of an image, and height and width of the image.

        Raises:
            ServeError: the image cannot be read, or is too large.
        """
        image = open_image(data, self._limits)
        size = image.height, image.width
        if self._exact is not None:
            image = fitted(image, *self._exact)
        elif self._function.task != "classification":
            image = _reduced(image)
        return self._predictor.prepare(image), size

    def finish(self, results: Mapping[str, np.ndarray], prepared: Prepared, size: tuple[int, int]) -> Prediction:
        """What the results of a model for one image mean.

        Args:
            results: by name, without the axis of the batch.
            prepared: the image.
            size: height and width of the image as it was sent.
        """
        if self._function.task == "classification":
            (scores,) = results.values()
            return Classification(scores if self._function.prepared else _softmax(scores))
        if self._function.task == "segmentation":
            return Segmentation(self._predictor.finish(results, prepared))
        if "masks" in results:
            results = {**results, "valid": results["valid"] & (np.arange(len(results["valid"])) < _MOST_MASKS)}
        found = self._predictor.finish(results, prepared, threshold=_LEAST_SCORE)
        down, right = size[0] / prepared.size[0], size[1] / prepared.size[1]
        masks = found.get("masks")
        return Detection(
            (found["boxes"] * [right, down, right, down]).astype(np.float32), found["labels"], found["scores"],
            None if masks is None else masks[:, 0] >= 0.5, size,
        )


def small_image() -> bytes:
    """The bytes of an image, to try a model."""
    stream = io.BytesIO()
    PIL.Image.new("RGB", (8, 8)).save(stream, "PNG")
    return stream.getvalue()


def _softmax(logits: np.ndarray) -> np.ndarray:
    logits = logits.astype(np.float32)
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


def _reduced(image: PIL.Image.Image) -> PIL.Image.Image:
    """The image, made smaller if it is so large that masks would take much memory and time."""
    pixels = image.width * image.height
    if pixels <= _MOST_MASK_PIXELS:
        return image
    scale = (_MOST_MASK_PIXELS / pixels) ** 0.5
    size = max(1, int(image.width * scale)), max(1, int(image.height * scale))
    return image.resize(size, PIL.Image.Resampling.BILINEAR)
