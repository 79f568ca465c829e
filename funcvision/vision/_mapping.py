"""Arrays that lie in files: mapped views, moved on in pieces, so that a large file never sits in memory whole."""

import contextlib
import math
import mmap
import os
import pathlib
import secrets
from collections.abc import Iterator
from typing import IO

import numpy as np

__all__ = ["blocks", "map_file", "pieces", "release", "replacing", "view"]

_PIECE = 1 << 22  # bytes handled at a time: large enough to stream, small beside any checkpoint


def map_file(stream: IO[bytes]) -> mmap.mmap:
    """The content of an open file as read-only memory; nothing is read before it is looked at."""
    return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)


def view(
    mapped: mmap.mmap, dtype: np.dtype, offset: int, shape: tuple[int, ...], strides: tuple[int, ...] | None = None
) -> np.ndarray:
    """The array at a byte offset of a mapped file, read-only; strides count bytes."""
    if 0 in shape:
        return np.empty(shape, dtype)
    if strides is None:
        extent = math.prod(shape) * dtype.itemsize
    else:
        strides = tuple(0 if size == 1 else stride for size, stride in zip(shape, strides, strict=True))
        extent = sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True)) + dtype.itemsize
    if not 0 <= offset <= offset + extent <= len(mapped):
        raise ValueError("is truncated or damaged: a tensor lies outside the file")
    return np.ndarray(shape, dtype, mapped, offset, strides)


def release(array: np.ndarray) -> None:
    """Gives the pages under a mapped array back to the system, which reads them again if they are looked at again.

    It does nothing for an array that is not mapped, and where the system has no such call.
    """
    base = array.base
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap) and hasattr(base, "madvise") and array.size:
        first, last = np.lib.array_utils.byte_bounds(array)
        origin = np.frombuffer(base, np.uint8).ctypes.data
        start = (first - origin) // mmap.PAGESIZE * mmap.PAGESIZE
        base.madvise(mmap.MADV_DONTNEED, start, last - origin - start)


def blocks(array: np.ndarray) -> Iterator[slice]:
    """Slices of the first axis that cover an array of at least one axis, some megabytes each."""
    rows = max(1, _PIECE * len(array) // max(1, array.nbytes))
    return (slice(start, start + rows) for start in range(0, len(array), rows))


def pieces(array: np.ndarray) -> Iterator[memoryview]:
    """The bytes of an array in row-major order, little-endian, some megabytes at a time."""
    flat = array.reshape(-1) if array.flags.c_contiguous else np.atleast_1d(array)
    for rows in blocks(flat):
        block = flat[rows]
        contiguous = np.ascontiguousarray(block, block.dtype.newbyteorder("<"))
        yield contiguous.reshape(-1).view(np.uint8).data
        release(block)


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str], overwrite: bool) -> Iterator[IO[bytes]]:
    """A stream that becomes the file at `path` when the block ends without an error; until then nothing is there.

    Raises `FileExistsError` where the file exists and `overwrite` is not set.
    """
    target = pathlib.Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise FileExistsError(f"{path} exists and is not a regular file")
    if target.exists() and not overwrite:
        raise FileExistsError(f"{path} exists: pass overwrite=True (--force on the command line) to replace it")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{path} cannot be written: the folder {target.parent} does not exist")
    temporary = target.with_name(f".{target.name[:200]}.{secrets.token_hex(6)}.part")
    try:
        with open(temporary, "xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        if target.exists() and not overwrite:
            raise FileExistsError(f"{path} was made by someone else in the meantime; it is left as it is")
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
