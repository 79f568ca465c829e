"""Accuracy of video classifiers over whole videos, each seen in several clips."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from ._totals import weights
from .classification import accuracy
from .metric import Metric, State

__all__ = ["VideoAccuracy"]


@dataclass(frozen=True)
class VideoAccuracy(Metric):
    """Top-k accuracy over videos, in percent: `{"acc1": ..., "acc5": ...}`.

    The scores of the clips of a video are summed, as in torchvision's training scripts. `Accuracy` gives that of the
    clips. A video without a clip does not count.

    Attributes:
        num_videos: the number of videos in the data set.
        num_classes: the number of classes.
        topk: the values of k.
        aggregate: "softmax" sums the probabilities of the clips, "logits" their logits, whose order is that of the mean
            of the logits.
    """

    num_videos: int
    num_classes: int
    topk: tuple[int, ...] = (1, 5)
    aggregate: str = "softmax"

    def __post_init__(self) -> None:
        if self.aggregate not in ("softmax", "logits"):
            raise ValueError(f'aggregate is "softmax" or "logits"; got {self.aggregate!r}')

    def init(self) -> State:
        counts = jnp.zeros(self.num_videos, jnp.int32)
        return {"scores": jnp.zeros((self.num_videos, self.num_classes), float), "labels": counts, "clips": counts}

    def update(
        self, state: State, predictions: Any, targets: Any, videos: Any = None, *, valid: Any = None
    ) -> State:
        """The state after further clips.

        Args:
            state: the state so far.
            predictions: logits `[clips, classes]`.
            targets: the class number of each clip's video, `[clips]`.
            videos: the number of each clip's video, `[clips]`, from 0; by default clip i is of video i. A clip with a
                number outside 0..num_videos - 1 does not count.
            valid: which clips count, bool `[clips]`; None means all.

        Raises:
            ValueError: arrays of other shapes.
        """
        logits, labels = jnp.asarray(predictions), jnp.asarray(targets)
        videos = jnp.arange(len(labels)) if videos is None else jnp.asarray(videos)
        shapes = logits.shape, labels.shape, videos.shape
        clips = labels.shape[:1]
        if shapes != ((*clips, self.num_classes), clips, clips):
            raise ValueError(
                f"expected logits [clips, {self.num_classes}], labels [clips] and videos [clips]; got {shapes}"
            )
        counted = weights(valid, clips)
        scores = logits.astype(state["scores"].dtype)
        scores = jax.nn.softmax(scores, -1) if self.aggregate == "softmax" else scores
        # A negative index would count from the end. One that is too large is dropped.
        index = jnp.where(counted & (videos >= 0), videos, self.num_videos)
        return {
            "scores": state["scores"].at[index].add(scores, mode="drop"),
            "labels": state["labels"].at[index].add(labels.astype(jnp.int32), mode="drop"),
            "clips": state["clips"].at[index].add(1, mode="drop"),
        }

    def compute(self, state: State) -> dict[str, jax.Array]:
        labels = state["labels"] // jnp.maximum(state["clips"], 1)  # each clip has added its video's label
        shares = accuracy(state["scores"], labels, self.topk, valid=state["clips"] > 0)
        return {f"acc{k}": share for k, share in zip(self.topk, shares, strict=True)}

    def __call__(
        self, predictions: Any, targets: Any, videos: Any = None, *, valid: Any = None
    ) -> dict[str, jax.Array]:
        """The metrics of one batch; the arguments are those of `update`."""
        return self.compute(self.update(self.init(), predictions, targets, videos, valid=valid))
