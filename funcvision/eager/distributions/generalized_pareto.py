"""The generalised Pareto distribution."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from .._base import as_array
from . import constraints
from ._lifted import lifted, lifted_property
from .distribution import Univariate, aligned, scored

__all__ = ["GeneralizedPareto"]


class GeneralizedPareto(Univariate):
    """The generalised Pareto distribution.

    Args:
        loc: the smallest value.
        scale: the scale.
        concentration: the shape. If it is negative, values have an upper bound; 0 gives the exponential distribution.
        validate_args: whether to check parameters and values.
    """

    leaves = ("loc", "scale", "concentration")
    arg_constraints: ClassVar[Any] = {
        "loc": constraints.real, "scale": constraints.positive, "concentration": constraints.real,
    }
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, concentration: Any, validate_args: bool | None = None):
        super().__init__(loc=loc, scale=scale, concentration=concentration, validate_args=validate_args)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        """The numbers from `loc` to the upper bound, if there is one."""
        loc, scale, concentration = (as_array(getattr(self, name)) for name in self.leaves)
        return constraints.interval(loc, jnp.where(concentration < 0, loc - scale / concentration, jnp.inf))

    def _safe(self) -> tuple[jax.Array, jax.Array]:
        """Where the concentration is about 0, and the concentration with 1 in these places."""
        is_zero = jnp.abs(self.concentration) <= 1e-8
        return is_zero, jnp.where(is_zero, 1, self.concentration)

    @lifted_property
    def mean(self) -> Any:
        is_finite = self.concentration < 1
        return jnp.where(is_finite, self.loc + self.scale / (1 - jnp.where(is_finite, self.concentration, 0)), jnp.nan)

    @property
    def mode(self) -> Any:
        return self.loc

    @lifted_property
    def variance(self) -> Any:
        is_finite = self.concentration < 0.5
        safe = jnp.where(is_finite, self.concentration, 0)
        variance = jnp.square(self.scale) / (jnp.square(1 - safe) * (1 - 2 * safe))
        return jnp.where(is_finite, variance, jnp.nan)

    def _draw(self, key: jax.Array, shape: tuple[int, ...]) -> Any:
        return self.icdf(jax.random.uniform(key, shape, self.loc.dtype))

    @scored
    def log_prob(self, value: Any) -> Any:
        z = (value - self.loc) / self.scale
        is_zero, safe = self._safe()
        factor = 1 / safe + 1
        of_power = jnp.where(factor == 0, 0, factor * jnp.log1p(safe * z))
        return -jnp.log(self.scale) - jnp.where(is_zero, z, of_power)

    @scored
    def log_survival_function(self, value: Any) -> Any:
        """The logarithm of the probability of a greater value."""
        z = (value - self.loc) / self.scale
        is_zero, safe = self._safe()
        return -jnp.where(is_zero, z, jnp.log1p(safe * z) / safe)

    @aligned
    def log_cdf(self, value: Any) -> Any:
        """The logarithm of the cumulative distribution function."""
        return jnp.log1p(-jnp.exp(self.log_survival_function(value)))

    @scored
    def cdf(self, value: Any) -> Any:
        return jnp.exp(self.log_cdf(value))

    @aligned
    def icdf(self, value: Any) -> Any:
        is_zero, safe = self._safe()
        log_rest = jnp.log1p(-value)
        return self.loc + self.scale * jnp.where(is_zero, -log_rest, jnp.expm1(-safe * log_rest) / safe)

    @lifted
    def entropy(self) -> Any:
        return jnp.log(self.scale) + self.concentration + 1
