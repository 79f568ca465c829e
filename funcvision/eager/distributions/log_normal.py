"""Distributions that are those of a transformed sample: of normal, Cauchy, exponential, gamma or uniform numbers."""

import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax.scipy import special

from .._base import TensorBase, as_array
from . import constraints
from ._elementwise_transforms import AbsTransform, AffineTransform, ExpTransform, PowerTransform
from ._lifted import lifted, lifted_property
from ._vector_transforms import StickBreakingTransform
from .distribution import aligned, as_parameters, scored
from .gamma import Exponential, Gamma
from .normal import Cauchy, Normal
from .transformed_distribution import TransformedDistribution
from .uniform import Uniform

__all__ = [
    "EULER", "Gumbel", "HalfCauchy", "HalfNormal", "InverseGamma", "Kumaraswamy", "LogNormal", "LogisticNormal",
    "Pareto", "Weibull",
]  # fmt: skip

EULER = 0.57721566490153286060
TRANSFORMED = TransformedDistribution.leaves


def _ones_like(x: Any) -> Any:
    return TensorBase.result.wrap(jnp.ones_like(as_array(x)))


class LogNormal(TransformedDistribution):
    """The distribution of a number whose logarithm is normal.

    Args:
        loc: the mean of the logarithm.
        scale: the standard deviation of the logarithm.
        validate_args: whether to check parameters and values.
    """

    arg_constraints: ClassVar[Any] = {"loc": constraints.real, "scale": constraints.positive}
    support: Any = constraints.positive

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None):
        super().__init__(Normal(loc, scale, validate_args), ExpTransform(), validate_args)

    @property
    def loc(self) -> Any:
        """The mean of the logarithm."""
        return self.base_dist.loc

    @property
    def scale(self) -> Any:
        """The standard deviation of the logarithm."""
        return self.base_dist.scale

    @lifted_property
    def mean(self) -> Any:
        return jnp.exp(self.loc + jnp.square(self.scale) / 2)

    @lifted_property
    def mode(self) -> Any:
        return jnp.exp(self.loc - jnp.square(self.scale))

    @lifted_property
    def variance(self) -> Any:
        variance = jnp.square(self.scale)
        return jnp.expm1(variance) * jnp.exp(2 * self.loc + variance)

    @lifted
    def entropy(self) -> Any:
        return self.base_dist.entropy() + self.loc


class LogisticNormal(TransformedDistribution):
    """The distribution of probabilities that are made from normal numbers by `StickBreakingTransform`.

    Args:
        loc: the means of the normal numbers, [..., n]. A sample has n + 1 probabilities.
        scale: their standard deviations.
        validate_args: whether to check parameters and values.
    """

    arg_constraints: ClassVar[Any] = {"loc": constraints.real, "scale": constraints.positive}
    support: Any = constraints.simplex

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None):
        base = Normal(loc, scale, validate_args)
        super().__init__(base if base.batch_shape else base.expand((1,)), StickBreakingTransform(), validate_args)

    @property
    def loc(self) -> Any:
        """The means of the normal numbers."""
        return self.base_dist.base_dist.loc

    @property
    def scale(self) -> Any:
        """The standard deviations of the normal numbers."""
        return self.base_dist.base_dist.scale


class _Folded(TransformedDistribution):
    """The distribution of the absolute value of a number that is symmetric about 0."""

    arg_constraints: ClassVar[Any] = {"scale": constraints.positive}
    support: Any = constraints.nonnegative

    @property
    def scale(self) -> Any:
        """The scale of the number."""
        return self.base_dist.scale

    @lifted_property
    def mode(self) -> Any:
        return jnp.zeros_like(self.scale)

    @scored
    def log_prob(self, value: Any) -> Any:
        log_prob = self.base_dist.log_prob(value) + math.log(2)
        return jnp.where(jnp.broadcast_to(value >= 0, log_prob.shape), log_prob, -jnp.inf)

    @scored
    def cdf(self, value: Any) -> Any:
        return 2 * self.base_dist.cdf(value) - 1

    @aligned
    def icdf(self, value: Any) -> Any:
        return self.base_dist.icdf((value + 1) / 2)

    @lifted
    def entropy(self) -> Any:
        return self.base_dist.entropy() - math.log(2)


