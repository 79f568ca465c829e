"""Special functions of mathematics, over `jax.scipy.special`, with torch's rules for dtypes and derivatives."""

import math

import jax
import jax.numpy as jnp
from jax.scipy import special

from ._base import TensorBase
from ._elementwise import Operand, together
from ._lift import lift
from ._math import of_floats
from ._named import named
from ._rules import with_rules

__all__ = [
    "SpecialMethods", "entr", "erfcx", "i0e", "i1", "i1e", "log_ndtr", "ndtr", "ndtri", "polygamma_of",
    "spherical_bessel_j0", "xlog1py", "zeta",
]  # fmt: skip

_TWO_OVER_ROOT_PI = 2 / math.sqrt(math.pi)


# Of one array


erfc = of_floats("erfc", special.erfc)
erfinv = of_floats("erfinv", special.erfinv)
lgamma = of_floats("lgamma", special.gammaln, lambda t, y, x: t * _digamma(x))
i0 = of_floats("i0", special.i0, lambda t, y, x: t * special.i1(x))
_erfcx = of_floats("erfcx", special.erfcx, lambda t, y, x: t * (2 * x * y - _TWO_OVER_ROOT_PI))
_i0e = of_floats("i0e", special.i0e, lambda t, y, x: t * (special.i1e(x) - jnp.sign(x) * y))
_i1 = of_floats("i1", special.i1, lambda t, y, x: t * (special.i0(x) - _over(y, x, 0.5)))
_i1e = of_floats("i1e", special.i1e, lambda t, y, x: t * (special.i0e(x) - y * jnp.sign(x) - _over(y, x, 0.5)))
_ndtr = of_floats("ndtr", lambda x: special.ndtr(_widened(x)).astype(x.dtype))
_ndtri = of_floats("ndtri", lambda x: special.ndtri(_widened(x)).astype(x.dtype))
_log_ndtr = of_floats("log_ndtr", lambda x: special.log_ndtr(_widened(x)).astype(x.dtype))


def _widened(x: jax.Array) -> jax.Array:
    """Half precision as float32."""
    return x.astype(jnp.float32) if x.dtype in (jnp.float16, jnp.bfloat16) else x


def _over(y: jax.Array, x: jax.Array, at_zero: float) -> jax.Array:
    """`y / x`, with its limit at 0."""
    return jnp.where(x == 0, at_zero, y / jnp.where(x == 0, 1, x))


def _digamma(x: jax.Array) -> jax.Array:
    """digamma, which is -infinity at 0.0, infinity at -0.0, and NaN at negative integers."""
    return jnp.where(x == 0, jnp.copysign(jnp.inf, -x), special.digamma(jnp.where(x == 0, 1, x)))


digamma = of_floats("digamma", _digamma, lambda t, y, x: t * special.polygamma(1, x))


def _sinc_of(x: jax.Array) -> jax.Array:
    angle = math.pi * x
    return jnp.where(x == 0, 1, jnp.sin(angle) / jnp.where(x == 0, 1, angle))


def _sinc_rule(t: jax.Array, y: jax.Array, x: jax.Array) -> jax.Array:
    return t * jnp.where(x == 0, 0, (jnp.cos(math.pi * x) - y) / jnp.where(x == 0, 1, x))


sinc = of_floats("sinc", _sinc_of, _sinc_rule)


def _spherical_of(x: jax.Array) -> jax.Array:
    zero = x == 0
    return jnp.where(jnp.isinf(x), 0, jnp.where(zero, 1, jnp.sin(x) / jnp.where(zero, 1, x)))


_spherical = of_floats("spherical_bessel_j0", _spherical_of)


def _entr_of(x: jax.Array) -> jax.Array:
    return jnp.where(jnp.isnan(x), x, special.entr(x))


def _entr_rule(t: jax.Array, y: jax.Array, x: jax.Array) -> jax.Array:
    return t * jnp.where(x > 0, -jnp.log(jnp.where(x > 0, x, 1)) - 1, jnp.where(x == 0, jnp.inf, jnp.nan))


_entr = of_floats("entr", _entr_of, _entr_rule)


