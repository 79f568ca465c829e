"""Elementwise functions of mathematics, with torch's rules for shapes, dtypes and derivatives."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy import special

from .. import functional as F
from ._arithmetic import mul, pow
from ._base import TensorBase
from ._elementwise import Operand, kind, sign, together
from ._lift import lift
from ._limits import check_divisor
from ._rules import with_rules
from .dtypes import default_dtype

__all__ = ["MathMethods", "of_floats", "x_log_y"]


class Parts(NamedTuple):
    """The mantissa and the exponent of each number."""

    mantissa: Any
    exponent: Any


def of_floats(name: str, function: Callable[[jax.Array], jax.Array], *rules: Callable[..., Any]) -> Callable[..., Any]:
    """A function of one array that computes integers in float32, with these derivatives or those of jax."""
    ruled = with_rules(function, *rules) if rules else function

    def of(input: jax.Array) -> jax.Array:
        (x,) = together(input, real=True)
        return ruled(x)

    of.__name__ = of.__qualname__ = name
    of.__doc__ = f"`{name}` of each element, integers as float32."
    return of


def _slope_of_acosh(t: jax.Array, y: jax.Array, x: jax.Array) -> jax.Array:
    if kind(x.dtype) == 3:  # jax has the wrong branch of the root where the real part is negative
        return t / (jnp.sqrt(x - 1) * jnp.sqrt(x + 1))
    return t * lax.rsqrt(x * x - 1)


acos, acosh = of_floats("acos", jnp.arccos), of_floats("acosh", jnp.arccosh, _slope_of_acosh)
asin, asinh = of_floats("asin", jnp.arcsin), of_floats("asinh", jnp.arcsinh)
atan, atanh = of_floats("atan", jnp.arctan), of_floats("atanh", jnp.arctanh)
cosh, sinh = of_floats("cosh", jnp.cosh), of_floats("sinh", jnp.sinh)
exp2 = of_floats("exp2", jnp.exp2, lambda t, y, x: t * (y * math.log(2)))
log10 = of_floats("log10", jnp.log10, lambda t, y, x: t / (x * math.log(10)))
deg2rad = of_floats("deg2rad", lambda x: x * (math.pi / 180))
rad2deg = of_floats("rad2deg", lambda x: x * (180 / math.pi))


def positive(input: jax.Array) -> jax.Array:
    """The array itself.

    Raises:
        RuntimeError: it has bools.
    """
    if input.dtype == jnp.bool_:
        raise RuntimeError("positive is not defined for bools")
    return input


def frac(input: jax.Array) -> jax.Array:
    """The part of each number after its decimal point, with the sign of the number."""
    if not jnp.issubdtype(input.dtype, jnp.floating):
        return jnp.zeros_like(input)
    return input - lax.stop_gradient(jnp.trunc(input))


def sgn(input: jax.Array) -> jax.Array:
    """The sign of each number. A complex number is divided by its absolute value."""
    if not jnp.issubdtype(input.dtype, jnp.complexfloating):
        return sign(input)
    zero = input == 0
    safe = jnp.where(zero, 1, input)
    return jnp.where(zero, 0, safe / jnp.abs(safe).astype(safe.dtype))


def signbit(input: jax.Array) -> jax.Array:
    """Whether the sign bit of each number is set, as it is for -0.0."""
    return jnp.signbit(input) if jnp.issubdtype(input.dtype, jnp.floating) else input < 0


def nan_to_num(
    input: jax.Array, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> jax.Array:
    """NaN and the infinities replaced: by 0 and by the largest and smallest number of the dtype, unless given."""
    if not jnp.issubdtype(input.dtype, jnp.inexact):
        return input
    return jnp.nan_to_num(input, nan=0.0 if nan is None else nan, posinf=posinf, neginf=neginf)


def frexp(input: jax.Array) -> Parts:
    """The mantissa, from 0.5 to 1 in absolute value, and the exponent: `input = mantissa * 2**exponent`.

    Raises:
        RuntimeError: the array has no floating-point numbers.
    """
    if not jnp.issubdtype(input.dtype, jnp.floating):
        raise RuntimeError(f"frexp takes floating-point numbers; got {input.dtype}")
    _, exponent = jnp.frexp(lax.stop_gradient(input))
    half = exponent // 2  # 2**-exponent can overflow
    smaller = input * jnp.exp2(-half.astype(input.dtype)) * jnp.exp2((half - exponent).astype(input.dtype))
    return Parts(jnp.where(jnp.isfinite(input), smaller, input), exponent.astype(jnp.int32))


def ldexp(input: Operand, other: Operand) -> jax.Array:
    """`input * 2**other`."""
    return mul(input, pow(jnp.asarray(2.0, default_dtype()), other))


def float_power(input: Operand, exponent: Operand) -> jax.Array:
    """Each element to a power, computed in float64 or complex128; without jax_enable_x64 in float32 or complex64."""
    x, y = together(input, exponent, real=True)
    wanted = jax.dtypes.canonicalize_dtype(np.complex128 if kind(x.dtype) == 3 else np.float64)
    return pow(x.astype(wanted), y.astype(wanted))


_hypotenuse = with_rules(jnp.hypot, lambda t, z, x, y: t * (x / z), lambda t, z, x, y: t * (y / z))


def hypot(input: Operand, other: Operand) -> jax.Array:
    """`sqrt(input**2 + other**2)`, without overflow."""
    return _hypotenuse(*together(input, other, real=True))


def atan2(input: Operand, other: Operand) -> jax.Array:
    """The angle of the vector (`other`, `input`), from -pi to pi."""
    return jnp.arctan2(*together(input, other, real=True))


_with_sign = with_rules(
    jnp.copysign, lambda t, z, x, y: jnp.where(x == 0, 0, t * (z / jnp.where(x == 0, 1, x))),
    lambda t, z, x, y: jnp.zeros_like(t),
)


def copysign(input: Operand, other: Operand) -> jax.Array:
    """The absolute value of `input` with the sign of `other`."""
    return _with_sign(*together(input, other, real=True))


_truncated = with_rules(lax.rem, lambda t, r, x, y: t, lambda t, r, x, y: -t * jnp.trunc(x / y))


def fmod(input: Operand, other: Operand) -> jax.Array:
    """The remainder of a division that is rounded towards 0. It has the sign of `input`."""
    x, y = together(input, other)
    return _truncated(x, y) if jnp.issubdtype(x.dtype, jnp.floating) else lax.rem(x, y)


def _integers(function: str, *operands: Operand) -> list[jax.Array]:
    arrays = together(*operands)
    if not jnp.issubdtype(arrays[0].dtype, jnp.integer):
        raise NotImplementedError(f"{function} takes integers; got {arrays[0].dtype}")
    return arrays


def gcd(input: Operand, other: Operand) -> jax.Array:
    """The greatest common divisor of integers."""
    return jnp.gcd(*_integers("gcd", input, other))


def lcm(input: Operand, other: Operand) -> jax.Array:
    """The least common multiple of integers."""
    return jnp.lcm(*_integers("lcm", input, other))


def logaddexp(input: Operand, other: Operand) -> jax.Array:
    """`log(exp(input) + exp(other))`, without overflow."""
    return jnp.logaddexp(*together(input, other, real=True))


def logaddexp2(input: Operand, other: Operand) -> jax.Array:
    """`log2(2**input + 2**other)`, without overflow."""
    return jnp.logaddexp2(*together(input, other, real=True))


_next = with_rules(jnp.nextafter, lambda t, z, x, y: jnp.where(x == y, 0, t), lambda t, z, x, y: jnp.zeros_like(t))


def nextafter(input: Operand, other: Operand) -> jax.Array:
    """The next number of the dtype after `input` in the direction of `other`."""
    return _next(*together(input, other))


def _x_log_y_by_x(tangent: Any, result: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
    is_masked = (x == 0) & (y <= 0)
    return jnp.where(is_masked, 0, tangent) * jnp.log(jnp.where(is_masked, 1, y))


x_log_y = with_rules(special.xlogy, _x_log_y_by_x, lambda t, z, x, y: t * (x / y))
"""x log(y), which is 0 where x is 0. There the derivative with respect to x is 0 if y is 0, too."""


def xlogy(input: Operand, other: Operand) -> jax.Array:
    """`input * log(other)`; 0 where `input` is 0, unless `other` is NaN."""
    x, y = together(input, other, real=True)
    return jnp.where(jnp.isnan(y), y, x_log_y(x, y))


def _takes_first(x: jax.Array, y: jax.Array, larger: jax.Array) -> jax.Array:
    return larger | jnp.isnan(y)


_fmax = with_rules(
    jnp.fmax, lambda t, z, x, y: jnp.where(_takes_first(x, y, x >= y), t, 0),
    lambda t, z, x, y: jnp.where(_takes_first(x, y, x >= y), 0, t),
)
_fmin = with_rules(
    jnp.fmin, lambda t, z, x, y: jnp.where(_takes_first(x, y, x <= y), t, 0),
    lambda t, z, x, y: jnp.where(_takes_first(x, y, x <= y), 0, t),
)


def fmax(input: Operand, other: Operand) -> jax.Array:
    """The larger of two elements, or the one that is not NaN. Of equal ones the first has the gradient."""
    x, y = together(input, other)
    return _fmax(x, y) if jnp.issubdtype(x.dtype, jnp.floating) else jnp.maximum(x, y)


def fmin(input: Operand, other: Operand) -> jax.Array:
    """The smaller of two elements, or the one that is not NaN. Of equal ones the first has the gradient."""
    x, y = together(input, other)
    return _fmin(x, y) if jnp.issubdtype(x.dtype, jnp.floating) else jnp.minimum(x, y)


def heaviside(input: Operand, values: Operand) -> jax.Array:
    """0 where `input` is negative or NaN, 1 where it is positive, and `values` where it is 0."""
    x, values = together(input, values)
    return jnp.where(x == 0, values, (x > 0).astype(x.dtype))


def lerp(input: Operand, end: Operand, weight: Operand) -> jax.Array:
    """`input + weight * (end - input)`.

    Raises:
        RuntimeError: the dtypes of `input` and `end` differ.
    """
    if input.dtype != end.dtype:
        raise RuntimeError(f"lerp takes two arrays of one dtype; got {input.dtype} and {end.dtype}")
    x, end, weight = together(input, end, jnp.asarray(weight).astype(input.dtype))
    return jnp.where(weight < 0.5, x + weight * (end - x), end - (end - x) * (1 - weight))


def addcmul(input: jax.Array, tensor1: Operand, tensor2: Operand, *, value: Operand = 1) -> jax.Array:
    """`input + value * tensor1 * tensor2`."""
    x, first, second = together(input, tensor1, tensor2)
    return x + jnp.asarray(value).astype(x.dtype) * first * second


def addcdiv(input: jax.Array, tensor1: Operand, tensor2: Operand, *, value: Operand = 1) -> jax.Array:
    """`input + value * tensor1 / tensor2`.

    Raises:
        RuntimeError: both are arrays of integers.
    """
    if all(not jnp.issubdtype(jnp.asarray(x).dtype, jnp.inexact) for x in (tensor1, tensor2)):
        raise RuntimeError("addcdiv does not divide integers: convert one operand by .float()")
    x, first, second = together(input, tensor1, tensor2)
    return x + jnp.asarray(value).astype(x.dtype) * (first / second)


def _remainder_of_integers(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function of Tensors, which refuses to divide integers by 0."""

    def fmod(input: Any, other: Any) -> Any:
        result = function(input, other)
        if jnp.issubdtype(result.dtype, jnp.integer):
            check_divisor(other)
        return result

    fmod.__doc__ = function.__doc__
    return fmod


