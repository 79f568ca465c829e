"""A model together with its weights."""

import os
import warnings
from typing import Any, NamedTuple

import jax
import numpy as np

from .... import nn
from ....functional._check import listed
from ... import convert
from . import cache
from .published import Weights, find_weights, identify_weights
from .published import weights as published_weights
from .registry import adapt_tensors, backbone_of, get_model, read_options, recognise

__all__ = ["Checkpoint", "build", "load", "open_checkpoint", "open_file"]


class Checkpoint(NamedTuple):
    """The tensors of a checkpoint, not yet arrays of jax.

    Attributes:
        name: of the model.
        tensors: by torch's names and in torch's axis order.
        options: of the model's builder, as published or as the shapes imply them.
        entry: the published weights that were asked for by name; None for a file.
        same_as: the published weights whose file it is by its SHA-256 digest; None for any other file.
    """

    name: str
    tensors: dict[str, np.ndarray]
    options: dict[str, Any]
    entry: Weights | None
    same_as: Weights | None = None


def load(
    name: str | None, weights: str | os.PathLike[str] | None, *, key: jax.Array | None = None, dtype: Any = None,
    entry: str | None = None, weights_backbone: str | os.PathLike[str] | None = None, **options: Any,
) -> tuple[nn.Module, nn.Arrays, nn.Arrays]:
    """`(model, params, state)` with published weights, or with those of a `.pth` or `.safetensors` file.

    The first time, published weights are downloaded and converted into `$FUNCVISION_HOME` (`~/.cache/funcvision`).
    After that the converted file is mapped into memory. A checkpoint in torch's own cache is used from there. With
    `FUNCVISION_OFFLINE=1` nothing is downloaded.

    The numbers of classes and of input channels are those of the weights. Where `options` ask for a different model,
    every layer whose tensors fit keeps them, and the other layers are freshly initialised, with a warning that names
    them. The position embeddings of a vision transformer are resized for another `image_size`.

    Args:
        name: one of `list_models()`; None to recognise the model by the names and shapes in the file.
        weights: the name of published weights, such as "IMAGENET1K_V2" or "DEFAULT" (see `weights()`), or a path. None
            together with `weights_backbone`.
        key: random; needed if layers are freshly initialised.
        dtype: of the parameters; by default they keep the file's.
        entry: the entry of a checkpoint that holds the weights, such as "model_ema" (see `convert.read_torch`).
        weights_backbone: weights of the classifier that a detector or segmenter is built on, in place of `weights`; all
            other layers are freshly initialised. As in torchvision, detectors then have frozen norms.
        options: of the model's builder.

    Returns:
        The description, its parameters, and its other arrays.

    Raises:
        ValueError: there are no such weights; both or none of the weights are given; the file is not a checkpoint, or
            one of another model; or a layer must be freshly initialised and `key` is missing.
        DownloadError: the weights are not on this machine and could not be downloaded.
    """
    if weights_backbone is None and weights is not None:
        return build(open_checkpoint(name, weights, entry=entry), options, key=key, dtype=dtype)
    if weights_backbone is not None and weights is None:
        if name is None or key is None:
            raise ValueError("weights_backbone needs the name of the model, and key=jax.random.key(0) for other layers")
        return _with_backbone(name, weights_backbone, options, key, dtype)
    raise ValueError("give either weights, or weights=None and weights_backbone for the classifier inside")


def _with_backbone(
    name: str, weights: str | os.PathLike[str], options: dict[str, Any], key: jax.Array, dtype: Any
) -> tuple[nn.Module, nn.Arrays, nn.Arrays]:
    """A freshly initialised model with the weights of the classifier that it is built on."""
    backbone = backbone_of(name)
    model = get_model(name, **{**backbone.options, **options})
    declared = model.declarations()
    tensors = convert.to_torch(model, *model.init(key))
    found = open_checkpoint(backbone.classifier, weights).tensors
    own = {backbone.rename(name): tensor for name, tensor in found.items()}
    own = {name: tensor for name, tensor in own.items() if name in declared}
    if misfits := [name for name, tensor in own.items() if tensor.shape != declared[name].shape]:
        raise ValueError(f"{name}: the weights of {backbone.classifier} have other shapes for {listed(misfits, 8)}")
    return model, *convert.from_torch(model, tensors | own, dtype=dtype)


