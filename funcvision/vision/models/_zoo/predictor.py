"""What a classifier says about images: preparation, one compiled function, and the names of the classes."""

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image

from .... import nn
from ...tv_tensors import Image
from .prepared import load_prepared
from .published import Weights, imagenet_classes

__all__ = ["Answers", "Predictor", "answers", "classify", "compiled"]

Answers = list[tuple[str, float]]

_COMPILED_MODELS = 8  # models whose compiled functions are kept for further calls of `classify`


class Predictor:
    """A classifier with its arrays, the preparation of its images, and the names of its classes.

    The forward pass is compiled once for each shape of a batch. Nothing changes after construction, so threads may
    share a predictor.

    Args:
        model: a description whose output is logits [batch, classes].
        params: the parameters of the model.
        state: the other arrays of the model.
        preset: prepares one image, as those in `transforms.presets` do: from a PIL image or an array
            [height, width, channels] to an array [height, width, channels].
        categories: the names of the classes. By default ImageNet's for 1,000 logits, otherwise "class 0" and
            so on.
        dtype: to which prepared images are cast, and in which the model therefore computes; by default the preset's.
        image_mode: to which PIL images are converted before the preset; None leaves them as they are.

    Attributes:
        model: as given.
        params: as given.
        state: as given.
        preset: as given.
        categories: as given.
        weights: the published weights whose preparation is used; None unless the predictor comes from `load`.
        preparation: says which published preparation `load` chose and why, and its options.

    >>> from funcvision.vision import models
    >>> from funcvision.vision.transforms.presets import ImageClassification
    >>> model = models.squeezenet1_1(num_classes=2)
    >>> preset = ImageClassification(crop_size=32, resize_size=40)
    >>> predictor = Predictor(model, *model.init(jax.random.key(0)), preset, categories=("cat", "dog"))
    >>> sorted(name for name, probability in predictor(PIL.Image.new("RGB", (64, 48))))
    ['cat', 'dog']
    """

    def __init__(
        self, model: nn.Module, params: nn.Arrays, state: nn.Arrays, preset: Callable[[Any], Any], *,
        categories: Sequence[str] | None = None, dtype: Any = None, image_mode: str | None = "RGB",
    ):
        self.model, self.params, self.state, self.preset = model, params, state, preset
        self.categories = None if categories is None else tuple(categories)
        self.weights: Weights | None = None
        self.preparation = "as given"
        self._dtype, self._image_mode = dtype, image_mode
        self._logits = compiled(model)

    @classmethod
    def load(
        cls, name: str | None, weights: str | os.PathLike[str] = "DEFAULT", *,
        categories: Sequence[str] | None = None, dtype: Any = None, preset_options: Mapping[str, Any] | None = None,
        entry: str | None = None,
    ) -> "Predictor":
        """A predictor with published weights, or with those of a file.

        Images are prepared as published for the weights. A file whose SHA-256 digest is that of published weights is
        treated as these; for any other file the preparation is that of its model's default weights.

        Args:
            name: one of `list_models("classification")`; None to recognise the model of a file.
            weights: the name of published weights, or a path.
            categories: the names of the classes; the published ones by default, if their number is the model's.
            dtype: of the parameters and of the computation; by default the file's, and float32.
            preset_options: arguments of the preset that replace the published ones, such as `crop_size`.
            entry: the entry of a checkpoint that holds the weights, such as "model_ema" (see `convert.read_torch`).

        Raises:
            ValueError: the model is not a classifier, or its number of input channels is not that of the published
                preparation; or the weights cannot be loaded (see `models.load`).
            DownloadError: the weights are not on this machine and could not be downloaded.
        """
        found = load_prepared(
            name, weights, "classification", who="Predictor", entry=entry, categories=categories, dtype=dtype,
            preset_options=preset_options,
        )
        predictor = cls(
            found.model, found.params, found.state, found.preset, categories=found.categories, dtype=dtype
        )
        predictor.weights, predictor.preparation = found.weights, found.preparation
        return predictor

    def __call__(self, images: Any, *, top: int = 5) -> Any:
        """The most likely classes of an image, or of each image of a batch, with their probabilities.

        Args:
            images: one PIL image, array [height, width, channels] or `tv_tensors.Image`; or several of them, as a
                list, a tuple, or an array or `tv_tensors.Image` [batch, height, width, channels].
            top: how many classes.

        Returns:
            For one image a list of (name, probability), the most likely first; for several a list of such lists.

        Raises:
            TypeError: `images` is something else.
            ValueError: the number of `categories` is not that of the logits, or `top` is less than 1.
        """
        images = _untyped(images)
        axes = getattr(images, "ndim", None)
        if isinstance(images, PIL.Image.Image) or axes == 3:
            return self([images], top=top)[0]
        if not isinstance(images, list | tuple) and axes != 4:
            shape = "" if axes is None else f" of shape {images.shape}"
            raise TypeError(
                "Predictor takes PIL images, arrays [height, width, channels], tv_tensors.Image and several of them; "
                f"got a {type(images).__name__}{shape}"
            )
        if len(images) == 0:
            return []
        return answers(self.logits(self.prepare(images)), self.categories, top)

    def prepare(self, images: Any) -> jax.Array | np.ndarray:
        """Prepared images [batch, height, width, channels] of several images, given as when the predictor is called."""
        prepared = [self.preset(self._converted(_untyped(image))) for image in _untyped(images)]
        stack = jnp.stack if isinstance(prepared[0], jax.Array) else np.stack
        batch = stack(prepared)
        return batch if self._dtype is None else batch.astype(self._dtype)

    def logits(self, batch: Any) -> jax.Array:
        """The logits [batch, classes] of prepared images [batch, height, width, channels]."""
        return self._logits(self.params, self.state, _untyped(batch))

    def _converted(self, image: Any) -> Any:
        if self._image_mode is not None and isinstance(image, PIL.Image.Image):
            return image.convert(self._image_mode)
        return image


