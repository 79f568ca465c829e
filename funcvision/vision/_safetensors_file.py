"""Reads and writes `.safetensors` files in place: mapped in, streamed out.

The format is eight bytes with the length of a JSON header, the header, and the tensors' bytes
(https://huggingface.co/docs/safetensors/index#format). The library's own writer wants all tensors in memory at once,
and its version 0.8 writes the wrong bytes for arrays that are not C-contiguous, so the writing is done here; whether
the header of a file is sound is for the library to say.
"""

import itertools
import json
import os
import struct
from collections.abc import Callable, Mapping
from typing import IO

import numpy as np
import safetensors

from . import _mapping
from ._element_types import BY_DTYPE, BY_SAFETENSORS

__all__ = ["looks_like", "read", "write"]

_MAX_HEADER = 100_000_000  # bytes; the library reads no larger ones


def looks_like(start: bytes) -> bool:
    """Whether a file with this beginning, nine bytes or more, is meant to be a safetensors file."""
    return start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= _MAX_HEADER


def read(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The tensors of a file as read-only views of it, in the order of its header."""
    try:
        with safetensors.safe_open(path, "np"):
            pass
    except safetensors.SafetensorError as error:
        raise ValueError(f"{os.fspath(path)} is a damaged or truncated safetensors file: {error}") from error
    with open(path, "rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        header = json.loads(stream.read(length))
        mapped = _mapping.map_file(stream)
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        if entry["dtype"] not in BY_SAFETENSORS:
            raise ValueError(f"{os.fspath(path)}: {name} has the type {entry['dtype']}, which numpy does not have")
        dtype, offset = BY_SAFETENSORS[entry["dtype"]].dtype, 8 + length + entry["data_offsets"][0]
        tensors[name] = _mapping.view(mapped, dtype, offset, tuple(entry["shape"]))
    return tensors


def write(
    stream: IO[bytes], tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str], progress: Callable[[int], object]
) -> None:
    """Writes tensors in the order of falling element size, which aligns them; the header keeps the order given."""
    for name, array in tensors.items():
        if BY_DTYPE[array.dtype].safetensors is None:
            raise ValueError(f"{name} is {array.dtype}, which safetensors files do not have; write a .pth file")
    stored = sorted(tensors, key=lambda name: -tensors[name].dtype.itemsize)
    ends = dict(zip(stored, itertools.accumulate(tensors[name].nbytes for name in stored), strict=True))
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    for name, array in tensors.items():
        header[name] = {
            "dtype": BY_DTYPE[array.dtype].safetensors,
            "shape": array.shape,
            "data_offsets": [ends[name] - array.nbytes, ends[name]],
        }
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    stream.write(struct.pack("<Q", len(text)) + text)
    for name in stored:
        for piece in _mapping.pieces(tensors[name]):
            stream.write(piece)
            progress(len(piece))
