"""Reading and writing files as bytes, and what the decoders take: bytes, paths, file objects, arrays, lists of them."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO, NamedTuple, TypeVar

import numpy as np

__all__ = ["Input", "read_file", "write_file"]

Input = bytes | bytearray | memoryview | np.ndarray | str | os.PathLike[str] | BinaryIO
"""One encoded image or film: its bytes, a one-dimensional uint8 array of them, a path, or a file open for reading."""


T = TypeVar("T")


class Encoded(NamedTuple):
    """The bytes of a file, and the name by which an error calls it."""

    data: bytes
    name: str


def read_file(path: str | os.PathLike[str]) -> np.ndarray:
    """The bytes of a file, a uint8 array of one dimension.

    Args:
        path: the file.

    Raises:
        OSError: the file cannot be opened.
    """
    return np.fromfile(path, np.uint8)


def write_file(filename: str | os.PathLike[str], data: np.ndarray | bytes) -> None:
    """Writes bytes to a file.

    Args:
        filename: the file; one that exists is replaced.
        data: bytes, or a uint8 array of one dimension.

    Raises:
        TypeError: the data are neither.
        OSError: the file cannot be written.
    """
    content = data if isinstance(data, bytes) else _bytes(data)
    with open(filename, "wb") as file:
        file.write(content)


def _bytes(array: Any) -> bytes:
    """The bytes of a one-dimensional uint8 array."""
    array = np.asarray(array)
    if array.dtype != np.uint8 or array.ndim != 1:
        raise TypeError(
            f"an array with the bytes of a file has dtype uint8 and one dimension; this one has dtype {array.dtype} "
            f"and shape {array.shape}. Pixels are written by write_png and write_jpeg"
        )
    return array.tobytes()


def read_input(source: Input, limit: int | None) -> Encoded:
    """All bytes of what a decoder was given.

    Args:
        source: bytes, a uint8 array of them, a path, or a file open for reading in binary mode.
        limit: the largest size in bytes; None is no limit.

    Raises:
        TypeError: `source` is none of these.
        ValueError: there are more than `limit` bytes, or none.
        OSError: the file cannot be opened.
    """
    if isinstance(source, str | os.PathLike):
        name = os.fspath(source)
        with open(source, "rb") as file:
            data = _read(file, limit)
    elif hasattr(source, "read"):
        name, data = str(getattr(source, "name", "the file object")), _read(source, limit)  # pyright: ignore
    elif isinstance(source, bytes | bytearray | memoryview):
        name, data = "the data", bytes(source)
    elif hasattr(source, "__array__"):
        name, data = "the data", _bytes(source)
    else:
        raise TypeError(
            f"an image is given as bytes, as a uint8 array of bytes, as a path, or as a file open in binary mode, not "
            f"as {type(source).__name__}"
        )
    if not data:
        raise ValueError(f"{name} is empty")
    if limit is not None and len(data) > limit:
        raise ValueError(
            f"{name} has more than {limit:,} bytes, more than an image of max_pixels needs; if you trust it, pass a "
            f"larger max_pixels, or None for no limit"
        )
    return Encoded(data, name)


def _read(file: BinaryIO, limit: int | None) -> bytes:
    data = file.read(-1 if limit is None else limit + 1)
    if not isinstance(data, bytes):
        raise TypeError("a file object must be open in binary mode; this one gives text")
    return data


def each(function: Callable[[Any], T], source: Any, threads: int | None) -> T | list[T]:
    """`function(source)`, or for a list or tuple a list of what it gives for each element, computed by threads.

    Args:
        function: what is called.
        source: one input, or a list or tuple of inputs.
        threads: how many threads work on a list; None takes one for each core that this process may use.
    """
    if not isinstance(source, list | tuple):
        return function(source)
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = min(threads or count, len(source))
    if workers <= 1:
        return [function(item) for item in source]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(function, source))
