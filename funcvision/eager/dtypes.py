"""The dtypes of Tensors under torch's names, their limits, and the rules by which they are promoted.

Without jax_enable_x64, jax has no 64-bit dtypes. `int64` then names the default integer, which is stored in 32 bits,
and is equal to `int32`; a value beyond 32 bits raises (see `_limits`). `float64` and `complex128` cannot be stored, and
functions that are asked for them raise.
"""

import builtins
import functools
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

__all__ = [
    "bfloat16", "bool", "can_cast", "canonical", "cdouble", "cfloat", "complex64", "complex128", "default_dtype",
    "double", "dtype", "finfo", "float", "float16", "float32", "float64", "get_default_dtype", "half", "iinfo", "int",
    "int8", "int16", "int32", "int64", "is_name", "kind", "long", "named", "promote_types", "promoted",
    "set_default_dtype", "short", "uint8", "uint16", "uint32", "uint64",
]  # fmt: skip


class dtype:
    """A dtype under torch's name. It is equal to numpy's dtype of that name; jax and numpy accept it as a dtype.

    >>> float32, float32 == np.float32, float32.is_floating_point, float32.to_complex()
    (torch.float32, True, True, torch.complex64)
    """

    __slots__ = ("_numpy", "name")

    def __init__(self, name: str):
        self.name = name
        self._numpy = np.dtype(name)

    @property
    def dtype(self) -> np.dtype:
        """The dtype of numpy in which elements are stored. numpy and jax ask for it."""
        return np.dtype(jax.dtypes.canonicalize_dtype(self._numpy)) if self._numpy.kind in "iu" else self._numpy

    @property
    def itemsize(self) -> builtins.int:
        """The number of bytes in which an element is stored."""
        return self.dtype.itemsize

    @property
    def is_floating_point(self) -> builtins.bool:
        """Whether the elements are floating-point numbers."""
        return kind(self._numpy) == 2

    @property
    def is_complex(self) -> builtins.bool:
        """Whether the elements are complex numbers."""
        return kind(self._numpy) == 3

    @property
    def is_signed(self) -> builtins.bool:
        """Whether the elements can be negative."""
        return self._numpy.kind not in "ub"

    def to_real(self) -> "dtype":
        """The dtype of the real part."""
        return named({"complex64": "float32", "complex128": "float64"}.get(self.name, self.name))

    def to_complex(self) -> "dtype":
        """The complex dtype whose real part has this dtype. The half types have none in jax and give complex64."""
        return self if self.is_complex else named("complex128" if self.name == "float64" else "complex64")

    def __eq__(self, other: object) -> builtins.bool:
        if other is self:
            return True
        if not isinstance(other, dtype):
            try:
                theirs = np.dtype(other) if other is not None else None  # pyright: ignore[reportArgumentType, reportCallIssue]
            except TypeError:
                return NotImplemented
            return theirs in (self._numpy, self.dtype)
        return self.dtype == other.dtype

    def __hash__(self) -> builtins.int:
        return hash(np.dtype(np.int32) if self.name == "int64" else self._numpy)  # int64 is equal to int32 without x64

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> Any:
        return named, (self.name,)


_NAMES = (
    "bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32",
    "float64", "complex64", "complex128",
)  # fmt: skip
_ALL = {name: dtype(name) for name in _NAMES}
_BY_NUMPY = {found._numpy: found for found in _ALL.values()}

uint8, uint16, uint32, uint64 = (_ALL[name] for name in ("uint8", "uint16", "uint32", "uint64"))
int8, int16, int32, int64 = (_ALL[name] for name in ("int8", "int16", "int32", "int64"))
float16, bfloat16, float32, float64 = (_ALL[name] for name in ("float16", "bfloat16", "float32", "float64"))
complex64, complex128 = _ALL["complex64"], _ALL["complex128"]
short, int, long = int16, int32, int64
half, float, double = float16, float32, float64
cfloat, cdouble = complex64, complex128
bool = _ALL["bool"]

_default = np.dtype(np.float32)


def named(given: Any) -> dtype:
    """The dtype object for a name or a dtype of numpy. The default integer is int64, whatever its storage."""
    if isinstance(given, dtype):
        return given
    if isinstance(given, str):
        return _ALL[given]
    found = _BY_NUMPY[given if isinstance(given, np.dtype) else np.dtype(given)]
    return int64 if found is int32 and not jax.config.jax_enable_x64 else found  # pyright: ignore


def is_name(text: str) -> builtins.bool:
    """Whether this is the name of a dtype."""
    return text in _ALL


