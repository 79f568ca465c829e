"""Distributions of matrices: Wishart, and Lewandowski-Kurowicka-Joe for Cholesky factors of correlations."""

import math
import warnings
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy import special
from jax.scipy.linalg import cho_solve

from .._base import as_array
from . import constraints
from ._lifted import lifted, lifted_property
from .distribution import Distribution, as_parameters, scored
from .gamma import gamma_draw
from .multivariate_normal import ByMatrix, diagonal_matrix, half_log_det

__all__ = ["LKJCholesky", "Wishart"]


def _multigammaln(x: jax.Array, p: int) -> jax.Array:
    """The logarithm of the multivariate gamma function."""
    halves = jnp.arange(p, dtype=x.dtype) / 2
    terms = special.gammaln(x[..., None] - jnp.broadcast_to(halves, (*x.shape, p)))
    return p * (p - 1) / 4 * math.log(math.pi) + terms.sum(-1)


class Wishart(ByMatrix):
    """The Wishart distribution of symmetric positive-definite matrices.

    Args:
        df: the degrees of freedom, more than n - 1.
        covariance_matrix: the scale matrix, [..., n, n].
        precision_matrix: its inverse.
        scale_tril: its Cholesky factor.
        validate_args: whether to check parameters and values.
    """

    leaves = ("df", "_scale_tril")
    event_dims: ClassVar[dict[str, int]] = {"_scale_tril": 2}
    support = constraints.positive_definite
    has_rsample = True

    def __init__(
        self, df: Any, covariance_matrix: Any = None, precision_matrix: Any = None, scale_tril: Any = None,
        validate_args: bool | None = None,
    ):
        matrix = self._choose(covariance_matrix, precision_matrix, scale_tril)
        matrix, df = as_parameters(matrix, df, broadcast=False)
        batch, event = np.broadcast_shapes(matrix.shape[:-2], df.shape), matrix.shape[-2:]
        self.df = df if df.shape == batch else df.expand(batch)
        smallest = float(np.asarray(as_array(self.df)).min(initial=math.inf))
        if smallest <= event[-1] - 1:
            raise ValueError(f"Value of df={df} expected to be greater than ndim - 1 = {event[-1] - 1}.")
        if smallest < event[-1]:
            warnings.warn("Low df values detected: samples are likely to be singular for df < ndim.", stacklevel=2)
        matrix = matrix if matrix.shape == batch + event else matrix.expand(batch + event)
        self.__dict__[self.name] = matrix
        super().__init__(batch, event, validate_args)
        self._set_matrix(matrix)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def arg_constraints(self) -> Any:
        """The degrees of freedom are more than n - 1."""
        return {
            "covariance_matrix": constraints.positive_definite, "precision_matrix": constraints.positive_definite,
            "scale_tril": constraints.lower_cholesky, "df": constraints.greater_than(self._event_shape[-1] - 1),
        }

    @lifted_property
    def mean(self) -> Any:
        return self.df[..., None, None] * self.covariance_matrix

    @lifted_property
    def mode(self) -> Any:
        factor = self.df - self.event_shape[-1] - 1
        return jnp.where(factor > 0, factor, jnp.nan)[..., None, None] * self.covariance_matrix

    @lifted_property
    def variance(self) -> Any:
        matrix = self.covariance_matrix
        diagonal = jnp.diagonal(matrix, axis1=-2, axis2=-1)
        return self.df[..., None, None] * (jnp.square(matrix) + diagonal[..., None] * diagonal[..., None, :])

    def _draw(self, key: jax.Array, shape: tuple[int, ...]) -> Any:
        """Bartlett's decomposition."""
        of_diagonal, of_rest = jax.random.split(key)
        n, shape = self.event_shape[-1], shape + self.batch_shape
        df = jnp.broadcast_to(self.df[..., None], (*shape, n)) - jnp.broadcast_to(
            jnp.arange(n, dtype=self.df.dtype), (*shape, n)
        )
        root = jnp.sqrt(jnp.maximum(2 * gamma_draw(of_diagonal, df / 2), float(jnp.finfo(df.dtype).eps) ** 2))
        noise = jnp.tril(jax.random.normal(of_rest, (*shape, n, n), df.dtype), -1) + diagonal_matrix(root)
        lower = jnp.broadcast_to(self._scale_tril, noise.shape) @ noise
        return lower @ lower.mT

    @scored
    def log_prob(self, value: Any) -> Any:
        n = self.event_shape[-1]
        shape = jnp.broadcast_shapes(value.shape[:-2], self.batch_shape)
        value = jnp.broadcast_to(value, (*shape, n, n))
        lower, df = jnp.broadcast_to(self._scale_tril, value.shape), jnp.broadcast_to(self.df, shape)
        trace = jnp.trace(cho_solve((lower, True), value), axis1=-2, axis2=-1)
        log_det = jnp.linalg.slogdet(value)[1]
        normaliser = df * (n * math.log(2) / 2 + half_log_det(lower)) + _multigammaln(df / 2, n)
        return (df - n - 1) / 2 * log_det - trace / 2 - normaliser

    @lifted
    def entropy(self) -> Any:
        n, df = self.event_shape[-1], self.df
        halves = jnp.broadcast_to(jnp.arange(n, dtype=df.dtype) / 2, (*df.shape, n))
        digammas = special.digamma(df[..., None] / 2 - halves).sum(-1)
        log_scale = n * math.log(2) / 2 + half_log_det(self._scale_tril)
        return (n + 1) * log_scale + _multigammaln(df / 2, n) - (df - n - 1) / 2 * digammas + df * n / 2


