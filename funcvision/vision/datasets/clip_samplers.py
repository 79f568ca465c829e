"""Orders of clips for a loader: some clips of each video (torchvision.datasets.samplers)."""

import numpy as np

from ...data import RandomSampler
from .video_clips import VideoClips

__all__ = ["RandomClipSampler", "UniformClipSampler"]


class UniformClipSampler:
    """The same number of clips from each video, equally spaced, in the order of the videos.

    A video with fewer clips repeats some; a video without clips is left out.

    Args:
        video_clips: the clips.
        num_clips_per_video: how many to take from each video.

    Raises:
        TypeError: `video_clips` is something else.
        ValueError: `num_clips_per_video` is less than 1.
    """

    def __init__(self, video_clips: VideoClips, num_clips_per_video: int):
        _check(video_clips, "num_clips_per_video", num_clips_per_video)
        self.video_clips, self.num_clips_per_video = video_clips, num_clips_per_video

    def __len__(self) -> int:
        return self.num_clips_per_video * sum(len(clips) > 0 for clips in self.video_clips.clips)

    def __call__(self, epoch: int) -> np.ndarray:
        """The numbers of the clips, the same in every epoch."""
        chosen = [np.zeros(0, np.int64)]
        for start, count in _runs(self.video_clips):
            if count:
                # float32, as torch computes it; it decides where a clip is between two.
                spaced = np.linspace(start, start + count - 1, self.num_clips_per_video, dtype=np.float32)
                chosen.append(np.floor(spaced).astype(np.int64))
        return np.concatenate(chosen)


class RandomClipSampler:
    """At most so many clips from each video, chosen and shuffled anew in every epoch.

    Args:
        video_clips: the clips.
        max_clips_per_video: how many to take from each video, if it has as many.
        seed: decides the choices and orders.

    Raises:
        TypeError: `video_clips` is something else.
        ValueError: `max_clips_per_video` is less than 1, or the seed is negative or no whole number.
    """

    def __init__(self, video_clips: VideoClips, max_clips_per_video: int, *, seed: int = 0):
        _check(video_clips, "max_clips_per_video", max_clips_per_video)
        self.video_clips, self.max_clips_per_video = video_clips, max_clips_per_video
        self.seed = RandomSampler(video_clips, seed=seed).seed  # which checks it

    def __len__(self) -> int:
        return sum(min(len(clips), self.max_clips_per_video) for clips in self.video_clips.clips)

    def __call__(self, epoch: int) -> np.ndarray:
        """The numbers of the clips, which depend on the seed and the epoch."""
        random = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(epoch,)))
        chosen = [
            start + random.permutation(count)[: self.max_clips_per_video] for start, count in _runs(self.video_clips)
        ]
        return random.permutation(np.concatenate([np.zeros(0, np.int64), *chosen]))


def _check(video_clips: VideoClips, name: str, count: int) -> None:
    if not isinstance(video_clips, VideoClips):
        raise TypeError(f"expected VideoClips, such as dataset.video_clips, and got {type(video_clips).__name__}")
    if count < 1:
        raise ValueError(f"{name}={count!r} must be 1 or more")


def _runs(video_clips: VideoClips) -> list[tuple[int, int]]:
    """For each video, the number of its first clip and how many clips it has."""
    counts = [len(clips) for clips in video_clips.clips]
    starts = np.cumsum([0, *counts[:-1]]).tolist()
    return list(zip(starts, counts))
