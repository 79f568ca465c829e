"""Distributions on the real line with a location and a scale."""

import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax.scipy import special

from .._elementwise import abs, sign
from . import constraints
from ._lifted import lifted, lifted_property
from .distribution import Univariate, aligned, scored

__all__ = ["Cauchy", "Laplace", "Normal", "StudentT"]

OF_LOCATION_AND_SCALE = {"loc": constraints.real, "scale": constraints.positive}


class Normal(Univariate):
    """The normal distribution.

    Args:
        loc: the mean.
        scale: the standard deviation.
        validate_args: whether to check parameters and values.

    >>> from funcvision import eager as torch
    >>> Normal(torch.tensor([0.0, 1.0]), 2.0).log_prob(torch.tensor(0.0)).exp()
    tensor([0.1995, 0.1760])
    """

    leaves = ("loc", "scale")
    arg_constraints: ClassVar[Any] = OF_LOCATION_AND_SCALE
    support = constraints.real
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None):
        super().__init__(loc=loc, scale=scale, validate_args=validate_args)

    @property
    def mean(self) -> Any:
        return self.loc

    @property
    def mode(self) -> Any:
        return self.loc

    @property
    def stddev(self) -> Any:
        return self.scale

    @lifted_property
    def variance(self) -> Any:
        return jnp.square(self.scale)

    def _draw(self, key: jax.Array, shape: tuple[int, ...]) -> Any:
        return self.loc + self.scale * jax.random.normal(key, shape, self.loc.dtype)

    @scored
    def log_prob(self, value: Any) -> Any:
        deviation = (value - self.loc) / self.scale
        return -jnp.square(deviation) / 2 - jnp.log(self.scale) - math.log(2 * math.pi) / 2

    @scored
    def cdf(self, value: Any) -> Any:
        return (1 + special.erf((value - self.loc) / self.scale / math.sqrt(2))) / 2

    @aligned
    def icdf(self, value: Any) -> Any:
        return self.loc + self.scale * special.erfinv(2 * value - 1) * math.sqrt(2)

    @lifted
    def entropy(self) -> Any:
        return 0.5 + 0.5 * math.log(2 * math.pi) + jnp.log(self.scale)


class Laplace(Univariate):
    """The Laplace distribution.

    Args:
        loc: the mean.
        scale: the mean distance from it.
        validate_args: whether to check parameters and values.
    """

    leaves = ("loc", "scale")
    arg_constraints: ClassVar[Any] = OF_LOCATION_AND_SCALE
    support = constraints.real
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None):
        super().__init__(loc=loc, scale=scale, validate_args=validate_args)

    @property
    def mean(self) -> Any:
        return self.loc

    @property
    def mode(self) -> Any:
        return self.loc

    @lifted_property
    def variance(self) -> Any:
        return 2 * jnp.square(self.scale)

    @lifted_property
    def stddev(self) -> Any:
        return math.sqrt(2) * self.scale

    def _draw(self, key: jax.Array, shape: tuple[int, ...]) -> Any:
        return self.loc + self.scale * jax.random.laplace(key, shape, self.loc.dtype)

    @scored
    def log_prob(self, value: Any) -> Any:
        return -jnp.log(2 * self.scale) - abs(value - self.loc) / self.scale

    @scored
    def cdf(self, value: Any) -> Any:
        distance = value - self.loc
        return 0.5 - 0.5 * sign(distance) * jnp.expm1(-abs(distance) / self.scale)

    @aligned
    def icdf(self, value: Any) -> Any:
        term = value - 0.5
        return self.loc - self.scale * sign(term) * jnp.log1p(-2 * abs(term))

    @lifted
    def entropy(self) -> Any:
        return 1 + jnp.log(2 * self.scale)


class Cauchy(Univariate):
    """The Cauchy distribution, which has neither mean nor variance.

    Args:
        loc: the mode and median.
        scale: half the width of the density at half of its maximum.
        validate_args: whether to check parameters and values.
    """

    leaves = ("loc", "scale")
    arg_constraints: ClassVar[Any] = OF_LOCATION_AND_SCALE
    support = constraints.real
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None):
        super().__init__(loc=loc, scale=scale, validate_args=validate_args)

    @lifted_property
    def mean(self) -> Any:
        return jnp.full_like(self.loc, jnp.nan)

    @property
    def mode(self) -> Any:
        return self.loc

    @lifted_property
    def variance(self) -> Any:
        return jnp.full_like(self.loc, jnp.inf)

    def _draw(self, key: jax.Array, shape: tuple[int, ...]) -> Any:
        return self.loc + self.scale * jax.random.cauchy(key, shape, self.loc.dtype)

    @scored
    def log_prob(self, value: Any) -> Any:
        return -math.log(math.pi) - jnp.log(self.scale) - jnp.log1p(jnp.square((value - self.loc) / self.scale))

    @scored
    def cdf(self, value: Any) -> Any:
        return jnp.arctan((value - self.loc) / self.scale) / math.pi + 0.5

    @aligned
    def icdf(self, value: Any) -> Any:
        return jnp.tan(math.pi * (value - 0.5)) * self.scale + self.loc

    @lifted
    def entropy(self) -> Any:
        return math.log(4 * math.pi) + jnp.log(self.scale)


class StudentT(Univariate):
    """Student's t distribution.

    Args:
        df: the degrees of freedom.
        loc: the location.
        scale: the scale.
        validate_args: whether to check parameters and values.
    """

    leaves = ("df", "loc", "scale")
    arg_constraints: ClassVar[Any] = {"df": constraints.positive, **OF_LOCATION_AND_SCALE}
    support = constraints.real
    has_rsample = True

    def __init__(self, df: Any, loc: Any = 0.0, scale: Any = 1.0, validate_args: bool | None = None):
        super().__init__(df=df, loc=loc, scale=scale, validate_args=validate_args)

    @lifted_property
    def mean(self) -> Any:
        return jnp.where(self.df <= 1, jnp.nan, self.loc)

    @property
    def mode(self) -> Any:
        return self.loc

    @lifted_property
    def variance(self) -> Any:
        finite = jnp.square(self.scale) * self.df / (jnp.where(self.df > 2, self.df, 3) - 2)
        return jnp.where(self.df > 2, finite, jnp.where(self.df > 1, jnp.inf, jnp.nan))

    def _draw(self, key: jax.Array, shape: tuple[int, ...]) -> Any:
        of_normal, of_chi2 = jax.random.split(key)
        chi2 = 2 * jax.random.gamma(of_chi2, self.df / 2, shape, self.df.dtype)
        normal = jax.random.normal(of_normal, shape, self.df.dtype)
        return self.loc + self.scale * normal * jax.lax.rsqrt(chi2 / self.df)

    @scored
    def log_prob(self, value: Any) -> Any:
        deviation = (value - self.loc) / self.scale
        normaliser = (
            jnp.log(self.scale) + 0.5 * jnp.log(self.df) + 0.5 * math.log(math.pi)
            + special.gammaln(0.5 * self.df) - special.gammaln(0.5 * (self.df + 1))
        )
        return -0.5 * (self.df + 1) * jnp.log1p(jnp.square(deviation) / self.df) - normaliser

    @lifted
    def entropy(self) -> Any:
        half, next_half = 0.5 * self.df, 0.5 * (self.df + 1)
        log_beta = special.gammaln(half) + math.lgamma(0.5) - special.gammaln(next_half)
        digammas = special.digamma(next_half) - special.digamma(half)
        return jnp.log(self.scale) + next_half * digammas + 0.5 * jnp.log(self.df) + log_beta
