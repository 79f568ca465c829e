"""Unpacking compressed files and archives: nothing outside the folder, nothing half-written, damage named."""

import contextlib
import gzip
import lzma
import os
import pathlib
import re
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO

__all__ = ["decompress", "extract_archive", "read_bytes"]

_STREAMS = {b"\x1f\x8b": gzip.open, b"\xfd7zXZ\x00": lzma.open}
_DAMAGE = (
    EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile, NotImplementedError,
)  # fmt: skip
_CHUNK = 1 << 20


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The content of a file, decompressed where it is a gzip or xz stream, whatever its name says.

    A gzip or xz stream is read to its end, so its own checksum is verified.

    Raises `ValueError`, naming the file, where the stream is truncated or damaged.
    """
    return b"".join(_decompressed(os.fspath(path)))


def decompress(path: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Writes the content of the gzip or xz file `path` to `target`, which appears only when it is whole.

    Raises `ValueError`, naming the file, where it is truncated or damaged.
    """
    target = os.fspath(target)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(target) or ".", prefix=".unpack-") as folder:
        whole = os.path.join(folder, "content")
        with open(whole, "wb") as out:
            for chunk in _decompressed(os.fspath(path)):
                out.write(chunk)
        os.replace(whole, target)


def extract_archive(archive: str | os.PathLike[str], folder: str | os.PathLike[str]) -> None:
    """Unpacks a zip or tar archive (plain, gzip or xz) into `folder`, which is made if it is missing.

    Everything is unpacked beside its destination first and moved there only when all of it is whole; files of
    the same name are replaced. Only names and contents are taken over, not owners or permissions.

    Raises `ValueError`, naming the archive, where it is damaged or of another kind, or where a member is a link,
    a device, or would land outside `folder`; then nothing is written.
    """
    archive, folder = os.fspath(archive), os.fspath(folder)
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".unpack-") as temporary:
        try:
            for name, content in _members(archive):
                target = os.path.join(temporary, *_safe_parts(archive, name))
                os.makedirs(os.path.dirname(target), exist_ok=True)
                with open(target, "wb") as out:
                    shutil.copyfileobj(content, out, _CHUNK)
        except _DAMAGE as error:
            raise ValueError(f"{archive} is damaged or of another kind, nothing was unpacked: {error}") from error
        _move_into(temporary, folder)


@contextlib.contextmanager
def _opened(path: str) -> Iterator[IO[bytes]]:
    """A file opened for reading, decompressed on the way where it is a gzip or xz stream."""
    with open(path, "rb") as raw:
        start = raw.read(max(map(len, _STREAMS)))
        raw.seek(0)
        opener = next((opener for magic, opener in _STREAMS.items() if start.startswith(magic)), None)
        with raw if opener is None else opener(raw) as stream:
            yield stream


def _decompressed(path: str) -> Iterator[bytes]:
    try:
        with _opened(path) as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk
    except _DAMAGE as error:
        size = os.path.getsize(path)
        raise ValueError(f"{path} ({size} bytes) is a damaged or truncated compressed file: {error}") from error


def _members(archive: str) -> Iterator[tuple[str, IO[bytes]]]:
    """Name and content of every file in an archive."""
    return _zip_members(archive) if zipfile.is_zipfile(archive) else _tar_members(archive)


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
        while stream.read(_CHUNK):  # the checksum of the compression stands at its end, after the last member
            pass


def _safe_parts(archive: str, name: str) -> list[str]:
    """The folders and the file name of a member that stays inside the folder on every system."""
    parts = [part for part in re.split(r"[/\\]", name) if part not in ("", ".")]
    if not parts or ".." in parts or name.startswith(("/", "\\")) or pathlib.PureWindowsPath(name).drive:
        raise ValueError(f"{archive} holds {name!r}, which would land outside its folder: nothing was unpacked")
    return parts


def _move_into(source: str, target: str) -> None:
    """Moves the files in one folder into another, one by one: several processes may unpack the same archive."""
    for entry in os.listdir(source):
        old, new = os.path.join(source, entry), os.path.join(target, entry)
        if os.path.isdir(old):
            os.makedirs(new, exist_ok=True)
            _move_into(old, new)
        else:
            os.replace(old, new)
