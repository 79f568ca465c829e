"""MATLAB's `.mat` files of version 5, read by scipy (the extra `datasets`).

scipy trusts the sizes that a file declares and may allocate gigabytes for a damaged one. The sizes are therefore
compared with the length of the file first.

Reference: "MAT-File Format", https://www.mathworks.com/help/pdf_doc/matlab/matfile_format.pdf
"""

import io
import math
import os
import struct
import zlib
from collections.abc import Iterator
from typing import Any

__all__ = ["read_mat"]

_HEADER = 128  # bytes
_MATRIX, _COMPRESSED = 14, 15  # types of elements
_CELL, _STRUCT, _SPARSE = 1, 2, 5  # classes of arrays
_CLASSES = range(1, 16)  # all but functions and opaque objects; 3 is an old-style object
_SLACK = 1 << 16  # elements that an array may have without a byte of its own for each
_MAX_DEPTH = 32  # of arrays inside arrays
_EXPANSION, _ALLOWANCE = 100, 100 << 20  # times its size, plus these bytes: the most that a file may decompress to


def read_mat(path: str | os.PathLike[str], *, squeeze: bool = False) -> dict[str, Any]:
    """The variables in a `.mat` file, by name, as `scipy.io.loadmat` returns them.

    Args:
        path: the file.
        squeeze: leave out axes of length 1, as `squeeze_me` of scipy does.

    Raises:
        ImportError: scipy is not installed.
        ValueError: the file is damaged or of another kind; the message names it.
    """
    try:
        import scipy.io
    except ImportError as error:
        raise ImportError('scipy reads .mat files: pip install "funcvision[datasets]"') from error
    with open(path, "rb") as file:
        content = file.read()
    try:
        _check_sizes(content)
        return scipy.io.loadmat(io.BytesIO(content), squeeze_me=squeeze)
    except Exception as error:  # on damaged files scipy raises exceptions of many types
        reason = str(error) or type(error).__name__
        raise ValueError(f"{os.fspath(path)} ({len(content)} bytes) is damaged or no .mat file: {reason}") from error


def _check_sizes(content: bytes) -> None:
    """Raises ValueError unless every element lies inside the file and every array has the bytes for its sizes."""
    order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
    if order is None or content[124 if order == ">" else 125] != 1:
        raise ValueError("it has no header of version 5")
    left = _EXPANSION * len(content) + _ALLOWANCE
    for kind, element in _elements(memoryview(content)[_HEADER:], order):
        if kind == _COMPRESSED:
            decompressor = zlib.decompressobj()
            inner = decompressor.decompress(element, left + 1)
            left -= len(inner)
            if left < 0:
                raise ValueError(f"it decompresses to over {_EXPANSION} times its size")
            if not decompressor.eof:
                raise ValueError("a compressed element is cut off")
            for inner_kind, inner_element in _elements(memoryview(inner), order):
                _check_element(inner_kind, inner_element, order, 0)
        else:
            _check_element(kind, element, order, 0)


def _elements(content: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Type and bytes of each element in a sequence of them."""
    position = 0
    while position < len(content):
        if len(content) - position < 8:
            raise ValueError("it ends inside an element")
        kind, size = struct.unpack_from(order + "II", content, position)
        if kind >> 16:  # a short element: the size and the type share four bytes, four of data follow
            kind, size, start, step = kind & 0xFFFF, kind >> 16, position + 4, 8
        else:
            start, step = position + 8, 8 + size + (0 if kind == _COMPRESSED else -size % 8)
        if start + size > len(content) or (step == 8 and size > 4):
            raise ValueError(f"an element of {size} bytes is longer than what is left")
        yield kind, content[start : start + size]
        position += step


def _check_element(kind: int, element: memoryview, order: str, depth: int) -> None:
    if kind != _MATRIX or not element:
        return
    if depth > _MAX_DEPTH:
        raise ValueError(f"arrays are nested over {_MAX_DEPTH} deep")
    parts = list(_elements(element, order))
    if len(parts) < 3 or len(parts[0][1]) < 8 or len(parts[1][1]) % 4:
        raise ValueError("an array lacks its class, its sizes or its name")
    array_class = struct.unpack_from(order + "I", parts[0][1])[0] & 0xFF
    if array_class not in _CLASSES:
        raise ValueError(f"it holds an array of class {array_class}, a function or an object")
    sizes = struct.unpack(f"{order}{len(parts[1][1]) // 4}i", parts[1][1])
    if min(sizes, default=0) < 0:
        raise ValueError(f"an array has the sizes {sizes}")
    count = math.prod(sizes)
    if array_class == _STRUCT and len(parts) >= 5 and len(parts[3][1]) >= 4:
        length = max(1, struct.unpack_from(order + "I", parts[3][1])[0])
        count *= max(1, len(parts[4][1]) // length)
    least = 8 if array_class in (_CELL, _STRUCT) else 1
    if array_class != _SPARSE and count * least > len(element) + _SLACK:
        raise ValueError(f"an array of the sizes {sizes} has only {len(element)} bytes")
    for inner_kind, inner in parts[3:]:
        _check_element(inner_kind, inner, order, depth + 1)
