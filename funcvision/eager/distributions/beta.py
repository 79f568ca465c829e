"""Distributions of probabilities: beta and Dirichlet."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax.scipy import special

from .._elementwise import together
from .._math import x_log_y as xlogy
from . import constraints
from ._lifted import lifted, lifted_property
from .distribution import Distribution, Univariate, as_parameters, scored
from .gamma import at_least_tiny

__all__ = ["Beta", "Dirichlet"]


class Beta(Univariate):
    """The beta distribution.

    Args:
        concentration1: the first parameter, often called alpha.
        concentration0: the second parameter, often called beta.
        validate_args: whether to check parameters and values.
    """

    leaves = ("concentration1", "concentration0")
    arg_constraints: ClassVar[Any] = {"concentration1": constraints.positive, "concentration0": constraints.positive}
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, concentration1: Any, concentration0: Any, validate_args: bool | None = None):
        super().__init__(concentration1=concentration1, concentration0=concentration0, validate_args=validate_args)

    @lifted_property
    def mean(self) -> Any:
        return self.concentration1 / (self.concentration1 + self.concentration0)

    @lifted_property
    def mode(self) -> Any:
        return _mode(jnp.stack((self.concentration1, self.concentration0), -1))[..., 0]

    @lifted_property
    def variance(self) -> Any:
        total = self.concentration1 + self.concentration0
        return self.concentration1 * self.concentration0 / (jnp.square(total) * (total + 1))

    def _draw(self, key: jax.Array, shape: tuple[int, ...]) -> Any:
        dtype = self.concentration1.dtype
        return at_least_tiny(jax.random.beta(key, self.concentration1, self.concentration0, shape, dtype))

    @scored
    def log_prob(self, value: Any) -> Any:
        a, b = self.concentration1, self.concentration0
        log_beta = special.gammaln(a) + special.gammaln(b) - special.gammaln(a + b)
        return xlogy(a - 1, value) + xlogy(b - 1, 1 - value) - log_beta

    @lifted
    def entropy(self) -> Any:
        return _entropy(jnp.stack((self.concentration1, self.concentration0), -1))


class Dirichlet(Distribution):
    """The Dirichlet distribution.

    Args:
        concentration: positive parameters, [..., k].
        validate_args: whether to check parameters and values.
    """

    leaves = ("concentration",)
    event_dims: ClassVar[dict[str, int]] = {"concentration": 1}
    arg_constraints: ClassVar[Any] = {"concentration": constraints.independent(constraints.positive, 1)}
    support = constraints.simplex
    has_rsample = True

    def __init__(self, concentration: Any, validate_args: bool | None = None):
        (self.concentration,) = as_parameters(concentration)
        if self.concentration.ndim < 1:
            raise ValueError("`concentration` parameter must be at least one-dimensional.")
        super().__init__(self.concentration.shape[:-1], self.concentration.shape[-1:], validate_args)

    @lifted_property
    def mean(self) -> Any:
        return self.concentration / self.concentration.sum(-1, keepdims=True)

    @lifted_property
    def mode(self) -> Any:
        return _mode(self.concentration)

    @lifted_property
    def variance(self) -> Any:
        total = self.concentration.sum(-1, keepdims=True)
        return self.concentration * (total - self.concentration) / (jnp.square(total) * (total + 1))

    def _draw(self, key: jax.Array, shape: tuple[int, ...]) -> Any:
        batch = shape + self.batch_shape
        concentration = jnp.broadcast_to(self.concentration, batch + self.event_shape)
        return at_least_tiny(jax.random.dirichlet(key, concentration, batch, concentration.dtype))

    @scored
    def log_prob(self, value: Any) -> Any:
        value, concentration = together(value, self.concentration, real=True)
        log_beta = special.gammaln(concentration).sum(-1) - special.gammaln(concentration.sum(-1))
        return xlogy(concentration - 1, value).sum(-1) - log_beta

    @lifted
    def entropy(self) -> Any:
        return _entropy(self.concentration)


def _mode(concentration: jax.Array) -> jax.Array:
    above = jnp.maximum(concentration - 1, 0)
    mode = above / above.sum(-1, keepdims=True)
    corner = jax.nn.one_hot(mode.argmax(-1), mode.shape[-1], dtype=mode.dtype)
    return jnp.where((concentration < 1).all(-1, keepdims=True), corner, mode)


def _entropy(concentration: jax.Array) -> jax.Array:
    k, total = concentration.shape[-1], concentration.sum(-1)
    log_beta = special.gammaln(concentration).sum(-1) - special.gammaln(total)
    digammas = ((concentration - 1) * special.digamma(concentration)).sum(-1)
    return log_beta - (k - total) * special.digamma(total) - digammas
