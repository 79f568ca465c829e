"""Decoding chosen frames of a video, from the nearest key frame on."""

import collections
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from ._container import VideoSource, decode, import_av, open_codec, packets_until_damage, video_stream
from ._frame_index import FrameIndex

__all__ = ["FrameDecoder"]


class FrameDecoder:
    """An open file, and the place in it up to which frames were decoded. It serves one thread at a time.

    Args:
        source: the file.
        index: its frames.
        num_threads: threads of the codec.
        max_pixels: the largest frame, in pixels.

    Attributes:
        size: the width and height that the file gives, in pixels, before turning.
    """

    def __init__(self, source: VideoSource, index: FrameIndex, *, num_threads: int, max_pixels: int):
        self._index, self._source = index, source
        self._options = {"num_threads": num_threads, "max_pixels": max_pixels}
        self._shown = index.shown()
        self._latest = np.maximum.accumulate(self._shown)
        self._open()
        self._frames: Iterator[tuple[int, Any]] = iter(())
        self._fed = -1
        """The last packet that was decoded, -1 before the first."""
        self._next = -1
        """The frame that comes next, or an earlier one; -1 if decoding must start at a key."""

    def close(self) -> None:
        """Closes the file."""
        self._container.close()

    def _open(self) -> None:
        self._container = self._source.container()
        self._stream = video_stream(self._container, self._source.name)
        self._codec = open_codec(self._stream, self._source.name, **self._options)
        self.size = (self._codec.width, self._codec.height)

    def frame(self, number: int) -> Any:
        """One frame, as PyAV's object.

        Decoding goes on from the frame before if there is no key between them. Otherwise it starts at the nearest key.
        A key from which the frame does not decode, because the container calls a frame a key that is none, gives way to
        the key before it.

        Raises:
            ValueError: the frame cannot be decoded; the message has FFmpeg's reason.
        """
        starts = self._index.starts(number, self._shown)
        nearest = int(self._index.keys[starts[0]]) if len(starts) else 0
        ways: list[int | None] = [*starts[:2].tolist()] or [None]
        goes_on = 0 <= self._next <= number and nearest <= self._fed
        failure: Exception | None = None
        for i in range(-1 if goes_on else 0, len(ways)):
            try:
                if i >= 0:
                    self._start_at(ways[i])
                if (found := self._decode_up_to(number)) is not None:
                    return found
            except import_av().FFmpegError as error:
                failure = error
        self._next = -1
        reason = f": {getattr(failure, 'strerror', failure)}" if failure else ""
        raise ValueError(f"{self._source.name}: frame {number} is damaged and cannot be decoded{reason}") from failure

    def _decode_up_to(self, number: int) -> Any:
        """The frame, if the packets that follow give it whole; else None."""
        for shown, frame in self._frames:
            self._next = shown + 1
            if shown == number:
                return frame
            if shown > number:
                break
        self._next = -1
        return None

    def _start_at(self, key: int | None) -> None:
        """Makes decoding start at a key, given by its number in `index.keys`, or at the start of the file."""
        self._next = 0
        packets = None if key is None or not len(self._index.marks) else self._packets_from(key)
        if packets is None:
            first = int(self._index.keys[0]) if len(self._index.keys) else 0
            packets = (numbered for numbered in self._all_packets() if numbered[0] >= first)
        self._frames = self._decode(packets)

    def _all_packets(self) -> Iterator[tuple[int, Any]]:
        """All packets of the stream from the start of the file, with their numbers."""
        self._container.close()  # not every format can seek to its start
        self._open()
        return enumerate(packets_until_damage(self._container, self._stream))

    def _packets_from(self, key: int) -> Iterator[tuple[int, Any]] | None:
        """The packets from a key on, with their numbers; None if a seek does not lead there.

        A seek may land on an earlier key, whose packets are then read and not decoded. Or it may land too late, since
        some formats look for times of decoding and some for times of showing: then it seeks to the key before.
        """
        index, number = self._index, int(self._index.keys[key])
        mark = index.marks[number]
        for target in index.seek_ticks[max(key - 2, 0) : key + 1][::-1]:
            try:
                self._container.seek(int(target), stream=self._stream)
            except import_av().FFmpegError:
                return None
            packets = packets_until_damage(self._container, self._stream)
            for packet in packets:
                value = packet.pos if index.by_position else packet.pts
                if value == mark:
                    return _numbered(packet, packets, number)
                if index.by_position and value is not None and value > mark:
                    break
        return None

    def _decode(self, packets: Iterator[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
        """The frames that packets give, with their numbers, in the order of showing; None for damaged ones.

        A frame is held back until those are there that were decoded before it and are shown after it, because they may
        be what it was predicted from, and only then it is known whether they are damaged.
        """
        held: collections.deque[tuple[int, int, Any]] = collections.deque()
        damaged: list[int] = []
        whole = itertools.takewhile(lambda numbered: numbered[0] < self._index.count, packets)
        for number, packet in itertools.chain(whole, [(-1, None)]):  # the last makes the codec give the rest
            if packet is not None:
                self._fed = number
            for origin, frame in decode(self._codec, number, packet):
                if frame.is_corrupt:
                    damaged.append(origin)
                if self._shown[origin] >= 0:
                    held.append((int(self._shown[origin]), origin, frame))
            while held and (packet is None or self._latest[held[0][1]] <= held[-1][0]):
                shown, origin, frame = held.popleft()
                yield shown, None if damaged and self._depends_on(damaged, shown, origin) else frame

    def _depends_on(self, damaged: list[int], shown: int, origin: int) -> bool:
        """Whether a frame may be predicted from a damaged packet: one from its key on up to its own packet."""
        starts = self._index.starts(shown, self._shown)
        start = int(self._index.keys[starts[0]]) if len(starts) else 0
        return any(start <= packet <= origin for packet in damaged)


def _numbered(first: Any, rest: Iterator[Any], number: int) -> Iterator[tuple[int, Any]]:
    yield number, first
    yield from enumerate(rest, number + 1)

