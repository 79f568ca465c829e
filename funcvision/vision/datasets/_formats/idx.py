"""The IDX format of the MNIST files: a magic number of four bytes, the sizes of the axes, the big-endian numbers."""

import math

import numpy as np

from ...archive import read_bytes

__all__ = ["read_idx"]

_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MOST_AXES = 8  # more than any data set has; numpy's limit is 64, and a message that lists 255 sizes is hard to read


def read_idx(path: str) -> np.ndarray:
    """The array in an IDX file, in this machine's byte order. The file may be compressed; see `read_bytes`.

    Raises:
        ValueError: the header is damaged, or the length of the file is not exactly what the header says. The message
            names the file.
    """
    content = read_bytes(path)
    dtype, shape = _header(path, content)
    start = 4 + 4 * len(shape)
    expected = start + math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        raise ValueError(
            f"{path} is damaged or truncated: its header declares an array of {shape}, {expected} bytes in all, "
            f"and it holds {len(content)}; delete it and download it again"
        )
    return np.frombuffer(content, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))


def _header(path: str, content: bytes) -> tuple[np.dtype, tuple[int, ...]]:
    """Dtype and shape, from the magic number (two zeros, the dtype's code, the number of axes) and the sizes."""
    axes = content[3] if len(content) >= 4 else 0
    known = content[:2] == b"\0\0" and len(content) >= 4 and content[2] in _DTYPES
    if not known or not 0 < axes <= _MOST_AXES or len(content) < 4 + 4 * axes:
        raise ValueError(
            f"{path} is damaged, truncated or not an IDX file: its {len(content)} bytes start with "
            f"{content[:4].hex(' ')}"
        )
    shape = tuple(int.from_bytes(content[4 + 4 * i : 8 + 4 * i], "big") for i in range(axes))
    return np.dtype(_DTYPES[content[2]]), shape
