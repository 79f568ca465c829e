"""Clips of a fixed number of frames from many videos (torchvision.datasets.video_utils)."""

import bisect
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..io import VideoReader
from ..io._audio_track import read_audio
from ..io._container import VideoSource
from ..io._frame_index import FrameIndex
from ._video_index import index_videos

__all__ = ["VideoClips"]


class VideoClips:
    """All clips of `clip_length_in_frames` consecutive frames, one every `frames_between_clips` frames of each video.

    With `frame_rate`, every video is resampled to that rate, by repeating and leaving out frames, and clips consist of
    the resampled frames. A video that is shorter than a clip has none, and a warning says so.

    When frames are shown is found by reading every video once, in threads, and remembered in `$FUNCVISION_HOME/videos`
    until a video changes. Videos that cannot be read have no clips; a warning names one.

    Reading changes nothing here, so several threads and processes may share the object.

    Args:
        video_paths: the video files.
        clip_length_in_frames: the number of frames in a clip.
        frames_between_clips: the number of frames from the start of a clip to the start of the next.
        frame_rate: frames in a second, to resample to; None keeps the frames of each video.
        _precomputed_metadata: the `metadata` of another object with these videos, which are then not read; also
            torchvision's.
        num_workers: how many threads read the videos at first; 0 for this one alone.
        output_format: "THWC". Torchvision's "TCHW" is not here, because arrays have the channels last.

    Attributes:
        video_paths: the videos.
        video_pts: when the frames of each video are shown, in its own unit, int [frames] each.
        video_fps: the average number of frames in a second of each video; None for those that cannot be read.
        clips: the times of the frames of all clips of each video, int [clips, frames] each.
        resampling_idxs: the numbers of those frames, int [clips, frames] each. Torchvision has slices where the rate
            is divided by an integer.
        num_frames, step, frame_rate: the three options of the clips.
        cumulative_sizes: for each video, the number of clips in it and all before.

    Raises:
        FileNotFoundError: a video is missing.
        ImportError: PyAV is not installed.
        ValueError: an option is out of range, or the metadata do not fit.
    """

    def __init__(
        self,
        video_paths: Sequence[str | os.PathLike[str]],
        clip_length_in_frames: int = 16,
        frames_between_clips: int = 1,
        frame_rate: float | None = None,
        _precomputed_metadata: Mapping[str, Any] | None = None,
        num_workers: int = 0,
        *,
        output_format: str = "THWC",
    ):
        if output_format.upper() != "THWC":
            raise ValueError(f"output_format={output_format!r} must be 'THWC': transpose the clips if you need others")
        self.num_workers, self.output_format = num_workers, "THWC"
        self.video_paths = [os.fspath(path) for path in video_paths]
        self._indexes: list[FrameIndex | None]
        if _precomputed_metadata is None:
            self._indexes = index_videos(self.video_paths, num_workers)
            self.video_pts = [np.zeros(0, np.int64) if index is None else index.ticks for index in self._indexes]
            self.video_fps = [None if index is None else index.fps for index in self._indexes]
        else:
            self._take(_precomputed_metadata)
        self.compute_clips(clip_length_in_frames, frames_between_clips, frame_rate)

    def _take(self, metadata: Mapping[str, Any]) -> None:
        """Takes over metadata."""
        self.video_paths = [os.fspath(path) for path in metadata["video_paths"]]
        self.video_pts = [np.asarray(pts) for pts in metadata["video_pts"]]
        self.video_fps = list(metadata["video_fps"])
        self._indexes = list(metadata.get("video_indexes", [None] * len(self.video_paths)))
        if {len(self.video_pts), len(self.video_fps), len(self._indexes)} != {len(self.video_paths)}:
            raise ValueError("the metadata have other numbers of video_paths, video_pts and video_fps")

    @property
    def metadata(self) -> dict[str, Any]:
        """What is known of the videos: `video_paths`, `video_pts`, `video_fps`, and `video_indexes` for readers."""
        return {
            "video_paths": self.video_paths, "video_pts": self.video_pts, "video_fps": self.video_fps,
            "video_indexes": self._indexes,
        }  # fmt: skip

    def subset(self, indices: Sequence[int]) -> "VideoClips":
        """The clips of some of the videos, given by their numbers, with the same options."""
        chosen = {name: [values[i] for i in indices] for name, values in self.metadata.items()}
        return type(self)(
            chosen["video_paths"], self.num_frames, self.step, self.frame_rate, chosen, self.num_workers,
            output_format=self.output_format,
        )  # fmt: skip

    @staticmethod
    def compute_clips_for_video(
        video_pts: np.ndarray, num_frames: int, step: int, fps: float | None, frame_rate: float | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The clips of one video.

        Args:
            video_pts: when its frames are shown, int [frames].
            num_frames: the number of frames in a clip.
            step: the number of frames from the start of a clip to the start of the next.
            fps: frames of the video in a second.
            frame_rate: frames in a second to resample to; None keeps the frames.

        Returns:
            The times and the numbers of the frames of all clips, each [clips, num_frames].
        """
        fps = fps or 1.0
        rate = fps if frame_rate is None else frame_rate
        numbers = _resampled(len(video_pts), fps, rate)
        if len(numbers) < num_frames:
            return np.zeros((0, num_frames), video_pts.dtype), np.zeros((0, num_frames), np.int64)
        windows = np.lib.stride_tricks.sliding_window_view(numbers, num_frames)[::step]
        times = np.lib.stride_tricks.sliding_window_view(video_pts[numbers], num_frames)[::step]
        return times, windows

    def compute_clips(self, num_frames: int, step: int, frame_rate: float | None = None) -> None:
        """Makes other clips of the same videos.

        Args:
            num_frames: the number of frames in a clip.
            step: the number of frames from the start of a clip to the start of the next.
            frame_rate: frames in a second to resample to; None keeps the frames of each video.

        Raises:
            ValueError: an option is out of range.
        """
        if num_frames < 1 or step < 1 or (frame_rate is not None and not frame_rate > 0):
            raise ValueError(
                f"clips of {num_frames} frames every {step} frames at frame_rate={frame_rate}: all must be positive"
            )
        self.num_frames, self.step, self.frame_rate = num_frames, step, frame_rate
        made = [
            self.compute_clips_for_video(pts, num_frames, step, fps, frame_rate)
            for pts, fps in zip(self.video_pts, self.video_fps)
        ]
        self.clips, self.resampling_idxs = [times for times, _ in made], [numbers for _, numbers in made]
        self.cumulative_sizes: list[int] = np.cumsum([len(times) for times in self.clips], dtype=int).tolist()
        short = [i for i, times in enumerate(self.clips) if not len(times) and self.video_fps[i] is not None]
        if short:
            warnings.warn(
                f"{len(short)} of {len(self.clips)} videos have fewer than {num_frames} frames and no clips, such as "
                f"{self.video_paths[short[0]]}",
                stacklevel=2,
            )

    def __len__(self) -> int:
        return self.num_clips()

    def num_videos(self) -> int:
        """The number of videos."""
        return len(self.video_paths)

    def num_clips(self) -> int:
        """The number of clips of all videos."""
        return self.cumulative_sizes[-1] if self.cumulative_sizes else 0

    def get_clip_location(self, idx: int) -> tuple[int, int]:
        """The number of the video of a clip, and the number of the clip in it."""
        video = bisect.bisect_right(self.cumulative_sizes, idx)
        return video, idx if video == 0 else idx - self.cumulative_sizes[video - 1]

    def get_clip(self, idx: int) -> tuple[np.ndarray, np.ndarray, dict[str, Any], int]:
        """Reads a clip.

        The sound lasts from the first frame of the clip to the end of the last one; a resampled clip has the sound of
        the original frames.

        Args:
            idx: the number of the clip; negative ones count from the end.

        Returns:
            The frames, uint8 [time, height, width, 3]; the sound, float32 [samples, channels], or [0, 1] without audio;
            a dict with `video_fps` and, if there is audio, `audio_fps`; and the number of the video.

        Raises:
            IndexError: there is no such clip.
            ValueError: the video is damaged, or has changed since its frames were counted.
        """
        if not -len(self) <= idx < len(self):
            raise IndexError(f"clip {idx} of {len(self)} clips")
        video, number = self.get_clip_location(idx % len(self))
        index = self._indexes[video]
        reader = VideoReader(self.video_paths[video], index=None if index is None else index.wide())
        frames = self.resampling_idxs[video][number]
        if len(reader) != len(self.video_pts[video]):
            raise ValueError(
                f"{self.video_paths[video]} has {len(reader)} frames, and the metadata have "
                f"{len(self.video_pts[video])}; compute them again"
            )
        first, last, times = int(frames[0]), int(frames[-1]), reader.timestamps
        fps = self.video_fps[video]
        stop = times[last + 1] if last + 1 < len(times) else times[last] + 1 / (fps or 1)
        sound, rate = read_audio(VideoSource(self.video_paths[video]), float(times[first]), float(stop))
        clip = reader[frames]
        reader.close()
        info: dict[str, Any] = {"video_fps": fps if self.frame_rate is None else self.frame_rate}
        if rate is not None:
            info["audio_fps"] = rate
        return clip, sound, info, video

    def __getstate__(self) -> dict[str, Any]:
        derived = ("clips", "resampling_idxs", "cumulative_sizes")  # large, and quickly made again
        return {name: value for name, value in self.__dict__.items() if name not in derived}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        with warnings.catch_warnings():  # it warned when it was made
            warnings.simplefilter("ignore")
            self.compute_clips(self.num_frames, self.step, self.frame_rate)


def _resampled(count: int, fps: float, rate: float) -> np.ndarray:
    """The numbers of the frames that a video of `count` frames has at another rate, int [frames].

    Torchvision computes them in float32, which decides some frames.
    """
    step = fps / rate
    if step.is_integer():
        return np.arange(0, count, int(step))
    numbers = np.arange(int(count * rate / fps), dtype=np.float32) * np.float32(step)
    return np.minimum(np.floor(numbers).astype(np.int64), max(count - 1, 0))
