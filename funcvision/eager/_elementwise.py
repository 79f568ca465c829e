"""Elementwise functions of arrays and Python numbers, with torch's rules for shapes and dtypes."""

import builtins
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from .. import functional as F
from ._rules import with_rules
from .dtypes import canonical, default_dtype, kind, promoted

__all__ = [
    "Operand", "abs", "bitwise_and", "bitwise_not", "bitwise_or", "bitwise_xor", "canonical", "cast",
    "ceil", "common_shape", "cos", "eq", "erf", "exp", "expm1", "floor", "ge", "gt", "isfinite", "isinf", "isnan",
    "kind", "le", "log", "log1p", "log2", "logical_and", "logical_not", "logical_or", "lt", "masked_fill", "ne",
    "round", "sigmoid", "sign", "sin", "sqrt", "tan", "tanh", "together", "trunc", "where",
]  # fmt: skip

Operand = Any  # an array or a Python number; in calls from the eager face also a Tensor


def common_shape(shapes: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    """The shape to which arrays of these shapes are broadcast.

    Raises:
        RuntimeError: they cannot be broadcast.
    """
    shapes = tuple(shapes)
    try:
        return jnp.broadcast_shapes(*shapes)
    except ValueError:
        raise RuntimeError(f"the shapes {', '.join(map(str, shapes))} cannot be broadcast to one shape") from None


def together(*operands: Operand, real: bool = False) -> list[jax.Array]:
    """The operands converted to one dtype and broadcast to one shape. With `real`, integers get the default dtype."""
    for x in operands:
        if isinstance(x, str) or x is None:
            raise TypeError(f"an operand is a Tensor or a number; got {x!r}")
    arrays = [jnp.asarray(x) for x in operands]
    dtype = promoted(arrays)
    if real and not jnp.issubdtype(dtype, jnp.inexact):
        dtype = default_dtype()
    shape = common_shape(x.shape for x in arrays)
    return [jnp.broadcast_to(lax.convert_element_type(x, dtype), shape) for x in arrays]


def _elementwise(name: str, function: Callable[..., jax.Array], real: bool = False) -> Callable[..., jax.Array]:
    """A function that calls `function` on its operands, converted to one dtype and shape."""

    def of(*operands: Operand) -> jax.Array:
        return function(*together(*operands, real=real))

    of.__name__ = of.__qualname__ = name
    of.__doc__ = f"`{function.__name__}` of each element" + (", integers as float32." if real else ".")
    return of


def _rounding(name: str, function: Callable[..., jax.Array]) -> Callable[[jax.Array], jax.Array]:
    def of(x: jax.Array) -> jax.Array:
        return function(x) if jnp.issubdtype(x.dtype, jnp.inexact) else x

    of.__name__ = of.__qualname__ = name
    of.__doc__ = f"`jax.numpy.{name}` of each element. Integers are returned unchanged."
    return of


cos = _elementwise("cos", jnp.cos, real=True)
erf = _elementwise("erf", jax.scipy.special.erf, real=True)
exp = _elementwise("exp", jnp.exp, real=True)
expm1 = _elementwise("expm1", jnp.expm1, real=True)
log = _elementwise("log", jnp.log, real=True)
log1p = _elementwise("log1p", jnp.log1p, real=True)
log2 = _elementwise("log2", jnp.log2, real=True)
sigmoid = _elementwise("sigmoid", F.sigmoid, real=True)
sin = _elementwise("sin", jnp.sin, real=True)
sqrt = _elementwise("sqrt", jnp.sqrt, real=True)
tan = _elementwise("tan", jnp.tan, real=True)
tanh = _elementwise("tanh", F.tanh, real=True)

isfinite = _elementwise("isfinite", jnp.isfinite)
isinf = _elementwise("isinf", jnp.isinf)
isnan = _elementwise("isnan", jnp.isnan)
bitwise_not = _elementwise("bitwise_not", jnp.bitwise_not)
logical_not = _elementwise("logical_not", jnp.logical_not)

ceil, floor = _rounding("ceil", jnp.ceil), _rounding("floor", jnp.floor)
trunc = _rounding("trunc", jnp.trunc)


def round(x: jax.Array, *, decimals: int = 0) -> jax.Array:
    """Each element rounded to a number of decimals, halves to the even neighbour. Integers are returned unchanged."""
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        return x
    if decimals == 0:
        return jnp.round(x)
    scale = 10.0 ** builtins.abs(decimals)
    return jnp.round(x * scale) / scale if decimals > 0 else jnp.round(x / scale) * scale


eq = _elementwise("eq", jnp.equal)
ne = _elementwise("ne", jnp.not_equal)
lt = _elementwise("lt", jnp.less)
le = _elementwise("le", jnp.less_equal)
gt = _elementwise("gt", jnp.greater)
ge = _elementwise("ge", jnp.greater_equal)
bitwise_and = _elementwise("bitwise_and", jnp.bitwise_and)
bitwise_or = _elementwise("bitwise_or", jnp.bitwise_or)
bitwise_xor = _elementwise("bitwise_xor", jnp.bitwise_xor)
logical_and = _elementwise("logical_and", jnp.logical_and)
logical_or = _elementwise("logical_or", jnp.logical_or)


def sign(x: jax.Array) -> jax.Array:
    """1, -1, or 0 at 0 and NaN. The derivative is 0."""
    if jnp.issubdtype(x.dtype, jnp.floating):
        return _sign(x)
    return x if x.dtype == jnp.bool_ else jnp.sign(x)


def _sign(x: jax.Array) -> jax.Array:
    return (x > 0).astype(x.dtype) - (x < 0).astype(x.dtype)


_absolute = with_rules(jnp.abs, lambda t, y, x: t * _sign(x))


def abs(x: jax.Array) -> jax.Array:
    """The absolute value of each element, with derivative 0 at 0 and NaN."""
    return _absolute(x) if jnp.issubdtype(x.dtype, jnp.floating) else jnp.abs(x)


def where(condition: jax.Array, input: Operand, other: Operand) -> jax.Array:
    """`input` where the condition is true, `other` elsewhere."""
    if condition.dtype != jnp.bool_:
        raise RuntimeError(f"where takes a condition of booleans; got {condition.dtype}: write `condition != 0`")
    input, other = together(input, other)
    shape = common_shape((condition.shape, input.shape))
    return jnp.where(*(jnp.broadcast_to(x, shape) for x in (condition, input, other)))


def masked_fill(x: jax.Array, mask: jax.Array, value: Operand) -> jax.Array:
    """`value` where the mask is true, `x` elsewhere, in the dtype of `x`."""
    return where(mask, jnp.asarray(value).astype(x.dtype), x)


def cast(x: jax.Array, dtype: Any) -> jax.Array:
    """`x` in another dtype."""
    return x.astype(dtype)
