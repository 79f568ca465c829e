"""What a video classifier says about clips and video files: preparation, one compiled function, names of classes."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image

from .... import nn
from ...io import VideoReader
from ...tv_tensors import Image, Video
from .._zoo.predictor import answers, compiled
from .._zoo.prepared import load_prepared
from .._zoo.published import Weights

__all__ = ["Predictor"]

_FRAMES, _FRAME_RATE = 16, 15.0  # those of the published video ResNets


class Predictor:
    """A video classifier with its arrays, the preparation of its clips, and the names of its classes.

    The forward pass is compiled once for each shape of a batch. Nothing changes after construction, so threads may
    share a predictor.

    Args:
        model: a description that maps clips [batch, time, height, width, channels] to logits [batch, classes].
        params: its parameters.
        state: its other arrays.
        preset: prepares one clip, as `transforms.presets.VideoClassification` does: from an array
            [time, height, width, channels] to another one.
        categories: the names of the classes. By default "class 0" and so on.
        frames: the number of frames of a clip that is cut from a file.
        frame_rate: the number of frames per second of such a clip.
        dtype: to which prepared clips are cast, and in which the model therefore computes; by default the preset's.

    Attributes:
        model: as given.
        params: as given.
        state: as given.
        preset: as given.
        categories: as given.
        frames: as given.
        frame_rate: as given.
        name: of the model; None unless the predictor comes from `load`.
        weights: the published weights whose preparation is used; None unless the predictor comes from `load`.
        preparation: says which published preparation `load` chose and why, and its options.

    >>> from funcvision.vision.transforms.presets import VideoClassification
    >>> class Brightness(nn.Module):
    ...     def forward(self, clips):
    ...         return jnp.stack([clips.mean((1, 2, 3, 4)), -clips.mean((1, 2, 3, 4))], -1)
    >>> predictor = Predictor(
    ...     Brightness(), {}, {}, VideoClassification(crop_size=(8, 8), resize_size=8), categories=("day", "night")
    ... )
    >>> predictor(np.full((4, 20, 30, 3), 255, np.uint8), top=1)[0][0]
    'day'
    """

    def __init__(
        self, model: nn.Module, params: nn.Arrays, state: nn.Arrays, preset: Callable[[Any], Any], *,
        categories: Sequence[str] | None = None, frames: int = _FRAMES, frame_rate: float = _FRAME_RATE,
        dtype: Any = None,
    ):
        if frames < 1 or not frame_rate > 0:
            raise ValueError(f"clips of frames={frames} at frame_rate={frame_rate}: both must be positive")
        self.model, self.params, self.state, self.preset = model, params, state, preset
        self.categories = None if categories is None else tuple(categories)
        self.frames, self.frame_rate = frames, frame_rate
        self.name: str | None = None
        self.weights: Weights | None = None
        self.preparation = "as given"
        self._dtype = dtype
        self._logits = compiled(model)

    @classmethod
    def load(
        cls, name: str | None, weights: str | os.PathLike[str] = "DEFAULT", *,
        categories: Sequence[str] | None = None, dtype: Any = None, preset_options: Mapping[str, Any] | None = None,
        entry: str | None = None,
    ) -> "Predictor":
        """A predictor with published weights, or with those of a file.

        Clips are prepared as published for the weights, and those of files have the number of frames and the frame rate
        with which the published accuracy was measured. A file whose SHA-256 digest is that of published weights is
        treated as these; for any other file the preparation is that of its model's default weights.

        Args:
            name: one of `list_models("video")`; None to recognise the model of a file.
            weights: the name of published weights, or a path.
            categories: the names of the classes; the published ones by default, if their number is the model's.
            dtype: of the parameters and of the computation; by default the file's, and float32.
            preset_options: arguments of the preset that replace the published ones, such as `crop_size`.
            entry: the entry of a checkpoint that holds the weights, such as "model_ema" (see `convert.read_torch`).

        Raises:
            ValueError: the model is not a video classifier, or its number of input channels is not that of the
                published preparation; or the weights cannot be loaded (see `models.load`).
            DownloadError: the weights are not on this machine and could not be downloaded.
        """
        found = load_prepared(
            name, weights, "video", who="video.Predictor", entry=entry, categories=categories, dtype=dtype,
            preset_options=preset_options,
        )
        measured = {} if found.weights is None else found.weights.clips
        predictor = cls(
            found.model, found.params, found.state, found.preset, categories=found.categories, dtype=dtype,
            frames=int(measured.get("frames", _FRAMES)), frame_rate=float(measured.get("frame_rate", _FRAME_RATE)),
        )
        predictor.name, predictor.weights, predictor.preparation = found.name, found.weights, found.preparation
        return predictor

    def __call__(self, videos: Any, *, top: int = 5, clips: int = 1) -> Any:
        """The most likely classes of a video, or of each of several, with their probabilities.

        Args:
            videos: one clip: an array or `tv_tensors.Video` [time, height, width, channels], or a list of its frames,
                which are PIL images or arrays [height, width, channels]. Or the path of a video file, from which clips
                are cut. Or several of these in a list, or as an array [batch, time, height, width, channels].
            top: how many classes.
            clips: how many clips are cut from a file. One is in its middle; more are equally spaced from its start to
                its end, and their probabilities are averaged, as in torchvision's training scripts.

        Returns:
            For one video a list of (name, probability), the most likely first; for several a list of such lists.

        Raises:
            TypeError: `videos` is something else.
            ValueError: the number of `categories` is not that of the logits, or `top` or `clips` is less than 1; or a
                file is not a video.
        """
        if (one := _as_clip(videos)) is not None or isinstance(videos, str | os.PathLike):
            batch = self.cut(videos, clips) if one is None else one[None]
            shares = jax.nn.softmax(self.logits(self.prepare(batch)).astype(jnp.float32))
            return answers(jnp.log(shares.mean(0, keepdims=True)), self.categories, top)[0]
        several = videos.array if isinstance(videos, Video) else videos
        if not isinstance(several, list | tuple) and getattr(several, "ndim", None) != 5:
            shape = f" of shape {several.shape}" if hasattr(several, "shape") else ""
            raise TypeError(
                "video.Predictor takes clips [time, height, width, channels], tv_tensors.Video, lists of frames, paths "
                f"of video files, and several of them; got a {type(videos).__name__}{shape}"
            )
        return [self(video, top=top, clips=clips) for video in several]

    def cut(self, path: str | os.PathLike[str], clips: int = 1) -> np.ndarray:
        """Clips of a video file, uint8 [clips, frames, height, width, 3].

        The frames are those that are shown at times `1 / frame_rate` apart. Where the video ends before a clip does,
        the last frame is repeated.

        Args:
            path: of the file.
            clips: how many; one is in the middle, more are equally spaced from the start to the end.
        """
        if clips < 1:
            raise ValueError(f"clips is the number of clips to cut from a video, 1 or more; clips={clips}")
        reader = VideoReader(path)
        times = reader.timestamps
        longest = max(0.0, float(times[-1] - times[0]) - (self.frames - 1) / self.frame_rate)
        starts = np.linspace(0, longest, clips) if clips > 1 else np.array([longest / 2])
        wanted = times[0] + starts[:, None] + np.arange(self.frames) / self.frame_rate
        slack = 1e-6  # seconds: a frame is shown at its own time, however the sum above was rounded
        numbers = (np.searchsorted(times, wanted + slack, side="right") - 1).clip(0, len(times) - 1)
        frames = reader[numbers.reshape(-1)]
        reader.close()
        return frames.reshape(*numbers.shape, *frames.shape[1:])

    def prepare(self, clips: Any) -> jax.Array | np.ndarray:
        """Prepared clips [batch, time, height, width, channels] of several clips of the same number of frames."""
        prepared = [self.preset(_as_clip(clip)) for clip in (clips.array if isinstance(clips, Video) else clips)]
        stack = jnp.stack if isinstance(prepared[0], jax.Array) else np.stack
        batch = stack(prepared)
        return batch if self._dtype is None else batch.astype(self._dtype)

    def logits(self, batch: Any) -> jax.Array:
        """The logits [batch, classes] of prepared clips [batch, time, height, width, channels]."""
        return self._logits(self.params, self.state, batch.array if isinstance(batch, Video) else batch)


def _as_clip(video: Any) -> Any:
    """The array [time, height, width, channels] of a clip or of a list of frames; None for anything else."""
    if isinstance(video, Video):
        video = video.array
    if isinstance(video, list | tuple):
        frames = [one.array if isinstance(one, Image) else one for one in video]
        pictures = [np.asarray(one.convert("RGB")) if isinstance(one, PIL.Image.Image) else one for one in frames]
        if not pictures or any(getattr(one, "ndim", None) != 3 for one in pictures):
            return None
        return jnp.stack(pictures) if isinstance(pictures[0], jax.Array) else np.stack(pictures)
    return video if getattr(video, "ndim", None) == 4 else None
