"""The .npy files of numpy (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html)."""

import io
import math
import os

import numpy as np

__all__ = ["read_npy"]


def read_npy(source: str | os.PathLike[str] | bytes) -> np.ndarray:
    """The array in a .npy file, given by its path or as its bytes.

    Arrays of Python objects, which are pickles, are refused. The length of the file is compared
    with the header before memory is reserved.

    Raises:
        ValueError: the header is damaged, or the file is not exactly as long as it says; the message names the file.
    """
    name = "the data" if isinstance(source, bytes) else os.fspath(source)
    with io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        try:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = read(file)
        except Exception as error:  # numpy evaluates the header as a Python literal, which raises many types
            raise ValueError(f"{name} ({size} bytes) is damaged or no .npy file: {error}") from error
        if dtype.hasobject or any(axis < 0 for axis in shape):
            raise ValueError(f"{name} holds an array of {dtype} {shape}, expected one of numbers")
        expected = file.tell() + math.prod(shape) * dtype.itemsize
        if expected != size:
            raise ValueError(
                f"{name} is damaged or truncated: its header declares an array of {shape}, {expected} bytes in all, "
                f"and it holds {size}; delete it and download it again"
            )
        flat = np.frombuffer(bytearray(file.read()), dtype) if isinstance(source, bytes) else np.fromfile(file, dtype)
    return flat.reshape(shape, order="F" if fortran else "C")
