"""Checks of arguments. Each error says what was given, what is expected and how to mend it."""

import operator
from collections.abc import Iterable, Sequence
from typing import Any, SupportsIndex, TypeVar

import jax
import numpy as np

T = TypeVar("T")
Size = int | Sequence[int]
Padding = str | int | Sequence[int | tuple[int, int]]


def listed(items: Iterable[str], most: int = 6) -> str:
    """The first `most` items, separated by commas, and the number of those left out.

    >>> listed("abcd", 2)
    'a, b and 2 more'
    """
    items = list(items)
    return ", ".join(items[:most]) + (f" and {len(items) - most} more" if len(items) > most else "")


def per_axis(value: T | Sequence[T], axes: int, name: str) -> tuple[T, ...]:
    """An option that is given once for all spatial axes or once for each, as a tuple with one value per axis.

    Args:
        value: one value, or a sequence of `axes` values.
        axes: the number of spatial axes.
        name: of the option, for the error.

    Raises:
        ValueError: the sequence has another length.

    >>> per_axis(2, 3, "stride"), per_axis((1, 2), 2, "stride")
    ((2, 2, 2), (1, 2))
    """
    several = _several(value)
    values: tuple[Any, ...] = (value,) * axes if several is None else several
    if len(values) != axes:
        raise ValueError(f"{name}={value!r} has {len(values)} values; give one number, or {axes}: one per spatial axis")
    return values


def integer(value: SupportsIndex, name: str, low: int | None = None) -> int:
    """An option that must be an integer: a Python int, an integer of numpy, or any other with `__index__`.

    Args:
        value: the option.
        name: of the option, for errors.
        low: the smallest integer that is allowed; None allows all.

    Raises:
        TypeError: it is no integer, but a float, a boolean or a traced array.
        ValueError: it is below `low`.

    >>> integer(np.int64(3), "stride", 1)
    3
    """
    expected = f"{name} must be an integer" + ("" if low is None else f" of {low} or more")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{expected}; {value!r} is of type {type(value).__name__}") from None
    if isinstance(value, bool):
        raise TypeError(f"{expected}, not a boolean; it is {value}")
    if low is not None and number < low:
        raise ValueError(f"{expected}; it is {number}")
    return number


def integers(value: Size, axes: int, name: str, low: int | None = None) -> tuple[int, ...]:
    """As `per_axis`, with each value checked by `integer`.

    >>> integers(np.int32(2), 2, "kernel_size", 1)
    (2, 2)
    """
    return tuple(integer(each, name, low) for each in per_axis(value, axes, name))


def shape(value: Size, name: str, low: int | None = 0) -> tuple[int, ...]:
    """One integer or a sequence of any length, each at least `low`, as a tuple.

    >>> shape(np.int64(5), "normalized_shape")
    (5,)
    """
    several = _several(value)
    values: tuple[Any, ...] = (value,) if several is None else several
    return tuple(integer(each, name, low) for each in values)


def _several(value: Any) -> tuple[Any, ...] | None:
    """The values of a sequence or of an array; None if `value` is a single one."""
    many = isinstance(value, Sequence) or (isinstance(value, np.ndarray) and value.ndim > 0)
    return tuple(value) if many else None


def axis_index(dim: SupportsIndex, x: jax.Array, function: str) -> int:
    """An axis of `x`, which may be counted from the end, counted from the front.

    Raises:
        TypeError: it is no integer.
        ValueError: `x` has no such axis. `function` is the caller's name, for the error.
    """
    axis = integer(dim, f"{function}: dim")
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"{function}: dim={axis} is not an axis of an array of shape {x.shape}")
    return axis % x.ndim


def channels_last(x: jax.Array, axes: int, channels: int, function: str) -> None:
    """Checks that `x` is [..., *spatial, channels].

    Args:
        x: the array to check.
        axes: the number of spatial axes.
        channels: the size that the last axis must have.
        function: the caller's name, for the error.

    Raises:
        ValueError: too few axes, or another number of channels. If the array looks channels-first, it says so.
    """
    layout = "[..., " + ", ".join(("depth", "height", "width")[-axes:] if axes > 1 else ("length",)) + ", channels]"
    if x.ndim < axes + 1:
        raise ValueError(f"{function} takes {layout} and got an array of shape {x.shape}")
    if x.shape[-1] == channels:
        return
    hint = f"{channels} channels are expected in the last axis"
    if x.shape[-axes - 1] == channels:
        order = (*range(x.ndim - axes - 1), *range(x.ndim - axes, x.ndim), x.ndim - axes - 1)
        hint += f"; this looks like torch's channels-first order: pass x.transpose{order}"
    raise ValueError(f"{function} takes {layout} and got {x.shape}: {hint}")


def padding_pairs(
    function: str, padding: Padding, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> tuple[tuple[int, int], ...]:
    """A convolution's padding as a (before, after) pair for each axis.

    Args:
        function: the caller's name, for errors.
        padding: "same", "valid", an integer of 0 or more, or one integer or pair for each axis.
        kernel: elements along each axis, as are `strides` and `dilations`.
        strides: pixels from one window to the next.
        dilations: pixels from one element of the kernel to the next.

    Raises:
        ValueError: an unknown word, "same" with a stride other than 1, a negative number, or a wrong number of values.
        TypeError: a number is no integer.

    >>> padding_pairs("conv2d", "same", (3, 4), (1, 1), (1, 1))
    ((1, 1), (1, 2))
    """
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise ValueError(f'{function}: padding={padding!r} is unknown; give "same", "valid" or numbers')
        if padding == "valid":
            return ((0, 0),) * len(kernel)
        if any(s != 1 for s in strides):
            raise ValueError(f'{function}: padding="same" is defined for stride 1; give numbers with {strides}')
        totals = [d * (k - 1) for k, d in zip(kernel, dilations, strict=True)]
        return tuple((total // 2, total - total // 2) for total in totals)
    both = per_axis(padding, len(kernel), "padding")
    name = f"{function}: padding"
    pairs = (integers(pair, 2, name, 0) for pair in both)
    return tuple((before, after) for before, after in pairs)
