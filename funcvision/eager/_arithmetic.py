"""Arithmetic, powers, shifts and limits, with torch's rules for bools and integers and its derivatives."""

import jax
import jax.numpy as jnp
from jax import lax

from ._elementwise import Operand, kind, together
from ._rules import with_rules

__all__ = [
    "add", "clamp", "div", "floor_divide", "left_shift", "maximum", "minimum", "mul", "neg", "pow", "reciprocal",
    "remainder", "right_shift", "rsqrt", "square", "sub",
]  # fmt: skip


def _all_bool(*operands: Operand) -> bool:
    return all(jnp.asarray(x).dtype == jnp.bool_ for x in operands)


def _refuse_bools(function: str, *operands: Operand) -> None:
    if _all_bool(*operands):
        raise RuntimeError(f"{function} is not defined for bools: convert one operand by .int() or .float()")


def add(x: Operand, other: Operand, *, alpha: Operand = 1) -> jax.Array:
    """`x + alpha * other`. Of bools it is whether one is true."""
    x, other = together(x, other)
    return jnp.add(x, _times_alpha(other, alpha))


def sub(x: Operand, other: Operand, *, alpha: Operand = 1) -> jax.Array:
    """`x - alpha * other`.

    Raises:
        RuntimeError: an operand has bools.
    """
    if _all_bool(x) or _all_bool(other):
        raise RuntimeError("bools cannot be subtracted: use ^ or ~ for masks, or convert them by .int() or .float()")
    x, other = together(x, other)
    return jnp.subtract(x, _times_alpha(other, alpha))


def _times_alpha(x: jax.Array, alpha: Operand) -> jax.Array:
    """`alpha * x` in the dtype of `x`."""
    if isinstance(alpha, int) and alpha == 1:
        return x
    if kind(jnp.asarray(alpha).dtype) > max(kind(x.dtype), 1):
        raise RuntimeError(f"alpha is not an integer, but the operands are {x.dtype}")
    return x * jnp.asarray(alpha).astype(x.dtype)


def mul(x: Operand, other: Operand) -> jax.Array:
    """`x * other`."""
    return jnp.multiply(*together(x, other))


def neg(x: jax.Array) -> jax.Array:
    """`-x`.

    Raises:
        RuntimeError: `x` has bools.
    """
    if _all_bool(x):
        raise RuntimeError("a Tensor of bools has no negative: use ~ to invert a mask")
    return jnp.negative(x)


# XLA makes `q / y`, which is `x / y / y`, a division by the square of the divisor, which underflows. A product stays.
_quotient = with_rules(jnp.true_divide, lambda t, q, x, y: t / y, lambda t, q, x, y: -t * (q * jnp.reciprocal(y)))


def div(x: Operand, other: Operand, *, rounding_mode: str | None = None) -> jax.Array:
    """`x / other`. With rounding_mode "floor" or "trunc" the quotient is rounded, and integers give integers."""
    if rounding_mode is None:
        return _quotient(*together(x, other, real=True))
    if rounding_mode == "floor":
        return floor_divide(x, other)
    if rounding_mode != "trunc":
        raise RuntimeError(f'rounding_mode={rounding_mode!r}; give None, "floor" or "trunc"')
    _refuse_bools("division with a rounding mode", x, other)
    x, other = together(x, other)
    return lax.div(x, other) if jnp.issubdtype(x.dtype, jnp.integer) else jnp.trunc(x / other)


def floor_divide(x: Operand, other: Operand) -> jax.Array:
    """`x // other`, rounded downwards. Its derivative is 0.

    Raises:
        RuntimeError: both operands have bools.
    """
    _refuse_bools("//", x, other)
    return jnp.floor_divide(*together(x, other))


def remainder(x: Operand, other: Operand) -> jax.Array:
    """`x % other`, with the sign of `other`.

    Raises:
        RuntimeError: both operands have bools.
    """
    _refuse_bools("%", x, other)
    x, other = together(x, other)
    return _remainder(x, other) if jnp.issubdtype(x.dtype, jnp.inexact) else jnp.remainder(x, other)


