"""The rule for numbers that do not fit: without jax_enable_x64, jax has no 64-bit dtypes, and torch's defaults have 64.

An integer beyond int32 raises OverflowError, whether it is given or computed. A float64 array is rounded to float32;
a warning says so if that changes a value, and a finite value beyond float32 raises OverflowError. Arithmetic in smaller
integer dtypes wraps as in torch.
"""

import functools
import warnings
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.core import Tracer

from ._tiered import on_device

__all__ = ["check_divisor", "check_integers", "fitted", "fitting", "number"]

_INT32 = np.dtype(np.int32)
_MEND = 'turn on 64-bit dtypes with jax.config.update("jax_enable_x64", True)'


def fitted(array: np.ndarray) -> jax.Array:
    """The array in the dtype that jax has for it.

    Raises:
        OverflowError: a value does not fit that dtype.
        TypeError: the array has no numbers.
    """
    if array.dtype == object:
        raise TypeError(f"a Tensor takes numbers of up to 64 bits; got {array.reshape(-1)[:1].tolist()}")
    dtype = np.dtype(jax.dtypes.canonicalize_dtype(array.dtype))
    if dtype == array.dtype:
        return on_device(np.array(array))
    if array.dtype.kind in "iu":
        check_integers(array, dtype)
        return on_device(array.astype(dtype))
    with np.errstate(over="ignore", under="ignore"):
        rounded = array.astype(dtype)
    if not np.array_equal(rounded, array, equal_nan=True):
        if not np.array_equal(np.isfinite(rounded), np.isfinite(array)):
            raise OverflowError(f"a value of this {array.dtype} array does not fit {dtype}: {_MEND}")
        warnings.warn(
            f"an array of {array.dtype} is rounded to {dtype}: {_MEND}, or convert it by .astype(np.{dtype}) first",
            UserWarning, stacklevel=_caller(),
        )
    return on_device(rounded)


def _caller() -> int:
    """The number of frames from `fitted` up to the first one outside this package, for a warning."""
    import sys

    depth, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(__package__ or "-"):
        depth, frame = depth + 1, frame.f_back
    return depth


def check_integers(values: np.ndarray, dtype: np.dtype, what: str = "a Tensor is given the integer") -> None:
    """Raises OverflowError if a value is beyond an integer dtype. NaN and infinities are not integers and pass."""
    info = np.iinfo(dtype)
    beyond = values[np.isfinite(values) & ((values < info.min) | (values > info.max))]
    if beyond.size:
        raise OverflowError(f"{what} {int(beyond.reshape(-1)[0])}, which does not fit {dtype}: {_MEND}")


def number(x: Any, beside_floats: bool) -> Any:
    """A Python number as an operand. An integer that jax cannot take becomes a float beside floats.

    Raises:
        OverflowError: it does not fit, and the other operands are not floats.
    """
    if isinstance(x, int) and not -(2**31) <= x < 2**31 and not jax.config.read("jax_enable_x64"):
        if beside_floats:
            return float(x)
        check_integers(np.asarray(float(x)), np.dtype(np.int32), "an operand is")
    return x


def fitting(function: Callable[..., Any], in_float64: Callable[..., Any]) -> Callable[..., Any]:
    """A function of Tensors that raises OverflowError if an integer result does not fit int32, where torch has int64.

    The check computes the result once more, on the host. On an accelerator it waits for the arguments. Values that are
    traced are not checked.

    Args:
        function: the function of Tensors.
        in_float64: the same function of numpy's float64 arrays.
    """

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        if result._data.dtype == _INT32 and not jax.config.read("jax_enable_x64"):
            given = [_value(arg) for arg in args]
            if not any(isinstance(arg, Tracer) for arg in given):
                arrays = [np.asarray(a, np.float64) if isinstance(a, jax.Array | np.ndarray) else a for a in given]
                with np.errstate(all="ignore"):
                    values = np.asarray(in_float64(*arrays, **kwargs))
                check_integers(values, _INT32, f"{function.__name__} would give")
        return result

    return checked


def _value(x: Any) -> Any:
    """The array of a Tensor; anything else as it is."""
    return x.array if isinstance(getattr(x, "array", None), jax.Array) else x


def check_divisor(divisor: Any) -> None:
    """Raises RuntimeError if integers are divided by 0. The divisor is a Tensor, an array or a Python number."""
    divisor = _value(divisor)
    if not isinstance(divisor, Tracer) and np.any(np.asarray(divisor) == 0):
        raise RuntimeError("an integer Tensor is divided by 0: convert one operand by .float() for infinities")
