"""The class of every pixel of an image: for a model with its arrays, and for one with its weights and preparation."""

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image

from .... import functional as F
from .... import nn
from ...transforms.presets import SemanticSegmentation
from ...tv_tensors import Image
from .._zoo.prepared import load_prepared
from .._zoo.published import Weights

__all__ = ["Predictor", "predict"]

Size = tuple[int, int]

_COMPILED_MODELS = 8  # models whose compiled functions are kept for further calls of `predict`
_USUAL_SIZE = 520  # pixels of the shorter side, as published for all weights


def predict(
    model: nn.Module, params: nn.Arrays, state: nn.Arrays, images: Any, *, preset: Callable[[Any], Any] | None = None
) -> Any:
    """The class of every pixel of an image, in the image's own size.

    The logits are enlarged bilinearly to the size of the image before they are compared. The forward pass is compiled
    once for every size.

    Args:
        model: a description whose output is {"out": logits [batch, height, width, classes]}.
        params: its parameters.
        state: its other arrays.
        images: one PIL image, array [height, width, 3] or `tv_tensors.Image`; or a list or tuple of them, of any sizes.
        preset: prepares one image; by default `transforms.presets.SemanticSegmentation(resize_size=520)`.

    Returns:
        For one image int32 [height, width]; for several a list of such arrays.
    """
    if isinstance(images, list | tuple):
        return [predict(model, params, state, image, preset=preset) for image in images]
    image = images.array if isinstance(images, Image) else images
    if isinstance(image, PIL.Image.Image):
        image = image.convert("RGB")
        size = (image.height, image.width)
    elif getattr(image, "ndim", None) == 3:
        size = (image.shape[0], image.shape[1])
    else:
        raise TypeError(
            "predict takes PIL images, arrays [height, width, channels], tv_tensors.Image and lists of them; got a "
            f"{type(images).__name__}"
        )
    prepared = (preset or SemanticSegmentation(resize_size=_USUAL_SIZE))(image)
    return np.asarray(_compiled(model, size)(params, state, jnp.asarray(prepared)[None])[0])


@functools.lru_cache(maxsize=_COMPILED_MODELS)
def _compiled(model: nn.Module, size: Size) -> Callable[[nn.Arrays, nn.Arrays, jax.Array], jax.Array]:
    """The compiled forward pass of a model for images of one size, the same one for every caller."""

    def classes(params: nn.Arrays, state: nn.Arrays, images: jax.Array) -> jax.Array:
        return _best_classes(model.apply(params, state, images)[0]["out"], size)

    return jax.jit(classes)


def _best_classes(logits: jax.Array, size: Size) -> jax.Array:
    """The class with the largest logit, int32 [batch, *size], of logits [batch, height, width, classes].

    The logits of one class are enlarged at a time: for a photograph those of all classes take gigabytes.
    """

    def compare(best: tuple[jax.Array, jax.Array], one: tuple[jax.Array, jax.Array]) -> tuple[Any, None]:
        (largest, classes), (number, plane) = best, one
        wide = F.interpolate(plane[..., None], size=size, mode="bilinear")[..., 0]
        return (jnp.maximum(largest, wide), jnp.where(wide > largest, number, classes)), None

    shape = (logits.shape[0], *size)
    start = jnp.full(shape, -jnp.inf, logits.dtype), jnp.zeros(shape, jnp.int32)
    numbers = jnp.arange(logits.shape[-1], dtype=jnp.int32)
    (_, classes), _ = jax.lax.scan(compare, start, (numbers, jnp.moveaxis(logits, -1, 0)))
    return classes


class Predictor:
    """A model for semantic segmentation with its arrays, the preparation of its images, and the names of its classes.

    Args:
        model: see `predict`.
        params: its parameters.
        state: its other arrays.
        preset: prepares one image.
        categories: the names of the classes. By default "class 0" and so on.

    Attributes:
        model: as given.
        params: as given.
        state: as given.
        preset: as given.
        categories: as given.
        name: of the model; None unless the predictor comes from `load`.
        weights: the published weights whose preparation is used; None unless the predictor comes from `load`.
        preparation: says which published preparation `load` chose and why, and its options.
    """

    def __init__(
        self, model: nn.Module, params: nn.Arrays, state: nn.Arrays, preset: Callable[[Any], Any], *,
        categories: Sequence[str] | None = None,
    ):
        self.model, self.params, self.state, self.preset = model, params, state, preset
        self.categories = None if categories is None else tuple(categories)
        self.name: str | None = None
        self.weights: Weights | None = None
        self.preparation = "as given"

    @classmethod
    def load(
        cls, name: str | None, weights: str | os.PathLike[str] = "DEFAULT", *,
        categories: Sequence[str] | None = None, dtype: Any = None, preset_options: Mapping[str, Any] | None = None,
        entry: str | None = None,
    ) -> "Predictor":
        """A predictor with published weights, or with those of a file.

        A file whose SHA-256 digest is that of published weights is treated as these; for any other file the
        preparation is that of its model's default weights.

        Args:
            name: one of `list_models("segmentation")`; None to recognise the model of a file.
            weights: the name of published weights, or a path.
            categories: the names of the classes; the published ones by default, if their number is the model's.
            dtype: of the parameters; by default the file's.
            preset_options: arguments of the preset that replace the published ones, such as `resize_size`.
            entry: the entry of a checkpoint that holds the weights, such as "model_ema" (see `convert.read_torch`).

        Raises:
            ValueError: the model is for another task, or its number of input channels is not that of the published
                preparation; or the weights cannot be loaded (see `models.load`).
            DownloadError: the weights are not on this machine and could not be downloaded.
        """
        found = load_prepared(
            name, weights, "segmentation", who="segmentation.Predictor", entry=entry, categories=categories,
            dtype=dtype, preset_options=preset_options,
        )
        predictor = cls(found.model, found.params, found.state, found.preset, categories=found.categories)
        predictor.name, predictor.weights, predictor.preparation = found.name, found.weights, found.preparation
        return predictor

    def __call__(self, images: Any) -> Any:
        """The class of every pixel of an image, or of each of several; see `predict`."""
        return predict(self.model, self.params, self.state, images, preset=self.preset)

    def category(self, number: int) -> str:
        """The name of a class."""
        known = self.categories is not None and number < len(self.categories)
        return self.categories[number] if known and self.categories else f"class {number}"
