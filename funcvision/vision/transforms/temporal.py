"""Transforms of the frames of a video."""

import operator
from dataclasses import dataclass
from typing import Any

from . import functional as F
from .sample import Leaf
from .transform import Transform

__all__ = ["UniformTemporalSubsample"]


@dataclass(frozen=True, eq=False)
class UniformTemporalSubsample(Transform):
    """Takes frames at equal distances in time from a video; see `functional.uniform_temporal_subsample`.

    It takes a `Video` or a bare array `[..., time, height, width, channels]`. Every other leaf stays as it is.
    """

    num_samples: int

    def __post_init__(self) -> None:
        if operator.index(self.num_samples) < 1:
            raise ValueError(f"num_samples={self.num_samples!r} must be at least 1")

    def apply(self, leaf: Leaf, **params: Any) -> Any:
        """The video with `num_samples` frames."""
        return F.uniform_temporal_subsample(leaf, self.num_samples)