class HalfNormal(_Folded):
    """The distribution of the absolute value of a normal number with mean 0.

    Args:
        scale: the standard deviation of that number.
        validate_args: whether to check parameters and values.
    """

    def __init__(self, scale: Any, validate_args: bool | None = None):
        super().__init__(Normal(0, scale, validate_args=False), AbsTransform(), validate_args)

    @lifted_property
    def mean(self) -> Any:
        return self.scale * math.sqrt(2 / math.pi)

    @lifted_property
    def variance(self) -> Any:
        return jnp.square(self.scale) * (1 - 2 / math.pi)


class HalfCauchy(_Folded):
    """The distribution of the absolute value of a Cauchy number around 0.

    Args:
        scale: the scale of that number.
        validate_args: whether to check parameters and values.
    """

    def __init__(self, scale: Any, validate_args: bool | None = None):
        super().__init__(Cauchy(0, scale, validate_args=False), AbsTransform(), validate_args)

    @lifted_property
    def mean(self) -> Any:
        return jnp.full_like(self.scale, jnp.inf)

    @property
    def variance(self) -> Any:
        return self.base_dist.variance


class InverseGamma(TransformedDistribution):
    """The distribution of the reciprocal of a gamma number.

    Args:
        concentration: the shape of the gamma distribution.
        rate: its rate.
        validate_args: whether to check parameters and values.
    """

    arg_constraints: ClassVar[Any] = {"concentration": constraints.positive, "rate": constraints.positive}
    support: Any = constraints.positive

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None):
        base = Gamma(concentration, rate, validate_args)
        super().__init__(base, PowerTransform(-_ones_like(base.rate)), validate_args)

    @property
    def concentration(self) -> Any:
        """The shape of the gamma distribution."""
        return self.base_dist.concentration

    @property
    def rate(self) -> Any:
        """The rate of the gamma distribution."""
        return self.base_dist.rate

    @lifted_property
    def mean(self) -> Any:
        return jnp.where(self.concentration > 1, self.rate / (self.concentration - 1), jnp.inf)

    @lifted_property
    def mode(self) -> Any:
        return self.rate / (self.concentration + 1)

    @lifted_property
    def variance(self) -> Any:
        a = self.concentration
        return jnp.where(a > 2, jnp.square(self.rate) / (jnp.square(a - 1) * (a - 2)), jnp.inf)

    @lifted
    def entropy(self) -> Any:
        a = self.concentration
        return a + jnp.log(self.rate) + special.gammaln(a) - (1 + a) * special.digamma(a)


class Gumbel(TransformedDistribution):
    """The Gumbel distribution.

    Args:
        loc: the mode.
        scale: the scale.
        validate_args: whether to check parameters and values.
    """

    leaves = (*TRANSFORMED, "loc", "scale")
    arg_constraints: ClassVar[Any] = {"loc": constraints.real, "scale": constraints.positive}
    support: Any = constraints.real

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None):
        self.loc, self.scale = as_parameters(loc, scale)
        info = jnp.finfo(as_array(self.loc).dtype)
        ones = _ones_like(self.loc)
        base = Uniform(ones * float(info.tiny), ones * (1 - float(info.eps)), validate_args=validate_args)
        transforms = [
            ExpTransform().inv, AffineTransform(0, -ones), ExpTransform().inv, AffineTransform(self.loc, -self.scale),
        ]
        super().__init__(base, transforms, validate_args)

    @scored
    def log_prob(self, value: Any) -> Any:
        shape = jnp.broadcast_shapes(value.shape, self.batch_shape)
        value, loc, scale = (jnp.broadcast_to(x, shape) for x in (value, self.loc, self.scale))
        y = (loc - value) / scale
        return y - jnp.exp(y) - jnp.log(scale)

    @lifted_property
    def mean(self) -> Any:
        return self.loc + self.scale * EULER

    @property
    def mode(self) -> Any:
        return self.loc

    @lifted_property
    def stddev(self) -> Any:
        return math.pi / math.sqrt(6) * self.scale

    @lifted_property
    def variance(self) -> Any:
        return jnp.square(math.pi / math.sqrt(6) * self.scale)

    @lifted
    def entropy(self) -> Any:
        return jnp.log(self.scale) + (1 + EULER)


