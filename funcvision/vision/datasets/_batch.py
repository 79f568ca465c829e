"""Reading the pickles that CIFAR is published as, admitting what they hold and running nothing else.

A pickle names the functions that rebuild its objects. Here every name is looked up in a table of five, and the
classes it leads to only record what they are given: not even numpy's own machinery runs on bytes from outside.
"""

import io
import math
import pickle
from typing import Any

import numpy as np

__all__ = ["unpickle"]


def unpickle(content: bytes) -> dict[str, Any]:
    """The dict in a pickle, of numbers, strings, lists and uint8 arrays.

    Raises `ValueError` where it holds anything else, saying what, or is damaged.
    """
    try:
        entries = _Unpickler(io.BytesIO(content), encoding="latin1").load()
        if not isinstance(entries, dict):
            raise pickle.UnpicklingError(f"it holds a {type(entries).__name__}, expected a dict")
        return {key: _rebuilt(value) if isinstance(value, _Array) else value for key, value in entries.items()}
    except Exception as error:  # damaged pickles raise anything
        raise ValueError(f"{type(error).__name__}: {error}") from error


class _Recorded:
    """Stands for a function or class that a pickle names, and keeps what it is called with."""

    state: Any = None

    def __init__(self, *arguments: Any):
        self.arguments = arguments

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Array(_Recorded):
    """numpy.ndarray; its state is (version, shape, dtype, whether in Fortran's order, bytes)."""


class _Dtype(_Recorded):
    """numpy.dtype; its first argument is a code, "u1" for uint8."""


class _Encoded(_Recorded):
    """Bytes as Python 3's older protocols write them: (text, "latin1")."""


_ADMITTED = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("_codecs", "encode"): _Encoded,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which was refused and not run")
        return _ADMITTED[module, name]


def _rebuilt(array: _Array) -> np.ndarray:
    match array.state:
        case (_, tuple(shape), _Dtype(arguments=("u1", *_)), fortran, content):
            raw = _raw(content)
        case _:
            raise pickle.UnpicklingError("it holds an array that is not uint8")
    if len(raw) != math.prod(shape):
        raise pickle.UnpicklingError(f"it holds {len(raw)} bytes for an array of shape {shape}")
    return np.frombuffer(raw, np.uint8).reshape(shape, order="F" if fortran else "C")


def _raw(content: Any) -> bytes:
    match content:
        case bytes():
            return content
        case str(text) | _Encoded(arguments=(str(text), "latin1")):  # Python 2's bytes, or Python 3's
            return text.encode("latin1")
        case _:
            raise pickle.UnpicklingError(f"it holds an array of {type(content).__name__}, expected bytes")
