"""Transforms of each element."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ... import functional as F
from .._arithmetic import clamp
from .._arithmetic import pow as power
from .._base import TensorBase, as_array
from .._elementwise import abs as absolute
from .._elementwise import together
from . import constraints
from ._lifted import lifted
from ._transform import Transform, sign_of
from .distribution import as_parameters, sum_rightmost

__all__ = [
    "AbsTransform", "AffineTransform", "CumulativeDistributionTransform", "ExpTransform", "PowerTransform",
    "SigmoidTransform", "SoftplusTransform", "TanhTransform", "clipped_sigmoid",
]  # fmt: skip


def clipped_sigmoid(x: jax.Array) -> jax.Array:
    """The sigmoid, limited so that its inverse is finite."""
    return _inside(F.sigmoid(x))


def _inside(y: jax.Array) -> jax.Array:
    info = jnp.finfo(y.dtype)
    return clamp(y, float(info.tiny), 1 - float(info.eps))


class ExpTransform(Transform):
    """y = exp(x)."""

    domain = constraints.real
    codomain = constraints.positive
    bijective = True
    sign: Any = 1

    @lifted
    def _call(self, x: Any) -> Any:
        return jnp.exp(x)

    @lifted
    def _inverse(self, y: Any) -> Any:
        return jnp.log(y)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return x


class PowerTransform(Transform):
    """y = x ** exponent.

    Args:
        exponent: a number or a Tensor.
        cache_size: 0 or 1; see `Transform`.
    """

    leaves = ("exponent",)
    domain = constraints.positive
    codomain = constraints.positive
    bijective = True

    def __init__(self, exponent: Any, cache_size: int = 0):
        super().__init__(cache_size)
        (self.exponent,) = as_parameters(exponent)

    def with_cache(self, cache_size: int = 1) -> Any:
        return self if self._cache_size == cache_size else PowerTransform(self.exponent, cache_size)

    @property
    def sign(self) -> Any:
        return sign_of(self.exponent)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PowerTransform) and _equal(self.exponent, other.exponent)

    __hash__ = Transform.__hash__

    @lifted
    def _call(self, x: Any) -> Any:
        return power(*together(x, self.exponent))

    @lifted
    def _inverse(self, y: Any) -> Any:
        return power(*together(y, 1 / self.exponent))

    @lifted
    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        exponent, y, x = together(self.exponent, y, x)
        return jnp.log(jnp.abs(exponent * y / x))

    def forward_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return np.broadcast_shapes(shape, self.exponent.shape)

    inverse_shape = forward_shape


class SigmoidTransform(Transform):
    """y = 1 / (1 + exp(-x))."""

    domain = constraints.real
    codomain = constraints.unit_interval
    bijective = True
    sign: Any = 1

    @lifted
    def _call(self, x: Any) -> Any:
        return clipped_sigmoid(x)

    @lifted
    def _inverse(self, y: Any) -> Any:
        y = _inside(y)
        return jnp.log(y) - jnp.log1p(-y)

    @lifted
    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return -F.softplus(-x) - F.softplus(x)


class SoftplusTransform(Transform):
    """y = log(1 + exp(x))."""

    domain = constraints.real
    codomain = constraints.positive
    bijective = True
    sign: Any = 1

    @lifted
    def _call(self, x: Any) -> Any:
        return F.softplus(x)

    @lifted
    def _inverse(self, y: Any) -> Any:
        return jnp.log(-jnp.expm1(-y)) + y

    @lifted
    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return -F.softplus(-x)


class TanhTransform(Transform):
    """y = tanh(x). With `cache_size=1` the inverse of an output is exact also where tanh is 1 after rounding."""

    domain = constraints.real
    codomain = constraints.interval(-1.0, 1.0)
    bijective = True
    sign: Any = 1

    @lifted
    def _call(self, x: Any) -> Any:
        return jnp.tanh(x)

    @lifted
    def _inverse(self, y: Any) -> Any:
        return jnp.arctanh(y)

    @lifted
    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return 2 * (math.log(2) - x - F.softplus(-2 * x))


class AbsTransform(Transform):
    """y = |x|, whose inverse gives the positive x."""

    domain = constraints.real
    codomain = constraints.positive

    @lifted
    def _call(self, x: Any) -> Any:
        return absolute(x)

    def _inverse(self, y: Any) -> Any:
        return y


class AffineTransform(Transform):
    """y = loc + scale * x.

    Args:
        loc: a number or a Tensor.
        scale: a number or a Tensor.
        event_dim: the number of axes of an event.
        cache_size: 0 or 1; see `Transform`.
    """

    leaves = ("loc", "scale")
    options = ("_event_dim",)
    bijective = True

    def __init__(self, loc: Any, scale: Any, event_dim: int = 0, cache_size: int = 0):
        super().__init__(cache_size)
        self.loc, self.scale, self._event_dim = loc, scale, event_dim

    @property
    def event_dim(self) -> int:
        return self._event_dim

    @constraints.dependent_property(is_discrete=False)
    def domain(self) -> Any:
        return constraints.independent(constraints.real, self.event_dim) if self.event_dim else constraints.real

    @constraints.dependent_property(is_discrete=False)
    def codomain(self) -> Any:
        return self.domain

    def with_cache(self, cache_size: int = 1) -> Any:
        if self._cache_size == cache_size:
            return self
        return AffineTransform(self.loc, self.scale, self.event_dim, cache_size)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AffineTransform):
            return False
        return _equal(self.loc, other.loc) and _equal(self.scale, other.scale)

    __hash__ = Transform.__hash__

    @property
    def sign(self) -> Any:
        return sign_of(self.scale)

    @lifted
    def _call(self, x: Any) -> Any:
        loc, scale, x = together(self.loc, self.scale, x)
        return loc + scale * x

    @lifted
    def _inverse(self, y: Any) -> Any:
        loc, scale, y = together(self.loc, self.scale, y)
        return (y - loc) / scale

    @lifted
    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        scale, x = together(self.scale, x)
        return sum_rightmost(jnp.log(jnp.abs(scale)), self.event_dim)

    def forward_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return np.broadcast_shapes(shape, np.shape(self.loc), np.shape(self.scale))

    inverse_shape = forward_shape


class CumulativeDistributionTransform(Transform):
    """y = cdf(x) of a distribution.

    Args:
        distribution: the distribution, which has the methods `cdf` and `icdf`.
        cache_size: 0 or 1; see `Transform`.
    """

    leaves = ("distribution",)
    bijective = True
    codomain = constraints.unit_interval
    sign: Any = 1

    def __init__(self, distribution: Any, cache_size: int = 0):
        super().__init__(cache_size)
        self.distribution = distribution

    @property
    def domain(self) -> Any:
        return self.distribution.support

    def with_cache(self, cache_size: int = 1) -> Any:
        if self._cache_size == cache_size:
            return self
        return CumulativeDistributionTransform(self.distribution, cache_size)

    def _call(self, x: Any) -> Any:
        return self.distribution.cdf(x)

    def _inverse(self, y: Any) -> Any:
        return self.distribution.icdf(y)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return self.distribution.log_prob(x)


def _equal(one: Any, other: Any) -> bool:
    """Whether two numbers or Tensors are equal."""
    one, other = (as_array(x) if isinstance(x, TensorBase) else x for x in (one, other))
    return bool(np.all(np.asarray(one) == np.asarray(other)))