class LKJCholesky(Distribution):
    """The distribution of Cholesky factors of correlation matrices (Lewandowski, Kurowicka and Joe 2009).

    Args:
        dim: the size of the matrices.
        concentration: 1 for uniform correlation matrices; more for weaker correlations.
        validate_args: whether to check parameters and values.
    """

    leaves = ("concentration",)
    options = (*Distribution.options, "dim")
    arg_constraints: ClassVar[Any] = {"concentration": constraints.positive}
    support = constraints.corr_cholesky

    def __init__(self, dim: int, concentration: Any = 1.0, validate_args: bool | None = None):
        if dim < 2:
            raise ValueError(f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}.")
        self.dim = dim
        (self.concentration,) = as_parameters(concentration)
        super().__init__(self.concentration.shape, (dim, dim), validate_args)

    def _draw(self, key: jax.Array, shape: tuple[int, ...]) -> Any:
        """The onion method: the direction of each row is uniform, and its length is a root of a beta number."""
        of_length, of_direction = jax.random.split(key)
        shape, dtype = (*shape, *self.batch_shape, self.dim), self.concentration.dtype
        offset = jnp.broadcast_to(jnp.maximum(jnp.arange(self.dim, dtype=dtype) - 1, 0), shape)
        marginal = jnp.broadcast_to((self.concentration + 0.5 * (self.dim - 2))[..., None], shape)
        length = jax.random.beta(of_length, offset + 0.5, marginal - 0.5 * offset, shape, dtype)
        normal = jnp.tril(jax.random.normal(of_direction, (*shape, self.dim), dtype), -1)
        norm = jnp.linalg.norm(normal, axis=-1, keepdims=True)
        rows = jnp.sqrt(length)[..., None] * normal / jnp.where(norm > 0, norm, 1)
        rest = jnp.maximum(1 - jnp.square(rows).sum(-1), float(jnp.finfo(dtype).tiny))
        return rows + diagonal_matrix(jnp.sqrt(rest))

    @scored
    def log_prob(self, value: Any) -> Any:
        shape = jnp.broadcast_shapes(value.shape[:-2], self.batch_shape)
        log_diagonal = jnp.log(jnp.diagonal(value, axis1=-2, axis2=-1)[..., 1:])
        size = (*shape, self.dim - 1)
        concentration = jnp.broadcast_to(self.concentration, shape)
        falling = jnp.arange(self.dim - 2, -1, -1, dtype=concentration.dtype)
        order = 2 * (concentration - 1)[..., None] + jnp.broadcast_to(falling, size)
        rest = self.dim - 1
        alpha = concentration + 0.5 * rest
        normaliser = _multigammaln(alpha - 0.5, rest) - special.gammaln(alpha) * rest
        return (order * jnp.broadcast_to(log_diagonal, size)).sum(-1) - 0.5 * rest * math.log(math.pi) - normaliser
