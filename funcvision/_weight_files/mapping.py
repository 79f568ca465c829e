"""Arrays in mapped files. They are copied and written in pieces, so that a large file is never in memory as a whole."""

import contextlib
import math
import mmap
import os
import pathlib
import secrets
from collections.abc import Iterator
from typing import IO

import numpy as np

__all__ = ["blocks", "map_file", "pieces", "refuse_target", "release", "replacing", "view"]

_PIECE = 1 << 22  # bytes that are handled at a time: large enough to stream, small compared with any checkpoint


def map_file(stream: IO[bytes]) -> mmap.mmap:
    """The content of an open file as read-only memory. The system reads a page when it is first used."""
    return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)


def view(
    mapped: mmap.mmap | bytes, dtype: np.dtype, offset: int, shape: tuple[int, ...],
    strides: tuple[int, ...] | None = None,
) -> np.ndarray:
    """A read-only array in a mapped file.

    Args:
        mapped: the file, or its content.
        dtype: the type of the numbers.
        offset: where the array starts, in bytes.
        shape: the size of each axis.
        strides: the distance of neighbours along each axis, in bytes; by default the array is contiguous.

    Raises:
        ValueError: the array reaches outside the file.
    """
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
    """Returns the memory of a mapped array to the system, which reads the file again if the array is used again.

    It does nothing if the array is not mapped, or if the system has no such call.
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
    """Slices of the first axis that together cover an array of at least one axis, a few megabytes each."""
    rows = max(1, _PIECE * len(array) // max(1, array.nbytes))
    return (slice(start, start + rows) for start in range(0, len(array), rows))


def pieces(array: np.ndarray) -> Iterator[memoryview]:
    """The bytes of an array in row-major order, little-endian, a few megabytes at a time."""
    flat = array.reshape(-1) if array.flags.c_contiguous else np.atleast_1d(array)
    for rows in blocks(flat):
        block = flat[rows]
        contiguous = np.ascontiguousarray(block, block.dtype.newbyteorder("<"))
        yield contiguous.reshape(-1).view(np.uint8).data
        release(block)


def refuse_target(path: str | os.PathLike[str], overwrite: bool) -> None:
    """Raises the errors of `replacing` that are known before there is anything to write.

    Args:
        path: the file to write.
        overwrite: whether it may be replaced.
    """
    target = pathlib.Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise FileExistsError(f"{path} exists and is not a regular file")
    if target.exists() and not overwrite:
        raise FileExistsError(f"{path} exists: pass overwrite=True (--force on the command line) to replace it")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{path} cannot be written: the folder {target.parent} does not exist")


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str], overwrite: bool) -> Iterator[IO[bytes]]:
    """A stream whose content becomes the file at `path` when the block ends without an error.

    Args:
        path: the file. Until the block ends, it is not touched.
        overwrite: replace a file that exists.

    Raises:
        FileExistsError: the file exists and `overwrite` is not set, or it is not a regular file.
        FileNotFoundError: the folder of the file does not exist.
        OSError: the folder is read-only, or the disk is full.
    """
    refuse_target(path, overwrite)
    target = pathlib.Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name[:200]}.{secrets.token_hex(6)}.part")
    try:
        with open(temporary, "xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        if target.exists() and not overwrite:
            raise FileExistsError(f"{path} was written by another program in the meantime; it is left as it is")
        os.replace(temporary, target)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename == os.fspath(temporary):
            raise OSError(error.errno, error.strerror, os.fspath(path)) from error  # the name that the caller knows
        raise
