"""Frames as arrays, turned and mirrored as a player shows them."""

import math
from typing import Any

import numpy as np

__all__ = ["display_matrix", "quarter_turns", "rgb", "turned"]


def display_matrix(frame: Any) -> np.ndarray | None:
    """The matrix by which the container turns a frame of PyAV, int32 [3, 3] in fixed point; None if it has none."""
    data = frame.side_data.get("DISPLAYMATRIX")
    return None if data is None else np.frombuffer(bytes(data), np.int32).reshape(3, 3)


def quarter_turns(matrix: np.ndarray | None) -> int:
    """How many quarter turns, clockwise, a matrix is nearest to. Mirrors do not count."""
    if matrix is None:
        return 0
    (a, b), (c, d) = matrix[:2, :2].astype(float)
    mirrored = a * d - b * c < 0
    return round(math.atan2(-b if mirrored else b, -a if mirrored else a) / (math.pi / 2)) % 4


def turned(image: np.ndarray, matrix: np.ndarray | None) -> np.ndarray:
    """An image [height, width, channels], turned and mirrored by the multiple of 90 degrees nearest to a matrix.

    A pixel at (x, y) is shown at (a x + c y, b x + d y), where (a, b) and (c, d) are the first rows of the matrix.
    """
    if matrix is None:
        return image
    (a, b), (c, d) = matrix[:2, :2].astype(float)
    if max(abs(b), abs(c)) > max(abs(a), abs(d)):  # x and y change places
        image, a, d = image.swapaxes(0, 1), c, b
    return image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]


def rgb(frame: Any, size: tuple[int, int]) -> np.ndarray:
    """A frame of PyAV as an array, turned as a player shows it.

    Args:
        frame: the frame.
        size: the width and height of the video before turning, in pixels. A frame of another size is resized to it.

    Returns:
        uint8 [height, width, 3].
    """
    width, height = size
    # One thread: PyAV keeps the threads for later frames, and a process that is forked then waits for them for ever.
    converted = frame.reformat(width=width, height=height, format="rgb24", threads=1)
    return turned(converted.to_ndarray(), display_matrix(frame))
