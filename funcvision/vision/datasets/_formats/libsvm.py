"""The text format of LIBSVM: a label and pairs `index:value` in every line (https://www.csie.ntu.edu.tw/~cjlin/libsvm)."""

import os

import numpy as np

from ...archive import read_bytes

__all__ = ["read_libsvm"]


def read_libsvm(path: str | os.PathLike[str], features: int) -> tuple[np.ndarray, np.ndarray]:
    """The labels, float64 `[N]`, and the values, float32 `[N, features]`, of a file in which no value is left out.

    The file may be compressed; see `read_bytes`.

    Raises:
        ValueError: a line is not a label and the values 1, 2, ..., `features`; the message names file and line.
    """
    name, indices = os.fspath(path), np.arange(1, features + 1)
    lines = [line.split() for line in read_bytes(path).split(b"\n") if line.strip()]
    if not lines:
        raise ValueError(f"{name} is damaged: it holds no lines")
    labels, values = np.empty(len(lines)), np.empty((len(lines), features), np.float32)
    for row, (label, *pairs) in enumerate(lines):
        try:
            numbers = np.array([pair.split(b":") for pair in pairs], np.float64)
            labels[row] = float(label)
        except ValueError as error:
            raise ValueError(f"{name} is damaged in line {row + 1}: {str(error)[:100]}") from error
        if numbers.shape != (features, 2) or not (numbers[:, 0] == indices).all() or not np.isfinite(numbers).all():
            raise ValueError(f"{name} is damaged: line {row + 1} is not a label and the values 1 to {features}")
        values[row] = numbers[:, 1]
    return labels, values
