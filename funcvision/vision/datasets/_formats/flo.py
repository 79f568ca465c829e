"""The `.flo` format of optical flow (Middlebury, https://vision.middlebury.edu/flow/data/).

A file has the magic number "PIEH", width and height as int32, and the horizontal and vertical component of each pixel
as float32, row by row, all little-endian.
"""

import os
import struct

import numpy as np

__all__ = ["read_flo"]

_MAGIC = b"PIEH"


def read_flo(path: str | os.PathLike[str]) -> np.ndarray:
    """The flow in a file, float32 `[height, width, 2]`: pixels to the right, pixels downwards.

    Raises:
        ValueError: the magic number is wrong, or the length of the file is not exactly what its header says.
    """
    with open(path, "rb") as file:
        content = file.read()
    if len(content) < 12 or not content.startswith(_MAGIC):
        raise ValueError(f"{os.fspath(path)} ({len(content)} bytes) is damaged or no .flo file: it starts otherwise")
    width, height = struct.unpack_from("<ii", content, 4)
    if width <= 0 or height <= 0 or len(content) != 12 + 8 * width * height:
        raise ValueError(
            f"{os.fspath(path)} is damaged or truncated: its header declares {width} x {height} pixels, and it holds "
            f"{len(content)} bytes"
        )
    return np.frombuffer(content, "<f4", offset=12).reshape(height, width, 2).astype(np.float32)