def canonical(given: Any) -> np.dtype:
    """The dtype of numpy that jax stores: 64-bit integers become 32-bit ones unless jax_enable_x64 is set.

    Raises:
        TypeError: this is no dtype.
        ValueError: float64 or complex128 is given without jax_enable_x64. Their precision is not reduced silently.
    """
    if isinstance(given, dtype):
        wanted = given._numpy
    else:
        wanted = np.dtype({builtins.int: np.int64, builtins.float: _default}.get(given, given))
    found = np.dtype(jax.dtypes.canonicalize_dtype(wanted))
    if found != wanted and jnp.issubdtype(wanted, jnp.inexact):
        raise ValueError(f'{wanted} is turned off in jax: turn it on with jax.config.update("jax_enable_x64", True)')
    return found


def kind(given: Any) -> builtins.int:
    """0 for bool, 1 for integers, 2 for floating-point and 3 for complex types."""
    kinds = (jnp.bool_, jnp.integer, jnp.floating, jnp.complexfloating)
    return next(rank for rank, kind in enumerate(kinds) if jnp.issubdtype(given, kind))


# The default dtype


def default_dtype() -> np.dtype:
    """The dtype of Python's floats, and of results that are not integers though the operands are."""
    return _default


def get_default_dtype() -> dtype:
    """The dtype of Tensors that are made of Python's floats, and of created Tensors."""
    return named(_default)


def set_default_dtype(d: Any) -> None:
    """Changes the default dtype, which is float32 at first.

    Raises:
        TypeError: it is not a floating-point dtype.
        ValueError: it is float64 without jax_enable_x64.
    """
    global _default
    wanted = canonical(d)
    if kind(wanted) != 2:
        raise TypeError(f"the default dtype must be a floating-point dtype; got {d}")
    if wanted != _default:
        _default = wanted
        jax.clear_caches()  # compiled functions contain the old default


# Promotion


def _in_order(groups: Iterable[list[np.dtype]]) -> np.dtype:
    """The common dtype of groups. A group changes that of the groups before it only if it is of a higher kind."""
    with jax.numpy_dtype_promotion("standard"):
        first, *others = [functools.reduce(_common, group) for group in groups if group]
        for other in others:
            if kind(other) == 3 and kind(first) == 2:  # the precision is that of the first
                first = named(first).to_complex()._numpy
            elif kind(other) > kind(first):
                first = _common(first, other)
    return np.dtype(first)


def _common(first: np.dtype, second: np.dtype) -> np.dtype:
    with jax.numpy_dtype_promotion("standard"):
        return np.dtype(jnp.promote_types(first, second))


def promoted(operands: Iterable[jax.Array]) -> np.dtype:
    """The dtype of the result of an operation on arrays. Arrays of weak type stand for Python numbers.

    Arrays with axes determine it. Scalar arrays, and then Python numbers, change it only if they are of a higher kind,
    in the order bool < integer < floating-point < complex.
    """
    of_complex = np.dtype(np.complex128 if _default == np.float64 else np.complex64)
    of_numbers = (np.dtype(np.bool_), canonical(builtins.int), _default, of_complex)
    groups: list[list[np.dtype]] = [[], [], []]
    for x in operands:
        if jax.typeof(x).weak_type:
            groups[2].append(of_numbers[kind(x.dtype)])
        else:
            groups[x.ndim == 0].append(x.dtype)
    return _in_order(groups)


def promote_types(type1: Any, type2: Any) -> dtype:
    """The smallest dtype that both can be converted to."""
    first, second = named(type1), named(type2)
    return first if first.name == second.name else named(_common(first._numpy, second._numpy).name)


def can_cast(from_: Any, to: Any) -> builtins.bool:
    """Whether values may be stored in another dtype: one of the same kind or of a higher one."""
    return kind(named(from_)) <= kind(named(to))


# Limits


class finfo:
    """The limits of a floating-point dtype, as Python's floats.

    Args:
        type: the dtype; of a complex one, the limits of its parts. It defaults to the default dtype.
    """

    def __init__(self, type: Any = None):
        found = named(_default if type is None else type).to_real()
        if not found.is_floating_point:
            raise TypeError(f"finfo is for floating-point dtypes; got {found}: use iinfo")
        info = jnp.finfo(found._numpy)
        self.bits: builtins.int = builtins.int(info.bits)
        self.dtype: str = found.name
        self.eps, self.max, self.min, self.tiny = map(builtins.float, (info.eps, info.max, info.min, info.tiny))
        self.smallest_normal, self.resolution = self.tiny, 10.0 ** -builtins.int(info.precision)

    def __repr__(self) -> str:
        names = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        return f"finfo({', '.join(f'{name}={getattr(self, name):g}' for name in names)}, dtype={self.dtype})"


class iinfo:
    """The limits of an integer dtype, as it is stored: `int64` has those of 32 bits without jax_enable_x64."""

    def __init__(self, type: Any):
        found = named(type)
        if kind(found) != 1:
            raise TypeError(f"iinfo is for integer dtypes; got {found}: use finfo")
        info = np.iinfo(found.dtype)
        self.bits, self.min, self.max = info.bits, builtins.int(info.min), builtins.int(info.max)
        self.dtype: str = found.name

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"
