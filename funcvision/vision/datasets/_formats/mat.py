"""MATLAB's `.mat` files of version 5, read by scipy (the extra `datasets`).

scipy trusts what a file declares: on a damaged one it may allocate gigabytes or kill the process. The structure of the
file is therefore checked first, as far as scipy relies on it.

Reference: "MAT-File Format", https://www.mathworks.com/help/pdf_doc/matlab/matfile_format.pdf
"""

import io
import math
import os
import struct
import zlib
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np

__all__ = ["read_mat"]

_HEADER = 128  # bytes
_INT8, _INT32, _UINT32, _MATRIX, _COMPRESSED = 1, 5, 6, 14, 15  # types of elements
_NUMBERS = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8}  # types of numbers, with their bytes
_TEXTS = {1, 2, 4, 16, 17, 18}  # types of characters
_CELL, _STRUCT, _CHARACTERS, _SPARSE, _NUMERIC = 1, 2, 4, 5, range(6, 16)  # classes of arrays
_SLACK = 1 << 16  # characters that an array may have without a byte for each
_MAX_DEPTH = 32  # of arrays inside arrays
_EXPANSION, _ALLOWANCE = 100, 100 << 20  # times its size, plus these bytes: the most that a file may decompress to

_Element = tuple[int, memoryview]  # type and bytes


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
        _check(content)
        return scipy.io.loadmat(io.BytesIO(content), squeeze_me=squeeze)
    except Exception as error:  # on damaged files scipy raises exceptions of many types
        reason = str(error) or type(error).__name__
        raise ValueError(f"{os.fspath(path)} ({len(content)} bytes) is damaged or no .mat file: {reason}") from error


def _check(content: bytes) -> None:
    """Raises ValueError unless every element lies inside the file and every array is built as the format says."""
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
            arrays = list(_elements(memoryview(inner), order))
            if len(arrays) != 1:
                raise ValueError(f"a compressed element holds {len(arrays)} arrays, expected one")
            kind, element = arrays[0]
        if kind != _MATRIX or not element:
            raise ValueError(f"it holds an element of type {kind} in place of an array")
        _check_array(element, order, 0)


def _elements(content: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Type and bytes of each element in a sequence of them."""
    position = 0
    while position < len(content):
        if len(content) - position < 8:
            raise ValueError("it ends inside an element")
        kind, size = struct.unpack_from(order + "II", content, position)
        short = kind >> 16 != 0  # the size and the type share four bytes, and four bytes of data follow
        if short:
            kind, size, start, step = kind & 0xFFFF, kind >> 16, position + 4, 8
        else:
            start, step = position + 8, 8 + size + (0 if kind == _COMPRESSED else -size % 8)
        if start + size > len(content) or (short and (size > 4 or kind not in {*_NUMBERS, *_TEXTS})):
            raise ValueError(f"an element of type {kind} and {size} bytes is longer than what is left")
        yield kind, content[start : start + size]
        position += step


def _check_array(element: memoryview, order: str, depth: int) -> None:
    if not element:  # stands for an empty array inside a cell or a struct
        return
    if depth > _MAX_DEPTH:
        raise ValueError(f"arrays are nested over {_MAX_DEPTH} deep")
    elements = list(_elements(element, order))
    if len(elements) < 3:
        raise ValueError("an array lacks its class, its sizes or its name")
    flags, sizes, name, *parts = elements
    if (flags[0], len(flags[1]), sizes[0], len(sizes[1]) % 4, name[0]) != (_UINT32, 8, _INT32, 0, _INT8):
        raise ValueError("an array lacks its class, its sizes or its name")
    flag_bits = struct.unpack_from(order + "I", flags[1])[0]
    array_class, is_complex = flag_bits & 0xFF, bool(flag_bits & 0x800)
    shape = struct.unpack(f"{order}{len(sizes[1]) // 4}i", sizes[1])
    if not 2 <= len(shape) <= 32 or min(shape) < 0:
        raise ValueError(f"an array has the sizes {shape}")
    count = math.prod(shape)
    if array_class in (_CELL, _STRUCT):
        if array_class == _STRUCT:
            count *= _fields(parts[:2], order)
            parts = parts[2:]
        if len(parts) != count or any(kind != _MATRIX for kind, _ in parts):
            raise ValueError(f"an array of the sizes {shape} holds {len(parts)} arrays, expected {count}")
        for _, part in parts:
            _check_array(part, order, depth + 1)
    elif array_class == _CHARACTERS:
        _check_parts(parts, 1, _TEXTS)
        if count > len(parts[0][1]) + _SLACK:
            raise ValueError(f"an array of the sizes {shape} has only {len(parts[0][1])} bytes")
    elif array_class == _SPARSE:
        _check_parts(parts, 3 + is_complex, _NUMBERS)
        _check_sparse(parts, shape, order)
    elif array_class in _NUMERIC:
        _check_parts(parts, 1 + is_complex, _NUMBERS)
        if any(count * _NUMBERS[kind] != len(part) for kind, part in parts):
            raise ValueError(f"an array of the sizes {shape} has {len(parts[0][1])} bytes")
    else:
        raise ValueError(f"it holds an array of class {array_class}, a function or an object")


def _check_parts(parts: Sequence[_Element], count: int, kinds: Collection[int]) -> None:
    if len(parts) != count or any(kind not in kinds for kind, _ in parts):
        raise ValueError(f"an array has {len(parts)} parts of the types {[kind for kind, _ in parts][:4]}")


def _fields(parts: Sequence[_Element], order: str) -> int:
    """The number of fields of a struct, from the length of each name and all names."""
    if [kind for kind, _ in parts] != [_INT32, _INT8] or len(parts[0][1]) != 4:
        raise ValueError("a struct lacks the names of its fields")
    length = struct.unpack(order + "i", parts[0][1])[0]
    if length < 1 or len(parts[1][1]) % length:
        raise ValueError(f"the names of the fields of a struct have the length {length}")
    return len(parts[1][1]) // length


def _check_sparse(parts: Sequence[_Element], shape: tuple[int, ...], order: str) -> None:
    """The rows of the elements, where each column starts, and the values."""
    (rows_kind, rows), (starts_kind, starts), *values = parts
    if {rows_kind, starts_kind} - {_INT32, _UINT32} or len(rows) % 4 or len(starts) % 4 or len(shape) != 2:
        raise ValueError("a sparse array lacks the places of its elements")
    row, start = np.frombuffer(rows, order + "i4"), np.frombuffer(starts, order + "i4")
    stored = min(len(row), *(len(part) // _NUMBERS[kind] for kind, part in values))
    if len(start) != shape[1] + 1 or start[0] != 0 or (np.diff(start) < 0).any() or start[-1] > stored:
        raise ValueError("a sparse array has columns that lie outside it")
    if (row < 0).any() or (row[: start[-1]] >= shape[0]).any():
        raise ValueError("a sparse array has elements that lie outside it")
