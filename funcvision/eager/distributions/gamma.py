"""Distributions on the positive numbers."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax.scipy import special

from .._math import x_log_y as xlogy
from . import constraints
from ._lifted import lifted, lifted_property
from .distribution import Univariate, aligned, scored

__all__ = ["Chi2", "Exponential", "FisherSnedecor", "Gamma", "at_least_tiny", "gamma_draw"]


@jax.custom_jvp
def at_least_tiny(x: jax.Array) -> jax.Array:
    """Samples raised to the smallest normal number. The derivative is not changed."""
    return jnp.maximum(x, jnp.finfo(x.dtype).tiny)


@at_least_tiny.defjvp
def _(primals: Any, tangents: Any) -> Any:
    return at_least_tiny(*primals), tangents[0]


def gamma_draw(key: jax.Array, concentration: jax.Array) -> jax.Array:
    """One draw of rate 1 for each concentration, differentiable by implicit reparameterisation."""
    return jax.random.gamma(key, concentration, concentration.shape, concentration.dtype)


class Gamma(Univariate):
    """The gamma distribution.

    Args:
        concentration: the shape, often called alpha.
        rate: the inverse of the scale, often called beta.
        validate_args: whether to check parameters and values.

    >>> Gamma(2.0, 4.0).mean
    tensor(0.5000)
    """

    leaves = ("concentration", "rate")
    arg_constraints: ClassVar[Any] = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None):
        super().__init__(concentration=concentration, rate=rate, validate_args=validate_args)

    @lifted_property
    def mean(self) -> Any:
        return self.concentration / self.rate

    @lifted_property
    def mode(self) -> Any:
        return jnp.maximum((self.concentration - 1) / self.rate, 0)

    @lifted_property
    def variance(self) -> Any:
        return self.concentration / jnp.square(self.rate)

    def _draw(self, key: jax.Array, shape: tuple[int, ...]) -> Any:
        return at_least_tiny(gamma_draw(key, self.concentration) / self.rate)

    @scored
    def log_prob(self, value: Any) -> Any:
        return (
            xlogy(self.concentration, self.rate) + xlogy(self.concentration - 1, value)
            - self.rate * value - special.gammaln(self.concentration)
        )

    @scored
    def cdf(self, value: Any) -> Any:
        return special.gammainc(self.concentration, self.rate * value)

    @lifted
    def entropy(self) -> Any:
        a = self.concentration
        return a - jnp.log(self.rate) + special.gammaln(a) + (1 - a) * special.digamma(a)


class Chi2(Gamma):
    """The chi-squared distribution: the sum of the squares of `df` standard normal numbers.

    Args:
        df: the degrees of freedom.
        validate_args: whether to check parameters and values.
    """

    arg_constraints: ClassVar[Any] = {"df": constraints.positive}

    def __init__(self, df: Any, validate_args: bool | None = None):
        super().__init__(df * 0.5, 0.5, validate_args=validate_args)

    @lifted_property
    def df(self) -> Any:
        """The degrees of freedom."""
        return self.concentration * 2


class Exponential(Univariate):
    """The exponential distribution.

    Args:
        rate: the inverse of the mean.
        validate_args: whether to check parameters and values.
    """

    leaves = ("rate",)
    arg_constraints: ClassVar[Any] = {"rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True

    def __init__(self, rate: Any, validate_args: bool | None = None):
        super().__init__(rate=rate, validate_args=validate_args)

    @lifted_property
    def mean(self) -> Any:
        return 1 / self.rate

    @lifted_property
    def mode(self) -> Any:
        return jnp.zeros_like(self.rate)

    @lifted_property
    def stddev(self) -> Any:
        return 1 / self.rate

    @lifted_property
    def variance(self) -> Any:
        return self.rate**-2

    def _draw(self, key: jax.Array, shape: tuple[int, ...]) -> Any:
        return jax.random.exponential(key, shape, self.rate.dtype) / self.rate

    @scored
    def log_prob(self, value: Any) -> Any:
        return jnp.log(self.rate) - self.rate * value

    @scored
    def cdf(self, value: Any) -> Any:
        return 1 - jnp.exp(-self.rate * value)

    @aligned
    def icdf(self, value: Any) -> Any:
        return -jnp.log1p(-value) / self.rate

    @lifted
    def entropy(self) -> Any:
        return 1 - jnp.log(self.rate)


class FisherSnedecor(Univariate):
    """The F distribution: the ratio of two chi-squared numbers, each divided by its degrees of freedom.

    Args:
        df1: the degrees of freedom of the numerator.
        df2: the degrees of freedom of the denominator.
        validate_args: whether to check parameters and values.
    """

    leaves = ("df1", "df2")
    arg_constraints: ClassVar[Any] = {"df1": constraints.positive, "df2": constraints.positive}
    support = constraints.positive
    has_rsample = True

    def __init__(self, df1: Any, df2: Any, validate_args: bool | None = None):
        super().__init__(df1=df1, df2=df2, validate_args=validate_args)

    @lifted_property
    def mean(self) -> Any:
        df2 = jnp.where(self.df2 > 2, self.df2, jnp.nan)
        return df2 / (df2 - 2)

    @lifted_property
    def mode(self) -> Any:
        mode = (self.df1 - 2) / self.df1 * self.df2 / (self.df2 + 2)
        return jnp.where(self.df1 > 2, mode, jnp.nan)

    @lifted_property
    def variance(self) -> Any:
        df1, df2 = self.df1, jnp.where(self.df2 > 4, self.df2, jnp.nan)
        return 2 * jnp.square(df2) * (df1 + df2 - 2) / (df1 * jnp.square(df2 - 2) * (df2 - 4))

    def _draw(self, key: jax.Array, shape: tuple[int, ...]) -> Any:
        of_1, of_2 = jax.random.split(key)
        numerator = gamma_draw(of_1, self.df1 / 2) / self.df1
        return at_least_tiny(numerator / at_least_tiny(gamma_draw(of_2, self.df2 / 2) / self.df2))

    @scored
    def log_prob(self, value: Any) -> Any:
        half1, half2, ratio = self.df1 / 2, self.df2 / 2, self.df1 / self.df2
        log_beta = special.gammaln(half1) + special.gammaln(half2) - special.gammaln(half1 + half2)
        numerator = half1 * jnp.log(ratio) + (half1 - 1) * jnp.log(value)
        return numerator - (half1 + half2) * jnp.log1p(ratio * value) - log_beta
