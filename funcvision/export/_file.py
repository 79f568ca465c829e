"""The file of an exported function: a safetensors file with arrays, programs, a JSON header and a digest.

Arrays are tensors under their names. Programs are tensors of bytes. The metadata of the safetensors header has two
entries: "funcvision.digest" comes first, and so stands at a fixed place in the file; "funcvision.export" is the JSON
header that `saving` makes and `loading` reads. The digest is the SHA-256 of the whole file with zeros in the digest's
own place.
"""

import hashlib
import io
import json
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .._weight_files import mapping, safetensors_file
from .._weight_files.element_types import BY_DTYPE

__all__ = ["FORMAT", "ExportError", "program_name", "read", "write"]

FORMAT = 1
"""The version of the JSON header that is written, and the newest that is read."""

_DIGEST, _HEADER = "funcvision.digest", "funcvision.export"
_START = b'{"__metadata__":{"%s":"' % _DIGEST.encode()  # after the eight bytes with the length of the header
_PLACE = 8 + len(_START)  # where the digest starts
_DIGITS = 64
_ZEROS = b"0" * _DIGITS
_PROGRAM = "funcvision.program."


class ExportError(ValueError):
    """A file is not an exported function, or it is damaged, unsafe, or of a version that cannot be run."""


def program_name(index: int) -> str:
    """The name of the tensor that holds a program."""
    return f"{_PROGRAM}{index}"


def write(
    path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], programs: list[bytes], header: Mapping[str, Any], *,
    overwrite: bool, progress: Callable[[int], object] = lambda _: None,
) -> None:
    """Writes a file, which appears under its name when it is whole.

    Args:
        path: the file.
        arrays: by name.
        programs: serialised by `jax.export`.
        header: what JSON can hold.
        overwrite: replace a file that exists.
        progress: called with a number of bytes whenever these have been written.

    Raises:
        FileExistsError: the file exists and `overwrite` is not set.
        ValueError: an array has a name that is reserved, or a dtype that safetensors files lack.
    """
    for name, array in arrays.items():
        if name.startswith(_PROGRAM) or name == "__metadata__":
            raise ValueError(f"an array is named {name!r}, which is reserved for the file itself: rename it")
        if array.dtype not in BY_DTYPE:
            raise ValueError(f"array {name!r} is {array.dtype}, which safetensors files do not have")
    tensors = dict(arrays)
    tensors |= {program_name(i): np.frombuffer(program, np.uint8) for i, program in enumerate(programs)}
    metadata = {_DIGEST: _ZEROS.decode(), _HEADER: json.dumps(header)}
    with mapping.replacing(path, overwrite) as stream:
        hashing = _Hashing(stream)
        safetensors_file.write(hashing, tensors, metadata, {}, progress)  # pyright: ignore[reportArgumentType]
        stream.seek(_PLACE)
        stream.write(hashing.digest.hexdigest().encode())
        stream.seek(0, io.SEEK_END)


class _Hashing:
    """A stream that writes to another one and computes the digest of what is written."""

    def __init__(self, stream: Any):
        self.digest = hashlib.sha256()
        self._stream = stream

    def write(self, data: Any) -> int:
        self.digest.update(data)
        return self._stream.write(data)


def read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The JSON header of a file, and its tensors as read-only views of the mapped file.

    Raises:
        ExportError: this is not such a file, or its digest is not that of its content.
        OSError: the file cannot be opened.
    """
    where = os.fspath(path)
    with open(path, "rb") as stream:
        start = stream.read(_PLACE + _DIGITS)
        if start[8:_PLACE] != _START or len(start) < _PLACE + _DIGITS:
            raise ExportError(f"{where} is not a file that funcvision.export wrote, or its first bytes are damaged")
        stream.seek(0)
        digest = hashlib.sha256(start[:_PLACE] + _ZEROS)
        with mapping.map_file(stream) as mapped, memoryview(mapped) as content:
            digest.update(content[_PLACE + _DIGITS :])
            length = int.from_bytes(content[:8], "little")
            text = bytes(content[8 : 8 + length])
    if digest.hexdigest().encode() != start[_PLACE:]:
        raise ExportError(f"{where} is damaged, truncated or was changed: its content does not have its SHA-256 digest")
    try:
        tensors = safetensors_file.read(path)
        header = json.loads(json.loads(text)["__metadata__"][_HEADER])
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError, OverflowError) as error:
        raise ExportError(f"{where} is not a sound file of funcvision.export: {error}") from error
    if not isinstance(header, dict):
        raise ExportError(f"{where} is not a sound file of funcvision.export: its header is not a JSON object")
    return header, tensors
