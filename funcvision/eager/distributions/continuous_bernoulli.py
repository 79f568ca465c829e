"""The continuous Bernoulli distribution."""

import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from ... import functional as F
from . import constraints
from ._lifted import lazy, lifted, lifted_property
from .bernoulli import ByProbsOrLogits, clamped
from .distribution import aligned, scored

__all__ = ["ContinuousBernoulli"]


class ContinuousBernoulli(ByProbsOrLogits):
    """The continuous Bernoulli distribution on [0, 1] (Loaiza-Ganem and Cunningham 2019, arXiv:1907.06845).

    Args:
        probs: the parameter, from 0 to 1; it is not the mean.
        logits: the logarithm of its odds.
        lims: the range of `probs` around 0.5 in which a Taylor series replaces formulas that cancel there.
        validate_args: whether to check parameters and values.
    """

    options = (*ByProbsOrLogits.options, "_lims")
    arg_constraints: ClassVar[Any] = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval
    has_rsample = True

    def __init__(
        self, probs: Any = None, logits: Any = None, lims: tuple[float, float] = (0.499, 0.501),
        validate_args: bool | None = None,
    ):
        self._lims = lims
        super().__init__(probs, logits, validate_args)
        self.__dict__.pop("probs", None)  # it is clamped when it is used

    def _expand_parameters(self, new: Any, batch_shape: tuple[int, ...]) -> None:
        super()._expand_parameters(new, batch_shape)
        new.__dict__.pop("probs", None)

    @lazy
    def probs(self) -> Any:
        """The parameter, clamped to the open interval from 0 to 1."""
        return clamped(F.sigmoid(self._param) if self.name == "logits" else self._param)

    def _cut(self) -> tuple[jax.Array, jax.Array]:
        """Where the formulas do not cancel, and `probs` with a harmless value where they do."""
        is_stable = (self.probs <= self._lims[0]) | (self.probs > self._lims[1])
        return is_stable, jnp.where(is_stable, self.probs, self._lims[0])

    def log_normaliser(self) -> jax.Array:
        """The logarithm of the factor that makes the density integrate to 1. It is for pure objects."""
        is_stable, p = self._cut()
        below, above = jnp.where(p <= 0.5, p, 0), jnp.where(p >= 0.5, p, 1)
        denominator = jnp.where(p <= 0.5, jnp.log1p(-2 * below), jnp.log(2 * above - 1))
        log_norm = jnp.log(jnp.abs(jnp.log1p(-p) - jnp.log(p))) - denominator
        x = jnp.square(self.probs - 0.5)
        return jnp.where(is_stable, log_norm, math.log(2) + (4 / 3 + 104 / 45 * x) * x)

    @lifted_property
    def mean(self) -> Any:
        is_stable, p = self._cut()
        x = self.probs - 0.5
        taylor = 0.5 + (1 / 3 + 16 / 45 * jnp.square(x)) * x
        return jnp.where(is_stable, p / (2 * p - 1) + 1 / (jnp.log1p(-p) - jnp.log(p)), taylor)

    @lifted_property
    def variance(self) -> Any:
        is_stable, p = self._cut()
        x = jnp.square(self.probs - 0.5)
        variance = p * (p - 1) / jnp.square(1 - 2 * p) + 1 / jnp.square(jnp.log1p(-p) - jnp.log(p))
        return jnp.where(is_stable, variance, 1 / 12 - (1 / 15 - 128 / 945 * x) * x)

    def _draw(self, key: jax.Array, shape: tuple[int, ...]) -> Any:
        return self.icdf(jax.random.uniform(key, shape, self._param.dtype))

    @scored
    def log_prob(self, value: Any) -> Any:
        cross_entropy = F.binary_cross_entropy_with_logits(self.logits, value, reduction="none")
        return self.log_normaliser() - cross_entropy

    @scored
    def cdf(self, value: Any) -> Any:
        is_stable, p = self._cut()
        cdf = (p**value * (1 - p) ** (1 - value) + p - 1) / (2 * p - 1)
        inside = jnp.where(is_stable, cdf, value)
        return jnp.where(value <= 0, 0, jnp.where(value >= 1, 1, inside))

    @aligned
    def icdf(self, value: Any) -> Any:
        is_stable, p = self._cut()
        numerator = jnp.log1p(-p + value * (2 * p - 1)) - jnp.log1p(-p)
        return jnp.where(is_stable, numerator / (jnp.log(p) - jnp.log1p(-p)), value)

    @lifted
    def entropy(self) -> Any:
        log_0, log_1 = jnp.log1p(-self.probs), jnp.log(self.probs)
        return self.mean * (log_0 - log_1) - self.log_normaliser() - log_0
