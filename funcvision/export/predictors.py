"""What happens on the host before and after an exported model: images are prepared, and outputs become answers.

A server calls the three steps on its own: `prepare` for each image, the loaded function for a batch, `finish` for each
image. The functions for preparation are those of `funcvision.vision`, which is imported when they are needed.
"""

import dataclasses
import functools
import types
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from .loading import LoadedFunction

__all__ = ["Classifier", "Detector", "Prepared", "Segmenter", "predictor"]

Size = tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Prepared:
    """An image as the program takes it.

    Attributes:
        inputs: the inputs of the program for this image, as numpy arrays without the axis of the batch.
        size: (height, width) of the image before it was prepared, in pixels.
    """

    inputs: tuple[np.ndarray, ...]
    size: Size


class _Predictor:
    """A loaded model with its preparation.

    Args:
        function: the loaded model.
        categories: the names of the classes; by default those of the file.

    Attributes:
        function: as given.
        categories: the names of the classes; None where they are not known.

    Raises:
        ValueError: the file does not say how images are prepared.
    """

    def __init__(self, function: LoadedFunction, *, categories: Sequence[str] | None = None):
        if function.preset is None:
            raise ValueError(
                f"{function.path} does not say how images are prepared: save it again with a preset, or call "
                "export.load(path) with prepared images"
            )
        self.function = function
        self.categories = function.categories if categories is None else tuple(categories)
        images = function.programs[0]["inputs"]["leaves"][0]
        self._dtype, self._mode = np.dtype(images["dtype"]), "L" if images["shape"][-1] == 1 else "RGB"
        self._options: dict[str, Any] = function.preset["options"]
        try:
            self._check_options()
        except (TypeError, ValueError, KeyError) as error:
            raise ValueError(f"{function.path} has a preparation that cannot be used: {error}") from error

    def __call__(self, image: Any, **options: Any) -> Any:
        """The answer for one image; `options` are those of `finish`."""
        prepared = self.prepare(image)
        output = jax.device_get(self.function(*(one[None] for one in prepared.inputs)))
        return self.finish(jax.tree.map(lambda array: array[0], output), prepared, **options)

    def prepare(self, image: Any) -> Prepared:
        """Prepares one image: a PIL image, or a uint8 array [height, width, channels]."""
        if hasattr(image, "convert"):
            image = image.convert(self._mode)
            return Prepared(self._inputs(image), (image.height, image.width))
        if getattr(image, "ndim", None) != 3:
            raise TypeError(f"prepare takes a PIL image or an array [height, width, channels]; got {type(image)}")
        return Prepared(self._inputs(image), (image.shape[0], image.shape[1]))

    def category(self, number: int) -> str:
        """The name of a class."""
        names = self.categories or ()
        return names[number] if number < len(names) else f"class {number}"

    def _inputs(self, image: Any) -> tuple[np.ndarray, ...]:
        raise NotImplementedError

    def _check_options(self) -> None:
        """Raises an error for options that the preparation does not take."""
        raise NotImplementedError

    def finish(self, output: Any, prepared: Prepared) -> Any:
        """The answer, given the output for one image without the axis of the batch."""
        raise NotImplementedError

    def _sizes(self) -> list[Size]:
        """(height, width) of the images of each program, where these are fixed."""
        shapes = [program["inputs"]["leaves"][0]["shape"] for program in self.function.programs]
        return list(dict.fromkeys((shape[-3], shape[-2]) for shape in shapes if isinstance(shape[-3], int)))


class Classifier(_Predictor):
    """A loaded classifier with its preparation."""

    def _inputs(self, image: Any) -> tuple[np.ndarray, ...]:
        if not self.function.prepared:
            return (np.asarray(self._preset(image), self._dtype),)
        ((height, width),) = self._sizes()
        array = np.asarray(image)
        if array.shape[:2] != (height, width):
            raise ValueError(
                f"{self.function.path} takes images of {height} x {width} pixels, and this one has {array.shape[0]} x "
                f"{array.shape[1]}: resize it, or export the model without preparation in the program"
            )
        return (array,)

    def _check_options(self) -> None:
        _ = self._preset

    @functools.cached_property
    def _preset(self) -> Any:
        from ..vision.transforms import presets

        return presets.ImageClassification(**self._options)

    def finish(self, output: Any, prepared: Prepared, *, top: int = 5) -> list[tuple[str, float]]:
        """The most likely classes, as (name, probability).

        Args:
            output: of the program, for one image.
            prepared: the image.
            top: how many classes.
        """
        if top < 1:
            raise ValueError(f"top is the number of classes to return, 1 or more; top={top}")
        values = np.asarray(output, np.float32)
        if not self.function.prepared:
            values = np.exp(values - values.max())
            values /= values.sum()
        if self.categories is not None and len(self.categories) != len(values):
            raise ValueError(
                f"there are {len(self.categories)} names of classes, and {self.function.name} has {len(values)}"
            )
        best = np.argsort(-values, kind="stable")[:top]
        return [(self.category(int(number)), float(values[number])) for number in best]


