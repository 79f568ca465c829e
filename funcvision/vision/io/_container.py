"""Opening a video file with PyAV, wherever its bytes are, and saying in one sentence why that cannot be done."""

import contextlib
import io
import os
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, BinaryIO

__all__ = [
    "VideoSource", "decode", "exact", "import_av", "no_bare_errors", "open_codec", "packets_until_damage",
    "video_stream",
]  # fmt: skip

FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "gif", "mpegts", "mpeg", "mpegvideo", "asf", "flv", "ogg", "ivf",
    "obu", "h264", "hevc", "m4v", "mjpeg", "apng", "webp_anim", "wav", "mp3", "aac", "flac",
)  # fmt: skip
"""FFmpeg's names of the formats that are read. Playlists are none of them: they make FFmpeg open other files."""


def import_av() -> Any:
    """The module `av`, which is imported where it is needed, because it is an extra and takes long.

    Raises:
        ImportError: it is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise ImportError('video files are read and written by PyAV: pip install "funcvision[video]"') from error
    return av


@contextlib.contextmanager
def no_bare_errors(name: str, what: str = "is not a video that can be read, or is damaged") -> Iterator[None]:
    """Turns an error of FFmpeg into a ValueError that names the file. Errors of the file system stay as they are.

    Args:
        name: the file.
        what: what the error means.
    """
    av = import_av()
    try:
        yield
    except av.FFmpegError as error:
        if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError):
            raise
        reason = error.strerror or type(error).__name__
        raise ValueError(f"{name} {what}: {reason}") from error


class VideoSource:
    """A file that may be opened any number of times, by any process that has it.

    Args:
        source: a path, the bytes of a file, or a file object opened for reading bytes. A file object is read to its
            end at once, so that the source can be pickled and opened twice.

    Attributes:
        name: how messages call the file.

    Raises:
        FileNotFoundError: there is no such file.
        TypeError: `source` is something else.
    """

    def __init__(self, source: "str | os.PathLike[str] | bytes | BinaryIO | VideoSource"):
        self._path: str | None = None
        self._content: bytes | None = None
        if isinstance(source, VideoSource):
            self._path, self._content, self.name = source._path, source._content, source.name
        elif isinstance(source, bytes | bytearray | memoryview):
            self._content = bytes(source)
            self.name = f"the video ({len(self._content)} bytes)"
        elif isinstance(source, str | os.PathLike):
            self.name = self._path = os.path.abspath(os.path.expanduser(os.fspath(source)))
            with open(self._path, "rb"):  # raises errors that name the file
                pass
        elif hasattr(source, "read"):
            self._content = source.read()
            if not isinstance(self._content, bytes):
                raise TypeError(f"{source!r} gives {type(self._content).__name__}; open the file for reading bytes")
            self.name = str(getattr(source, "name", f"the video ({len(self._content)} bytes)"))
        else:
            raise TypeError(f"expected a path, bytes or a file object of a video, and got {type(source).__name__}")

    @contextlib.contextmanager
    def open(self) -> Iterator[Any]:
        """The container, open for reading, with errors that name the file; it is closed in the end."""
        with no_bare_errors(self.name):
            container = self.container()
            try:
                yield container
            finally:
                container.close()

    @property
    def size(self) -> int:
        """How many bytes the file has."""
        return len(self._content) if self._content is not None else os.path.getsize(str(self._path))

    def bytes_at(self, position: int, count: int) -> bytes:
        """Bytes of the file, fewer at its end. A negative position counts from the end."""
        if self._content is not None:
            return self._content[position:][:count]
        with open(str(self._path), "rb") as file:
            file.seek(position, os.SEEK_SET if position >= 0 else os.SEEK_END)
            return file.read(count)

    def container(self) -> Any:
        """The container, open for reading.

        Raises:
            FFmpegError: FFmpeg cannot read it.
        """
        av = import_av()
        # The prefix keeps FFmpeg from taking a colon in the name of a file for a protocol, such as "http:".
        file = f"file:{self._path}" if self._content is None else io.BytesIO(self._content)
        options = {"format_whitelist": ",".join(FORMATS), "protocol_whitelist": "file"}
        # From version 19 on, PyAV reads titles in any encoding. Before, it raises unless it is told to ignore errors.
        others = {"metadata_errors": "ignore"} if int(av.__version__.split(".")[0]) < 19 else {}
        return av.open(file, "r", container_options=options, **others)


def video_stream(container: Any, name: str) -> Any:
    """The first stream of a container that is a video and no cover picture.

    Raises:
        ValueError: there is none, or FFmpeg has no decoder for it.
    """
    cover = import_av().stream.Disposition.attached_pic
    stream = next((stream for stream in container.streams.video if not stream.disposition & cover), None)
    if stream is None:
        raise ValueError(f"{name} has no video stream")
    if stream.codec_context is None:
        raise ValueError(f"{name} has a video stream of a codec that FFmpeg does not decode")
    return stream


def exact(value: Any) -> Fraction | None:
    """A rational number of PyAV as a fraction; None if it is not set. Before version 19, PyAV has fractions itself."""
    return Fraction(value.numerator, value.denominator) if value else None


def packets_until_damage(container: Any, stream: Any) -> Iterator[Any]:
    """The packets of a stream with data in them, up to one that is cut off or where the container cannot be read on.

    An empty packet amid the others would end the decoding.
    """
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except import_av().FFmpegError:
            return
        if packet is None or packet.is_corrupt:
            return
        if packet.size:
            yield packet


def decode(codec: Any, number: int, packet: Any) -> Iterator[tuple[int, Any]]:
    """The frames that a codec gives for a packet, each with the number of the packet that it comes from.

    Frames come later than their packets, and in another order. `packet=None` makes the codec give what it still has.
    """
    if packet is not None:
        # A list, because PyAV finds the object by its address again, and small ints share theirs.
        packet.opaque = [number]
    for frame in codec.decode(packet):
        if frame.opaque is not None:
            yield frame.opaque[0], frame


def open_codec(stream: Any, name: str, *, max_pixels: int, num_threads: int = 1) -> Any:
    """The codec of a stream, for `decode`.

    Raises:
        ValueError: the frames have more than `max_pixels` pixels; the message begins with `name`.
    """
    codec = stream.codec_context
    if codec.width * codec.height > max_pixels:
        raise ValueError(
            f"{name} has frames of {codec.width} x {codec.height} pixels, more than max_pixels={max_pixels}; give "
            f"VideoReader a larger one if you trust the file"
        )
    codec.copy_opaque = True
    codec.thread_count = num_threads
    codec.options = {"max_pixels": str(max_pixels)}
    return codec