def open_checkpoint(name: str | None, weights: str | os.PathLike[str], *, entry: str | None = None) -> Checkpoint:
    """Finds weights by the arguments of `load`, and reads the options that they imply.

    A file with the SHA-256 digest of published weights has the options of these, which its shapes may not show.
    """
    published = _published(name, weights)
    if published is None:
        same = identify_weights(name, weights)
        found = open_file(same.model if same else name, weights, entry=entry)
        return found if same is None else found._replace(same_as=same, options=found.options | dict(same.options))
    if entry is not None:
        raise ValueError(f"published weights such as {published.name} have no entries: entry={entry!r} is for a file")
    return Checkpoint(published.model, cache.tensors(published), dict(published.options), published)


def open_file(name: str | None, path: str | os.PathLike[str], *, entry: str | None = None) -> Checkpoint:
    """The tensors of a file under the names of its model, and the options that they imply.

    Args:
        name: of the model; None to recognise it.
        path: of a `.pth` or `.safetensors` file.
        entry: the entry of a checkpoint that holds the weights.

    Raises:
        ValueError: the file cannot be read, or no model fits, or two tensors would have one name.
    """
    tensors = convert.read(path, entry=entry)
    if name is None:
        try:
            name, model = recognise({key: tensor.shape for key, tensor in tensors.items()})
        except ValueError as error:
            raise ValueError(
                f"{os.fspath(path)} is not recognised: {error}. Say which model it is with --model, or by its name in "
                "Python"
            ) from error
    else:
        model = get_model(name)
    tensors = convert.match_names(model, tensors, what=f"the tensors of {os.fspath(path)}")
    return Checkpoint(name, tensors, read_options(name, {key: tensor.shape for key, tensor in tensors.items()}), None)


def build(
    checkpoint: Checkpoint, options: dict[str, Any], *, key: jax.Array | None = None, dtype: Any = None
) -> tuple[nn.Module, nn.Arrays, nn.Arrays]:
    """`(model, params, state)` of a checkpoint, with `options` in place of the checkpoint's."""
    model = get_model(checkpoint.name, **(checkpoint.options | options))
    tensors = checkpoint.tensors
    if options or checkpoint.entry:
        tensors = _fitted(checkpoint.name, model, tensors, key)
    else:
        tensors = adapt_tensors(checkpoint.name, model, tensors)
    return model, *convert.from_torch(model, tensors, dtype=dtype, share=checkpoint.entry is not None)


def _published(name: str | None, weights: str | os.PathLike[str]) -> Weights | None:
    """The published weights of this name; None for a path."""
    if not isinstance(weights, str) or os.path.exists(weights) or not weights.replace("_", "").isalnum():
        return None
    if name is None:
        raise ValueError(f"weights={weights!r} does not say of which model: give its name, or the path of a file")
    if (entry := find_weights(name, weights)) is not None:
        return entry
    names = ", ".join([*published_weights(name), "DEFAULT"])
    raise ValueError(f"{name} has no published weights {weights!r}, and there is no such file; published are: {names}")


def _fitted(
    name: str, model: nn.Module, tensors: dict[str, np.ndarray], key: jax.Array | None
) -> dict[str, np.ndarray]:
    """The tensors of a checkpoint for a model with other options: fitted, left out, or freshly initialised."""
    declared = model.declarations()
    left_out = get_model(name).declarations().keys() - declared.keys()  # parts that the options switch off
    tensors = {name: tensor for name, tensor in tensors.items() if name not in left_out}
    tensors = adapt_tensors(name, model, tensors)
    misfits = [
        name for name, one in declared.items()
        if not name.endswith("num_batches_tracked") and (name not in tensors or tensors[name].shape != one.shape)
    ]
    if misfits:
        which = listed(misfits, 8)
        if key is None:
            raise ValueError(
                f"{name}: the weights have no tensors of these shapes for {which}: "
                "pass key=jax.random.key(0) to initialise them freshly"
            )
        warnings.warn(
            f"{name}: freshly initialised, because the weights have no tensors of these shapes: {which}", stacklevel=4
        )
        fresh = convert.to_torch(model, *model.init(key))
        tensors |= {name: fresh[name] for name in misfits}
    return tensors
