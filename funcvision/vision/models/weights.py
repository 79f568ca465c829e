"""A model together with its weights, and what an ImageNet classifier says of an image."""

import functools
import importlib.resources
import os
import warnings
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from ... import nn
from .. import convert
from .registry import get_model, recognise, sizes_in

__all__ = ["classify", "imagenet_classes", "load"]


def load(
    name: str | None, weights: str | os.PathLike[str], *, key: jax.Array | None = None, dtype: Any = None,
    **options: Any,
) -> tuple[nn.Module, nn.Arrays, nn.Arrays]:
    """`(model, params, state)` with the weights of a `.pth` or `.safetensors` file.

    The number of classes and of input channels are the file's. Where `num_classes=` or `in_channels=` ask for others,
    every layer that fits keeps its weights and the others start anew, of which a warning tells.

    Args:
        name: one of `list_models()`, or None to find out by the names and shapes in the file.
        weights: the path of the file.
        key: random, for layers that start anew.
        dtype: of the parameters; the file's if not given.
        options: those of the model's builder.

    Raises:
        ValueError: the file is no checkpoint, is of another model, or a layer must start anew and there is no key.
    """
    tensors = convert.strip_prefixes(convert.read(weights))
    shapes = {key: tensor.shape for key, tensor in tensors.items()}
    if name is None:
        name, _ = recognise(shapes)
    model = get_model(name, **(sizes_in(name, shapes) | options))
    declared = model.declarations()
    misfits = []
    if options.keys() & {"num_classes", "in_channels"}:  # else it is another model's file, as from_torch will say
        misfits = [key for key, shape in shapes.items() if key in declared and declared[key].shape != shape]
    if misfits:
        if key is None:
            raise ValueError(f"{', '.join(misfits)} must start anew for these options: pass key=jax.random.key(0)")
        warnings.warn(f"{name}: {', '.join(misfits)} start anew, their shapes in the file differ", stacklevel=2)
        fresh = convert.to_torch(model, *model.init(key))
        tensors |= {key: fresh[key] for key in misfits}
    return model, *convert.from_torch(model, tensors, dtype=dtype)


@functools.cache
def imagenet_classes() -> tuple[str, ...]:
    """The names of ImageNet's 1,000 classes, in the order of torchvision's logits."""
    text = importlib.resources.files(__package__ or "").joinpath("imagenet_classes.txt").read_text()
    return tuple(text.splitlines())


def classify(
    model: nn.Module, params: nn.Arrays, state: nn.Arrays, image: Any, *, top: int = 5,
    classes: Sequence[str] | None = None,
) -> list[tuple[str, float]]:
    """The classes that a model finds likeliest: (name, probability), the best first.

    Args:
        model: a classifier.
        params: its parameters.
        state: its other arrays.
        image: [height, width, channels], prepared as the model expects (`transforms.presets.ImageClassification`).
        top: how many.
        classes: their names; by default ImageNet's for 1,000 logits, and "class 0", "class 1", ... else.
    """
    logits = jax.jit(model.apply)(params, state, jnp.asarray(image)[None])[0][0]
    if classes is None:
        classes = imagenet_classes() if len(logits) == 1000 else [f"class {i}" for i in range(len(logits))]
    probabilities, indices = jax.lax.top_k(jax.nn.softmax(logits.astype(jnp.float32)), min(top, len(logits)))
    return [(classes[int(i)], float(p)) for i, p in zip(indices, probabilities, strict=True)]
