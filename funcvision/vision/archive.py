"""Unpacks compressed files and archives.

Nothing is written outside the target folder, no half-written file is left, and errors name the damaged file.
"""

import bz2
import contextlib
import gzip
import io
import lzma
import os
import pathlib
import re
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO

__all__ = ["Budget", "decompress", "decompressing", "extract_archive", "move_into", "read_bytes", "unpack"]

_STREAMS = {b"\x1f\x8b": gzip.open, b"\xfd7zXZ\x00": lzma.open, b"BZh": bz2.open}
_ENDINGS = (".gz", ".xz", ".bz2")  # of compressed files
_DAMAGE = (
    EOFError, zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile, NotImplementedError, OSError,
)  # fmt: skip
_CHUNK = 1 << 20  # bytes that are read at a time
_EXPANSION, _ALLOWANCE = 100, 100_000_000  # times its size, plus these bytes: the most that a file may unpack to
_MEMBER = 512  # bytes that a member counts in addition to its content, so that millions of empty ones are refused too


class Budget:
    """Counts what comes out of a compressed file or archive, and refuses what would be too much for its size.

    A small malicious file may unpack to more than the disk or the memory holds. Archives inside an archive are counted
    by the budget of the outer one.

    Args:
        path: the file, whose size decides how much is allowed.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = os.fspath(path)
        self.most = self.left = _EXPANSION * os.path.getsize(path) + _ALLOWANCE

    def take(self, size: int) -> None:
        """Counts bytes before they are written; ValueError if they are too many."""
        self.left -= size
        if self.left < 0:
            raise ValueError(
                f"{self.path} unpacks to over {self.most} bytes, {_EXPANSION} times its size plus {_ALLOWANCE}: "
                "it is damaged or made to fill the disk, nothing was unpacked"
            )


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The content of a file, decompressed if it is a gzip, xz or bzip2 stream. The name of the file does not matter.

    A compressed stream is read to its end, so that its checksum is verified.

    Raises:
        ValueError: the stream is truncated or damaged, or unpacks to over 100 times its size plus 100 MB; the message
            names the file.
    """
    return b"".join(_decompressed(os.fspath(path)))


def decompress(
    path: str | os.PathLike[str], target: str | os.PathLike[str], *, budget: Budget | None = None
) -> None:
    """Writes the content of a gzip, xz or bzip2 file to another file, which appears only when it is whole.

    Args:
        path: the compressed file.
        target: the file to write.
        budget: counts what comes out; by default that of this file alone.

    Raises:
        ValueError: the compressed file is truncated or damaged, or unpacks to over 100 times its size plus 100 MB; the
            message names it.
    """
    target = os.fspath(target)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(target) or ".", prefix=".unpack-") as folder:
        whole = os.path.join(folder, "content")
        with open(whole, "wb") as out:
            for chunk in _decompressed(os.fspath(path), budget):
                out.write(chunk)
        os.replace(whole, target)


def extract_archive(
    archive: str | os.PathLike[str], folder: str | os.PathLike[str], *, budget: Budget | None = None
) -> None:
    """Unpacks a zip or tar archive (plain, gzip, xz or bzip2) into a folder.

    Everything is unpacked beside its destination first, and moved there when all of it is whole. Files of the same
    name are replaced. Names and contents are kept, owners and permissions are not.

    Args:
        archive: the archive.
        folder: the folder, which is made if it is missing.
        budget: counts what comes out; by default that of this archive alone.

    Raises:
        ValueError: the archive is damaged or of another kind, or unpacks to over 100 times its size plus 100 MB, or a
            member is a link, a device, or would land outside the folder. The message names the archive. Nothing is
            written to the folder then.
    """
    archive, folder = os.fspath(archive), os.fspath(folder)
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".unpack-") as temporary:
        try:
            budget = budget or Budget(archive)
            for name, content in _members(archive):
                budget.take(_MEMBER)
                target = os.path.join(temporary, *_safe_parts(archive, name))
                os.makedirs(os.path.dirname(target), exist_ok=True)
                with open(target, "wb") as out:
                    while chunk := content.read(_CHUNK):
                        budget.take(len(chunk))
                        out.write(chunk)
        except _DAMAGE as error:
            if _is_of_the_system(error):
                raise
            raise ValueError(f"{archive} is damaged or of another kind, nothing was unpacked: {error}") from error
        move_into(temporary, folder)


