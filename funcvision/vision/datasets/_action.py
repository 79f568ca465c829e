"""The base class of data sets of clips, each with its sound and the class of its video."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ._published import PublishedDataset
from .dataset import call_transform
from .folder import DatasetFolder
from .video_clips import VideoClips

__all__ = ["ActionClips"]


class ActionClips(PublishedDataset):
    """Clips of videos in folders named after their classes: `dataset[index]` is (frames, audio, label).

    A subclass calls `_list_videos` and `_make_clips` after `super().__init__`.

    Attributes:
        samples: (path, label) of every video.
        indices: the numbers in `samples` of the videos that the clips are from.
        video_clips: the clips.
    """

    samples: Sequence[tuple[str, int]]
    indices: Sequence[int]
    video_clips: VideoClips
    _full_video_clips: VideoClips

    def _list_videos(self, folder: str, extensions: Sequence[str]) -> None:
        """Sets the classes, and the videos of each."""
        listed = DatasetFolder(folder, _no_loader, tuple(extensions))
        self.classes, self.samples = listed.classes, listed.samples

    def _make_clips(
        self,
        length: int,
        step: int,
        frame_rate: float | None,
        metadata: Mapping[str, Any] | None,
        num_workers: int,
        indices: Sequence[int] | None = None,
        output_format: str = "THWC",
    ) -> None:
        """Sets the clips, of all videos or of those with these numbers."""
        paths = [path for path, _ in self.samples]
        clips = VideoClips(paths, length, step, frame_rate, metadata, num_workers, output_format=output_format)
        self._full_video_clips = clips
        self.indices = range(len(paths)) if indices is None else indices
        self.video_clips = clips if indices is None else clips.subset(indices)

    @property
    def metadata(self) -> dict[str, Any]:
        """What is known of the videos of all splits, as `_precomputed_metadata` takes it."""
        return self._full_video_clips.metadata

    def __len__(self) -> int:
        return self.video_clips.num_clips()

    def read(self, index: int) -> Any:
        """The frames of a clip, uint8 [time, height, width, 3]; its sound, float32 [samples, channels]; its label."""
        frames, audio, _, video = self.video_clips.get_clip(index)
        return frames, audio, self.samples[self.indices[video]][1]

    def _transformed(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, frames: np.ndarray, audio: np.ndarray, label: int, *, key: Any = None
    ) -> tuple[Any, np.ndarray, int]:
        if self.transform is not None:
            frames = call_transform(self.transform, frames, key=key)
        return frames, audio, label


class SplitActionClips(ActionClips):
    """Clips of the videos that a list of a published split names.

    Args:
        root: the folder with a folder of `.avi` files for each class.
        annotation_path: the folder of the lists of the splits.
        frames_per_clip: the number of frames in a clip.
        step_between_clips: the number of frames from the start of a clip to the start of the next.
        frame_rate: frames in a second, to resample to; None keeps the frames.
        fold: which of the three splits: 1, 2 or 3.
        train: whether to take the videos for training, or those for testing.
        transform: called on the frames of every clip.
        num_workers: how many threads read the videos at first.
        output_format: "THWC".
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        annotation_path: str | os.PathLike[str],
        frames_per_clip: int,
        step_between_clips: int = 1,
        frame_rate: int | None = None,
        fold: int = 1,
        train: bool = True,
        transform: Callable[..., Any] | None = None,
        _precomputed_metadata: Mapping[str, Any] | None = None,
        num_workers: int = 1,
        *,
        output_format: str = "THWC",
    ):
        if fold not in (1, 2, 3):
            raise ValueError(f"fold={fold!r} must be 1, 2 or 3")
        super().__init__(root, transform=transform)
        self.fold, self.train = fold, train
        self._list_videos(self.root, (".avi",))
        chosen = self._videos_of_split(os.path.expanduser(os.fspath(annotation_path)))
        self._make_clips(
            frames_per_clip, step_between_clips, frame_rate, _precomputed_metadata, num_workers,
            [i for i, (path, _) in enumerate(self.samples) if path in chosen], output_format,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """Nothing, as torchvision."""
        return ""

    def _resources(self) -> Sequence[Any]:
        return []

    def _videos_of_split(self, folder: str) -> set[str]:
        """The paths of the videos of the split; a subclass defines it."""
        raise NotImplementedError(f"{type(self).__name__} does not say which videos a split has")


def _no_loader(path: str) -> str:
    return path
