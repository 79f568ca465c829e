"""The .mat files of MATLAB, versions 5 to 7.2, read by scipy.

scipy trusts the tag before each element and may crash on a wrong one, so all tags are checked first.
Reference: "MAT-File Format", The MathWorks, chapter 1.
"""

import os
import zlib
from collections.abc import Callable
from typing import IO, Any

__all__ = ["read_mat"]

_HEADER = 128  # bytes before the first element
_MATRIX, _COMPRESSED = 14, 15  # types of elements
_NUMBERS = frozenset({1, 2, 3, 4, 5, 6, 7, 9, 12, 13, 16, 17, 18})  # types of elements that hold numbers or text
_BEFORE_MATRICES = {1: 3, 2: 5, 3: 6}  # in a cell array, a structure, an object: elements before the nested matrices
_FEWEST = 3  # parts of any array: its class, its shape, its name
_ELEMENTS = {4: 4, 5: 6, **dict.fromkeys(range(6, 16), 4)}  # parts of text, of a sparse array, of numbers; real ones
_COMPLEX = 0x0800
_DEEPEST = 50
_CHUNK = 1 << 20


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
            _check(file, size)
            file.seek(0)
            return loadmat(file)
        except Exception as error:  # on damaged files scipy raises exceptions of many types, MemoryError among them
            raise ValueError(f"{name} ({size} bytes) is damaged or no .mat file: {str(error)[:200]}") from error


def _check(file: IO[bytes], size: int) -> None:
    """ValueError unless the file is elements that fill it exactly, each of a known type."""
    header = file.read(_HEADER)
    if len(header) < _HEADER or header[126:128] not in (b"IM", b"MI"):
        raise ValueError("it does not start with the header of version 5")
    order = "little" if header[126:128] == b"IM" else "big"
    position = _HEADER
    while position < size:
        file.seek(position)
        kind, count = (int.from_bytes(file.read(4), order) for _ in range(2))
        position += 8 + count
        if position > size:
            raise ValueError("it is truncated")
        if kind == _COMPRESSED:
            _check_compressed(file, count, order)
        elif kind == _MATRIX:
            _check_matrix(file.read, lambda skipped: file.seek(skipped, os.SEEK_CUR), count, order)
        else:
            raise ValueError(f"it holds an element of type {kind}, expected a matrix")


def _check_compressed(file: IO[bytes], count: int, order: Any) -> None:
    """ValueError unless the next `count` bytes are one compressed matrix."""
    stream = _Decompressed(file, count)
    kind, size = (int.from_bytes(stream.read(4), order) for _ in range(2))
    if kind != _MATRIX:
        raise ValueError(f"it holds a compressed element of type {kind}, expected a matrix")
    _check_matrix(stream.read, stream.skip, size, order)
    stream.finish()


def _check_matrix(
    read: Callable[[int], bytes], skip: Callable[[int], object], size: int, order: Any, depth: int = 0
) -> None:
    """ValueError unless the next `size` bytes are the elements of a matrix."""
    if depth > _DEEPEST:
        raise ValueError("its arrays are nested too deeply")
    number, nested_from, expected = 0, None, None
    while size > 0:
        tag = int.from_bytes(read(4), order)
        small = tag >> 16  # an element of up to four bytes has its size in the upper half of its type, and no padding
        kind, count = (tag & 0xFFFF, small) if small else (tag, int.from_bytes(read(4), order))
        length = 4 if small else count + (-count % 8 if kind != _MATRIX else 0)
        size -= length + (4 if small else 8)
        if size < 0 or (small and count > 4):
            raise ValueError("an element is longer than the array that it is in")
        is_nested = nested_from is not None and number >= nested_from
        if kind == _MATRIX and is_nested:
            _check_matrix(read, skip, count, order, depth + 1)
        elif kind not in _NUMBERS or is_nested:
            raise ValueError(f"it holds an element of type {kind} where there cannot be one")
        elif number == 0:
            if kind != 6 or count != 8:
                raise ValueError("an array does not start with its class")
            flags = int.from_bytes(read(8)[:4], order)
            nested_from = _BEFORE_MATRICES.get(flags & 0xFF)
            if flags & 0xFF in _ELEMENTS:
                expected = _ELEMENTS[flags & 0xFF] + (flags & _COMPLEX != 0)
        else:
            skip(length)
        number += 1
    if number < _FEWEST or expected not in (None, number):
        raise ValueError(f"an array has {number} parts and needs {expected or 'more'}")


class _Decompressed:
    """A compressed part of a file, read from its start in pieces of bounded size."""

    def __init__(self, file: IO[bytes], count: int):
        self._file, self._left = file, count
        self._inflate = zlib.decompressobj()
        self._ready = b""

    def read(self, count: int) -> bytes:
        """The next bytes."""
        while len(self._ready) < count:
            self._ready += self._more()
        content, self._ready = self._ready[:count], self._ready[count:]
        return content

    def skip(self, count: int) -> None:
        """Leaves out the next bytes."""
        while count > len(self._ready):
            count -= len(self._ready)
            self._ready = self._more()
        self._ready = self._ready[count:]

    def finish(self) -> None:
        """ValueError unless this is the end, with the right checksum."""
        while not self._inflate.eof:
            self._ready += self._more()
        if self._ready:
            raise ValueError("a compressed array is longer than it says")

    def _more(self) -> bytes:
        if self._inflate.eof:
            raise ValueError("a compressed array is shorter than it says")
        packed = self._inflate.unconsumed_tail
        if not packed:
            packed = self._file.read(min(self._left, _CHUNK))
            self._left -= len(packed)
            if not packed:
                raise ValueError("a compressed array is truncated")
        return self._inflate.decompress(packed, _CHUNK)