def unpack(
    path: str | os.PathLike[str], folder: str | os.PathLike[str], *, budget: Budget | None = None
) -> None:
    """Unpacks an archive into a folder, or decompresses a single file into it; the name of the file says which.

    `"a.tar.gz"` is an archive, and `"a.csv.gz"` becomes `"a.csv"` in the folder.

    Args:
        path: the archive or compressed file.
        folder: the folder, which is made if it is missing.
        budget: counts what comes out; by default that of this file alone.

    Raises:
        ValueError: see `extract_archive` and `decompress`.
    """
    stem, ending = os.path.splitext(os.path.basename(os.fspath(path)))
    if ending.lower() in _ENDINGS and not stem.lower().endswith(".tar"):
        os.makedirs(folder, exist_ok=True)
        decompress(path, os.path.join(folder, stem), budget=budget)
    else:
        extract_archive(path, folder, budget=budget)


def _is_of_the_system(error: Exception) -> bool:
    """Whether an error is the operating system's (a full disk, a missing file), and not damage of the data."""
    return isinstance(error, OSError) and error.errno is not None


@contextlib.contextmanager
def _opened(path: str) -> Iterator[IO[bytes]]:
    """A file opened for reading, and decompressed while it is read if it is a compressed stream."""
    with open(path, "rb") as raw, decompressing(raw) as stream:
        yield stream


def decompressing(raw: io.BufferedReader) -> IO[bytes]:
    """The content of a file that is open for reading: itself, or decompressed if it is a gzip, xz or bzip2 stream.

    The result raises `EOFError`, `OSError`, `zlib.error` or `lzma.LZMAError` where a compressed stream is damaged.
    """
    start = raw.peek(max(map(len, _STREAMS)))
    opener = next((opener for magic, opener in _STREAMS.items() if start.startswith(magic)), None)
    return raw if opener is None else opener(raw)


def _decompressed(path: str, budget: Budget | None = None) -> Iterator[bytes]:
    budget = budget or Budget(path)
    try:
        with _opened(path) as stream:
            while chunk := stream.read(_CHUNK):
                budget.take(len(chunk))
                yield chunk
    except _DAMAGE as error:
        if _is_of_the_system(error):
            raise
        size = os.path.getsize(path)
        raise ValueError(f"{path} ({size} bytes) is a damaged or truncated compressed file: {error}") from error


def _members(archive: str) -> Iterator[tuple[str, IO[bytes]]]:
    """Name and content of every file in an archive."""
    with open(archive, "rb") as file:  # zipfile.is_zipfile would also accept a tar archive whose last member is a zip
        is_zip = file.read(2) == b"PK"
    return _zip_members(archive) if is_zip else _tar_members(archive)


def _zip_members(archive: str) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(archive) as opened:
        for member in opened.infolist():
            if stat.S_ISLNK(member.external_attr >> 16) or member.flag_bits & 1:
                raise ValueError(f"{archive} holds {member.filename!r}, a link or encrypted: nothing was unpacked")
            if not member.is_dir():
                with opened.open(member) as content:
                    yield member.filename, content


def _tar_members(archive: str) -> Iterator[tuple[str, IO[bytes]]]:
    with _opened(archive) as stream, tarfile.open(fileobj=stream, mode="r|") as opened:
        for member in opened:
            content = opened.extractfile(member) if member.isreg() else None
            if content is not None:
                yield member.name, content
            elif not member.isdir():
                raise ValueError(f"{archive} holds {member.name!r}, a link or a special file: nothing was unpacked")
        while stream.read(_CHUNK):  # the checksum of the compressed stream comes after the last member
            pass


def _safe_parts(archive: str, name: str) -> list[str]:
    """The folders and the file name of a member; ValueError unless it stays inside the folder on every system."""
    parts = [part for part in re.split(r"[/\\]", name) if part not in ("", ".")]
    if not parts or ".." in parts or name.startswith(("/", "\\")) or pathlib.PureWindowsPath(name).drive:
        raise ValueError(f"{archive} holds {name!r}, which would land outside its folder: nothing was unpacked")
    return parts


def move_into(source: str, target: str) -> None:
    """Moves the files in one folder into another, where files of the same name are replaced.

    One by one, since several processes may unpack the same archive.

    Args:
        source: a folder, which keeps its empty folders.
        target: a folder that exists, on the same file system.
    """
    for entry in os.listdir(source):
        old, new = os.path.join(source, entry), os.path.join(target, entry)
        if os.path.isdir(old):
            os.makedirs(new, exist_ok=True)
            move_into(old, new)
        else:
            os.replace(old, new)
