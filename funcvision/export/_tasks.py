"""What the program of a model takes and returns, for each task."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

__all__ = ["TASKS", "program"]

TASKS = ("classification", "segmentation", "detection", "video")

Call = Callable[..., Any]
Specify = Callable[[tuple[Any, ...], Any], tuple[jax.ShapeDtypeStruct, ...]]


def program(task: str, frames: int | None = None) -> tuple[Call, Specify]:
    """How the program of a model for a task is made.

    Args:
        task: one of `TASKS`.
        frames: of a clip; for the task "video" only.

    Returns:
        A function `(model, params, state, *inputs)` that returns the output of the program. And a function that maps
        the shape of images [batch, height, width, channels] and their dtype to the specifications of all inputs.

    Raises:
        ValueError: the task is unknown, or `frames` is missing or superfluous.
    """
    if task not in TASKS:
        raise ValueError(f"models for {', '.join(TASKS)} can be saved, and task={task!r}: see export.save_function")
    if (frames is not None) != (task == "video"):
        raise ValueError(f"frames is the number of frames of a clip: give it for task='video' only; task={task!r}")
    if task == "detection":
        return _detections, _canvases_and_sizes
    if task == "video":
        return _output, lambda shape, dtype: (jax.ShapeDtypeStruct((shape[0], frames, *shape[1:]), dtype),)
    return _output if task == "classification" else _main_output, lambda shape, dtype: (
        jax.ShapeDtypeStruct(shape, dtype),
    )


def _output(model: Any, params: Any, state: Any, images: Any) -> Any:
    return model.apply(params, state, images)[0]


def _main_output(model: Any, params: Any, state: Any, images: Any) -> dict[str, Any]:
    """The logits of a segmenter, without those of its second head."""
    return {"out": model.apply(params, state, images)[0]["out"]}


def _detections(model: Any, params: Any, state: Any, images: Any, sizes: Any) -> dict[str, Any]:
    """The fields of the detections that the model has."""
    from ..vision.models.detection import DetectionBatch

    # Detectors do not read the original sizes: the caller scales boxes to them.
    found = model.apply(params, state, DetectionBatch(images, sizes, sizes))[0]
    fields = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    return {name: array for name, array in fields.items() if array is not None}


def _canvases_and_sizes(shape: tuple[Any, ...], dtype: Any) -> tuple[jax.ShapeDtypeStruct, ...]:
    return jax.ShapeDtypeStruct(shape, dtype), jax.ShapeDtypeStruct((shape[0], 2), np.int32)