def _binary(function: Callable[..., Any]) -> Callable[..., Any]:
    return lift(function, numbers=True)


class MathMethods(TensorBase):
    """Elementwise functions of mathematics as methods."""

    __slots__ = ()

    acos, acosh, asin, asinh, atan, atanh = map(lift, (acos, acosh, asin, asinh, atan, atanh))
    arccos, arccosh, arcsin, arcsinh, arctan, arctanh = acos, acosh, asin, asinh, atan, atanh
    cosh, sinh, exp2, log10, deg2rad, rad2deg = map(lift, (cosh, sinh, exp2, log10, deg2rad, rad2deg))
    positive, frac, sgn, signbit, nan_to_num, frexp = map(lift, (positive, frac, sgn, signbit, nan_to_num, frexp))
    ldexp, hypot, copysign = map(_binary, (ldexp, hypot, copysign))
    float_power, hardshrink = lift(float_power), lift(F.hardshrink)
    atan2 = arctan2 = _binary(atan2)
    fmod = _remainder_of_integers(_binary(fmod))
    gcd, lcm, logaddexp, logaddexp2, nextafter = map(_binary, (gcd, lcm, logaddexp, logaddexp2, nextafter))
    xlogy, fmax, fmin, heaviside = map(_binary, (xlogy, fmax, fmin, heaviside))
    lerp, addcmul, addcdiv = map(_binary, (lerp, addcmul, addcdiv))
