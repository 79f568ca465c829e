"""Which frames a video file has, when each is shown, and where decoding must start to get it."""

import dataclasses
import itertools
import warnings
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from ._container import VideoSource, decode, exact, open_codec, packets_until_damage, video_stream

__all__ = ["ARRAYS", "FrameIndex"]

ONE_FRAME_A_PACKET = ("av1", "h264", "hevc", "vp9")
"""Codecs of which every packet with a time gives one frame. Old MPEG-4 files pack two frames into one packet."""
WITHOUT_TIMES = ("avi", "h264", "hevc", "m4v", "mpegvideo")
"""Formats that do not store when a frame is shown, only the order of decoding. FFmpeg guesses times for B-frames."""
AVI_VIDEO = (b"dc", b"db")
"""The last two of the four letters that a packet of video begins with in an AVI file."""


@dataclasses.dataclass(frozen=True)
class FrameIndex:
    """The frames of a video in the order in which they are shown.

    Packets are numbered in the order of the file, which is the order of decoding. It differs from the order of showing
    if there are B-frames.

    Attributes:
        ticks: when each frame is shown, in units of `time_base`, int64 [frames].
        packets: the packet that each frame is decoded from, int64 [frames].
        keys: the packets at which decoding can start, ascending, int64 [keys].
        marks: a number for each packet by which it is recognised after a seek, int64 [packets]; empty if the packets
            cannot be told apart. Then decoding always starts at the first one.
        seek_ticks: where to seek to for each key, in units of `time_base`, int64 [keys].
        time_base: the unit of time as numerator and denominator, in seconds.
        fps: the average number of frames in a second, as the file has it or computed from the times.
        count: how many packets of the file are whole.
        by_position: whether `marks` are positions in the file. Otherwise they are times.
    """

    ticks: np.ndarray
    packets: np.ndarray
    keys: np.ndarray
    marks: np.ndarray
    seek_ticks: np.ndarray
    time_base: tuple[int, int]
    fps: float
    count: int
    by_position: bool

    @classmethod
    def of(cls, source: VideoSource, *, max_pixels: int) -> "FrameIndex":
        """Reads all packets of a file. They are decoded only if their headers do not say which frames they give.

        Raises:
            ValueError: the file has no video, or is damaged.
        """
        with source.open() as container:
            stream = video_stream(container, source.name)
            packets = _Packets.of(source, container, stream)
            base, rate = exact(stream.time_base) or Fraction(1, 1000), exact(stream.average_rate)
            _warn_of_cut(source, container, stream, len(packets.pts))
            timed = container.format.name not in WITHOUT_TIMES
            simple = stream.codec_context.codec.canonical_name in ONE_FRAME_A_PACKET
        if not len(packets.pts):
            raise ValueError(f"{source.name} has no frames: its video stream is empty")
        if timed and simple and packets.have_times:
            wanted = np.flatnonzero(~packets.hidden)
            order = wanted[np.argsort(packets.pts[wanted], kind="stable")]
            ticks = packets.pts[order]
        else:
            order, ticks = _decoded(source, packets, timed, max_pixels, 1 / (rate or Fraction(25)) / base)
        if not len(order):
            raise ValueError(f"{source.name} has no frame that can be decoded")
        seconds = float((ticks[-1] - ticks[0]) * base)
        fps = float(rate) if rate else ((len(ticks) - 1) / seconds if seconds > 0 else 0.0)
        marks, by_position = packets.marks()
        unit = (base.numerator, base.denominator)
        return cls(ticks, order, packets.keys, marks, packets.seek_ticks, unit, fps, len(packets.pts), by_position)

    def __len__(self) -> int:
        return len(self.ticks)

    @property
    def timestamps(self) -> np.ndarray:
        """When each frame is shown, in seconds, float64 [frames]."""
        numerator, denominator = self.time_base
        # The division is the only rounding, so that the time of frame 7 at 25 frames in a second is 7 / 25.
        return self.ticks.astype(np.int64) * numerator / denominator

    def narrow(self) -> "FrameIndex":
        """The same index in the smallest integer types, for those who keep many. `wide` undoes it."""
        return self._converted(lambda array: array.astype(_smallest_type(array)))

    def wide(self) -> "FrameIndex":
        """The same index in int64, as readers take it."""
        return self._converted(lambda array: array.astype(np.int64))

    def _converted(self, function: Callable[[np.ndarray], np.ndarray]) -> "FrameIndex":
        return dataclasses.replace(self, **{name: function(getattr(self, name)) for name in ARRAYS})

    def shown(self) -> np.ndarray:
        """The number of the frame that each packet gives, -1 if none, int64 [packets]."""
        frames = np.full(self.count, -1)
        frames[self.packets] = np.arange(len(self.packets))
        return frames

    def starts(self, frame: int, shown: np.ndarray) -> np.ndarray:
        """The keys from which a frame can be decoded, the nearest first, as numbers in `keys`.

        A frame that is decoded after a key and shown before it needs frames before the key.
        """
        first_shown = shown[self.keys]
        usable = (self.keys <= self.packets[frame]) & (first_shown <= frame) & (first_shown >= 0)
        return np.flatnonzero(usable)[::-1]


