"""A model together with its weights, and what an ImageNet classifier says of an image."""

import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ... import nn
from ...functional._check import listed
from .. import convert
from . import _cache
from .published import Weights, find_weights, imagenet_classes
from .published import weights as published_weights
from .registry import get_model, options_in, recognise
from .vision_transformer import VisionTransformer, interpolate_embeddings

__all__ = ["classify", "load"]


def load(
    name: str | None, weights: str | os.PathLike[str], *, key: jax.Array | None = None, dtype: Any = None,
    **options: Any,
) -> tuple[nn.Module, nn.Arrays, nn.Arrays]:
    """`(model, params, state)` with published weights, or with those of a `.pth` or `.safetensors` file.

    Published weights are fetched and converted the first time, into `$FUNCVISION_HOME` (`~/.cache/funcvision`), and
    mapped into memory from then on; a checkpoint in torch's own cache is used from there. `FUNCVISION_OFFLINE=1`
    forbids to fetch.

    The number of classes and of input channels are the file's. Where `options` ask for a model that differs from the
    file's, every layer that fits keeps its weights and the others start anew, of which a warning tells. The positions
    of a vision transformer are resized for another `image_size`.

    Args:
        name: one of `list_models()`, or None to find out by the names and shapes in the file.
        weights: the name of published weights, "IMAGENET1K_V2" (see `weights()`) or "DEFAULT", or the path of a file.
        key: random, for layers that start anew.
        dtype: of the parameters; the file's if not given.
        options: those of the model's builder.

    Raises:
        ValueError: no such weights; the file is no checkpoint, or is of another model; or a layer must start anew and
            there is no key.
        DownloadError: the weights are not here and could not be fetched.
    """
    entry = _entry(name, weights)
    if entry is not None:
        name, tensors = entry.model, _cache.tensors(entry)
        model = get_model(name, **(entry.options | options))
    else:
        tensors = convert.modern_names(convert.read(weights))
        shapes = {key: tensor.shape for key, tensor in tensors.items()}
        if name is None:
            name, _ = recognise(shapes)
        model = get_model(name, **(options_in(name, shapes) | options))
    if options or entry:
        tensors = _fitted(name, model, tensors, key)
    return model, *convert.from_torch(model, tensors, dtype=dtype, share=entry is not None)


def _entry(name: str | None, weights: str | os.PathLike[str]) -> Weights | None:
    """The published weights of this name; None for a path."""
    if not isinstance(weights, str) or os.path.exists(weights) or not weights.replace("_", "").isalnum():
        return None
    if name is None:
        raise ValueError(f"weights={weights!r} of which model? Give its name, or the path of a file")
    if (entry := find_weights(name, weights)) is not None:
        return entry
    there = ", ".join([*published_weights(name), "DEFAULT"])
    raise ValueError(f"{name} has no published weights {weights!r}, and no file is there; published are: {there}")


def _fitted(
    name: str, model: nn.Module, tensors: Mapping[str, np.ndarray], key: jax.Array | None
) -> dict[str, np.ndarray]:
    """The tensors for a model whose options may differ from the file's."""
    declared = model.declarations()
    left_out = get_model(name).declarations().keys() - declared.keys()  # parts that the options switch off
    tensors = {name: tensor for name, tensor in tensors.items() if name not in left_out}
    if isinstance(model, VisionTransformer):
        tensors = _with_positions_for(model, tensors)
    array_faults = [
        name for name, one in declared.items()
        if not name.endswith("num_batches_tracked") and (name not in tensors or tensors[name].shape != one.shape)
    ]
    if array_faults:
        which = listed(array_faults, 8)
        if key is None:
            raise ValueError(f"{which} must start anew for these options: pass key=jax.random.key(0)")
        warnings.warn(f"{name}: {which} start anew: the file has them otherwise or not at all", stacklevel=3)
        fresh = convert.to_torch(model, *model.init(key))
        tensors |= {name: fresh[name] for name in array_faults}
    return tensors


def _with_positions_for(model: VisionTransformer, tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The tensors with a position for each patch of the model's images, unless they are of a model of other patches."""
    name = "encoder.pos_embedding"
    if name not in tensors or "conv_proj.weight" not in tensors:
        return tensors
    same_patches = tensors["conv_proj.weight"].shape[2:] == (model.patch_size, model.patch_size)
    if not same_patches or tensors[name].shape == model.declarations()[name].shape:
        return tensors
    positions = {name: jnp.asarray(tensors[name])}
    return tensors | {name: np.asarray(interpolate_embeddings(positions, model.image_size, model.patch_size)[name])}


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

    Raises:
        ValueError: there are more or fewer names than logits.
    """
    logits = jax.jit(model.apply)(params, state, jnp.asarray(image)[None])[0][0]
    if classes is None:
        classes = imagenet_classes() if len(logits) == 1000 else [f"class {i}" for i in range(len(logits))]
    if len(classes) != len(logits):
        raise ValueError(f"there are {len(classes)} names of classes, and the model tells {len(logits)} apart")
    probabilities, indices = jax.lax.top_k(jax.nn.softmax(logits.astype(jnp.float32)), min(top, len(logits)))
    return [(classes[int(i)], float(p)) for i, p in zip(indices, probabilities, strict=True)]