_remainder = with_rules(jnp.remainder, lambda t, r, x, y: t, lambda t, r, x, y: -t * jnp.floor_divide(x, y))


def square(x: jax.Array) -> jax.Array:
    """`x * x`. Of bools it is an integer."""
    return pow(x, 2)


_reciprocal_root = with_rules(lax.rsqrt, lambda t, y, x: t * (-0.5 * (y * y * y)))


def reciprocal(x: jax.Array) -> jax.Array:
    """`1 / x`, integers as float32."""
    return jnp.reciprocal(*together(x, real=True))


def rsqrt(x: jax.Array) -> jax.Array:
    """`1 / sqrt(x)`, integers as float32."""
    return _reciprocal_root(*together(x, real=True))


# Powers

_MOST_FACTORS = 64  # a power with a larger integer exponent is computed by logarithms


def pow(x: Operand, exponent: Operand) -> jax.Array:
    """Each element to a power. A Python number as the exponent is faster than an array: integers become products.

    Where the exponent is 0, the derivative is 0; where the base is 0, that with respect to an exponent of 0 or more is.

    Raises:
        RuntimeError: both operands are Tensors of bools, or integers are raised to a negative Python integer. A Tensor
            of negative exponents gives 0, except for the bases 1 and -1.
    """
    if isinstance(exponent, float | int):
        base, _ = together(x, exponent)
        if not jnp.issubdtype(base.dtype, jnp.inexact):
            return _integer_to_number(base, int(exponent))
        return _to_number(base, float(exponent))
    _refuse_bools("**", x, exponent)
    x, exponent = together(x, exponent)
    return _power(x, exponent) if jnp.issubdtype(x.dtype, jnp.inexact) else _integer_power(x, exponent)


def _integer_to_number(base: jax.Array, exponent: int) -> jax.Array:
    if exponent < 0:
        raise RuntimeError(f"integers have no integer power {exponent}: convert the base by .float()")
    if base.dtype == jnp.bool_:  # the exponent is a bool, too
        return base if exponent else jnp.ones_like(base)
    if exponent <= _MOST_FACTORS:
        return lax.integer_pow(base, exponent)
    return _integer_power(base, jnp.full_like(base, exponent))


def _integer_power(base: jax.Array, exponent: jax.Array) -> jax.Array:
    powers = jnp.power(base, jnp.maximum(exponent, 0))
    if jnp.issubdtype(base.dtype, jnp.unsignedinteger):
        return powers
    of_minus_one = 1 - 2 * (exponent & 1)
    inverses = jnp.where(base == 1, 1, jnp.where(base == -1, of_minus_one, 0)).astype(base.dtype)
    return jnp.where(exponent < 0, inverses, powers)


def _to_number(base: jax.Array, exponent: float) -> jax.Array:
    """A floating-point base to a Python number."""
    return with_rules(
        lambda x: _number_power(x, exponent),
        lambda t, y, x: t * (exponent * _to_number(x, exponent - 1)) if exponent else jnp.zeros_like(t),
    )(base)


def _number_power(x: jax.Array, exponent: float) -> jax.Array:
    if exponent == 0.5:
        return jnp.sqrt(x)  # torch has NaN for the root of -inf, which `jnp.power` has not
    if exponent == -0.5:
        return lax.rsqrt(x)
    if exponent.is_integer() and abs(exponent) <= _MOST_FACTORS:
        return lax.integer_pow(x, int(exponent))
    return jnp.power(x, jnp.full_like(x, exponent))


def _rule_of_base(tangent: jax.Array, power: jax.Array, base: jax.Array, exponent: jax.Array) -> jax.Array:
    constant = exponent == 0
    slope = exponent * _power(base, jnp.where(constant, 1, exponent) - 1)
    return jnp.where(constant, 0, tangent) * jnp.where(constant, 0, slope)


def _rule_of_exponent(tangent: jax.Array, power: jax.Array, base: jax.Array, exponent: jax.Array) -> jax.Array:
    constant = (base == 0) & (exponent >= 0)
    slope = power * jnp.log(jnp.where(constant, 1, base))
    return jnp.where(constant, 0, tangent) * jnp.where(constant, 0, slope)


