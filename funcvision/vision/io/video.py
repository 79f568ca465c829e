"""Reading the frames and the sound of a video file in any order."""

import functools
import os
import threading
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np

from ._audio_track import read_audio
from ._container import VideoSource, no_bare_errors, video_stream
from ._frame_decoder import FrameDecoder
from ._frame_index import FrameIndex
from ._orientation import display_matrix, quarter_turns, rgb

__all__ = ["VideoReader"]

MAX_PIXELS = 2**25
"""The largest frame that is decoded by default, in pixels: 8K video is just below it."""


class VideoReader:
    """The frames of a video file as a sequence: `len(reader)`, `reader[i]`, `reader[a:b:c]`, iteration.

    Opening reads all packets of the file, and decodes them only where their headers do not tell the times of the
    frames: in MPEG-4 and GIF, and in files whose packets lack times. Reading a frame decodes from the nearest key frame
    on, so it costs at most one group of pictures, and the frame is the very one that reading in order gives. The frame
    after the one before costs one.

    Frames are RGB, turned and mirrored as a player shows them. The number of a frame is its place in the order of
    showing. Formats are MP4, MKV, WebM, AVI, GIF, MPEG, FLV and ASF with the codecs that FFmpeg decodes.

    **Damage.** A file that is cut off has the frames that are whole; of an MP4 file that is cut off, a warning says how
    many. A frame that FFmpeg reports as damaged raises ValueError when it is read; FFmpeg's guess of it is never
    returned. Most codecs have no checksums, so damage that still decodes is not noticed.

    Several threads may share a reader, and it serves one at a time. It pickles; another process opens the file again.

    Args:
        source: a path, the bytes of a file, or a file object opened for reading bytes, which is read to its end.
        num_threads: threads that FFmpeg decodes with; 0 for as many as there are cores. More than one are quicker for
            reading in order and slower for single frames.
        max_pixels: the largest frame to decode, in pixels; larger ones raise ValueError.
        index: the `index` of another reader of the same file, which makes opening quick.

    Attributes:
        timestamps: when each frame is shown, in seconds, as the file has it, float64 [frames]. The first need not be 0.
            A frame without a time is shown one frame after the one before.
        metadata: a dict of `duration` (seconds from the first frame to the end of the last), `fps` (average), `frames`,
            `width`, `height` (after turning), `codec`, `pixel_format`, `rotation` (degrees clockwise by which the
            frames were turned), `format`, `audio_codec`, `audio_fps` (samples in a second) and `audio_channels`, which
            are None without audio.
        index: which packet each frame is decoded from, and when it is shown.

    Raises:
        FileNotFoundError: there is no such file.
        ImportError: PyAV is not installed.
        ValueError: the file is no video, or is damaged. The message names it.

    >>> frames = np.zeros((3, 16, 16, 3), np.uint8)  # doctest: +SKIP
    >>> write_video("black.mp4", frames, fps=25)  # doctest: +SKIP
    >>> VideoReader("black.mp4").timestamps  # doctest: +SKIP
    array([0.  , 0.04, 0.08])
    """

    def __init__(
        self,
        source: str | os.PathLike[str] | bytes | BinaryIO | VideoSource,
        *,
        num_threads: int = 1,
        max_pixels: int = MAX_PIXELS,
        index: FrameIndex | None = None,
    ):
        self._source = VideoSource(source)
        self._options = {"num_threads": num_threads, "max_pixels": max_pixels}
        self.index = FrameIndex.of(self._source, max_pixels=max_pixels) if index is None else index
        self.timestamps = self.index.timestamps
        self._reset()

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, index: int | slice | Sequence[int] | np.ndarray) -> np.ndarray:
        """One frame, uint8 [height, width, 3], or the frames of a slice or a list, uint8 [time, height, width, 3]."""
        if isinstance(index, slice):
            return self._read(np.arange(len(self))[index])
        numbers = np.asarray(index)
        if numbers.dtype.kind not in "iu" and numbers.size:
            raise TypeError(f"frames are numbered by ints, and got {index!r}")
        outside = (numbers < -len(self)) | (numbers >= len(self))
        if outside.any():
            raise IndexError(f"frame {index!r} of a video of {len(self)} frames")
        numbers = np.where(numbers < 0, numbers + len(self), numbers).astype(np.int64)
        return self._read(numbers.reshape(-1)) if numbers.ndim else self._read(numbers[None])[0]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        about = self.metadata
        return (
            f"VideoReader({self._source.name}: {about['frames']} frames of {about['width']}x{about['height']}, "
            f"{about['fps']:.4g} fps, {about['codec']})"
        )

    def close(self) -> None:
        """Closes the file now, and not when the reader is collected. Reading a frame opens it again."""
        with self._lock:
            if self._decoder is not None and self._process == os.getpid():
                self._decoder.close()
            self._decoder = None

    def frame_at(self, t: float) -> np.ndarray:
        """The frame that is shown at a time in seconds: the last one whose time is at most `t`.

        Before the first frame, it is the first.

        Returns:
            uint8 [height, width, 3].
        """
        past = np.flatnonzero(self.timestamps <= t)
        return self[int(past[-1]) if len(past) else 0]

    def frames_between(self, start: float, stop: float) -> np.ndarray:
        """The frames with start <= time < stop, in seconds.

        Returns:
            uint8 [time, height, width, 3]; time may be 0.
        """
        return self._read(np.flatnonzero((self.timestamps >= start) & (self.timestamps < stop)))

    def audio(self, start: float | None = None, stop: float | None = None) -> np.ndarray:
        """The samples of the first audio stream with start <= time < stop, in seconds; all of them by default.

        Returns:
            float32 [samples, channels], from -1 to 1; [0, 1] if there is no audio.

        Raises:
            ValueError: the audio is damaged.
        """
        return read_audio(self._source, start, stop)[0]

    def __getstate__(self) -> dict[str, Any]:
        left_out = ("_decoder", "_lock", "_process")
        return {name: value for name, value in self.__dict__.items() if name not in left_out}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._reset()

    def _reset(self) -> None:
        """Makes this process open the file when it needs it."""
        self._decoder: FrameDecoder | None = None
        self._lock = threading.Lock()
        self._process = os.getpid()

    @functools.cached_property
    def metadata(self) -> dict[str, Any]:
        """A dict of facts about the file; see the class."""
        with self._source.open() as container:
            codec = video_stream(container, self._source.name).codec_context
            audio = container.streams.audio[0] if container.streams.audio else None
            about = {
                "codec": codec.codec.canonical_name,
                "pixel_format": codec.pix_fmt,
                "format": container.format.name.split(",")[0],
                "audio_codec": audio.codec_context.codec.canonical_name if audio else None,
                "audio_fps": audio.rate if audio else None,
                "audio_channels": audio.channels if audio else None,
            }
        first, (width, height) = self._decode(0)
        turns, fps = quarter_turns(display_matrix(first)), self.index.fps
        if turns % 2:
            width, height = height, width
        last = 1 / fps if fps else 0.0
        return {
            "duration": float(self.timestamps[-1] - self.timestamps[0]) + last, "fps": fps, "frames": len(self),
            "width": width, "height": height, "rotation": 90 * turns, **about,
        }  # fmt: skip

    def _read(self, numbers: np.ndarray) -> np.ndarray:
        """Frames in any order, uint8 [time, height, width, 3]."""
        if not len(numbers):
            return np.empty((0, self.metadata["height"], self.metadata["width"], 3), np.uint8)
        wanted, places = np.unique(numbers, return_inverse=True)
        frames = np.empty(0, np.uint8)
        for i, number in enumerate(wanted.tolist()):
            image = rgb(*self._decode(number))
            if i == 0:
                frames = np.empty((len(numbers), *image.shape), np.uint8)
            frames[places == i] = image
        return frames

    def _decode(self, number: int) -> tuple[Any, tuple[int, int]]:
        """One frame, as PyAV's object, and the width and height of the video before turning."""
        if self._process != os.getpid():  # after a fork, the file's position is shared with the parent
            self._reset()
        with self._lock, no_bare_errors(self._source.name):
            if self._decoder is None:
                self._decoder = FrameDecoder(self._source, self.index, **self._options)
            return self._decoder.frame(number), self._decoder.size
