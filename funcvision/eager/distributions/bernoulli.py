"""Distributions of outcomes and counts: Bernoulli, binomial, geometric, negative binomial, Poisson."""

from collections.abc import Iterator
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy import special

from ... import functional as F
from .._arithmetic import clamp
from .._base import as_array
from .._math import x_log_y as xlogy
from . import constraints
from ._lifted import lazy, lifted, lifted_property
from .distribution import Distribution, Univariate, as_parameters, scored

__all__ = [
    "Bernoulli", "Binomial", "ByProbsOrLogits", "Geometric", "NegativeBinomial", "Poisson",
    "chosen", "clamped",
]  # fmt: skip


def chosen(probs: Any, logits: Any) -> tuple[str, Any]:
    """The one of two parameters that is given: its name and value."""
    if (probs is None) == (logits is None):
        raise ValueError("Either `probs` or `logits` must be specified, but not both.")
    return ("logits", logits) if probs is None else ("probs", probs)


def clamped(probs: jax.Array) -> jax.Array:
    """Probabilities limited so that their logarithms, and those of their complements, are finite."""
    eps = float(jnp.finfo(probs.dtype).eps)
    return clamp(probs, eps, 1 - eps)


class ByProbsOrLogits(Univariate):
    """A distribution with the parameter `probs` or, in its place, `logits`: the logarithm of the odds.

    Attributes:
        name: which of the two was given.
    """

    leaves = ("_param",)
    options = (*Distribution.options, "name")
    _param: Any

    def __init__(self, probs: Any, logits: Any, validate_args: bool | None, **others: Any):
        self.name, given = chosen(probs, logits)
        *values, self._param = as_parameters(*others.values(), given)
        self.__dict__.update(zip(others, values, strict=True))
        self.__dict__[self.name] = self._param
        Distribution.__init__(self, self._param.shape, (), validate_args)

    def _given(self) -> Iterator[str]:
        return (name for name in self.arg_constraints if name in (self.name, *self.leaves))

    def _expand_parameters(self, new: Any, batch_shape: tuple[int, ...]) -> None:
        super()._expand_parameters(new, batch_shape)
        new.__dict__[self.name] = new._param

    @lazy
    def probs(self) -> Any:
        """The probabilities."""
        return F.sigmoid(self._param) if self.name == "logits" else self._param

    @lazy
    def logits(self) -> Any:
        """The logarithms of the odds."""
        if self.name == "logits":
            return self._param
        probs = clamped(self._param)
        return jnp.log(probs) - jnp.log1p(-probs)

    @property
    def param_shape(self) -> tuple[int, ...]:
        """The shape of the parameter."""
        return self._param.shape


def _cross_entropy(logits: jax.Array, value: jax.Array) -> jax.Array:
    return F.binary_cross_entropy_with_logits(logits, value, reduction="none")


class Bernoulli(ByProbsOrLogits):
    """The distribution of one outcome, which is 1 with probability `probs` and otherwise 0.

    Args:
        probs: the probability of 1.
        logits: the logarithm of the odds of 1.
        validate_args: whether to check parameters and values.
    """

    arg_constraints: ClassVar[Any] = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.boolean
    has_enumerate_support = True

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        super().__init__(probs, logits, validate_args)

    @property
    def mean(self) -> Any:
        return self.probs

    @lifted_property
    def mode(self) -> Any:
        return jnp.where(self.probs == 0.5, jnp.nan, (self.probs >= 0.5).astype(self.probs.dtype))

    @lifted_property
    def variance(self) -> Any:
        return self.probs * (1 - self.probs)

    def _draw(self, key: jax.Array, shape: tuple[int, ...]) -> Any:
        return jax.random.bernoulli(key, self.probs, shape).astype(self._param.dtype)

    @scored
    def log_prob(self, value: Any) -> Any:
        return -_cross_entropy(self.logits, value)

    @lifted
    def entropy(self) -> Any:
        return _cross_entropy(self.logits, self.probs)

    @lifted
    def enumerate_support(self, expand: bool = True) -> Any:
        return _counts(1, self._param.dtype, self.batch_shape, expand)


def _counts(last: int, dtype: Any, batch_shape: tuple[int, ...], expand: bool) -> jax.Array:
    """The numbers from 0 to `last` along a new first axis."""
    values = jnp.arange(last + 1, dtype=dtype).reshape(-1, *(1 for _ in batch_shape))
    return jnp.broadcast_to(values, (last + 1, *batch_shape)) if expand else values