class Pareto(TransformedDistribution):
    """The Pareto distribution of type 1.

    Args:
        scale: the smallest value.
        alpha: the shape.
        validate_args: whether to check parameters and values.
    """

    leaves = (*TRANSFORMED, "scale", "alpha")
    arg_constraints: ClassVar[Any] = {"alpha": constraints.positive, "scale": constraints.positive}

    def __init__(self, scale: Any, alpha: Any, validate_args: bool | None = None):
        self.scale, self.alpha = as_parameters(scale, alpha)
        transforms = [ExpTransform(), AffineTransform(0, self.scale)]
        super().__init__(Exponential(self.alpha, validate_args), transforms, validate_args)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        """The numbers from `scale` on."""
        return constraints.greater_than_eq(self.scale)

    @lifted_property
    def mean(self) -> Any:
        a = jnp.maximum(self.alpha, 1)
        return a * self.scale / (a - 1)

    @property
    def mode(self) -> Any:
        return self.scale

    @lifted_property
    def variance(self) -> Any:
        a = jnp.maximum(self.alpha, 2)
        return jnp.square(self.scale) * a / (jnp.square(a - 1) * (a - 2))

    @lifted
    def entropy(self) -> Any:
        return jnp.log(self.scale / self.alpha) + 1 + 1 / self.alpha


class Weibull(TransformedDistribution):
    """The Weibull distribution.

    Args:
        scale: the scale, often called lambda.
        concentration: the shape, often called k.
        validate_args: whether to check parameters and values.
    """

    leaves = (*TRANSFORMED, "scale", "concentration")
    arg_constraints: ClassVar[Any] = {"scale": constraints.positive, "concentration": constraints.positive}
    support: Any = constraints.positive

    def __init__(self, scale: Any, concentration: Any, validate_args: bool | None = None):
        self.scale, self.concentration = as_parameters(scale, concentration)
        transforms = [PowerTransform(self.concentration.reciprocal()), AffineTransform(0, self.scale)]
        super().__init__(Exponential(_ones_like(self.scale), validate_args), transforms, validate_args)

    @lifted_property
    def concentration_reciprocal(self) -> Any:
        """1 / concentration."""
        return 1 / self.concentration

    @lifted_property
    def mean(self) -> Any:
        return self.scale * jnp.exp(special.gammaln(1 + 1 / self.concentration))

    @lifted_property
    def mode(self) -> Any:
        return self.scale * ((self.concentration - 1) / self.concentration) ** (1 / self.concentration)

    @lifted_property
    def variance(self) -> Any:
        inverse = 1 / self.concentration
        second = jnp.exp(special.gammaln(1 + 2 * inverse))
        return jnp.square(self.scale) * (second - jnp.exp(2 * special.gammaln(1 + inverse)))

    @lifted
    def entropy(self) -> Any:
        inverse = 1 / self.concentration
        return EULER * (1 - inverse) + jnp.log(self.scale * inverse) + 1


class Kumaraswamy(TransformedDistribution):
    """The Kumaraswamy distribution on the interval from 0 to 1.

    Args:
        concentration1: the first parameter, often called a.
        concentration0: the second parameter, often called b.
        validate_args: whether to check parameters and values.
    """

    leaves = (*TRANSFORMED, "concentration1", "concentration0")
    arg_constraints: ClassVar[Any] = {"concentration1": constraints.positive, "concentration0": constraints.positive}
    support: Any = constraints.unit_interval

    def __init__(self, concentration1: Any, concentration0: Any, validate_args: bool | None = None):
        self.concentration1, self.concentration0 = as_parameters(concentration1, concentration0)
        ones = _ones_like(self.concentration0)
        transforms = [
            PowerTransform(self.concentration0.reciprocal()), AffineTransform(1.0, -1.0),
            PowerTransform(self.concentration1.reciprocal()),
        ]
        super().__init__(Uniform(ones * 0, ones, validate_args), transforms, validate_args)

    def _moment(self, n: int) -> jax.Array:
        a, b = 1 + n / self.concentration1, self.concentration0
        return b * jnp.exp(special.gammaln(a) + special.gammaln(b) - special.gammaln(a + b))

    @lifted_property
    def mean(self) -> Any:
        return self._moment(1)

    @lifted_property
    def mode(self) -> Any:
        a, b = self.concentration1, self.concentration0
        log_mode = jnp.log1p(-b) / b - jnp.log1p(-a * b)
        return jnp.exp(jnp.where((a < 1) | (b < 1), jnp.nan, log_mode))

    @lifted_property
    def variance(self) -> Any:
        return self._moment(2) - jnp.square(self._moment(1))

    @lifted
    def entropy(self) -> Any:
        a, b = self.concentration1, self.concentration0
        return (1 - 1 / b) + (1 - 1 / a) * (special.digamma(b + 1) + EULER) - jnp.log(a) - jnp.log(b)
