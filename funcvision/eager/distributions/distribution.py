"""The base classes of distributions."""

import functools
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np

from .._base import TensorBase, as_array
from .._elementwise import exp, sqrt, together
from .._graph import no_grad
from .._lift import lift
from .._size import Size
from ..dtypes import default_dtype
from ..random import next_key
from ..tensor import Tensor
from . import constraints
from ._lifted import Lifted, lazy, lifted

__all__ = ["Distribution", "Univariate", "aligned", "as_parameters", "as_size", "drawn", "scored", "sum_rightmost"]

def _converted(x: jax.Array, shape: tuple[int, ...], dtype: Any) -> jax.Array:
    return jnp.broadcast_to(x.astype(dtype), shape)


_convert, _exp, _sqrt = lift(_converted), lift(exp), lift(sqrt)


def as_size(shape: Sequence[int]) -> tuple[int, ...]:
    """A shape as a tuple of ints."""
    return tuple(map(operator.index, shape))


def as_parameters(*values: Any, broadcast: bool = True) -> list[Any]:
    """Parameters as floating-point Tensors of one dtype and, if `broadcast` is set, of one shape.

    Numbers take the dtype of the Tensors, or float32. A Tensor that has the dtype and the shape is returned itself.

    Raises:
        ValueError: a value is neither a number nor a Tensor.
    """
    for value in values:
        if not isinstance(value, TensorBase | jax.Array | np.ndarray | np.generic | int | float):
            raise ValueError(f"parameters of a distribution are numbers or Tensors; got {type(value).__name__}")
    arrays = [as_array(value) for value in values if isinstance(value, TensorBase | jax.Array | np.ndarray)]
    dtypes = {x.dtype for x in arrays if jnp.issubdtype(x.dtype, jnp.inexact)} or {np.dtype(default_dtype())}
    with jax.numpy_dtype_promotion("standard"):
        dtype = functools.reduce(jnp.promote_types, dtypes)
    shapes = {x.shape for x in arrays} if broadcast else {()}
    shape = shapes.pop() if len(shapes) == 1 else np.broadcast_shapes(*shapes)
    parameters = []
    for value in values:
        wanted = shape if broadcast else np.shape(value)
        if isinstance(value, np.generic | int | float):
            parameters.append(Tensor.wrap(jnp.full(wanted, float(value), dtype)))
        else:
            tensor = value if isinstance(value, TensorBase) else Tensor.of(value)
            fits = as_array(tensor).dtype == dtype and tensor.shape == wanted
            parameters.append(tensor if fits else _convert(tensor, wanted, dtype))
    return parameters


def sum_rightmost(value: Any, dim: int) -> Any:
    """The sum over the `dim` rightmost axes of a Tensor or an array."""
    return value.sum(tuple(range(-dim, 0))) if dim else value


def aligned(function: Callable[..., Any]) -> Callable[..., Any]:
    """A lifted method of a distribution that takes a value. Value and parameters are converted to fit each other."""

    @functools.wraps(function)
    def with_aligned(self: Any, value: Any) -> Any:
        return function(*self._aligned(value))

    return lifted(with_aligned)


def scored(function: Callable[..., Any]) -> Callable[..., Any]:
    """An aligned method whose value lies in the support. It is validated first."""
    method = aligned(function)

    @functools.wraps(function)
    def validated(self: Any, value: Any) -> Any:
        if self._validate_args and not self.is_pure:
            self._validate_sample(value)
        return method(self, value)

    return validated


def drawn(part: Any, key: jax.Array, shape: tuple[int, ...]) -> Any:
    """A sample of a part of a distribution. A part that the library did not write draws with its own method."""
    if part.is_pure:
        return part._drawn(key, shape)
    return part.rsample(shape) if part.has_rsample else part.sample(shape)