class Detector(_Predictor):
    """A loaded detector with its preparation.

    An image is resized as for the original detector, or smaller where no canvas of the file would hold it.
    """

    def _inputs(self, image: Any) -> tuple[np.ndarray, ...]:
        from ..vision.models import detection

        batch = detection.batch(self._prepared_by, [image])
        return np.asarray(batch.images[0], self._dtype), np.asarray(batch.sizes[0], np.int32)

    def _check_options(self) -> None:
        self._prepared_by.preparation.size(1, 1)

    @functools.cached_property
    def _prepared_by(self) -> Any:
        """A description whose `preparation` fits images onto the canvases of the file."""
        from ..vision.models.detection import Preparation

        canvases = self._sizes()

        class OnCanvases(Preparation):
            """The preparation of the original detector, limited to the canvases of the file."""

            def size(self, height: int, width: int, random: np.random.Generator | None = None) -> Size:
                rows, columns = super().size(height, width, random)
                wanted = max(1, rows), max(1, columns)  # a line of pixels would get none
                scale = max(min(side / want for side, want in zip(one, wanted, strict=True)) for one in canvases)
                return wanted if scale >= 1 else (max(1, int(wanted[0] * scale)), max(1, int(wanted[1] * scale)))

            def canvas(self, sizes: Sequence[Size]) -> Size:
                height, width = (max(lengths) for lengths in zip(*sizes, strict=True))
                fitting = [one for one in canvases if one[0] >= height and one[1] >= width]
                return min(fitting, key=lambda one: one[0] * one[1])

        options: dict[str, Any] = {
            name: tuple(one) if isinstance(one, list) else one for name, one in self._options.items()
        }
        return types.SimpleNamespace(preparation=OnCanvases(**options))

    def finish(self, output: Mapping[str, Any], prepared: Prepared, *, threshold: float = 0.0) -> dict[str, Any]:
        """What is found in the image, as `models.detection.Predictor` returns it.

        Args:
            output: of the program, for one image.
            prepared: the image.
            threshold: only what has at least this score is returned.

        Returns:
            "boxes" [n, 4] (left, top, right, bottom) in pixels of the image, "scores" [n], "labels" int32 [n], "names"
            of the classes, the highest score first; where the model has them "masks" float32 [n, 1, height, width] from
            0 to 1, "keypoints" [n, points, 3] and "keypoints_scores" [n, points].
        """
        from ..vision.models.detection import DetectionBatch, Detections
        from ..vision.models.detection.detections import of_image

        row = {name: np.asarray(array)[None] for name, array in output.items()}
        kept = row["valid"] & (row["scores"] >= threshold)
        batch = DetectionBatch(None, prepared.inputs[1][None], np.asarray([prepared.size]))
        found: dict[str, Any] = of_image(Detections(**row | {"valid": kept}), batch, 0)
        return found | {"names": [self.category(int(label)) for label in found["labels"]]}


class Segmenter(_Predictor):
    """A loaded segmenter with its preparation.

    An image is resized to that size of the file whose ratio of height to width is nearest to its own.
    """

    def _inputs(self, image: Any) -> tuple[np.ndarray, ...]:
        height, width = (image.height, image.width) if hasattr(image, "convert") else image.shape[:2]
        ratio = np.log(height / width)
        nearest = min(self._sizes(), key=lambda size: abs(np.log(size[0] / size[1]) - ratio))
        return (np.asarray(self._preset_for(nearest)(image), self._dtype),)

    def _check_options(self) -> None:
        self._preset_for((1, 1))

    def _preset_for(self, size: Size) -> Any:
        from ..vision.transforms import presets

        options: dict[str, Any] = self._options | {"resize_size": size}
        return presets.SemanticSegmentation(**options)

    def finish(self, output: Mapping[str, Any], prepared: Prepared) -> np.ndarray:
        """The class of every pixel of the image, int32 [height, width].

        Args:
            output: of the program, for one image. Its logits are enlarged bilinearly before they are compared.
            prepared: the image.
        """
        from ..vision.transforms.functional import resize

        planes = np.moveaxis(np.asarray(output["out"], np.float32), -1, 0)
        best, classes = np.full(prepared.size, -np.inf, np.float32), np.zeros(prepared.size, np.int32)
        for number, plane in enumerate(planes):  # one class at a time: all logits of a photograph take gigabytes
            wide = np.asarray(resize(plane[..., None], prepared.size, antialias=False))[..., 0]
            classes[wide > best] = number
            best = np.maximum(best, wide)
        return classes


def predictor(
    function: LoadedFunction, *, categories: Sequence[str] | None = None
) -> Classifier | Detector | Segmenter:
    """A loaded model with the preparation of its images, which answers for an image as the original's predictor does.

    Args:
        function: from `load`, of a file that `save` wrote.
        categories: the names of the classes; by default those of the file.

    Raises:
        ValueError: the file holds no model for images, or does not say how images are prepared.
    """
    kinds = {"classification": Classifier, "detection": Detector, "segmentation": Segmenter}
    if function.task not in kinds:
        what = "a function" if function.task is None else f"a model for {function.task}"
        raise ValueError(f"{function.path} holds {what}; a predictor is for {', '.join(kinds)}: call export.load(path)")
    return kinds[function.task](function, categories=categories)
