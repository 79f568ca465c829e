"""The pickled dicts that CIFAR is published as (https://www.cs.toronto.edu/~kriz/cifar.html)."""

import io
import math
from typing import Any

import numpy as np

from ...._weight_files.pickles import PickleReader, Placeholder

__all__ = ["read_cifar_batch"]

_RECONSTRUCT = ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct")
_ADMITTED = frozenset({"numpy.ndarray", "numpy.dtype", *_RECONSTRUCT})


def read_cifar_batch(content: bytes) -> dict[str, Any]:
    """The dict in a pickle of numbers, strings, lists and uint8 arrays, as Python 2 or Python 3 wrote it.

    Strings of Python 2 are decoded as Latin-1. Nothing in the pickle is run.

    Raises:
        ValueError: the pickle is damaged or holds anything else; the message says what.
    """
    reader = PickleReader(known=_ADMITTED)
    entries = reader.read(io.BytesIO(content))
    if reader.foreign:
        raise ValueError(f"it asks for {next(iter(reader.foreign))[:100]}, which was refused and not run")
    if type(entries) is not dict:
        raise ValueError(f"it holds a {type(entries).__name__}, expected a dict")
    return {key: _array(value) if isinstance(value, Placeholder) else value for key, value in entries.items()}


def _array(described: Placeholder) -> np.ndarray:
    """The array that a placeholder describes; its state is (version, shape, dtype, in Fortran's order, bytes)."""
    match described.name, described.state:
        case name, (_, tuple(shape), Placeholder("numpy.dtype", ("u1", *_)), fortran, content) if name in _RECONSTRUCT:
            pass
        case _:
            raise ValueError("it holds an array that is not uint8")
    raw = content.encode("latin1") if type(content) is str else content  # Python 2 writes bytes as a string
    if type(raw) is not bytes:
        raise ValueError(f"it holds an array of {type(content).__name__}, expected bytes")
    if not all(type(size) is int and 0 <= size <= len(raw) for size in shape) or len(raw) != math.prod(shape):
        raise ValueError(f"it holds {len(raw)} bytes for an array of shape {shape}")
    return np.frombuffer(raw, np.uint8).reshape(shape, order="F" if fortran else "C")
