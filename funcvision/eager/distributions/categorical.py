"""Distributions of a choice from n categories."""

from collections.abc import Iterator
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax.scipy import special

from .._arithmetic import clamp
from .._elementwise import canonical, together
from . import constraints
from ._lifted import lazy, lifted, lifted_property
from .bernoulli import chosen, clamped
from .distribution import Distribution, as_parameters, drawn, scored

__all__ = ["Categorical", "Multinomial", "OneHotCategorical", "OneHotCategoricalStraightThrough", "OverCategorical"]


class Categorical(Distribution):
    """The distribution of the number of a category, from 0 to n - 1.

    Args:
        probs: weights of the categories, [..., n]. They are normalised to a sum of 1.
        logits: logarithms of weights of the categories, [..., n].
        validate_args: whether to check parameters and values.

    >>> from funcvision import eager as torch
    >>> policy = Categorical(logits=torch.zeros(3, 4))
    >>> action = policy.sample()
    >>> policy.log_prob(action).exp()
    tensor([0.2500, 0.2500, 0.2500])
    """

    leaves = ("_param",)
    options = (*Distribution.options, "name")
    event_dims: ClassVar[dict[str, int]] = {"_param": 1}
    arg_constraints: ClassVar[Any] = {"probs": constraints.simplex, "logits": constraints.real_vector}
    has_enumerate_support = True
    _param: Any

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        self.name, given = chosen(probs, logits)
        (self._param,) = as_parameters(given)
        if self._param.ndim < 1:
            raise ValueError(f"`{self.name}` parameter must be at least one-dimensional.")
        super().__init__(self._param.shape[:-1], (), validate_args)

    def _given(self) -> Iterator[str]:
        yield self.name

    def _check_parameters(self) -> None:
        """Checks the weights before they are normalised, so that checking computes nothing else."""
        if constraints.is_satisfied(_WEIGHTS[self.name], self._param):
            return
        self._check_parameter(self.name, _WEIGHTS[self.name], self._param)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        """The integers from 0 to n - 1."""
        return constraints.integer_interval(0, self._param.shape[-1] - 1)

    @lazy
    def probs(self) -> Any:
        """The probabilities."""
        if self.name == "logits":
            return jax.nn.softmax(self._param, -1)
        return self._param / self._param.sum(-1, keepdims=True)

    @lazy
    def logits(self) -> Any:
        """The logarithms of the probabilities."""
        if self.name == "logits":
            return self._param - special.logsumexp(self._param, -1, keepdims=True)
        return jnp.log(clamped(self.probs))

    @property
    def param_shape(self) -> tuple[int, ...]:
        """The shape of the parameter."""
        return self._param.shape

    @lifted_property
    def mean(self) -> Any:
        return jnp.full(self.batch_shape, jnp.nan, self._param.dtype)

    @lifted_property
    def mode(self) -> Any:
        return self.probs.argmax(-1).astype(canonical(int))

    @lifted_property
    def variance(self) -> Any:
        return jnp.full(self.batch_shape, jnp.nan, self._param.dtype)

    def _draw(self, key: jax.Array, shape: tuple[int, ...]) -> Any:
        logits = self._param if self.name == "logits" else jnp.log(self._param)
        return jax.random.categorical(key, logits, shape=shape + self.batch_shape).astype(canonical(int))

    @scored
    def log_prob(self, value: Any) -> Any:
        value = value.astype(canonical(int))
        shape = jnp.broadcast_shapes(value.shape, self.batch_shape)
        logits = jnp.broadcast_to(self.logits, (*shape, self._param.shape[-1]))
        index = jnp.broadcast_to(value, shape)[..., None]
        return jnp.take_along_axis(logits, index, -1, mode="promise_in_bounds")[..., 0]

    @lifted
    def entropy(self) -> Any:
        logits = clamp(self.logits, float(jnp.finfo(self._param.dtype).min))
        return -(logits * self.probs).sum(-1)

    @lifted
    def enumerate_support(self, expand: bool = True) -> Any:
        n = self._param.shape[-1]
        values = jnp.arange(n, dtype=canonical(int)).reshape(n, *(1 for _ in self.batch_shape))
        return jnp.broadcast_to(values, (n, *self.batch_shape)) if expand else values


class _Weights(constraints.Constraint):
    """Weights that are at least 0, and have a sum greater than 0."""

    event_dim = 1

    def holds(self, x: Any) -> Any:
        return (x >= 0).all(-1) & (x.sum(-1) > 0)

    def __repr__(self) -> str:
        return "Simplex()"


_WEIGHTS = {"probs": _Weights(), "logits": constraints.real_vector}


