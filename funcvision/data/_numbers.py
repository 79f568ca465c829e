"""Checks of whole numbers, of any integer type: options, and the numbers of samples."""

import operator
from collections.abc import Iterable, Iterator
from typing import Any

import jax
import numpy as np

__all__ = ["index_array", "whole_number"]


def whole_number(name: str, value: Any, smallest: int) -> int:
    """The value of an option as an int.

    Args:
        name: the name of the option.
        value: an int, or an integer of numpy or of another library.
        smallest: the smallest value allowed.

    Raises:
        ValueError: it is no whole number, or is smaller.
    """
    number = _index(value)
    if number is None or number < smallest:
        raise ValueError(f"{name}={value!r} must be a whole number, {smallest} or more")
    return number


def index_array(values: Iterable[Any], what: str) -> np.ndarray:
    """Numbers of samples as an int64 array [n].

    Args:
        values: an array, or an iterable of whole numbers of any integer type.
        what: names the source of the values in an error.

    Raises:
        TypeError: a value is no whole number. Booleans are none: a mask is not a list of numbers.
        ValueError: an array has other than one axis.
    """
    if not isinstance(values, np.ndarray | jax.Array):
        return np.fromiter(_indices(values, what), np.int64)
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"{what} is an array of shape {array.shape}; expected numbers of samples, of shape [n]")
    if array.size and array.dtype.kind not in "iu":
        hint = _hint(array.flat[0])
        raise TypeError(f"{what} is an array of {array.dtype}; expected whole numbers, the numbers of samples{hint}")
    return array.astype(np.int64)


def _indices(values: Iterable[Any], what: str) -> Iterator[int]:
    for value in values:
        number = _index(value)
        if number is None:
            raise TypeError(f"{what} gives {value!r}; expected whole numbers, the numbers of samples{_hint(value)}")
        yield number


def _index(value: Any) -> int | None:
    """The value as an int; None if it is no whole number."""
    if isinstance(value, bool | np.bool_):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def _hint(value: Any) -> str:
    """How to mend the value, if it is a mask or a batch."""
    if isinstance(value, bool | np.bool_):
        return ": np.flatnonzero(mask) gives those of a mask"
    return ": batches of numbers are given as batch_sampler" if isinstance(value, Iterable) else ""