def logit(input: jax.Array, eps: float | None = None) -> jax.Array:
    """`log(input / (1 - input))`, of numbers that are first limited to the range from `eps` to `1 - eps` if given."""
    (x,) = together(input, real=True)
    if eps is None:
        return jnp.log(x / (1 - x))
    inside = (x >= eps) & (x <= 1 - eps)
    value = jnp.clip(x, eps, 1 - eps)
    value = jnp.where(inside, value, jax.lax.stop_gradient(value))
    return jnp.log(value / (1 - value))


def polygamma(input: jax.Array, n: int) -> jax.Array:
    """The derivative of order `n` of digamma.

    Raises:
        RuntimeError: `n` is negative.
    """
    if n < 0:
        raise RuntimeError(f"polygamma takes n of 0 or more; got {n}")
    (x,) = together(input, real=True)
    return digamma(x) if n == 0 else special.polygamma(n, x)


def mvlgamma(input: jax.Array, p: int) -> jax.Array:
    """The logarithm of the multivariate gamma function in `p` dimensions.

    Raises:
        RuntimeError: `p` is not positive.
    """
    if p < 1:
        raise RuntimeError(f"mvlgamma takes p of 1 or more; got {p}")
    (x,) = together(input, real=True)
    constant = jnp.full_like(x, 0.25 * p * (p - 1) * math.log(math.pi))
    return sum((lgamma(x - 0.5 * i) for i in range(p)), constant)


# Of two arrays


_lower = with_rules(special.gammainc, lambda t, y, a, x: t * jnp.nan, lambda t, y, a, x: t * _density(a, x))
_upper = with_rules(special.gammaincc, lambda t, y, a, x: t * jnp.nan, lambda t, y, a, x: -t * _density(a, x))


def _density(a: jax.Array, x: jax.Array) -> jax.Array:
    """The derivative of the lower incomplete gamma function with respect to its limit."""
    return jnp.exp((a - 1) * jnp.log(x) - x - special.gammaln(a))


def igamma(input: Operand, other: Operand) -> jax.Array:
    """The regularised lower incomplete gamma function of `input`, up to `other`.

    torch has no derivative with respect to `input`; here it is NaN.
    """
    return _lower(*together(input, other, real=True))


def igammac(input: Operand, other: Operand) -> jax.Array:
    """The regularised upper incomplete gamma function of `input`, from `other` on.

    torch has no derivative with respect to `input`; here it is NaN.
    """
    return _upper(*together(input, other, real=True))


def _xlog1py(input: Operand, other: Operand) -> jax.Array:
    """`input * log1p(other)`; 0 where `input` is 0, unless `other` is NaN."""
    x, y = together(input, other, real=True)
    return jnp.where(jnp.isnan(y), y, _x_log1p_y(x, y))


def _flat(x: jax.Array, y: jax.Array) -> jax.Array:
    return (x == 0) & (y <= -1)


_x_log1p_y = with_rules(
    special.xlog1py,
    lambda t, z, x, y: jnp.where(_flat(x, y), 0, t) * jnp.where(_flat(x, y), 0, jnp.log1p(y)),
    lambda t, z, x, y: t * (x / (y + 1)),
)


def _zeta(input: Operand, other: Operand) -> jax.Array:
    """The Hurwitz zeta function."""
    x, q = together(input, other, real=True)
    return _hurwitz(x, q)


_hurwitz = with_rules(
    special.zeta, lambda t, y, x, q: t * jnp.nan, lambda t, y, x, q: t * (-x * special.zeta(x + 1, q))
)



erfcx, i0e, i1, i1e, ndtr, ndtri, log_ndtr, entr, spherical_bessel_j0 = (
    named(function, function.__name__)
    for function in (_erfcx, _i0e, _i1, _i1e, _ndtr, _ndtri, _log_ndtr, _entr, _spherical)
)
def _polygamma(n: int, input: jax.Array) -> jax.Array:
    """The derivative of order `n` of digamma."""
    return polygamma(input, n)


polygamma_of = named(_polygamma, "polygamma")
xlog1py, zeta = named(_xlog1py, "xlog1py", numbers=True), named(_zeta, "zeta", numbers=True)


class SpecialMethods(TensorBase):
    """Special functions as methods."""

    __slots__ = ()

    erfc, erfinv, lgamma, digamma, i0, sinc = map(lift, (erfc, erfinv, lgamma, digamma, i0, sinc))
    logit, polygamma, mvlgamma = map(lift, (logit, polygamma, mvlgamma))
    igamma, igammac = lift(igamma, numbers=True), lift(igammac, numbers=True)
