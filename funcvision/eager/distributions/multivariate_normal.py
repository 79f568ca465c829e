"""Normal distributions of vectors."""

import math
from collections.abc import Iterator
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import cho_solve, solve_triangular

from .._lift import lift
from . import constraints
from ._lifted import lazy, lifted, lifted_property
from .distribution import Distribution, as_parameters, scored

__all__ = [
    "LowRankMultivariateNormal", "MultivariateNormal", "ByMatrix", "diagonal_matrix", "half_log_det", "mahalanobis",
    "solve_lower",
]  # fmt: skip


def solve_lower(lower: jax.Array, right: jax.Array) -> jax.Array:
    """The solution x of lower @ x = right, for batches that broadcast."""
    batch = jnp.broadcast_shapes(lower.shape[:-2], right.shape[:-2])
    lower, right = (jnp.broadcast_to(x, batch + x.shape[-2:]) for x in (lower, right))
    return solve_triangular(lower, right, lower=True)


def mahalanobis(lower: jax.Array, deviation: jax.Array) -> jax.Array:
    """x^T (L L^T)^-1 x for a factor L [*batch, n, n] and vectors x [..., *batch, n]."""
    batch, n = lower.shape[:-2], lower.shape[-1]
    columns = jnp.moveaxis(deviation.reshape(-1, *batch, n), 0, -1)  # one solve for all samples of a batch
    squares = jnp.square(solve_triangular(lower, columns, lower=True)).sum(-2)
    return jnp.moveaxis(squares, -1, 0).reshape(deviation.shape[:-1])


def diagonal_matrix(x: jax.Array) -> jax.Array:
    """Matrices with x [..., n] on their diagonal."""
    return x[..., None] * jnp.broadcast_to(jnp.eye(x.shape[-1], dtype=x.dtype), (*x.shape, x.shape[-1]))


def half_log_det(lower: jax.Array) -> jax.Array:
    """Half of the logarithm of the determinant of L L^T."""
    return jnp.log(jnp.diagonal(lower, axis1=-2, axis2=-1)).sum(-1)


def _scale_tril(matrix: jax.Array, name: str) -> jax.Array:
    """The Cholesky factor of the covariance matrix, from the parameter of this name."""
    if name == "scale_tril":
        return matrix
    if name == "covariance_matrix":
        return jnp.linalg.cholesky(matrix)
    lower = jnp.linalg.cholesky(matrix[..., ::-1, ::-1])[..., ::-1, ::-1].mT
    identity = jnp.broadcast_to(jnp.eye(matrix.shape[-1], dtype=matrix.dtype), matrix.shape)
    return solve_triangular(lower, identity, lower=True)


_scale_tril_of = lift(_scale_tril)


class ByMatrix(Distribution):
    """A distribution with one of the parameters covariance matrix, precision matrix, and Cholesky factor.

    Attributes:
        name: the name of the one that was given.
    """

    options = (*Distribution.options, "name")
    _scale_tril: Any

    def _choose(self, covariance_matrix: Any, precision_matrix: Any, scale_tril: Any) -> Any:
        """Sets `name` and returns the matrix that was given."""
        given = {
            "covariance_matrix": covariance_matrix, "precision_matrix": precision_matrix, "scale_tril": scale_tril,
        }
        given = {name: value for name, value in given.items() if value is not None}
        if len(given) != 1:
            raise ValueError(
                "Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified."
            )
        ((self.name, matrix),) = given.items()
        if matrix.ndim < 2:
            raise ValueError(
                f"{self.name} must be at least two-dimensional, with optional leading batch dimensions"
            )
        return matrix

    def _set_matrix(self, matrix: Any) -> None:
        self.__dict__[self.name] = matrix
        self._scale_tril = _scale_tril_of(matrix, self.name)

    def _given(self) -> Iterator[str]:
        return (name for name in self.arg_constraints if name == self.name or name in self.leaves)

    def _expand_parameters(self, new: Any, batch_shape: tuple[int, ...]) -> None:
        super()._expand_parameters(new, batch_shape)
        matrix = getattr(self, self.name)
        new.__dict__[self.name] = matrix.expand((*batch_shape, *matrix.shape[-2:]))

    @lazy
    def scale_tril(self) -> Any:
        """The Cholesky factor of the covariance matrix, [..., n, n]."""
        return self._scale_tril

    @lazy
    def covariance_matrix(self) -> Any:
        """The covariance matrix, [..., n, n]."""
        return self._scale_tril @ self._scale_tril.mT

    @lazy
    def precision_matrix(self) -> Any:
        """The inverse of the covariance matrix, [..., n, n]."""
        identity = jnp.eye(self._scale_tril.shape[-1], dtype=self._scale_tril.dtype)
        return cho_solve((self._scale_tril, True), jnp.broadcast_to(identity, self._scale_tril.shape))


