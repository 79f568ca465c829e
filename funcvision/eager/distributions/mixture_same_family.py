"""Mixtures of distributions of one family."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy import special

from .._elementwise import together
from . import constraints
from ._lifted import either, lifted, lifted_property
from .categorical import Categorical
from .distribution import Distribution, as_size, drawn, scored

__all__ = ["MixtureSameFamily"]


def _padded(value: jax.Array, axis: int) -> jax.Array:
    return jnp.expand_dims(value, axis)


def _log_mixture(log_probs: jax.Array, logits: jax.Array) -> jax.Array:
    return special.logsumexp(jnp.add(*together(log_probs, logits)), -1)


def _mixture(values: jax.Array, probs: jax.Array, axis: int) -> jax.Array:
    """The mean of `values` over the components along an axis, which is followed by the axes of the event."""
    probs = probs.reshape(probs.shape + (1,) * (-1 - axis))
    return jnp.multiply(*together(values, probs)).sum(axis)


def _variance(means: jax.Array, variances: jax.Array, probs: jax.Array, axis: int) -> jax.Array:
    mean = jnp.expand_dims(_mixture(means, probs, axis), axis)
    return _mixture(variances + jnp.square(means - mean), probs, axis)


def _picked(values: jax.Array, component: jax.Array, axis: int) -> jax.Array:
    index = component.reshape(component.shape + (1,) * -axis)
    return jnp.take_along_axis(values, index, axis).squeeze(axis)


_padded, _log_mixture, _mixture = either(_padded), either(_log_mixture), either(_mixture)
_variance, _picked = either(_variance), either(_picked)


class MixtureSameFamily(Distribution):
    """A mixture of distributions of one family.

    Args:
        mixture_distribution: a `Categorical` distribution over the components.
        component_distribution: the components, along the rightmost axis of its batch.
        validate_args: whether to check parameters and values.

    >>> from funcvision import eager as torch
    >>> from funcvision.eager.distributions import Normal
    >>> halves = Categorical(torch.tensor([0.5, 0.5]))
    >>> MixtureSameFamily(halves, Normal(torch.tensor([-1.0, 1.0]), 1.0)).variance
    tensor(2.)
    """

    leaves = ("_mixture_distribution", "_component_distribution")

    def __init__(
        self, mixture_distribution: Any, component_distribution: Any, validate_args: bool | None = None
    ):
        if not isinstance(mixture_distribution, Categorical):
            raise ValueError("The Mixture distribution needs to be an instance of Categorical")
        if not isinstance(component_distribution, Distribution):
            raise ValueError("The Component distribution needs to be an instance of Distribution")
        of_mixture, batch = mixture_distribution.batch_shape, component_distribution.batch_shape[:-1]
        if any(1 not in (i, j) and i != j for i, j in zip(reversed(of_mixture), reversed(batch), strict=False)):
            raise ValueError(
                f"`mixture_distribution.batch_shape` ({of_mixture}) is not compatible with "
                f"`component_distribution.batch_shape` ({batch})"
            )
        count, components = mixture_distribution.param_shape[-1], component_distribution.batch_shape[-1]
        if count != components:
            raise ValueError(
                f"`mixture_distribution component` ({count}) does not equal `component_distribution.batch_shape[-1]` "
                f"({components})"
            )
        self._mixture_distribution, self._component_distribution = mixture_distribution, component_distribution
        super().__init__(batch, component_distribution.event_shape, validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new, batch_shape = self._instance(_instance), as_size(batch_shape)
        components = self._component_distribution.batch_shape[-1:]
        new._component_distribution = self._component_distribution.expand(batch_shape + components)
        new._mixture_distribution = self._mixture_distribution.expand(batch_shape)
        return self._expanded(new, batch_shape)

    @constraints.dependent_property
    def support(self) -> Any:
        """The support of the components."""
        return constraints.MixtureSameFamilyConstraint(self._component_distribution.support)

    @property
    def mixture_distribution(self) -> Any:
        """The distribution over the components."""
        return self._mixture_distribution

    @property
    def component_distribution(self) -> Any:
        """The components."""
        return self._component_distribution

    @property
    def _axis(self) -> int:
        """The axis of the components in their samples."""
        return -1 - len(self.event_shape)

    @lifted_property
    def mean(self) -> Any:
        return _mixture(self._component_distribution.mean, self._mixture_distribution.probs, self._axis)

    @lifted_property
    def variance(self) -> Any:
        components = self._component_distribution
        return _variance(components.mean, components.variance, self._mixture_distribution.probs, self._axis)

    @lifted
    def cdf(self, value: Any) -> Any:
        cdf = self._component_distribution.cdf(_padded(value, self._axis))
        return _mixture(cdf, self._mixture_distribution.probs, -1)

    @scored
    def log_prob(self, value: Any) -> Any:
        log_probs = self._component_distribution.log_prob(_padded(value, self._axis))
        return _log_mixture(log_probs, self._mixture_distribution.logits)

    def _draw(self, key: jax.Array, shape: tuple[int, ...]) -> Any:
        of_mixture, of_components = jax.random.split(key)
        mixture = self._mixture_distribution
        extra = self.batch_shape[: len(self.batch_shape) - len(mixture.batch_shape)]
        component = drawn(mixture, of_mixture, shape + extra)
        values = drawn(self._component_distribution, of_components, shape)
        return _picked(values, component, self._axis)

    def __repr__(self) -> str:
        return f"MixtureSameFamily(\n  {self._mixture_distribution},\n  {self._component_distribution})"
