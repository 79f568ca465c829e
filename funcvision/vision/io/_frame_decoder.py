"""Decoding chosen frames of a video, from the nearest key frame on."""

from collections.abc import Iterator
from typing import Any

from ._container import VideoSource, import_av, video_stream
from ._frame_index import FrameIndex, decodable, open_decoder

__all__ = ["FrameDecoder"]


class FrameDecoder:
    """An open file, and the place in it up to which frames were decoded. It serves one thread at a time.

    Args:
        source: the file.
        index: its frames.
        num_threads: threads of the codec.
        max_pixels: the largest frame, in pixels.
    """

    def __init__(self, source: VideoSource, index: FrameIndex, *, num_threads: int, max_pixels: int):
        self._index, self._source = index, source
        self._options = {"num_threads": num_threads, "max_pixels": max_pixels}
        self._shown = index.shown()
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
        self._stream = video_stream(self._container)
        self._codec = open_decoder(self._stream, **self._options)

    def frame(self, number: int) -> Any:
        """One frame, as PyAV's object.

        Decoding goes on from the frame before if there is no key between them. Otherwise it starts at the nearest key.
        A key from which the frame does not decode, because the container calls a frame a key that is none, gives way to
        the key before it.

        Raises:
            ValueError: the frame cannot be decoded.
            av.FFmpegError: as FFmpeg's reason why.
        """
        starts = self._index.starts(number, self._shown)
        nearest = int(self._index.keys[starts[0]]) if len(starts) else 0
        if 0 <= self._next <= number and nearest <= self._fed and (found := self._decode_up_to(number)) is not None:
            return found
        failure: Exception | None = None
        # From the last one on, nothing is skipped: the file is read from its start.
        for key in [*starts[:2], None]:
            try:
                self._start_at(key)
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
                return None if frame.is_corrupt else frame
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
        return enumerate(decodable(self._container.demux(self._stream)))

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
            packets = decodable(self._container.demux(self._stream))
            for packet in packets:
                value = packet.pos if index.by_position else packet.pts
                if value == mark:
                    return _numbered(packet, packets, number)
                if not packet.size or (index.by_position and value is not None and value > mark):
                    break
        return None

    def _decode(self, packets: Iterator[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
        """The frames that packets give, with their numbers, in the order of showing."""
        for number, packet in packets:
            self._fed = number
            packet.opaque = number
            for frame in self._codec.decode(packet):
                origin = frame.opaque
                shown = -1 if origin is None or origin >= len(self._shown) else int(self._shown[origin])
                if shown >= 0:
                    yield shown, frame


def _numbered(first: Any, rest: Iterator[Any], number: int) -> Iterator[tuple[int, Any]]:
    yield number, first
    yield from enumerate(rest, number + 1)

