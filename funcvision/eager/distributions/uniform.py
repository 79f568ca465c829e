"""Distributions on an interval: uniform and von Mises."""

import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy import special

from .._arithmetic import clamp
from . import constraints
from ._lifted import lifted, lifted_property
from .distribution import Univariate, aligned, scored

__all__ = ["Uniform", "VonMises"]


class Uniform(Univariate):
    """The uniform distribution on the interval from `low` to `high`.

    Args:
        low: the lower end, which is included.
        high: the upper end, which is not.
        validate_args: whether to check parameters and values.
    """

    leaves = ("low", "high")
    has_rsample = True

    def __init__(self, low: Any, high: Any, validate_args: bool | None = None):
        super().__init__(low=low, high=high, validate_args=validate_args)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def arg_constraints(self) -> Any:
        """The lower end is less than the upper one."""
        return {"low": constraints.less_than(self.high), "high": constraints.greater_than(self.low)}

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        """The interval."""
        return constraints.interval(self.low, self.high)

    @lifted_property
    def mean(self) -> Any:
        return (self.high + self.low) / 2

    @lifted_property
    def mode(self) -> Any:
        return jnp.nan * self.high

    @lifted_property
    def stddev(self) -> Any:
        return (self.high - self.low) / math.sqrt(12)

    @lifted_property
    def variance(self) -> Any:
        return jnp.square(self.high - self.low) / 12

    def _draw(self, key: jax.Array, shape: tuple[int, ...]) -> Any:
        return self.low + jax.random.uniform(key, shape, self.low.dtype) * (self.high - self.low)

    @scored
    def log_prob(self, value: Any) -> Any:
        is_inside = (self.low <= value) & (value < self.high)
        return jnp.where(is_inside, 0, -jnp.inf) - jnp.log(self.high - self.low)

    @scored
    def cdf(self, value: Any) -> Any:
        return clamp((value - self.low) / (self.high - self.low), 0, 1)

    @aligned
    def icdf(self, value: Any) -> Any:
        return value * (self.high - self.low) + self.low

    @lifted
    def entropy(self) -> Any:
        return jnp.log(self.high - self.low)


class VonMises(Univariate):
    """The von Mises distribution of an angle, in radians.

    Args:
        loc: the mean direction.
        concentration: the concentration around it.
        validate_args: whether to check parameters and values.
    """

    leaves = ("loc", "concentration")
    arg_constraints: ClassVar[Any] = {"loc": constraints.real, "concentration": constraints.positive}
    support = constraints.real

    def __init__(self, loc: Any, concentration: Any, validate_args: bool | None = None):
        super().__init__(loc=loc, concentration=concentration, validate_args=validate_args)

    @property
    def mean(self) -> Any:
        """The mean direction."""
        return self.loc

    @property
    def mode(self) -> Any:
        return self.loc

    @lifted_property
    def variance(self) -> Any:
        """The circular variance."""
        return 1 - special.i1e(self.concentration) / special.i0e(self.concentration)

    @scored
    def log_prob(self, value: Any) -> Any:
        log_bessel = jnp.log(special.i0e(self.concentration)) + self.concentration
        return self.concentration * jnp.cos(value - self.loc) - math.log(2 * math.pi) - log_bessel

    def _draw(self, key: jax.Array, shape: tuple[int, ...]) -> Any:
        """Rejection sampling from a wrapped Cauchy distribution (Best and Fisher 1979)."""
        kappa = self.concentration
        tau = 1 + jnp.sqrt(1 + 4 * jnp.square(kappa))
        rho = (tau - jnp.sqrt(2 * tau)) / (2 * kappa)
        of_large = (1 + jnp.square(rho)) / (2 * rho)
        r = jnp.where(kappa < 1e-2, 1 / kappa + kappa, of_large)  # rho cancels for a small kappa

        def propose(state: Any) -> Any:
            key, angle, is_done = state
            key, of_proposal = jax.random.split(key)
            u1, u2, u3 = jax.random.uniform(of_proposal, (3, *shape), kappa.dtype, minval=jnp.finfo(kappa.dtype).tiny)
            z = jnp.cos(math.pi * u1)
            f = clamp((1 + r * z) / (r + z), -1, 1)
            c = kappa * (r - f)
            is_accepted = (c * (2 - c) > u2) | (jnp.log(c / u2) + 1 - c >= 0)
            proposed = jnp.where(u3 < 0.5, -jnp.arccos(f), jnp.arccos(f))
            return key, jnp.where(is_accepted & ~is_done, proposed, angle), is_done | is_accepted

        start = key, jnp.zeros(shape, kappa.dtype), jnp.zeros(shape, bool)
        angle = lax.while_loop(lambda state: ~state[2].all(), propose, start)[1]
        return (angle + math.pi + self.loc) % (2 * math.pi) - math.pi
