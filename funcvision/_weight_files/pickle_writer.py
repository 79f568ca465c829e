"""Writes plain data as pickles that torch's restricted reader takes: protocol 2, without any name beyond those below.

Python's own pickler looks up the classes and functions that it names, and torch's are not there to be looked up.
"""

import collections
import pickle
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["ORDERED_DICT", "PickleWriter", "named"]

_DEEPEST = 200  # containers inside each other


def named(module: str, name: str) -> bytes:
    """The instruction that puts a class or function, given by its name, on the stack."""
    return b"".join([pickle.GLOBAL, module.encode(), b"\n", name.encode(), b"\n"])


_SET, _BYTE_ARRAY, _COMPLEX = (named("__builtin__", name) for name in ("set", "bytearray", "complex"))
_ENCODE, _COUNTER = named("_codecs", "encode"), named("collections", "Counter")
ORDERED_DICT = named("collections", "OrderedDict") + pickle.EMPTY_TUPLE + pickle.REDUCE
"""The instructions that put an empty OrderedDict on the stack."""


class PickleWriter:
    """Writes one pickle of dicts, lists, tuples, sets, strings, bytes, numbers, None, and what `describe` knows.

    An object that occurs twice is written once, so that it is one object again for the reader.

    Args:
        describe: gives a value of another type as plain data between instructions: a list of bytes, which are
            instructions, and of values, which are written in their place. None if it does not know the value.
    """

    def __init__(self, describe: Callable[[Any], list[Any] | None]):
        self._describe = describe
        self._out: list[bytes] = []
        self._memo: dict[int, int] = {}
        self._kept: list[Any] = []  # what the memo knows by its id stays alive
        self._open: set[int] = set()

    def dumps(self, value: Any) -> bytes:
        """The pickle of a value.

        Raises:
            PicklingError: something in it is of another type; the message says where it is and what to save instead.
        """
        self._write(value, "")
        return b"".join([pickle.PROTO, b"\x02", *self._out, pickle.STOP])

    def _write(self, value: Any, where: str) -> None:
        if value is None or type(value) in (bool, int, float):
            self._out.append(pickle.dumps(value, protocol=2)[2:-1])  # without the frame around the instruction
        elif type(value) is str:
            text = value.encode("utf-8", "surrogatepass")
            self._out += [pickle.BINUNICODE, struct.pack("<I", len(text)), text]
        elif id(value) in self._memo:
            self._out += [pickle.LONG_BINGET, struct.pack("<I", self._memo[id(value)])]
        else:
            self._write_object(value, where)

    def _write_object(self, value: Any, where: str) -> None:
        """An object that a later part of the pickle may refer to."""
        if id(value) in self._open or len(self._open) > _DEEPEST:
            raise pickle.PicklingError(f"{where or 'this'} is nested too deeply, or contains itself by way of a tuple")
        self._open.add(id(value))
        kind = type(value)
        if kind is list:
            self._begin(value, pickle.EMPTY_LIST)
            self._elements(value, where, pickle.APPENDS)
        elif kind is dict:
            self._begin(value, pickle.EMPTY_DICT)
            self._items(value, where)
        elif kind is collections.OrderedDict:
            self._begin(value, ORDERED_DICT)
            self._items(value, where)
            if vars(value):  # torch keeps the versions of modules there
                self._write(vars(value), f"{where}.__dict__")
                self._out.append(pickle.BUILD)
        else:
            self._out += self._closed(value, where)
            self._begin(value)
        self._open.discard(id(value))

    def _closed(self, value: Any, where: str) -> list[bytes]:
        """Writes an object that cannot contain itself, but for its last instructions, which are returned."""
        kind = type(value)
        if kind is tuple:
            self._out.append(pickle.MARK)
            for index, element in enumerate(value):
                self._write(element, f"{where}[{index}]")
            return [pickle.TUPLE]
        if kind is collections.Counter:
            return self._call(_COUNTER, (dict(value),), where)
        if kind is set:
            return self._call(_SET, (list(value),), where)
        if kind is bytes:
            return self._call(_ENCODE, (value.decode("latin1"), "latin1"), where)
        if kind is bytearray:
            return self._call(_BYTE_ARRAY, (value.decode("latin1"), "latin-1"), where)
        if kind is complex:
            return self._call(_COMPLEX, (value.real, value.imag), where)
        parts = self._describe(value)
        if parts is None:
            raise pickle.PicklingError(_refusal(value, where))
        for part in parts:
            if type(part) is bytes:
                self._out.append(part)
            else:
                self._write(part, where)
        return []

    def _call(self, function: bytes, arguments: tuple[Any, ...], where: str) -> list[bytes]:
        self._out.append(function)
        self._kept.append(arguments)
        self._write(arguments, where)
        return [pickle.REDUCE]

    def _begin(self, value: Any, *instructions: bytes) -> None:
        """Puts an object on the stack and remembers it."""
        number = self._memo[id(value)] = len(self._memo)
        self._kept.append(value)
        self._out += [*instructions, pickle.LONG_BINPUT, struct.pack("<I", number)]

    def _elements(self, values: Any, where: str, end: bytes) -> None:
        self._out.append(pickle.MARK)
        for index, value in enumerate(values):
            self._write(value, f"{where}[{index}]")
        self._out.append(end)

    def _items(self, values: Any, where: str) -> None:
        self._out.append(pickle.MARK)
        for key, value in values.items():
            self._write(key, f"a key of {where or 'the dict'}")
            self._write(value, f"{where}[{key!r}]")
        self._out.append(pickle.SETITEMS)


def _refusal(value: Any, where: str) -> str:
    """Why a value is not written, and what to save instead."""
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    hint = "save plain data instead, such as vars(value)"
    if hasattr(value, "state_dict"):
        hint = "save its state_dict() instead"
    elif isinstance(value, np.generic):
        hint = "save the Python number, value.item(), instead"
    elif hasattr(value, "__array__"):
        hint = "make a Tensor of it first"
    elif isinstance(value, dict):
        hint = "save dict(value) instead"
    elif isinstance(value, list | tuple | int | float | str):
        hint = f"save {next(one for one in (list, tuple, int, float, str) if isinstance(value, one)).__name__}(value)"
    what = f"the value at {where}" if where else "what is to be saved"
    return f"{what[:200]} is a {kind}, which no file holds that can be read without running code: {hint}"