class Distribution(Lifted):
    """The base class of probability distributions.

    Args:
        batch_shape: the shape over which parameters are batched.
        event_shape: the shape of one sample, without the batch.
        validate_args: whether to check parameters and values. By default they are checked.

    Attributes:
        arg_constraints: a constraint for each parameter.
        support: the constraint that all samples satisfy.
        has_rsample: whether `rsample` is defined.
        has_enumerate_support: whether `enumerate_support` is defined.
    """

    options: ClassVar[tuple[str, ...]] = ("_batch_shape", "_event_shape")
    event_dims: ClassVar[dict[str, int]] = {}  # the numbers of axes of the event in the parameters; 0 by default
    arg_constraints: ClassVar[Any] = {}
    support: Any = None
    has_rsample: Any = False
    has_enumerate_support = False
    _validate_args = __debug__

    def __init__(
        self, batch_shape: Sequence[int] = (), event_shape: Sequence[int] = (), validate_args: bool | None = None
    ):
        self._batch_shape, self._event_shape = as_size(batch_shape), as_size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._check_parameters()
        super().__init__()

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Sets whether parameters and values are checked if the constructor does not say so."""
        if value not in (True, False):
            raise ValueError(f"set_default_validate_args takes True or False; got {value!r}")
        Distribution._validate_args = value

    def _given(self) -> Iterator[str]:
        """The names of the parameters that were given, and not derived from others."""
        for name in self.arg_constraints:
            if name in self.__dict__ or not isinstance(getattr(type(self), name, None), lazy):
                yield name

    def _check_parameters(self) -> None:
        for name in self._given():
            constraint = self.arg_constraints[name]
            if not constraints.is_dependent(constraint):
                self._check_parameter(name, constraint, getattr(self, name))

    def _check_parameter(self, name: str, constraint: Any, value: Any) -> None:
        if not constraints.is_satisfied(constraint, value):
            raise ValueError(
                f"Expected parameter {name} ({type(value).__name__} of shape {tuple(value.shape)}) of distribution "
                f"{self!r} to satisfy the constraint {constraint!r}, but found invalid values:\n{value}"
            )

    def _validate_sample(self, value: Any) -> None:
        """Raises ValueError unless `value` is a Tensor in the support whose shape fits batch and event."""
        if not isinstance(value, TensorBase):
            raise ValueError("The value argument to log_prob must be a Tensor")
        actual, expected = tuple(value.shape), self.batch_shape + self.event_shape
        if actual[len(actual) - len(self.event_shape) :] != self.event_shape:
            raise ValueError(
                f"The right-most size of value must match event_shape: {actual} vs {self.event_shape}."
            )
        if any(1 not in (i, j) and i != j for i, j in zip(reversed(actual), reversed(expected), strict=False)):
            raise ValueError(f"Value is not broadcastable with batch_shape+event_shape: {actual} vs {expected}.")
        support = self.support
        if support is not None and not constraints.is_satisfied(support, value):
            raise ValueError(
                f"Expected value argument ({type(value).__name__} of shape {actual}) to be within the support "
                f"({support!r}) of the distribution {self!r}, but found invalid values:\n{value}"
            )

    def _aligned(self, value: Any) -> tuple[Any, Any]:
        """The distribution and the value as the formulas of its methods take them."""
        return self, value

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Self:
        """The distribution with its parameters broadcast to a larger batch.

        Raises:
            NotImplementedError: a subclass has a constructor of its own and no method `expand`.
        """
        new = self._instance(_instance)
        self._expand_parameters(new, as_size(batch_shape))
        return self._expanded(new, as_size(batch_shape))

    def _instance(self, instance: Any) -> Any:
        if instance is not None:
            return instance
        if type(self).__init__ is not self.library_class.__init__ or self.library_class is Distribution:
            raise NotImplementedError(
                f"{type(self).__name__} defines a constructor of its own, so it must define expand as well"
            )
        return object.__new__(type(self))

    def _expand_parameters(self, new: Any, batch_shape: tuple[int, ...]) -> None:
        for name in self.leaves:
            value = getattr(self, name)
            if isinstance(value, TensorBase):
                event = value.shape[value.ndim - self.event_dims.get(name, 0) :]
                value = value.expand((*batch_shape, *event))  # pyright: ignore
            setattr(new, name, value)
        for name in self.options:
            setattr(new, name, getattr(self, name))

    def _expanded(self, new: Any, batch_shape: tuple[int, ...]) -> Any:
        Distribution.__init__(new, batch_shape, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """The shape over which parameters are batched."""
        return Size(self._batch_shape)

    @property
    def event_shape(self) -> tuple[int, ...]:
        """The shape of one sample, without the batch."""
        return Size(self._event_shape)

    @property
    def mean(self) -> Any:
        """The mean."""
        raise NotImplementedError(f"{type(self).__name__} does not implement mean")

    @property
    def mode(self) -> Any:
        """The mode."""
        raise NotImplementedError(f"{type(self).__name__} does not implement mode")

    @property
    def variance(self) -> Any:
        """The variance."""
        raise NotImplementedError(f"{type(self).__name__} does not implement variance")

    @property
    def stddev(self) -> Any:
        """The standard deviation."""
        return _sqrt(self.variance)

    def sample(self, sample_shape: Sequence[int] = ()) -> Any:
        """Draws from the generator, without history: a Tensor of shape sample_shape + batch_shape + event_shape."""
        with no_grad():
            if type(self)._draw is Distribution._draw:
                return self.rsample(sample_shape)
            return self._drawn(next_key(), as_size(sample_shape))

    def rsample(self, sample_shape: Sequence[int] = ()) -> Any:
        """Draws from the generator a sample that is differentiable with respect to the parameters."""
        if not self.has_rsample or type(self)._draw is Distribution._draw:
            raise NotImplementedError(f"{type(self).__name__} does not implement rsample")
        return self._drawn(next_key(), as_size(sample_shape))

    @lifted
    def _drawn(self, key: jax.Array, shape: tuple[int, ...]) -> Any:
        return self._draw(key, shape)

    def _draw(self, key: jax.Array, shape: tuple[int, ...]) -> Any:
        """A sample of shape `shape` + batch + event from a key: what a distribution of the library defines."""
        raise NotImplementedError(f"{type(self).__name__} does not implement sample")

    def log_prob(self, value: Any) -> Any:
        """The logarithm of the probability density or mass of each event of `value`."""
        raise NotImplementedError(f"{type(self).__name__} does not implement log_prob")

    def cdf(self, value: Any) -> Any:
        """The cumulative distribution function at `value`."""
        raise NotImplementedError(f"{type(self).__name__} does not implement cdf")

    def icdf(self, value: Any) -> Any:
        """The inverse of the cumulative distribution function at `value`."""
        raise NotImplementedError(f"{type(self).__name__} does not implement icdf")

    def enumerate_support(self, expand: bool = True) -> Any:
        """All values of a discrete distribution along a new first axis: [cardinality, *batch_shape, *event_shape].

        Args:
            expand: repeat the values for the whole batch. If False, the axes of the batch have size 1.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement enumerate_support")

    def entropy(self) -> Any:
        """The entropy of each distribution of the batch."""
        raise NotImplementedError(f"{type(self).__name__} does not implement entropy")

    def perplexity(self) -> Any:
        """The exponential of the entropy."""
        return _exp(self.entropy())

    def __repr__(self) -> str:
        shown = []
        for name in self._given():
            value = getattr(self, name)
            shown.append(f"{name}: {value if value.numel() == 1 else value.shape}")
        return f"{type(self).__name__}({', '.join(shown)})"


class Univariate(Distribution):
    """A distribution of numbers. Its parameters have the shape of the batch.

    In its methods that take a value, and in `_draw`, the parameters have the shape of the result.
    """

    def __init__(self, *, validate_args: bool | None = None, **parameters: Any):
        tensors = as_parameters(*parameters.values())
        self.__dict__.update(zip(parameters, tensors, strict=True))
        super().__init__(tensors[0].shape, (), validate_args)

    def _aligned(self, value: Any) -> tuple[Any, Any]:
        value, *parameters = together(value, *(getattr(self, name) for name in self.leaves), real=True)
        return self.replaced(**dict(zip(self.leaves, parameters, strict=True))), value

    @lifted
    def _drawn(self, key: jax.Array, shape: tuple[int, ...]) -> Any:
        shape += self.batch_shape
        return self.replaced(**{name: jnp.broadcast_to(getattr(self, name), shape) for name in self.leaves})._draw(
            key, shape
        )
