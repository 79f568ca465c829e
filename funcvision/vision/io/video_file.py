"""Reading and writing whole video files, with the functions of torchvision 0.21."""

import contextlib
import math
import os
import tempfile
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, BinaryIO

import numpy as np

from ._audio_track import read_audio
from ._container import VideoSource, exact, import_av, no_bare_errors
from ._frame_index import FrameIndex
from .video import MAX_PIXELS, VideoReader

__all__ = ["read_video", "read_video_timestamps", "write_video"]

LONGEST_DENOMINATOR = 65535
"""MPEG-4 stores the frame rate as a fraction with a denominator of 16 bits."""

SMALLEST_X265 = 64
"""x265 destroys the heap for frames of 48 x 32 pixels, for one."""


def read_video(
    path: str | os.PathLike[str] | bytes | BinaryIO,
    start_pts: float | Fraction = 0,
    end_pts: float | Fraction | None = None,
    pts_unit: str = "sec",
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """The frames and the sound of a video file from one time to another, both of them included.

    As in torchvision 0.21, the frame that is shown at `start_pts` is the first one, even if it begins earlier. Audio is
    exact to a sample: `start_pts` <= time < `end_pts`. Torchvision's is cut roughly, and has the channels first. An
    unreadable file raises; torchvision returns what it has read until then.

    Args:
        path: a path, the bytes of a file, or a file object opened for reading bytes.
        start_pts: the first time.
        end_pts: the last time; None for the end.
        pts_unit: "sec" for seconds, or "pts" for the time bases of the streams, which may differ.

    Returns:
        The frames, uint8 [time, height, width, 3], or [0, 1, 1, 3] if there are none; the samples, float32
        [samples, channels], or [0, 1] without audio; and a dict with `video_fps` and `audio_fps`, where the file has
        them.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no video, or is damaged; or `end_pts` is before `start_pts`; or the unit is unknown.
    """
    _check_unit(pts_unit)
    if end_pts is not None and end_pts < start_pts:
        raise ValueError(f"end_pts={end_pts} is before start_pts={start_pts}; it must be the same or later")
    source, info = VideoSource(path), {}
    with source.open() as container:
        has_video = len(container.streams.video) > 0
        audio_base = (exact(container.streams.audio[0].time_base) if container.streams.audio else None) or Fraction(1)
    frames = np.zeros((0, 1, 1, 3), np.uint8)
    if has_video:
        reader = VideoReader(source)
        base = Fraction(*reader.index.time_base)
        numbers = _frames_from_to(reader.index, *_ticks(start_pts, end_pts, pts_unit, base))
        frames = reader[numbers] if len(numbers) else frames
        info["video_fps"] = reader.metadata["fps"]
    unit = audio_base if pts_unit == "pts" else 1
    first, last = (None if time is None else float(time * unit) for time in (start_pts or None, end_pts))
    samples, rate = read_audio(source, first, last)
    if rate is not None:
        info["audio_fps"] = rate
    return frames, samples, info


def read_video_timestamps(
    path: str | os.PathLike[str] | bytes | BinaryIO, pts_unit: str = "sec"
) -> tuple[list[int] | list[Fraction], float | None]:
    """When each frame of a video file is shown.

    Args:
        path: a path, the bytes of a file, or a file object opened for reading bytes.
        pts_unit: "sec" for seconds as exact fractions, or "pts" for ints in the time base of the stream.

    Returns:
        The times in the order of showing, and the average number of frames in a second; ([], None) if the file has
        audio alone.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no video, or is damaged; or the unit is unknown.
    """
    _check_unit(pts_unit)
    source = VideoSource(path)
    with source.open() as container:
        if not container.streams.video:
            return [], None
    index = FrameIndex.of(source, max_pixels=MAX_PIXELS)
    ticks = index.ticks.tolist()
    return ticks if pts_unit == "pts" else [tick * Fraction(*index.time_base) for tick in ticks], index.fps


def write_video(
    path: str | os.PathLike[str] | BinaryIO,
    frames: np.ndarray,
    fps: float | Fraction,
    video_codec: str = "libx264",
    options: Mapping[str, str] | None = None,
    audio_array: np.ndarray | None = None,
    audio_fps: float | None = None,
    audio_codec: str | None = None,
    audio_options: Mapping[str, str] | None = None,
) -> None:
    """Writes frames, and sound if there is any, to a video file.

    The rate may be a fraction, such as 30000 / 1001; torchvision rounds it to an int. Colours are stored as yuv420p
    unless `options` has another `pix_fmt`, so most codecs need an even height and width.

    Args:
        path: the file; the ending of its name decides the format. Or a file object opened for writing bytes, with a
            `name` that ends so.
        frames: uint8 [time, height, width, 3].
        fps: frames in a second.
        video_codec: FFmpeg's name of an encoder, such as "libx264", "libx265", "libvpx-vp9", "libsvtav1", "mpeg4".
        options: the encoder's options, such as `{"crf": "18"}`, and `pix_fmt`.
        audio_array: the sound, float [samples, channels] from -1 to 1, or int16; torchvision has the channels first.
        audio_fps: samples in a second.
        audio_codec: FFmpeg's name of an encoder; by default that of the format.
        audio_options: the options of the audio encoder.

    Raises:
        ValueError: the arrays have other shapes or types, or FFmpeg does not know or cannot use the codec.
    """
    av = import_av()
    frames = np.asarray(frames)
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8 or not frames.size:
        raise ValueError(
            f"frames must be uint8 [time, height, width, 3], none of them 0, and are {frames.dtype} {frames.shape}"
        )
    if audio_array is not None and audio_fps is None:
        raise ValueError("audio_array needs audio_fps, the number of samples in a second")
    name = str(getattr(path, "name", path))
    if video_codec == "libx265" and min(frames.shape[1:3]) < SMALLEST_X265:
        raise ValueError(
            f"libx265 needs frames of {SMALLEST_X265} x {SMALLEST_X265} pixels or more, and these are "
            f"{frames.shape[1]} x {frames.shape[2]}; use another video_codec"
        )
    settings = dict(options or {})
    with no_bare_errors(name, "cannot be written"), _whole(path) as target, _output(av, target, name) as container:
        rate = Fraction(fps).limit_denominator(LONGEST_DENOMINATOR)
        stream = container.add_stream(_encoder(av, video_codec), rate=rate)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = settings.pop("pix_fmt", _pixel_format(video_codec))
        stream.options = settings
        sound = None
        if audio_array is not None:
            codec = _encoder(av, audio_codec or container.default_audio_codec)
            sound = _AudioWriter(container, codec, audio_array, round(audio_fps or 0), audio_options)
        for number, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts, frame.time_base = number, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            sound.write()


@contextlib.contextmanager
def _whole(path: str | os.PathLike[str] | BinaryIO) -> Iterator[Any]:
    """What FFmpeg writes to: a file that takes its name at the end, so that nothing is left where writing fails."""
    if not isinstance(path, str | os.PathLike):
        yield path
        return
    target = os.path.abspath(os.path.expanduser(os.fspath(path)))
    folder, name = os.path.split(target)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".video-") as temporary:
        part = os.path.join(temporary, name)
        yield f"file:{part}"
        os.replace(part, target)