ARRAYS = ("ticks", "packets", "keys", "marks", "seek_ticks")
"""The attributes of an index that are arrays of integers."""


def _smallest_type(array: np.ndarray) -> np.dtype:
    lowest, highest = (int(array.min()), int(array.max())) if len(array) else (0, 0)
    return np.promote_types(np.min_scalar_type(min(lowest, -1)), np.min_scalar_type(max(highest, 0)))


class _Packets:
    """What the headers of all packets of a stream say, each an array [packets]."""

    def __init__(self, rows: list[tuple[int | None, int | None, int, bool, bool]]):
        nothing = np.iinfo(np.int64).min
        pts, dts, position, key, hidden = zip(*rows) if rows else ((), (), (), (), ())
        self.pts, self.dts = (
            np.array([nothing if value is None else value for value in values], np.int64) for values in (pts, dts)
        )
        self.position = np.array(position, np.int64)
        self.hidden = np.array(hidden, bool)
        self.keys = np.flatnonzero(np.array(key, bool))
        self.nothing = nothing

    @classmethod
    def of(cls, source: VideoSource, container: Any, stream: Any) -> "_Packets":
        rows, size = [], 0
        for packet in packets_until_damage(container, stream):
            position = -1 if packet.pos is None else packet.pos
            rows.append((packet.pts, packet.dts, position, packet.is_keyframe, packet.is_discard))
            size = packet.size
        if rows and _ends_early(source, container.format.name, rows[-1][2], size):
            del rows[-1]
        return cls(rows)

    @property
    def have_times(self) -> bool:
        """Whether all packets have different times, and the first one is a key and is shown first."""
        return (
            len(self.keys) > 0
            and self.keys[0] == 0
            and self.nothing not in self.pts
            and len(np.unique(self.pts)) == len(self.pts)
            and self.pts.argmin() == 0
        )

    @property
    def seek_ticks(self) -> np.ndarray:
        """The time of each key, or the time of its decoding if that is all there is."""
        return np.where(self.pts == self.nothing, self.dts, self.pts)[self.keys]

    def marks(self) -> tuple[np.ndarray, bool]:
        """What tells the packets apart, and whether that is their position in the file."""
        for values, missing in ((self.position, -1), (self.pts, self.nothing)):
            if missing not in values and len(np.unique(values)) == len(values):
                return values, values is self.position
        return np.zeros(0, np.int64), False


def _decoded(
    source: VideoSource, packets: _Packets, timed: bool, max_pixels: int, step: Fraction
) -> tuple[np.ndarray, np.ndarray]:
    """The packet of each frame in the order of showing, and the time of each frame, found by decoding all.

    If the file does not say when frames are shown, they are shown at the times at which packets are decoded, in order.
    A frame without any time is shown one step after the frame before it.
    """
    first = int(packets.keys[0]) if len(packets.keys) else 0
    order, ticks = [], []
    with source.open() as container:
        stream = video_stream(container, source.name)
        codec = open_codec(stream, source.name, max_pixels=max_pixels)
        for number, packet in enumerate(itertools.chain(packets_until_damage(container, stream), [None])):
            if packet is not None and (number < first or number >= len(packets.pts)):
                continue
            for origin, frame in decode(codec, number, packet):
                order.append(origin)
                ticks.append(frame.pts if timed else None)
    if len(set(order)) < len(order):
        raise ValueError(f"{source.name} packs several frames into one packet; rewrite it with ffmpeg to read it")
    decoding = np.sort(packets.dts[order])
    if not timed and packets.nothing not in decoding:
        ticks = decoding.tolist()
    for i, tick in enumerate(ticks):
        if tick is None:
            ticks[i] = round(ticks[i - 1] + step) if i else 0
    return np.array(order, np.int64), np.array(ticks, np.int64)


def _ends_early(source: VideoSource, format: str, position: int, size: int) -> bool:
    """Whether the last packet of a file is cut off, in the formats whose readers in FFmpeg do not say so.

    Args:
        source: the file.
        format: FFmpeg's name of its format.
        position: where the last packet begins.
        size: how many bytes of it were read.
    """
    if format == "gif":  # a whole file ends with this byte
        return source.bytes_at(-1, 1) != b";"
    if format == "avi" and position >= 8:  # the data follow letters such as "00dc" and their size
        before, after = source.bytes_at(position - 8, 8), source.bytes_at(position, 8)  # FFmpeg gives either position
        header = before if before[2:4] in AVI_VIDEO else after
        return int.from_bytes(header[4:], "little") > size
    return False


def _warn_of_cut(source: VideoSource, container: Any, stream: Any, count: int) -> None:
    """Warns if the index of an MP4 file lists packets after the end of the file."""
    entries = getattr(stream, "index_entries", ())  # older versions of PyAV do not have it
    if container.format.name.startswith("mov") and len(entries):
        last = entries[len(entries) - 1]
        if last.pos + last.size > source.size:
            warnings.warn(
                f"{source.name} is cut off: it has {count} of {len(entries)} frames, and those are read",
                RuntimeWarning, stacklevel=5,
            )  # fmt: skip
