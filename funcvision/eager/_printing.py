"""The text of a Tensor, as torch prints it."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.core import Tracer

from . import devices
from .dtypes import default_dtype, named

__all__ = ["get_printoptions", "set_printoptions", "text"]


@dataclasses.dataclass
class _Options:
    """How Tensors are printed.

    Attributes:
        precision: the number of digits after the point.
        threshold: with more elements, only the first and last ones of each axis are printed.
        edgeitems: how many of them.
        linewidth: the number of characters in a line.
        sci_mode: whether to use the scientific notation. None: if the numbers differ much.
    """

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


_PROFILES = {"default": _Options(), "short": _Options(precision=2, edgeitems=2), "full": _Options(threshold=math.inf)}
_options = _Options()


def set_printoptions(
    precision: int | None = None, threshold: float | None = None, edgeitems: int | None = None,
    linewidth: int | None = None, profile: str | None = None, sci_mode: bool | None = None,
) -> None:
    """Changes how Tensors are printed.

    Args:
        precision: the number of digits after the point; 4 at first.
        threshold: with more elements than these, 1000 at first, only the edges are printed.
        edgeitems: how many elements an edge has; 3 at first.
        linewidth: the number of characters in a line; 80 at first.
        profile: "default", "short" or "full" sets all of these. The other arguments then change some.
        sci_mode: whether to use the scientific notation. None: if the numbers differ much.
    """
    global _options
    if profile is not None and profile not in _PROFILES:
        raise ValueError(f'profile={profile!r}; give "default", "short" or "full"')
    start = _options if profile is None else _PROFILES[profile]
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    changes = {name: value for name, value in given.items() if value is not None}
    _options = dataclasses.replace(start, **changes, sci_mode=sci_mode)


def get_printoptions() -> dict[str, Any]:
    """How Tensors are printed, by the names of the arguments of `set_printoptions`."""
    return dataclasses.asdict(_options)


def text(array: jax.Array, history: str = "") -> str:
    """`tensor(...)` with the values, and with the device, shape and dtype where they are not the usual ones.

    Args:
        array: the values. Those of a tracer are not known.
        history: what to say of the gradient.
    """
    if isinstance(array, Tracer):
        return f"tensor({array!r}{history and ', ' + history})"
    dtype = named(array.dtype)
    place = devices.of_array(array)
    notes = [] if place == devices.device("cpu") or place == devices.get_explicit_default() else [f"device='{place}'"]
    if not array.size and array.ndim != 1:
        notes.append(f"size={tuple(array.shape)}")
    default = named(default_dtype())
    usual = (default, default.to_complex(), named("int64"), named("bool")) if array.size else (default,)
    if not any(dtype is one for one in usual):
        notes.append(f"dtype={dtype!r}")
    if history:
        notes.append(history)
    values = np.asarray(array)
    return _with_notes("tensor(" + (_values(values, len("tensor(")) if values.size else "[]"), notes)


def _with_notes(start: str, notes: list[str]) -> str:
    """The text with notes at its end. A note that does not fit the line begins a new one."""
    indent = len("tensor(")
    length = len(start) - start.rfind("\n") + 1
    for note in notes:
        if length + len(note) + 2 > _options.linewidth:
            start, length = f"{start},\n{' ' * indent}{note}", indent + len(note)
        else:
            start, length = f"{start}, {note}", length + len(note) + 2
    return start + ")"


def _values(values: np.ndarray, indent: int) -> str:
    """The elements in nested brackets."""
    if values.dtype.kind == "V" or values.dtype == np.float16:  # bfloat16 is a void dtype to numpy
        values = values.astype(np.float32)
    summarised = values.size > _options.threshold
    shown = _edges(values) if summarised else values
    if values.dtype.kind == "c":
        real, imag = _Format(np.real(shown)), _Format(np.imag(shown))
        write, width = _complex_format(real, imag), real.width + imag.width + 1
    else:
        write, width = (form := _Format(shown)), form.width
    return _nested(values, indent, summarised, write, width)


def _edges(values: np.ndarray) -> np.ndarray:
    """The elements that are shown of an array with many."""
    for axis, size in enumerate(values.shape):
        if size > 2 * _options.edgeitems:
            edge = _options.edgeitems
            places = [*range(edge), *range(size - edge, size)]
            values = np.take(values, places, axis)
    return values


def _complex_format(real: "_Format", imag: "_Format") -> Callable[[complex], str]:
    def write(number: complex) -> str:
        second = imag(number.imag).lstrip()
        return f"{real(number.real)}{'' if second[0] in '+-' else '+'}{second}j"

    return write


class _Format:
    """Writes numbers with one width. The width and the notation are chosen for an array of numbers."""

    def __init__(self, values: np.ndarray):
        self.is_float = values.dtype.kind == "f"
        self.whole, self.scientific, self.width = True, False, 1
        if not self.is_float:
            self.width = max(len(str(number)) for number in values.reshape(-1).tolist())
            return
        numbers = values[np.isfinite(values) & (values != 0)].astype(np.float64)
        if not numbers.size:
            return
        sizes = np.abs(numbers)
        self.whole = bool(np.all(numbers == np.ceil(numbers)))
        with np.errstate(over="ignore"):
            wide = sizes.max() / sizes.min() > 1000 or sizes.max() > 1e8 or (not self.whole and sizes.min() < 1e-4)
        self.scientific = bool(wide) if _options.sci_mode is None else _options.sci_mode
        self.width = max(len(self._write(number)) for number in numbers.tolist())

    def _write(self, number: float) -> str:
        if not self.is_float:
            return str(number)
        if self.scientific:
            return f"{number:.{_options.precision}e}"
        if self.whole:
            return f"{number:.0f}" + ("." if math.isfinite(number) else "")
        return f"{number:.{_options.precision}f}"

    def __call__(self, number: Any) -> str:
        return self._write(number).rjust(self.width)


def _nested(values: np.ndarray, indent: int, summarised: bool, write: Callable[[Any], str], width: int) -> str:
    if values.ndim == 0:
        return write(values.item())
    shortened = summarised and len(values) > 2 * _options.edgeitems
    first, last = (_options.edgeitems, len(values) - _options.edgeitems) if shortened else (len(values), len(values))
    gap = ["..."] if shortened else []
    if values.ndim > 1:
        parts = [_nested(part, indent + 1, summarised, write, width) for part in (*values[:first], *values[last:])]
        parts[first:first] = gap
        return "[" + ("," + "\n" * (values.ndim - 1) + " " * (indent + 1)).join(parts) + "]"
    items = [*map(write, values[:first].tolist()), *(" ..." for _ in gap), *map(write, values[last:].tolist())]
    in_line = max(1, (_options.linewidth - indent) // (width + 2))
    lines = [", ".join(items[start : start + in_line]) for start in range(0, len(items), in_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
