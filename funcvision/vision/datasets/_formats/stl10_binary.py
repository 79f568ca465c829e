"""The binary files of STL-10: images as planes, and labels of one byte (https://cs.stanford.edu/~acoates/stl10/)."""

import os

import numpy as np

__all__ = ["read_stl10_images", "read_stl10_labels"]

_SIDE = 96
_CLASSES = 10


def read_stl10_images(path: str | os.PathLike[str]) -> np.ndarray:
    """The images, uint8 `[N, 96, 96, 3]`, a view: the file holds planes of colour, each column by column.

    Raises:
        ValueError: the file is empty or does not end with an image; the message names it.
    """
    size, image = os.path.getsize(path), 3 * _SIDE * _SIDE
    if not size or size % image:
        raise ValueError(f"{os.fspath(path)} is damaged or truncated: {size} bytes are not images of {image} bytes")
    return np.fromfile(path, np.uint8).reshape(-1, 3, _SIDE, _SIDE).transpose(0, 3, 2, 1)


def read_stl10_labels(path: str | os.PathLike[str]) -> np.ndarray:
    """The labels, uint8 `[N]` from 0 to 9; the file counts from 1.

    Raises:
        ValueError: a label is not among the classes; the message names the file.
    """
    labels = np.fromfile(path, np.uint8)
    if labels.size and not 1 <= labels.min() <= labels.max() <= _CLASSES:
        raise ValueError(f"{os.fspath(path)} is damaged: its labels are not from 1 to {_CLASSES}")
    return labels - np.uint8(1)
