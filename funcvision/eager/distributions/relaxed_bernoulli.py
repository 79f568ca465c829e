"""Relaxed discrete distributions, whose samples are differentiable (Maddison et al. 2017, Jang et al. 2017)."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax.scipy import special

from ... import functional as F
from .._elementwise import together
from . import constraints
from ._elementwise_transforms import ExpTransform, SigmoidTransform
from .bernoulli import ByProbsOrLogits, clamped
from .categorical import OverCategorical
from .distribution import as_parameters, scored
from .transformed_distribution import TransformedDistribution

__all__ = ["ExpRelaxedCategorical", "LogitRelaxedBernoulli", "RelaxedBernoulli", "RelaxedOneHotCategorical"]


class LogitRelaxedBernoulli(ByProbsOrLogits):
    """The distribution of the logits of `RelaxedBernoulli`.

    Args:
        temperature: the temperature of the relaxation.
        probs: the probability of 1.
        logits: the logarithm of the odds of 1.
        validate_args: whether to check parameters and values.
    """

    leaves = ("temperature", "_param")
    arg_constraints: ClassVar[Any] = {"probs": constraints.unit_interval, "logits": constraints.real}
    support: Any = constraints.real
    has_rsample = True

    def __init__(self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        super().__init__(probs, logits, validate_args, temperature=temperature)

    def _draw(self, key: jax.Array, shape: tuple[int, ...]) -> Any:
        probs = clamped(self.probs)
        u = clamped(jax.random.uniform(key, shape, probs.dtype))
        return (jnp.log(u) - jnp.log1p(-u) + jnp.log(probs) - jnp.log1p(-probs)) / self.temperature

    @scored
    def log_prob(self, value: Any) -> Any:
        difference = self.logits - value * self.temperature
        return jnp.log(self.temperature) + difference - 2 * F.softplus(difference)


class _Relaxed(TransformedDistribution):
    has_rsample: Any = True

    @property
    def temperature(self) -> Any:
        """The temperature of the relaxation."""
        return self.base_dist.temperature

    @property
    def probs(self) -> Any:
        """The probabilities."""
        return self.base_dist.probs

    @property
    def logits(self) -> Any:
        """The logits."""
        return self.base_dist.logits


class RelaxedBernoulli(_Relaxed):
    """A Bernoulli distribution that is relaxed to the interval from 0 to 1.

    Args:
        temperature: the temperature of the relaxation.
        probs: the probability of 1.
        logits: the logarithm of the odds of 1.
        validate_args: whether to check parameters and values.
    """

    support: Any = constraints.unit_interval

    def __init__(self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        base = LogitRelaxedBernoulli(temperature, probs, logits, validate_args)
        super().__init__(base, SigmoidTransform(), validate_args)


class ExpRelaxedCategorical(OverCategorical):
    """The distribution of the logarithm of a sample of `RelaxedOneHotCategorical`.

    Args:
        temperature: the temperature of the relaxation.
        probs: weights of the categories, [..., n]. They are normalised to a sum of 1.
        logits: logarithms of weights of the categories, [..., n].
        validate_args: whether to check parameters and values.
    """

    leaves = ("_categorical", "temperature")
    support: Any = constraints.real_vector
    has_rsample = True

    def __init__(self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        (self.temperature,) = as_parameters(temperature)
        super().__init__(probs, logits, validate_args)

    def _expand_parameters(self, new: Any, batch_shape: tuple[int, ...]) -> None:
        new.temperature, new._categorical = self.temperature, self._categorical.expand(batch_shape)

    def _draw(self, key: jax.Array, shape: tuple[int, ...]) -> Any:
        shape += self.batch_shape + self.event_shape
        logits, temperature = (jnp.broadcast_to(x, shape) for x in (self.logits, self.temperature))
        u = clamped(jax.random.uniform(key, shape, logits.dtype))
        return jax.nn.log_softmax((logits - jnp.log(-jnp.log(u))) / temperature, -1)

    @scored
    def log_prob(self, value: Any) -> Any:
        n = self.event_shape[0]
        logits, value, temperature = together(self.logits, value, self.temperature)
        log_scale = special.gammaln(jnp.asarray(n, value.dtype)) + (n - 1) * jnp.log(self.temperature)
        log_prob = jax.nn.log_softmax(logits - value * temperature, -1).sum(-1)
        return jnp.add(*together(log_prob, log_scale))


class RelaxedOneHotCategorical(_Relaxed):
    """A one-hot categorical distribution that is relaxed to the simplex.

    Args:
        temperature: the temperature of the relaxation.
        probs: weights of the categories, [..., n]. They are normalised to a sum of 1.
        logits: logarithms of weights of the categories, [..., n].
        validate_args: whether to check parameters and values.
    """

    support: Any = constraints.simplex

    def __init__(self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        base = ExpRelaxedCategorical(temperature, probs, logits, validate_args)
        super().__init__(base, ExpTransform(), validate_args)