class Binomial(ByProbsOrLogits):
    """The distribution of the number of successes in `total_count` trials.

    Args:
        total_count: the number of trials.
        probs: the probability of a success.
        logits: the logarithm of the odds of a success.
        validate_args: whether to check parameters and values.
    """

    leaves = ("total_count", "_param")
    arg_constraints: ClassVar[Any] = {
        "total_count": constraints.nonnegative_integer, "probs": constraints.unit_interval, "logits": constraints.real,
    }
    has_enumerate_support = True

    def __init__(
        self, total_count: Any = 1, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ):
        super().__init__(probs, logits, validate_args, total_count=total_count)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        """The integers from 0 to the number of trials."""
        return constraints.integer_interval(0, self.total_count)

    @lifted_property
    def mean(self) -> Any:
        return self.total_count * self.probs

    @lifted_property
    def mode(self) -> Any:
        return jnp.minimum(jnp.floor((self.total_count + 1) * self.probs), self.total_count)

    @lifted_property
    def variance(self) -> Any:
        return self.total_count * self.probs * (1 - self.probs)

    def _draw(self, key: jax.Array, shape: tuple[int, ...]) -> Any:
        return jax.random.binomial(key, self.total_count, self.probs, shape, self._param.dtype)

    @scored
    def log_prob(self, value: Any) -> Any:
        n, logits = self.total_count, self.logits
        log_choices = special.gammaln(n + 1) - special.gammaln(value + 1) - special.gammaln(n - value + 1)
        return value * logits + log_choices + n * F.logsigmoid(-logits)

    def _trials(self) -> int:
        counts = np.asarray(as_array(self.total_count))
        if (counts != counts.max()).any():
            raise NotImplementedError("Inhomogeneous total count not supported by `entropy` and `enumerate_support`.")
        return int(counts.max())

    def entropy(self) -> Any:
        return self._entropy(self._trials())

    @lifted
    def _entropy(self, trials: int) -> Any:
        log_prob = self.log_prob(_counts(trials, self._param.dtype, self.batch_shape, False))
        return -(jnp.exp(log_prob) * log_prob).sum(0)

    def enumerate_support(self, expand: bool = True) -> Any:
        return self._enumerated(self._trials(), expand)

    @lifted
    def _enumerated(self, trials: int, expand: bool) -> Any:
        return _counts(trials, self._param.dtype, self.batch_shape, expand)


class Geometric(ByProbsOrLogits):
    """The distribution of the number of failures before the first success.

    Args:
        probs: the probability of a success.
        logits: the logarithm of the odds of a success.
        validate_args: whether to check parameters and values.
    """

    arg_constraints: ClassVar[Any] = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.nonnegative_integer

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        super().__init__(probs, logits, validate_args)
        if self._validate_args and self.name == "probs":
            self._check_parameter("probs", constraints.positive, self.probs)

    @lifted_property
    def mean(self) -> Any:
        return 1 / self.probs - 1

    @lifted_property
    def mode(self) -> Any:
        return jnp.zeros_like(self.probs)

    @lifted_property
    def variance(self) -> Any:
        return (1 / self.probs - 1) / self.probs

    def _draw(self, key: jax.Array, shape: tuple[int, ...]) -> Any:
        dtype = self.probs.dtype
        u = jax.random.uniform(key, shape, dtype, minval=jnp.finfo(dtype).tiny)
        return jnp.floor(jnp.log(u) / jnp.log1p(-self.probs))

    @scored
    def log_prob(self, value: Any) -> Any:
        is_certain = (self.probs == 1) & (value == 0)
        return value * jnp.log1p(-jnp.where(is_certain, 0, self.probs)) + jnp.log(self.probs)

    @lifted
    def entropy(self) -> Any:
        return _cross_entropy(self.logits, self.probs) / self.probs


class NegativeBinomial(ByProbsOrLogits):
    """The distribution of the number of successes before `total_count` failures.

    Args:
        total_count: the number of failures, which need not be an integer.
        probs: the probability of a success, less than 1.
        logits: the logarithm of the odds of a success.
        validate_args: whether to check parameters and values.
    """

    leaves = ("total_count", "_param")
    arg_constraints: ClassVar[Any] = {
        "total_count": constraints.greater_than_eq(0), "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer

    def __init__(self, total_count: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        super().__init__(probs, logits, validate_args, total_count=total_count)

    @lifted_property
    def mean(self) -> Any:
        return self.total_count * jnp.exp(self.logits)

    @lifted_property
    def mode(self) -> Any:
        return jnp.maximum(jnp.floor((self.total_count - 1) * jnp.exp(self.logits)), 0)

    @lifted_property
    def variance(self) -> Any:
        return self.total_count * jnp.exp(self.logits) / F.sigmoid(-self.logits)

    def _draw(self, key: jax.Array, shape: tuple[int, ...]) -> Any:
        of_gamma, of_poisson = jax.random.split(key)
        dtype = self._param.dtype
        rate = jax.random.gamma(of_gamma, self.total_count, shape, dtype) * jnp.exp(self.logits)
        return jax.random.poisson(of_poisson, rate, shape).astype(dtype)

    @scored
    def log_prob(self, value: Any) -> Any:
        n, logits = self.total_count, self.logits
        log_choices = special.gammaln(n + value) - special.gammaln(1 + value) - special.gammaln(n)
        log_choices = jnp.where(n + value == 0, 0, log_choices)  # the only outcome of no failures is 0
        return n * F.logsigmoid(-logits) + value * F.logsigmoid(logits) + log_choices


class Poisson(Univariate):
    """The Poisson distribution.

    Args:
        rate: the mean.
        validate_args: whether to check parameters and values.
    """

    leaves = ("rate",)
    arg_constraints: ClassVar[Any] = {"rate": constraints.nonnegative}
    support = constraints.nonnegative_integer

    def __init__(self, rate: Any, validate_args: bool | None = None):
        super().__init__(rate=rate, validate_args=validate_args)

    @property
    def mean(self) -> Any:
        return self.rate

    @lifted_property
    def mode(self) -> Any:
        return jnp.floor(self.rate)

    @property
    def variance(self) -> Any:
        return self.rate

    def _draw(self, key: jax.Array, shape: tuple[int, ...]) -> Any:
        return jax.random.poisson(key, self.rate, shape).astype(self.rate.dtype)

    @scored
    def log_prob(self, value: Any) -> Any:
        return xlogy(value, self.rate) - self.rate - special.gammaln(value + 1)
