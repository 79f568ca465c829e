"""The portable float map, `.pfm` (http://www.pauldebevec.com/Research/HDR/PFM/).

Three lines of text precede the numbers: "PF" (3 channels) or "Pf" (1 channel), width and height, and a scale whose sign
is negative if the float32 numbers are little-endian. The last row of the image comes first.
"""

import math
import os
import re

import numpy as np

__all__ = ["read_pfm"]

_HEADER = re.compile(rb"(P[Ff])\s*\n(\d{1,9})\s(\d{1,9})\s*\n([-+.\deE]{1,40})\s*\n")
_LONGEST_HEADER = 200  # bytes


def read_pfm(path: str | os.PathLike[str]) -> np.ndarray:
    """The numbers in a file, float32 `[height, width, 1 | 3]`, the first row being the top one.

    The magnitude of the scale is not applied, as in torchvision.

    Raises:
        ValueError: the header is damaged, or the length of the file is not exactly what the header says.
    """
    with open(path, "rb") as file:
        content = file.read()
    name = os.fspath(path)
    match = _HEADER.match(content[:_LONGEST_HEADER])
    if match is None:
        raise ValueError(f"{name} ({len(content)} bytes) is damaged or no PFM file: its header cannot be read")
    channels = 3 if match[1] == b"PF" else 1
    width, height = int(match[2]), int(match[3])
    scale = _number(match[4])
    if not math.isfinite(scale) or scale == 0:
        raise ValueError(f"{name} is damaged: the scale in its header is {match[4].decode()!r}")
    if width * height == 0 or len(content) - match.end() != 4 * channels * width * height:
        raise ValueError(
            f"{name} is damaged or truncated: its header declares {width} x {height} pixels of {channels} channels, "
            f"and {len(content) - match.end()} bytes follow it"
        )
    numbers = np.frombuffer(content, "<f4" if scale < 0 else ">f4", offset=match.end())
    return numbers.reshape(height, width, channels)[::-1].astype(np.float32)


def _number(text: bytes) -> float:
    """The number in a text; NaN if it is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan
