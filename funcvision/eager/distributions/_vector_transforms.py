"""Transforms of vectors and matrices."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ... import functional as F
from .._arithmetic import clamp
from . import constraints
from ._elementwise_transforms import clipped_sigmoid
from ._lifted import lifted
from ._transform import Transform

__all__ = [
    "CorrCholeskyTransform", "LowerCholeskyTransform", "PositiveDefiniteTransform", "ReshapeTransform",
    "SoftmaxTransform", "StickBreakingTransform",
]  # fmt: skip


def _at_least(shape: tuple[int, ...], ndim: int) -> tuple[int, ...]:
    if len(shape) < ndim:
        raise ValueError("Too few dimensions on input")
    return shape


class ReshapeTransform(Transform):
    """A reshape of the axes of an event, with determinant 1.

    Args:
        in_shape: the shape of an event of the input.
        out_shape: the shape of an event of the output.
        cache_size: 0 or 1; see `Transform`.
    """

    options = ("in_shape", "out_shape")
    bijective = True

    def __init__(self, in_shape: Any, out_shape: Any, cache_size: int = 0):
        self.in_shape, self.out_shape = tuple(in_shape), tuple(out_shape)
        if math.prod(self.in_shape) != math.prod(self.out_shape):
            raise ValueError("in_shape, out_shape have different numbers of elements")
        super().__init__(cache_size)

    @constraints.dependent_property
    def domain(self) -> Any:
        return constraints.independent(constraints.real, len(self.in_shape))

    @constraints.dependent_property
    def codomain(self) -> Any:
        return constraints.independent(constraints.real, len(self.out_shape))

    def with_cache(self, cache_size: int = 1) -> Any:
        if self._cache_size == cache_size:
            return self
        return ReshapeTransform(self.in_shape, self.out_shape, cache_size)

    @lifted
    def _call(self, x: Any) -> Any:
        return x.reshape(x.shape[: x.ndim - len(self.in_shape)] + self.out_shape)

    @lifted
    def _inverse(self, y: Any) -> Any:
        return y.reshape(y.shape[: y.ndim - len(self.out_shape)] + self.in_shape)

    @lifted
    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return jnp.zeros(x.shape[: x.ndim - len(self.in_shape)], x.dtype)

    def forward_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return _replaced(shape, self.in_shape, self.out_shape)

    def inverse_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return _replaced(shape, self.out_shape, self.in_shape)


def _replaced(shape: tuple[int, ...], event: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    cut = len(_at_least(shape, len(event))) - len(event)
    if tuple(shape[cut:]) != event:
        raise ValueError(f"Shape mismatch: expected {shape[cut:]} but got {event}")
    return (*shape[:cut], *other)


class SoftmaxTransform(Transform):
    """y = softmax(x), whose inverse gives log(y). It is not bijective."""

    domain = constraints.real_vector
    codomain = constraints.simplex

    @lifted
    def _call(self, x: Any) -> Any:
        return jax.nn.softmax(x, -1)

    @lifted
    def _inverse(self, y: Any) -> Any:
        return jnp.log(y)

    def forward_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return _at_least(shape, 1)

    inverse_shape = forward_shape


class StickBreakingTransform(Transform):
    """From n numbers to n + 1 probabilities: each takes a part of what its predecessors have left of 1."""

    domain = constraints.real_vector
    codomain = constraints.simplex
    bijective = True

    @lifted
    def _call(self, x: Any) -> Any:
        z = clipped_sigmoid(x - _log_offset(x))
        return _padded(z, after=1) * _padded(jnp.cumprod(1 - z, -1), before=1)

    @lifted
    def _inverse(self, y: Any) -> Any:
        first = y[..., :-1]
        left = clamp(1 - jnp.cumsum(first, -1), float(jnp.finfo(y.dtype).tiny))
        return jnp.log(first) - jnp.log(left) + _log_offset(first)

    @lifted
    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        x = x - _log_offset(x)
        return (-x + F.logsigmoid(x) + jnp.log(y[..., :-1])).sum(-1)

    def forward_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (*_at_least(shape, 1)[:-1], shape[-1] + 1)

    def inverse_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (*_at_least(shape, 1)[:-1], shape[-1] - 1)


def _log_offset(x: jax.Array) -> jax.Array:
    """What is subtracted so that zeros give equal probabilities."""
    offset = jnp.log(jnp.arange(x.shape[-1], 0, -1, dtype=x.dtype))
    return jnp.broadcast_to(offset, x.shape)


def _padded(x: jax.Array, before: int = 0, after: int = 0) -> jax.Array:
    """The last axis with ones before or after it."""
    return jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(before, after)], constant_values=1)


class LowerCholeskyTransform(Transform):
    """From any square matrices to lower triangular ones, with the exponential of their diagonal."""

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.lower_cholesky

    @lifted
    def _call(self, x: Any) -> Any:
        return _with_diagonal(x, jnp.exp)

    @lifted
    def _inverse(self, y: Any) -> Any:
        return _with_diagonal(y, jnp.log)


def _with_diagonal(x: jax.Array, function: Any) -> jax.Array:
    diagonal = function(jnp.diagonal(x, axis1=-2, axis2=-1))
    return jnp.tril(x, -1) + diagonal[..., None] * jnp.broadcast_to(jnp.eye(x.shape[-1], dtype=x.dtype), x.shape)


class PositiveDefiniteTransform(Transform):
    """From any square matrices to positive-definite ones, by `LowerCholeskyTransform`."""

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.positive_definite

    @lifted
    def _call(self, x: Any) -> Any:
        lower = _with_diagonal(x, jnp.exp)
        return lower @ lower.mT

    @lifted
    def _inverse(self, y: Any) -> Any:
        return _with_diagonal(jnp.linalg.cholesky(y), jnp.log)


class CorrCholeskyTransform(Transform):
    """From D(D-1)/2 numbers to the Cholesky factor of a D x D correlation matrix."""

    domain = constraints.real_vector
    codomain = constraints.corr_cholesky
    bijective = True

    @lifted
    def _call(self, x: Any) -> Any:
        eps = float(jnp.finfo(x.dtype).eps)
        size = self.forward_shape(x.shape)[-1]
        rows, columns = np.tril_indices(size, -1)
        tanh = clamp(jnp.tanh(x), -1 + eps, 1 - eps)
        r = jnp.zeros((*x.shape[:-1], size, size), x.dtype).at[..., rows, columns].set(tanh)
        left = jnp.cumprod(jnp.sqrt(1 - jnp.square(r)), -1)
        diagonal = jnp.broadcast_to(jnp.eye(size, dtype=x.dtype), r.shape)
        return (r + diagonal) * _padded(left[..., :-1], before=1)

    @lifted
    def _inverse(self, y: Any) -> Any:
        rows, columns = np.tril_indices(y.shape[-1], -1)
        left = _padded((1 - jnp.cumsum(jnp.square(y), -1))[..., :-1], before=1)
        t = y[..., rows, columns] / jnp.sqrt(left[..., rows, columns])
        return (jnp.log1p(t) - jnp.log1p(-t)) / 2

    @lifted
    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        rows, columns = np.tril_indices(y.shape[-1], -2)
        left = (1 - jnp.cumsum(jnp.square(y), -1))[..., rows, columns]
        of_tanh = -2 * (x + F.softplus(-2 * x) - math.log(2)).sum(-1)
        return 0.5 * jnp.log(left).sum(-1) + of_tanh

    def forward_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        count = _at_least(shape, 1)[-1]
        size = round((0.25 + 2 * count) ** 0.5 + 0.5)
        if size * (size - 1) // 2 != count:
            raise ValueError("Input is not a flattened lower-diagonal number")
        return (*shape[:-1], size, size)

    def inverse_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        if _at_least(shape, 2)[-2] != shape[-1]:
            raise ValueError("Input is not square")
        return (*shape[:-2], shape[-1] * (shape[-1] - 1) // 2)
