"""Regions in which parameters, values and the inputs and outputs of transforms must lie.

A constraint is checked on the host where the values are in the memory of the CPU, so that a check compiles nothing.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .._base import TensorBase, as_array

__all__ = [
    "Constraint", "MixtureSameFamilyConstraint", "boolean", "cat", "corr_cholesky", "dependent", "dependent_property",
    "greater_than", "greater_than_eq", "half_open_interval", "independent", "integer_interval", "interval",
    "is_dependent", "less_than", "lower_cholesky", "lower_triangular", "multinomial", "nonnegative",
    "nonnegative_integer", "one_hot", "positive", "positive_definite", "positive_integer", "positive_semidefinite",
    "real", "real_vector", "simplex", "square", "stack", "symmetric", "unit_interval",
]  # fmt: skip

Array = Any  # a numpy array, or a jax array that is not in the memory of the CPU


def on_host(value: Any) -> Array:
    """The values as a numpy array where that copies nothing from another device, else the jax array."""
    if not isinstance(value, TensorBase | jax.Array):
        return np.asarray(value)
    array = as_array(value)
    is_here = isinstance(array, np.ndarray) or all(device.platform == "cpu" for device in array.devices())
    return np.asarray(array) if is_here else array


def is_satisfied(constraint: "Constraint", value: Any) -> bool:
    """Whether all events of `value` satisfy the constraint. Values that are being traced are not checked."""
    if isinstance(as_array(value), Tracer):
        return True
    if type(constraint).check is not Constraint.check:  # a constraint of a user
        return bool(np.all(np.asarray(constraint.check(value))))
    return bool(constraint.holds(on_host(value)).all())


class Constraint:
    """A region over which a variable is valid.

    Attributes:
        is_discrete: whether the region consists of separate points.
        event_dim: the number of rightmost axes that form one event.
    """

    is_discrete: Any = False
    event_dim: Any = 0

    def check(self, value: Any) -> Any:
        """Whether each event of `value` satisfies the constraint: a Tensor of bools of shape sample + batch."""
        return TensorBase.result.wrap(jnp.asarray(self.holds(on_host(value))))

    def holds(self, x: Array) -> Array:
        """`check` for arrays. A constraint defines this method, or overrides `check`."""
        return on_host(self.check(TensorBase.result.of(x)))

    def __repr__(self) -> str:
        return type(self).__name__.removeprefix("_") + "()"


class _Dependent(Constraint):
    """A constraint that depends on other variables, and is not known to the class."""

    def __init__(self, *, is_discrete: Any = NotImplemented, event_dim: Any = NotImplemented):
        self._is_discrete, self._event_dim = is_discrete, event_dim

    @property
    def is_discrete(self) -> bool:
        if self._is_discrete is NotImplemented:
            raise NotImplementedError(".is_discrete cannot be determined statically")
        return self._is_discrete

    @property
    def event_dim(self) -> int:
        if self._event_dim is NotImplemented:
            raise NotImplementedError(".event_dim cannot be determined statically")
        return self._event_dim

    def __call__(self, *, is_discrete: Any = NotImplemented, event_dim: Any = NotImplemented) -> "_Dependent":
        is_discrete = self._is_discrete if is_discrete is NotImplemented else is_discrete
        return _Dependent(
            is_discrete=is_discrete, event_dim=self._event_dim if event_dim is NotImplemented else event_dim
        )

    def holds(self, x: Array) -> Array:
        raise ValueError("Cannot determine validity of dependent constraint")


class _DependentProperty(property, _Dependent):
    """A property that gives the constraint of an object. Asked on the class, it is a dependent constraint."""

    def __init__(
        self, fn: Callable[..., Any] | None = None, *, is_discrete: Any = NotImplemented,
        event_dim: Any = NotImplemented,
    ):
        super().__init__(fn)
        self._is_discrete, self._event_dim = is_discrete, event_dim

    def __call__(self, fn: Callable[..., Any]) -> "_DependentProperty":  # pyright: ignore
        return _DependentProperty(fn, is_discrete=self._is_discrete, event_dim=self._event_dim)


def is_dependent(constraint: Any) -> bool:
    """Whether the constraint depends on other variables."""
    return isinstance(constraint, _Dependent)


class _OfBase(Constraint):
    """A constraint that is made from another one."""

    base_constraint: Constraint

    @property
    def is_discrete(self) -> bool:
        return self.base_constraint.is_discrete

    @property
    def event_dim(self) -> int:
        return self.base_constraint.event_dim


class _IndependentConstraint(_OfBase):
    """Turns rightmost axes of the batch into axes of the event, which is valid if all its entries are."""

    def __init__(self, base_constraint: Constraint, reinterpreted_batch_ndims: int):
        if not isinstance(base_constraint, Constraint) or reinterpreted_batch_ndims < 0:
            raise ValueError(
                f"independent takes a Constraint and a number of axes; got {base_constraint!r} and "
                f"{reinterpreted_batch_ndims!r}"
            )
        self.base_constraint, self.reinterpreted_batch_ndims = base_constraint, reinterpreted_batch_ndims

    @property
    def event_dim(self) -> int:
        return self.base_constraint.event_dim + self.reinterpreted_batch_ndims

    def holds(self, x: Array) -> Array:
        result = self.base_constraint.holds(x)
        if result.ndim < self.reinterpreted_batch_ndims:
            raise ValueError(f"Expected value.dim() >= {self.event_dim} but got {x.ndim}")
        return result.all(tuple(range(-self.reinterpreted_batch_ndims, 0)))

    def __repr__(self) -> str:
        return f"IndependentConstraint({self.base_constraint!r}, {self.reinterpreted_batch_ndims})"


class MixtureSameFamilyConstraint(_OfBase):
    """The support of a mixture: that of its components, whose axis is not in the value."""

    def __init__(self, base_constraint: Constraint):
        self.base_constraint = base_constraint

    def holds(self, x: Array) -> Array:
        if x.ndim < self.event_dim:
            raise ValueError(f"Expected value.dim() >= {self.event_dim} but got {x.ndim}")
        kept = x.ndim - self.event_dim
        result = self.base_constraint.holds(x.reshape(*x.shape[:kept], 1, *x.shape[kept:]))
        return result.all(tuple(range(kept, result.ndim)))

    def __repr__(self) -> str:
        return f"MixtureSameFamilyConstraint({self.base_constraint!r})"


class _Boolean(Constraint):
    """0 or 1."""

    is_discrete = True

    def holds(self, x: Array) -> Array:
        return (x == 0) | (x == 1)


class _OneHot(Constraint):
    """Vectors with one 1 and otherwise zeros."""

    is_discrete = True
    event_dim = 1

    def holds(self, x: Array) -> Array:
        return ((x == 0) | (x == 1)).all(-1) & (x.sum(-1) == 1)


class _Bounded(Constraint):
    """A range of numbers, whose bounds are numbers or Tensors. None stands for no bound."""

    lower_bound: Any = None
    upper_bound: Any = None
    includes_lower = True
    includes_upper = True

    def holds(self, x: Array) -> Array:
        result = x % 1 == 0 if self.is_discrete else x == x  # not for NaN
        if self.lower_bound is not None:
            lower = on_host(self.lower_bound)
            result = result & (x >= lower if self.includes_lower else x > lower)
        if self.upper_bound is not None:
            upper = on_host(self.upper_bound)
            result = result & (x <= upper if self.includes_upper else x < upper)
        return result

    def __repr__(self) -> str:
        bounds = {"lower_bound": self.lower_bound, "upper_bound": self.upper_bound}
        given = ", ".join(f"{name}={bound}" for name, bound in bounds.items() if bound is not None)
        return f"{type(self).__name__.removeprefix('_')}({given})"


class _Interval(_Bounded):
    """The numbers from one bound to another, both included."""

    def __init__(self, lower_bound: Any, upper_bound: Any):
        self.lower_bound, self.upper_bound = lower_bound, upper_bound


class _HalfOpenInterval(_Interval):
    """The numbers from a lower bound on to less than an upper bound."""

    includes_upper = False


class _IntegerInterval(_Interval):
    """The integers from one bound to another, both included."""

    is_discrete = True


class _GreaterThanEq(_Bounded):
    """The numbers from a lower bound on."""

    def __init__(self, lower_bound: Any):
        self.lower_bound = lower_bound


class _GreaterThan(_GreaterThanEq):
    """The numbers greater than a lower bound."""

    includes_lower = False


class _IntegerGreaterThan(_GreaterThanEq):
    """The integers from a lower bound on."""

    is_discrete = True


class _LessThan(_Bounded):
    """The numbers less than an upper bound."""

    includes_upper = False

    def __init__(self, upper_bound: Any):
        self.upper_bound = upper_bound


class _Real(_Bounded):
    """All numbers and infinities, but not NaN."""

    def __repr__(self) -> str:
        return "Real()"


class _Simplex(Constraint):
    """Vectors of numbers of at least 0 with the sum 1."""

    event_dim = 1

    def holds(self, x: Array) -> Array:
        return (x >= 0).all(-1) & (abs(x.sum(-1) - 1) < 1e-6)


class _Multinomial(Constraint):
    """Vectors of counts whose sum is at most a bound."""

    is_discrete = True
    event_dim = 1

    def __init__(self, upper_bound: Any):
        self.upper_bound = upper_bound

    def holds(self, x: Array) -> Array:
        return (x >= 0).all(-1) & (x.sum(-1) <= on_host(self.upper_bound))


class _LowerTriangular(Constraint):
    """Lower triangular matrices."""

    event_dim = 2

    def holds(self, x: Array) -> Array:
        x = np.asarray(x)
        return (np.tril(x) == x).all((-2, -1))


class _LowerCholesky(_LowerTriangular):
    """Lower triangular matrices with a positive diagonal."""

    def holds(self, x: Array) -> Array:
        return super().holds(x) & (np.diagonal(np.asarray(x), axis1=-2, axis2=-1) > 0).all(-1)


class _CorrCholesky(_LowerCholesky):
    """Cholesky factors of correlation matrices: their rows have length 1."""

    def holds(self, x: Array) -> Array:
        tolerance = jnp.finfo(x.dtype).eps * x.shape[-1] * 10
        return super().holds(x) & (abs(np.linalg.norm(np.asarray(x), axis=-1) - 1) <= tolerance).all(-1)


class _Square(Constraint):
    """Square matrices."""

    event_dim = 2

    def holds(self, x: Array) -> Array:
        return np.full(x.shape[:-2], x.shape[-2] == x.shape[-1])


class _Symmetric(_Square):
    """Symmetric matrices."""

    def holds(self, x: Array) -> Array:
        is_square, x = super().holds(x), np.asarray(x)
        return np.isclose(x, x.swapaxes(-2, -1), atol=1e-6).all((-2, -1)) if is_square.all() else is_square


class _PositiveSemidefinite(_Symmetric):
    """Symmetric matrices without negative eigenvalues."""

    def holds(self, x: Array) -> Array:
        is_symmetric = super().holds(x)
        return (np.linalg.eigvalsh(np.asarray(x)) >= 0).all(-1) if is_symmetric.all() else is_symmetric


class _PositiveDefinite(_Symmetric):
    """Symmetric matrices with positive eigenvalues."""

    def holds(self, x: Array) -> Array:
        is_symmetric = super().holds(x)
        if not is_symmetric.all():
            return is_symmetric
        return (np.linalg.eigvalsh(np.asarray(x)) > 0).all(-1)


class _Cat(Constraint):
    """Constraints of consecutive parts along an axis."""

    def __init__(self, cseq: Sequence[Constraint], dim: int = 0, lengths: Sequence[int] | None = None):
        self.cseq, self.dim = list(cseq), dim
        self.lengths = [1] * len(self.cseq) if lengths is None else list(lengths)
        if len(self.lengths) != len(self.cseq):
            raise ValueError(f"cat needs one length for each of {len(self.cseq)} constraints; got {self.lengths}")

    @property
    def is_discrete(self) -> bool:
        return any(constraint.is_discrete for constraint in self.cseq)

    @property
    def event_dim(self) -> int:
        return max(constraint.event_dim for constraint in self.cseq)

    def holds(self, x: Array) -> Array:
        parts = np.split(np.asarray(x), np.cumsum(self.lengths)[:-1], self.dim)
        return np.concatenate([c.holds(part) for c, part in zip(self.cseq, parts, strict=True)], self.dim)


class _Stack(Constraint):
    """Constraints of the entries along an axis."""

    def __init__(self, cseq: Sequence[Constraint], dim: int = 0):
        self.cseq, self.dim = list(cseq), dim

    @property
    def is_discrete(self) -> bool:
        return any(constraint.is_discrete for constraint in self.cseq)

    @property
    def event_dim(self) -> int:
        dim = max(constraint.event_dim for constraint in self.cseq)
        return dim + 1 if self.dim + dim < 0 else dim

    def holds(self, x: Array) -> Array:
        entries = np.moveaxis(np.asarray(x), self.dim, 0)
        return np.stack([c.holds(entry) for c, entry in zip(self.cseq, entries, strict=True)], self.dim)


dependent = _Dependent()
dependent_property = _DependentProperty
independent = _IndependentConstraint
boolean = _Boolean()
one_hot = _OneHot()
nonnegative_integer = _IntegerGreaterThan(0)
positive_integer = _IntegerGreaterThan(1)
integer_interval = _IntegerInterval
real = _Real()
real_vector = independent(real, 1)
positive = _GreaterThan(0.0)
nonnegative = _GreaterThanEq(0.0)
greater_than = _GreaterThan
greater_than_eq = _GreaterThanEq
less_than = _LessThan
multinomial = _Multinomial
unit_interval = _Interval(0.0, 1.0)
interval = _Interval
half_open_interval = _HalfOpenInterval
simplex = _Simplex()
lower_triangular = _LowerTriangular()
lower_cholesky = _LowerCholesky()
corr_cholesky = _CorrCholesky()
square = _Square()
symmetric = _Symmetric()
positive_semidefinite = _PositiveSemidefinite()
positive_definite = _PositiveDefinite()
cat = _Cat
stack = _Stack