def _untyped(images: Any) -> Any:
    """The array of a typed image; anything else as it is."""
    return images.array if isinstance(images, Image) else images


def classify(
    model: nn.Module, params: nn.Arrays, state: nn.Arrays, image: Any, *, top: int = 5,
    classes: Sequence[str] | None = None,
) -> Answers:
    """The most likely classes of one prepared image: (name, probability), the most likely first.

    The forward pass is compiled once for a model and a shape. `Predictor` also prepares images, and takes batches.

    Args:
        model: a classifier.
        params: its parameters.
        state: its other arrays.
        image: [height, width, channels], prepared as the model expects (`transforms.presets.ImageClassification`).
        top: how many classes.
        classes: their names; by default ImageNet's for 1,000 logits, otherwise "class 0" and so on.

    Raises:
        ValueError: the number of names is not that of the logits.
    """
    logits = compiled(model)(params, state, jnp.asarray(_untyped(image))[None])
    return answers(logits, classes, top)[0]


@functools.lru_cache(maxsize=_COMPILED_MODELS)
def compiled(model: nn.Module) -> Callable[[nn.Arrays, nn.Arrays, Any], jax.Array]:
    """The compiled forward pass of a model, the same one for every caller."""
    return jax.jit(lambda params, state, images: model.apply(params, state, images)[0])


def answers(logits: jax.Array, categories: Sequence[str] | None, top: int) -> list[Answers]:
    """For each row of logits [batch, classes] the `top` most likely classes with their probabilities."""
    count = logits.shape[-1]
    if categories is None:
        categories = imagenet_classes() if count == 1000 else [f"class {i}" for i in range(count)]
    if len(categories) != count:
        raise ValueError(f"there are {len(categories)} names of classes, and the model has {count} outputs")
    if top < 1:
        raise ValueError(f"top is the number of classes to return, 1 or more; top={top}")
    probabilities, indices = jax.lax.top_k(jax.nn.softmax(logits.astype(jnp.float32)), min(top, count))
    return [
        [(categories[int(i)], p) for i, p in zip(row, likely, strict=True)]
        for row, likely in zip(indices.tolist(), probabilities.tolist(), strict=True)
    ]
