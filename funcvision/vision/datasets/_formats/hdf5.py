"""Arrays in HDF5 files, read by h5py a row at a time."""

import os
from typing import Any

import numpy as np

__all__ = ["HDF5Array"]


class HDF5Array:
    """An array in an HDF5 file, of which rows are read on demand.

    Each process opens the file for itself when it first reads, because HDF5's handles must not cross a fork. h5py lets
    one thread in at a time. The array pickles as the path and the name.

    Args:
        path: the file.
        name: the array in it.

    Attributes:
        shape: the size of each axis.
        dtype: the type of the numbers.

    Raises:
        ImportError: h5py is not installed.
        ValueError: the file is damaged, or has no array of this name; the message names it.
    """

    def __init__(self, path: str | os.PathLike[str], name: str):
        self.path, self.name = os.fspath(path), name
        self._opened: tuple[int, Any] | None = None  # the process that opened the file, and the array
        array = self._array()
        self.shape: tuple[int, ...] = array.shape
        self.dtype: np.dtype = array.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: int) -> np.ndarray:
        row = range(len(self))[index]
        try:
            return self._array()[row]
        except (OSError, RuntimeError, KeyError, ValueError) as error:
            raise ValueError(f"{self.path} is damaged in row {row} of {self.name}: {error}") from error

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_opened": None}

    def _array(self) -> Any:
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = os.getpid(), self._open()
        return self._opened[1]

    def _open(self) -> Any:
        try:
            import h5py
        except ImportError as error:
            raise ImportError('HDF5 files are read by h5py: pip install "funcvision[datasets]"') from error
        with open(self.path, "rb"):  # the system's own error if the file is missing or may not be read
            pass
        try:
            array = h5py.File(self.path, "r")[self.name]
        except (OSError, RuntimeError, KeyError, ValueError) as error:
            raise ValueError(f"{self.path} is damaged, truncated or has no {self.name!r}: {error}") from error
        if not isinstance(array, h5py.Dataset) or not array.shape:
            raise ValueError(f"{self.path} holds no array {self.name!r}")
        return array
