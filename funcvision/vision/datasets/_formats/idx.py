"""The IDX format of the MNIST files: four bytes of magic, the sizes of the axes, then the numbers, big-endian."""

import math

import numpy as np

from ...archive import read_bytes

__all__ = ["read_idx"]

_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: str) -> np.ndarray:
    """The array in an IDX file, plain, gzipped or xz-compressed, in this machine's byte order.

    Raises `ValueError`, naming the file, unless its header is sound and its length exactly what the header says.
    """
    content = read_bytes(path)
    dtype, shape = _header(path, content)
    start = 4 + 4 * len(shape)
    expected = start + math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        raise ValueError(
            f"{path} is damaged or truncated: its header promises an array of {shape}, {expected} bytes in all, "
            f"and it holds {len(content)}; delete it and fetch it anew"
        )
    return np.frombuffer(content, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))


def _header(path: str, content: bytes) -> tuple[np.dtype, tuple[int, ...]]:
    """Dtype and shape, from the magic (two zeros, the dtype's code, the number of axes) and the sizes after it."""
    axes = content[3] if len(content) >= 4 else 0
    if content[:2] != b"\0\0" or axes == 0 or content[2] not in _DTYPES or len(content) < 4 + 4 * axes:
        raise ValueError(
            f"{path} is damaged, truncated or no IDX file: its {len(content)} bytes start with {content[:4].hex(' ')}"
        )
    shape = tuple(int.from_bytes(content[4 + 4 * i : 8 + 4 * i], "big") for i in range(axes))
    return np.dtype(_DTYPES[content[2]]), shape
