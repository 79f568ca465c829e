"""Reads and writes `.safetensors` files. Reading maps the file; writing streams it.

A file is eight bytes with the length of a JSON header, the header, and the bytes of the tensors
(https://huggingface.co/docs/safetensors/index#format). The `safetensors` library checks the headers of files that are
read. It is not used for writing: its writer needs all tensors in memory at once, and version 0.8 writes the wrong bytes
for arrays that are not C-contiguous.

Tensors are stored in torch's axis order, so that any other program reads them. Only files in funcvision's own cache
store them in the axis order that funcvision computes with. The metadata of such a file lists the axes, and `read`
transposes the views back without touching the numbers.
"""

import itertools
import json
import os
import struct
from collections.abc import Callable, Mapping
from typing import IO

import numpy as np
import safetensors

from . import mapping
from .element_types import BY_DTYPE, BY_SAFETENSORS

__all__ = ["looks_like", "read", "write"]

_MAX_HEADER = 100_000_000  # bytes; the library refuses larger headers
_AXES = "funcvision.axes"  # metadata: for each tensor that is stored in another order, torch's axes in that order
_ALIGNMENT = 64  # bytes: jax uses memory at such addresses without a copy


def looks_like(start: bytes) -> bool:
    """Whether a file that starts with these bytes, nine or more, looks like a safetensors file."""
    return start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= _MAX_HEADER


def read(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The tensors of a file as read-only views of it, in the order of its header.

    Raises:
        ValueError: the file is damaged, or a tensor has a type that numpy lacks; the message names the file.
    """
    try:
        with safetensors.safe_open(path, "np"):
            pass
    except safetensors.SafetensorError as error:
        raise ValueError(f"{os.fspath(path)} is a damaged or truncated safetensors file: {error}") from error
    with open(path, "rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        header = json.loads(stream.read(length))
        mapped = mapping.map_file(stream)
    axes = json.loads(header.pop("__metadata__", {}).get(_AXES, "{}"))
    tensors = {}
    for name, entry in header.items():
        if entry["dtype"] not in BY_SAFETENSORS:
            raise ValueError(f"{os.fspath(path)}: {name} has the type {entry['dtype']}, which numpy does not have")
        dtype, offset = BY_SAFETENSORS[entry["dtype"]].dtype, 8 + length + entry["data_offsets"][0]
        tensor = mapping.view(mapped, dtype, offset, tuple(entry["shape"]))
        order = axes.get(name, range(tensor.ndim))
        if sorted(order) != list(range(tensor.ndim)):
            raise ValueError(f"{os.fspath(path)}: {name} of shape {tensor.shape} is said to have the axes {order}")
        tensors[name] = tensor.transpose(np.argsort(order))
    return tensors


def write(
    stream: IO[bytes], tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str],
    axes: Mapping[str, tuple[int, ...]], progress: Callable[[int], object],
) -> None:
    """Writes a file.

    Tensors whose size is a multiple of 64 bytes come first, so that they are aligned to 64 bytes. The others follow by
    decreasing element size, so that they are aligned to their elements. The header keeps the order of `tensors`.

    Args:
        stream: where to write.
        tensors: arrays in torch's axis order, by name.
        metadata: notes in the header.
        axes: for tensors that are stored in another axis order, torch's axes in that order.
        progress: called with a number of bytes whenever these have been written.

    Raises:
        ValueError: a tensor has a type that safetensors files lack.
    """
    if axes:
        metadata = {**metadata, _AXES: json.dumps(axes)}
    tensors = {name: array.transpose(axes[name]) if name in axes else array for name, array in tensors.items()}
    for name, array in tensors.items():
        if BY_DTYPE[array.dtype].safetensors is None:
            raise ValueError(f"{name} is {array.dtype}, which safetensors files do not have; write a .pth file")
    sizes = {name: (array.nbytes % _ALIGNMENT != 0, -array.dtype.itemsize) for name, array in tensors.items()}
    stored = sorted(tensors, key=lambda name: sizes[name])
    ends = dict(zip(stored, itertools.accumulate(tensors[name].nbytes for name in stored), strict=True))
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    for name, array in tensors.items():
        header[name] = {
            "dtype": BY_DTYPE[array.dtype].safetensors,
            "shape": array.shape,
            "data_offsets": [ends[name] - array.nbytes, ends[name]],
        }
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-(8 + len(text)) % _ALIGNMENT)
    stream.write(struct.pack("<Q", len(text)) + text)
    for name in stored:
        for piece in mapping.pieces(tensors[name]):
            stream.write(piece)
            progress(len(piece))