class MultivariateNormal(ByMatrix):
    """The normal distribution of a vector, with one of three parameters for the covariance.

    Args:
        loc: the mean, [..., n].
        covariance_matrix: the covariance matrix, [..., n, n].
        precision_matrix: its inverse.
        scale_tril: its Cholesky factor, a lower triangular matrix. All computations use this factor.
        validate_args: whether to check parameters and values.
    """

    leaves = ("loc", "_scale_tril")
    event_dims: ClassVar[dict[str, int]] = {"loc": 1, "_scale_tril": 2}
    arg_constraints: ClassVar[Any] = {
        "loc": constraints.real_vector, "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite, "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self, loc: Any, covariance_matrix: Any = None, precision_matrix: Any = None, scale_tril: Any = None,
        validate_args: bool | None = None,
    ):
        matrix = self._choose(covariance_matrix, precision_matrix, scale_tril)
        loc, matrix = as_parameters(loc, matrix, broadcast=False)
        if loc.ndim < 1:
            raise ValueError("loc must be at least one-dimensional.")
        batch, event = np.broadcast_shapes(matrix.shape[:-2], loc.shape[:-1]), loc.shape[-1:]
        self.loc = _expanded(loc, batch + event)
        matrix = _expanded(matrix, batch + matrix.shape[-2:])
        self.__dict__[self.name] = matrix
        super().__init__(batch, event, validate_args)
        self._set_matrix(matrix)

    @property
    def mean(self) -> Any:
        return self.loc

    @property
    def mode(self) -> Any:
        return self.loc

    @lifted_property
    def variance(self) -> Any:
        return jnp.square(self._scale_tril).sum(-1)

    def _draw(self, key: jax.Array, shape: tuple[int, ...]) -> Any:
        shape += self.batch_shape + self.event_shape
        noise = jax.random.normal(key, shape, self.loc.dtype)
        scaled = jnp.einsum("...ij,...j->...i", self._scale_tril, noise)
        return jnp.broadcast_to(self.loc, shape) + scaled

    @scored
    def log_prob(self, value: Any) -> Any:
        shape = jnp.broadcast_shapes(value.shape, self.loc.shape)
        deviation = jnp.broadcast_to(value.astype(self.loc.dtype), shape) - jnp.broadcast_to(self.loc, shape)
        half_log = jnp.broadcast_to(half_log_det(self._scale_tril), shape[:-1])
        constant = self.event_shape[0] * math.log(2 * math.pi)
        return -0.5 * (constant + mahalanobis(self._scale_tril, deviation)) - half_log

    @lifted
    def entropy(self) -> Any:
        return 0.5 * self.event_shape[0] * (1 + math.log(2 * math.pi)) + half_log_det(self._scale_tril)


def _expanded(x: Any, shape: tuple[int, ...]) -> Any:
    return x if x.shape == shape else x.expand(shape)