class _AudioWriter:
    """An audio stream of a file that is being written. All streams must exist before the first packet."""

    def __init__(self, container: Any, codec: str, samples: np.ndarray, rate: int, options: Mapping[str, str] | None):
        samples = np.asarray(samples)
        if samples.ndim != 2 or not 1 <= samples.shape[1] <= 2 or samples.dtype.kind not in "fi":
            raise ValueError(
                f"audio_array must be [samples, channels] of floats or int16, with 1 or 2 channels, and is "
                f"{samples.dtype} {samples.shape}"
            )
        if samples.dtype.kind == "i":
            if samples.dtype != np.int16:
                raise ValueError(f"audio_array must be floats from -1 to 1, or int16, and is {samples.dtype}")
            samples = samples / np.float32(32768)
        self._samples, self._rate, self._container = samples.astype(np.float32), rate, container
        self._layout = "mono" if samples.shape[1] == 1 else "stereo"
        self._stream = container.add_stream(codec, rate=rate, layout=self._layout, options=dict(options or {}))

    def write(self) -> None:
        """Encodes all samples."""
        av = import_av()
        planes = np.ascontiguousarray(self._samples.T)
        frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=self._layout)
        frame.sample_rate, frame.pts, frame.time_base = self._rate, 0, Fraction(1, self._rate)
        self._container.mux(self._stream.encode(frame))
        self._container.mux(self._stream.encode(None))


def _check_unit(pts_unit: str) -> None:
    if pts_unit not in ("sec", "pts"):
        raise ValueError(f"pts_unit={pts_unit!r} must be 'sec' or 'pts'")


def _ticks(start: Any, end: Any, unit: str, base: Fraction) -> tuple[float, float]:
    """Two times as ticks of a stream, rounded to include what is between."""
    end = math.inf if end is None else end
    if unit == "pts":
        return start, end
    return math.floor(start / base), end if end == math.inf else math.ceil(end / base)


def _frames_from_to(index: FrameIndex, start: float, end: float) -> np.ndarray:
    """The numbers of the frames from `start` to `end`, in ticks, with the one that is shown at `start`."""
    numbers = np.flatnonzero((index.ticks >= start) & (index.ticks <= end))
    before = np.flatnonzero(index.ticks < start)
    if start > 0 and start not in index.ticks and len(before):
        numbers = np.concatenate([before[-1:], numbers])
    return numbers


def _output(av: Any, target: Any, name: str) -> Any:
    """A container that is open for writing."""
    try:
        return av.open(target, "w")
    except ValueError as error:
        if isinstance(error, av.FFmpegError):
            raise
        raise ValueError(f"{name} cannot be written: FFmpeg knows no format by the ending of this name") from error


def _encoder(av: Any, name: str) -> str:
    """The name of an encoder; ValueError if FFmpeg does not have it."""
    try:
        av.codec.Codec(name, "w")
    except (av.FFmpegError, ValueError) as error:  # the exception of an unknown codec is both in some versions
        raise ValueError(f"FFmpeg has no encoder {name!r} here; av.codecs_available lists those it has") from error
    return name


def _pixel_format(codec: str) -> str:
    """The pixel format that an encoder takes, if not yuv420p."""
    return {"libx264rgb": "rgb24", "gif": "rgb8", "mjpeg": "yuvj420p", "apng": "rgb24"}.get(codec, "yuv420p")
