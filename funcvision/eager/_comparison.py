"""Tests of elements that give bools."""

import jax
import jax.numpy as jnp

from ._base import TensorBase
from ._elementwise import Operand, kind, together
from ._lift import lift

__all__ = ["ComparisonMethods", "isin"]


def isclose(
    input: jax.Array, other: jax.Array, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> jax.Array:
    """Whether each pair of elements differs by at most `atol + rtol * |other|`.

    Raises:
        RuntimeError: the dtypes differ.
    """
    if input.dtype != other.dtype:
        raise RuntimeError(f"isclose takes two arrays of one dtype; got {input.dtype} and {other.dtype}")
    if rtol < 0 or atol < 0:
        raise RuntimeError(f"isclose takes tolerances of 0 or more; got rtol={rtol} and atol={atol}")
    x, y = together(input, other)
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        x, y = x.astype(jnp.float32), y.astype(jnp.float32)
    return jnp.isclose(x, y, rtol, atol, equal_nan)


def isposinf(input: jax.Array) -> jax.Array:
    """Whether each element is positive infinity.

    Raises:
        RuntimeError: the elements are complex.
    """
    _require_order("isposinf", input)
    return jnp.isinf(input) & (input > 0)


def isneginf(input: jax.Array) -> jax.Array:
    """Whether each element is negative infinity.

    Raises:
        RuntimeError: the elements are complex.
    """
    _require_order("isneginf", input)
    return jnp.isinf(input) & (input < 0)


def _require_order(function: str, x: jax.Array) -> None:
    if kind(x.dtype) == 3:
        raise RuntimeError(f"{function} does not take complex numbers; got {x.dtype}")


def isreal(input: jax.Array) -> jax.Array:
    """Whether the imaginary part of each element is 0."""
    return jnp.isreal(input)


def logical_xor(input: Operand, other: Operand) -> jax.Array:
    """Whether just one of two elements is true, that is, not 0."""
    return jnp.logical_xor(*together(input, other))


def _isin(
    elements: Operand, test_elements: Operand, *, assume_unique: bool = False, invert: bool = False
) -> jax.Array:
    """Whether each element is among the test elements, or with `invert` whether it is not."""
    with jax.numpy_dtype_promotion("standard"):
        return jnp.isin(elements, test_elements, assume_unique=assume_unique, invert=invert)


_isin.__name__ = "isin"
isin = lift(_isin)


class ComparisonMethods(TensorBase):
    """Tests of elements as methods."""

    __slots__ = ()

    isclose, isposinf, isneginf, isreal = map(lift, (isclose, isposinf, isneginf, isreal))
    logical_xor = lift(logical_xor, numbers=True)