class OverCategorical(Distribution):
    """A distribution that is made from a categorical one."""

    leaves = ("_categorical",)
    arg_constraints: ClassVar[Any] = {"probs": constraints.simplex, "logits": constraints.real_vector}
    _categorical: Categorical

    def __init__(self, probs: Any, logits: Any, validate_args: bool | None):
        self._categorical = Categorical(probs, logits, validate_args)
        super().__init__(self._categorical.batch_shape, self._categorical.param_shape[-1:], validate_args=False)
        self._validate_args = self._categorical._validate_args

    def _given(self) -> Iterator[str]:
        return self._categorical._given()

    def _expand_parameters(self, new: Any, batch_shape: tuple[int, ...]) -> None:
        super()._expand_parameters(new, batch_shape)
        new._categorical = self._categorical.expand(batch_shape)

    @property
    def probs(self) -> Any:
        """The probabilities."""
        return self._categorical.probs

    @property
    def logits(self) -> Any:
        """The logarithms of the probabilities."""
        return self._categorical.logits

    @property
    def _param(self) -> Any:
        return self._categorical._param

    @property
    def param_shape(self) -> tuple[int, ...]:
        """The shape of the parameter."""
        return self._categorical.param_shape


class OneHotCategorical(OverCategorical):
    """The distribution of a category as a one-hot vector.

    Args:
        probs: weights of the categories, [..., n]. They are normalised to a sum of 1.
        logits: logarithms of weights of the categories, [..., n].
        validate_args: whether to check parameters and values.
    """

    support = constraints.one_hot
    has_enumerate_support = True

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        super().__init__(probs, logits, validate_args)

    @property
    def mean(self) -> Any:
        return self.probs

    @lifted_property
    def mode(self) -> Any:
        return jax.nn.one_hot(self.probs.argmax(-1), self.event_shape[0], dtype=self._param.dtype)

    @lifted_property
    def variance(self) -> Any:
        return self.probs * (1 - self.probs)

    def _draw(self, key: jax.Array, shape: tuple[int, ...]) -> Any:
        return jax.nn.one_hot(drawn(self._categorical, key, shape), self.event_shape[0], dtype=self._param.dtype)

    @scored
    def log_prob(self, value: Any) -> Any:
        return self._categorical.log_prob(value.argmax(-1))

    @lifted
    def entropy(self) -> Any:
        return self._categorical.entropy()

    @lifted
    def enumerate_support(self, expand: bool = True) -> Any:
        n = self.event_shape[0]
        values = jnp.eye(n, dtype=self._param.dtype).reshape(n, *(1 for _ in self.batch_shape), n)
        return jnp.broadcast_to(values, (n, *self.batch_shape, n)) if expand else values


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """A one-hot distribution whose samples have the gradient of the probabilities (Bengio et al., arXiv:1308.3432).

    Args:
        probs: weights of the categories, [..., n]. They are normalised to a sum of 1.
        logits: logarithms of weights of the categories, [..., n].
        validate_args: whether to check parameters and values.
    """

    has_rsample = True

    def _draw(self, key: jax.Array, shape: tuple[int, ...]) -> Any:
        sample = super()._draw(key, shape)
        probs = jnp.broadcast_to(self.probs, sample.shape)
        return sample + (probs - jax.lax.stop_gradient(probs))


class Multinomial(OverCategorical):
    """The distribution of the numbers of draws of each category, in `total_count` draws.

    Args:
        total_count: the number of draws.
        probs: weights of the categories, [..., n]. They are normalised to a sum of 1.
        logits: logarithms of weights of the categories, [..., n].
        validate_args: whether to check parameters and values.
    """

    options = (*Distribution.options, "total_count")

    def __init__(
        self, total_count: int = 1, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ):
        if not isinstance(total_count, int):
            raise NotImplementedError("inhomogeneous total_count is not supported")
        self.total_count = total_count
        super().__init__(probs, logits, validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self) -> Any:
        """Counts whose sum is at most the number of draws."""
        return constraints.multinomial(self.total_count)

    @lifted_property
    def mean(self) -> Any:
        return self.probs * self.total_count

    @lifted_property
    def variance(self) -> Any:
        return self.total_count * self.probs * (1 - self.probs)

    def _draw(self, key: jax.Array, shape: tuple[int, ...]) -> Any:
        shape += self.batch_shape + self.event_shape
        probs = jnp.broadcast_to(self.probs, shape)
        count = jnp.full(shape[:-1], self.total_count, probs.dtype)
        return jax.random.multinomial(key, count, probs, shape=shape, dtype=probs.dtype)

    @scored
    def log_prob(self, value: Any) -> Any:
        value, logits = together(value, self.logits, real=True)
        logits = jnp.where((value == 0) & (logits == -jnp.inf), 0, logits)
        log_choices = special.gammaln(value.sum(-1) + 1) - special.gammaln(value + 1).sum(-1)
        return log_choices + (logits * value).sum(-1)

    @lifted
    def entropy(self) -> Any:
        n, probs = self.total_count, self.probs
        logits = jnp.log(clamped(probs)) - jnp.log1p(-clamped(probs))
        counts = jnp.arange(1, n + 1, dtype=probs.dtype).reshape(-1, *(1 for _ in probs.shape))
        log_factorial = special.gammaln(jnp.asarray(n + 1, probs.dtype))
        log_choices = log_factorial - special.gammaln(counts + 1) - special.gammaln(n - counts + 1)
        probability = jnp.exp(counts * logits[None] + log_choices + n * jax.nn.log_sigmoid(-logits)[None])
        repeated = (probability * special.gammaln(counts + 1)).sum((0, -1))
        return n * self._categorical.entropy() - log_factorial + repeated
