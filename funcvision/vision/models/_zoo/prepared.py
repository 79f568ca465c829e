"""A model with weights, and the preparation of images and the names of classes that were published for them."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .... import nn
from ...transforms import presets
from .loading import Checkpoint, build, open_checkpoint
from .published import Weights, find_weights
from .registry import task_of

__all__ = ["Prepared", "load_prepared"]

_PRESETS: dict[str, tuple[str, dict[str, Any]]] = {
    "classification": ("ImageClassification", {"crop_size": 224}),
    "detection": ("ObjectDetection", {}),
    "segmentation": ("SemanticSegmentation", {"resize_size": 520}),
    "video": ("VideoClassification", {"crop_size": (112, 112), "resize_size": (128, 171)}),
}
"""For each task the preset, and its arguments where no weights are published for a model."""


class Prepared(NamedTuple):
    """What `load_prepared` returns.

    Attributes:
        name: of the model.
        task: of the model; that of a quantised classifier is "classification".
        model: the description.
        params: its parameters.
        state: its other arrays.
        preset: prepares one image.
        categories: the names of the classes; None where they are not known.
        weights: the published weights whose preparation is used; None if none are published for the model.
        preparation: says which preparation was chosen and why, and its options.
    """

    name: str
    task: str
    model: Any
    params: nn.Arrays
    state: nn.Arrays
    preset: Any
    categories: tuple[str, ...] | None
    weights: Weights | None
    preparation: str


def load_prepared(
    name: str | None, weights: str | os.PathLike[str], task: str | tuple[str, ...], *, who: str,
    entry: str | None = None, categories: Sequence[str] | None = None, dtype: Any = None,
    preset_options: Mapping[str, Any] | None = None,
) -> Prepared:
    """A model with published weights, or with those of a file, and what belongs to them.

    A file whose SHA-256 digest is that of published weights is treated as these. For any other file the preparation is
    that of its model's default weights.

    Args:
        name: of the model; None to recognise the model of a file.
        weights: the name of published weights, or a path.
        task: for which the model must be; or several, of which it must be for one.
        who: the name of the caller, for errors.
        entry: the entry of a checkpoint that holds the weights.
        categories: the names of the classes; the published ones by default, if their number is the model's.
        dtype: of the parameters; by default the file's.
        preset_options: arguments of the preset that replace the published ones.

    Raises:
        ValueError: the model is for another task, or takes images with another number of channels than the preparation
            makes; or the weights cannot be loaded (see `loading.load`).
        DownloadError: the weights are not on this machine and could not be downloaded.
    """
    checkpoint = open_checkpoint(name, weights, entry=entry)
    tasks = (task,) if isinstance(task, str) else task
    own_task = task_of(checkpoint.name)
    own_task = "classification" if own_task == "quantization" else own_task  # quantised models are classifiers
    if own_task not in tasks:
        raise ValueError(f"{who} takes models for {', '.join(tasks)}; {checkpoint.name} is one for {own_task}")
    chosen, reason = _weights_for(checkpoint)
    preset, usual = _PRESETS[own_task]
    published: Mapping[str, Any] = chosen.preset_options if chosen else usual
    prepared_by = {**published, **(preset_options or {})}
    options: dict[str, Any] = {}
    if chosen is not None:
        _check_channels(checkpoint, chosen)
        options = {name: value for name, value in chosen.options.items() if name not in checkpoint.options}
        count = checkpoint.options.get("num_classes")
        if categories is None and chosen.categories is not None and count in (None, len(chosen.categories)):
            categories = chosen.categories
    model, params, state = build(checkpoint, options, dtype=dtype)
    arguments = ", ".join(f"{name}={value}" for name, value in prepared_by.items())
    return Prepared(
        checkpoint.name, own_task, model, params, state, getattr(presets, preset)(**prepared_by),
        None if categories is None else tuple(categories), chosen, f"{reason}: {arguments}" if arguments else reason,
    )


def _weights_for(checkpoint: Checkpoint) -> tuple[Weights | None, str]:
    """The published weights whose preparation fits a checkpoint, and a sentence that says why."""
    if (entry := checkpoint.entry) is not None:
        return entry, f"as published for {entry.model} {entry.name}"
    if (entry := checkpoint.same_as) is not None:
        return entry, f"as published for {entry.model} {entry.name} (the file has its SHA-256)"
    if (entry := find_weights(checkpoint.name, "DEFAULT")) is not None:
        return entry, f"as published for {entry.model} {entry.name} (the default; the file is not a published one)"
    return None, f"as usual for {task_of(checkpoint.name)} (no weights are published for {checkpoint.name})"


def _check_channels(checkpoint: Checkpoint, entry: Weights) -> None:
    channels = checkpoint.options.get("in_channels")
    expected = len(entry.preset_options.get("mean", presets.IMAGENET_MEAN))
    if channels not in (None, expected):
        raise ValueError(
            f"the weights take images of {channels} channels, and the published preparation for {entry.model} makes "
            f"{expected}: use models.load, and models.Predictor with a preset of your own"
        )
