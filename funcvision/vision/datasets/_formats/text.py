"""Text files: lines, and rows of numbers."""

import os

import numpy as np

__all__ = ["read_lines", "read_numbers"]


def read_lines(path: str | os.PathLike[str]) -> list[str]:
    """The lines of a UTF-8 file, without their ends.

    Raises:
        ValueError: the file is not UTF-8; the message names it.
    """
    try:
        with open(path, encoding="utf-8") as file:
            return [line.removesuffix("\n") for line in file]
    except UnicodeDecodeError as error:
        raise ValueError(f"{os.fspath(path)} is damaged or no text in UTF-8: {error}") from error


def read_numbers(path: str | os.PathLike[str], columns: int) -> np.ndarray:
    """The numbers in a file of lines of `columns` numbers each, float64 `[lines, columns]`. Empty lines are left out.

    Raises:
        ValueError: a line has another number of entries, or one that is no finite number; the message says which.
    """
    rows = []
    for number, line in enumerate(read_lines(path), 1):
        try:
            row = np.array(line.split(), np.float64)
        except ValueError as error:
            raise ValueError(f"{os.fspath(path)} is damaged in line {number}: {error}") from error
        if row.size and (row.size != columns or not np.isfinite(row).all()):
            raise ValueError(f"{os.fspath(path)} is damaged: line {number} is not {columns} numbers")
        rows += [row] if row.size else []
    return np.stack(rows) if rows else np.empty((0, columns))