_power = with_rules(jnp.power, _rule_of_base, _rule_of_exponent)


# Shifts


def left_shift(x: Operand, other: Operand) -> jax.Array:
    """`x << other` of integers. Shifts by a negative number, or by all the bits, give 0."""
    x, other = _integers("<<", x, other)
    return jnp.where(_beyond(x, other), 0, lax.shift_left(x, other))


def right_shift(x: Operand, other: Operand) -> jax.Array:
    """`x >> other` of integers. Shifts by a negative number, or by all the bits, leave the sign: 0 or -1."""
    x, other = _integers(">>", x, other)
    if jnp.issubdtype(x.dtype, jnp.unsignedinteger):
        return jnp.where(_beyond(x, other), 0, lax.shift_right_logical(x, other))
    return lax.shift_right_arithmetic(x, jnp.where(_beyond(x, other), jnp.iinfo(x.dtype).bits - 1, other))


def _beyond(x: jax.Array, shift: jax.Array) -> jax.Array:
    return (shift < 0) | (shift >= jnp.iinfo(x.dtype).bits)


def _integers(function: str, x: Operand, other: Operand) -> list[jax.Array]:
    _refuse_bools(function, x, other)
    x, other = together(x, other)
    if not jnp.issubdtype(x.dtype, jnp.integer):
        raise RuntimeError(f"{function} shifts integers; got {x.dtype}")
    return [x, other]


# Extremes and limits. Equal operands share the derivative. A NaN operand makes the result NaN.


def maximum(x: Operand, other: Operand) -> jax.Array:
    """The larger of two elements."""
    x, other = together(x, other)
    return _maximum(x, other) if jnp.issubdtype(x.dtype, jnp.floating) else jnp.maximum(x, other)


def minimum(x: Operand, other: Operand) -> jax.Array:
    """The smaller of two elements."""
    x, other = together(x, other)
    return _minimum(x, other) if jnp.issubdtype(x.dtype, jnp.floating) else jnp.minimum(x, other)


def _shared(tangent: jax.Array, lost: jax.Array, equal: jax.Array) -> jax.Array:
    return jnp.where(lost, 0, jnp.where(equal, tangent / 2, tangent))


_maximum = with_rules(
    jnp.maximum, lambda t, m, x, y: _shared(t, x < y, x == y), lambda t, m, x, y: _shared(t, x > y, x == y)
)
_minimum = with_rules(
    jnp.minimum, lambda t, m, x, y: _shared(t, x > y, x == y), lambda t, m, x, y: _shared(t, x < y, x == y)
)


def clamp(x: jax.Array, min: Operand | None = None, max: Operand | None = None) -> jax.Array:
    """Elements limited to the range from `min` to `max`. The derivative at both ends is 1."""
    if min is None and max is None:
        raise RuntimeError("clamp needs min, max, or both")
    given = [limit for limit in (min, max) if limit is not None]
    x, *limits = together(x, *given)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        low, high = (x if min is None else limits[0]), (x if max is None else limits[-1])
        return jnp.minimum(jnp.maximum(x, low), high)
    if max is None:
        return _at_least(x, *limits)
    return _at_most(x, *limits) if min is None else _limited(x, *limits)


_at_least = with_rules(
    jnp.maximum, lambda t, y, x, low: jnp.where(x >= low, t, 0), lambda t, y, x, low: jnp.where(x < low, t, 0)
)
_at_most = with_rules(
    jnp.minimum, lambda t, y, x, high: jnp.where(x <= high, t, 0), lambda t, y, x, high: jnp.where(x > high, t, 0)
)
_limited = with_rules(
    lambda x, low, high: jnp.minimum(jnp.maximum(x, low), high),
    lambda t, y, x, low, high: jnp.where((x >= low) & (x <= high), t, 0),
    lambda t, y, x, low, high: jnp.where((x < low) & (low < high), t, 0),
    lambda t, y, x, low, high: jnp.where((x > high) | (high < low), t, 0),
)
