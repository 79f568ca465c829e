"""The .mat files of MATLAB, versions 4 to 7.2, read by scipy."""

import os
from typing import Any

__all__ = ["read_mat"]

_HEADER = 128  # bytes before the first element of a file of version 5 or later
_TAG = 8  # bytes before each element: its type and its number of bytes


def read_mat(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The variables in a .mat file, as `scipy.io.loadmat` gives them.

    Raises:
        ImportError: scipy is not installed.
        ValueError: the file is damaged or of another format; the message names it.
    """
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise ImportError('.mat files are read by scipy: pip install "funcvision[datasets]"') from error
    name = os.fspath(path)
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        try:
            _check_extents(file, size)
            file.seek(0)
            return loadmat(file)
        except Exception as error:  # on damaged files scipy raises exceptions of many types, MemoryError among them
            raise ValueError(f"{name} ({size} bytes) is damaged or no .mat file: {error}") from error


def _check_extents(file: Any, size: int) -> None:
    """ValueError unless the elements of a file of version 5 or later fill the file exactly.

    scipy reserves memory for as many bytes as an element claims to have, and ignores what is cut off at the end.
    """
    header = file.read(_HEADER)
    if len(header) < _HEADER:
        raise ValueError("it is shorter than the header")
    if header[126:128] not in (b"IM", b"MI"):
        return  # version 4
    order = "little" if header[126:128] == b"IM" else "big"
    position = _HEADER
    while position < size:
        file.seek(position)
        tag = file.read(_TAG)
        position += _TAG + int.from_bytes(tag[4:], order)
        if len(tag) < _TAG or position > size:
            raise ValueError("it is truncated")
