"""Adapters of data sets of videos."""

from typing import Any

import numpy as np

from ... import tv_tensors
from .registry import adapter

__all__: list[str] = []


@adapter("HMDB51", "Kinetics", "UCF101")
def action(dataset: Any, index: int, sample: Any, wanted: frozenset[str]) -> dict[str, Any]:
    """A clip, its sound and its class."""
    frames, audio, label = sample
    return {"video": tv_tensors.Video(np.asarray(frames)), "audio": audio, "label": label}


@adapter("MovingMNIST")
def moving_mnist(dataset: Any, index: int, sample: Any, wanted: frozenset[str]) -> dict[str, Any]:
    """A clip without a label."""
    (frames,) = sample
    return {"video": tv_tensors.Video(np.asarray(frames))}
