"""Opening a video file with PyAV, wherever its bytes are, and saying in one sentence why that cannot be done."""

import contextlib
import io
import os
from collections.abc import Iterator
from typing import Any, BinaryIO

__all__ = ["VideoSource", "import_av", "no_bare_errors", "video_stream"]

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
def no_bare_errors(name: str) -> Iterator[None]:
    """Turns an error of FFmpeg into a ValueError that names the file. Errors of the file system stay as they are."""
    av = import_av()
    try:
        yield
    except av.FFmpegError as error:
        if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError | MemoryError):
            raise
        reason = error.strerror or type(error).__name__
        raise ValueError(f"{name} is not a video that can be read, or is damaged: {reason}") from error


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

    def container(self) -> Any:
        """The container, open for reading.

        Raises:
            av.FFmpegError: FFmpeg cannot read it.
        """
        av = import_av()
        # The prefix keeps FFmpeg from taking a colon in the name of a file for a protocol, such as "http:".
        file = f"file:{self._path}" if self._content is None else io.BytesIO(self._content)
        options = {"format_whitelist": ",".join(FORMATS), "protocol_whitelist": "file"}
        return av.open(file, "r", container_options=options, metadata_errors="ignore")


def video_stream(container: Any) -> Any:
    """The first stream of a container that is a video and no cover picture; None if there is none."""
    av = import_av()
    cover = av.stream.Disposition.attached_pic
    return next((stream for stream in container.streams.video if not stream.disposition & cover), None)
