"""MATLAB's `.mat` files, read by scipy (the extra `datasets`)."""

import io
import os
import struct
import zlib
from typing import Any

__all__ = ["read_mat"]

_HEADER = 128  # bytes, of which the last two tell the byte order
_COMPRESSED = 15  # the type of an element that is a zlib stream
_MOST_BYTES = 1 << 28  # of what a file unpacks to
_CHUNK = 1 << 20


def read_mat(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The variables in a `.mat` file, by name, as `scipy.io.loadmat` returns them.

    Raises:
        ImportError: scipy is not installed.
        ValueError: the file is damaged or of another kind; the message names it.
    """
    try:
        import scipy.io
    except ImportError as error:
        raise ImportError('scipy reads .mat files: pip install "funcvision[datasets]"') from error
    with open(path, "rb") as file:
        content = file.read()
    try:
        _check_streams(content)
        return scipy.io.loadmat(io.BytesIO(content))
    except Exception as error:  # on damaged files scipy raises exceptions of many types
        reason = str(error) or type(error).__name__
        raise ValueError(f"{os.fspath(path)} ({len(content)} bytes) is damaged or no .mat file: {reason}") from error


def _check_streams(content: bytes) -> None:
    """Verifies the checksums of the compressed variables, which scipy does not, and how much they unpack to."""
    order = {b"IM": "<", b"MI": ">"}.get(content[_HEADER - 2 : _HEADER])
    position, size = _HEADER, 0
    if order is None:  # a file of another version of the format
        return
    while position + 8 <= len(content):
        kind, length = struct.unpack_from(f"{order}II", content, position)
        position += 8
        if position + length > len(content):
            raise ValueError("it is cut off")
        if kind == _COMPRESSED:
            stream, data = zlib.decompressobj(), content[position : position + length]
            while not stream.eof:
                unpacked = stream.decompress(data, _CHUNK)
                data = stream.unconsumed_tail
                size += len(unpacked)
                if size > _MOST_BYTES:
                    raise ValueError(f"it unpacks to more than {_MOST_BYTES} bytes")
                if not unpacked and not stream.eof:
                    raise ValueError("a compressed variable is cut off")
        position += length