class LowRankMultivariateNormal(Distribution):
    """The normal distribution of a vector with the covariance W W^T + diag(D), where W has few columns.

    Args:
        loc: the mean, [..., n].
        cov_factor: the factor W, [..., n, rank].
        cov_diag: the diagonal D, [..., n].
        validate_args: whether to check parameters and values.
    """

    leaves = ("loc", "cov_factor", "cov_diag")
    event_dims: ClassVar[dict[str, int]] = {"loc": 1, "cov_factor": 2, "cov_diag": 1}
    arg_constraints: ClassVar[Any] = {
        "loc": constraints.real_vector, "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, loc: Any, cov_factor: Any, cov_diag: Any, validate_args: bool | None = None):
        loc, cov_factor, cov_diag = as_parameters(loc, cov_factor, cov_diag, broadcast=False)
        if loc.ndim < 1:
            raise ValueError("loc must be at least one-dimensional.")
        event = loc.shape[-1:]
        if cov_factor.ndim < 2 or cov_factor.shape[-2:-1] != event:
            raise ValueError(f"cov_factor must be a batch of matrices with shape {event[0]} x m")
        if cov_diag.shape[-1:] != event:
            raise ValueError(f"cov_diag must be a batch of vectors with shape {event}")
        try:
            batch = np.broadcast_shapes(loc.shape[:-1], cov_factor.shape[:-2], cov_diag.shape[:-1])
        except ValueError as error:
            raise ValueError(
                f"Incompatible batch shapes: loc {loc.shape}, cov_factor {cov_factor.shape}, cov_diag {cov_diag.shape}"
            ) from error
        self.loc, self.cov_diag = _expanded(loc, batch + event), _expanded(cov_diag, batch + event)
        self.cov_factor = _expanded(cov_factor, batch + cov_factor.shape[-2:])
        super().__init__(batch, event, validate_args)

    def capacitance_tril(self) -> jax.Array:
        """The Cholesky factor of I + W^T D^-1 W. It is for pure objects."""
        inner = (self.cov_factor.mT / self.cov_diag[..., None, :]) @ self.cov_factor
        return jnp.linalg.cholesky(inner + jnp.broadcast_to(jnp.eye(inner.shape[-1], dtype=inner.dtype), inner.shape))

    def log_det(self) -> jax.Array:
        """The logarithm of the determinant of the covariance, by the matrix determinant lemma."""
        return 2 * half_log_det(self.capacitance_tril()) + jnp.log(self.cov_diag).sum(-1)

    def mahalanobis(self, deviation: jax.Array) -> jax.Array:
        """x^T covariance^-1 x for vectors [..., *batch, n], by the Woodbury identity."""
        diagonal = jnp.broadcast_to(self.cov_diag, deviation.shape)
        projected = jnp.einsum("...ji,...j->...i", self.cov_factor, deviation / diagonal)
        return (jnp.square(deviation) / diagonal).sum(-1) - mahalanobis(self.capacitance_tril(), projected)

    @property
    def mean(self) -> Any:
        return self.loc

    @property
    def mode(self) -> Any:
        return self.loc

    @lifted_property
    def variance(self) -> Any:
        return jnp.square(self.cov_factor).sum(-1) + self.cov_diag

    @lazy
    def scale_tril(self) -> Any:
        """The Cholesky factor of the covariance matrix, [..., n, n]."""
        root = jnp.sqrt(self.cov_diag)[..., None]
        scaled = self.cov_factor / root
        inner = scaled @ scaled.mT  # I + this has no eigenvalue below 1, so that its factor is accurate
        identity = jnp.broadcast_to(jnp.eye(inner.shape[-1], dtype=inner.dtype), inner.shape)
        return root * jnp.linalg.cholesky(inner + identity)

    @lazy
    def covariance_matrix(self) -> Any:
        """The covariance matrix, [..., n, n]."""
        return self.cov_factor @ self.cov_factor.mT + diagonal_matrix(self.cov_diag)

    @lazy
    def precision_matrix(self) -> Any:
        """The inverse of the covariance matrix, [..., n, n]."""
        scaled = self.cov_factor.mT / self.cov_diag[..., None, :]
        solved = solve_lower(self.capacitance_tril(), scaled)
        return diagonal_matrix(1 / self.cov_diag) - solved.mT @ solved

    def _draw(self, key: jax.Array, shape: tuple[int, ...]) -> Any:
        of_factor, of_diagonal = jax.random.split(key)
        batch, dtype = shape + self.batch_shape, self.loc.dtype
        shape = batch + self.event_shape
        noise = jax.random.normal(of_factor, (*batch, self.cov_factor.shape[-1]), dtype)
        of_each = jnp.sqrt(jnp.broadcast_to(self.cov_diag, shape)) * jax.random.normal(of_diagonal, shape, dtype)
        return jnp.broadcast_to(self.loc, shape) + jnp.einsum("...ij,...j->...i", self.cov_factor, noise) + of_each

    @scored
    def log_prob(self, value: Any) -> Any:
        shape = jnp.broadcast_shapes(value.shape, self.loc.shape)
        deviation = jnp.broadcast_to(value.astype(self.loc.dtype), shape) - jnp.broadcast_to(self.loc, shape)
        log_det = jnp.broadcast_to(self.log_det(), shape[:-1])
        return -0.5 * (self.event_shape[0] * math.log(2 * math.pi) + log_det + self.mahalanobis(deviation))

    @lifted
    def entropy(self) -> Any:
        return 0.5 * (self.event_shape[0] * (1 + math.log(2 * math.pi)) + self.log_det())
