"""Norms and limits of gradients."""

import functools
import math
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp

from ..._base import as_array
from ...tensor import Tensor

__all__ = ["clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]

Tensors = Tensor | Iterable[Tensor]


def get_total_norm(
    tensors: Tensors, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
) -> Tensor:
    """The norm of all elements of all Tensors, as if they were one vector.

    Args:
        tensors: one Tensor or several.
        norm_type: the exponent p of the norm; `math.inf` for the largest absolute value.
        error_if_nonfinite: whether a norm that is infinite or NaN is an error.
        foreach: has no effect.

    Raises:
        RuntimeError: the norm is infinite or NaN, and `error_if_nonfinite` is set.
    """
    arrays = [as_array(tensor) for tensor in _listed(tensors)]
    if not arrays:
        return Tensor.wrap(jnp.zeros((), jnp.float32))
    return _checked(_norm(arrays, float(norm_type)), norm_type, error_if_nonfinite)


def clip_grad_norm_(
    parameters: Tensors, max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scales all gradients by one factor, in place, so that their total norm is at most `max_norm`.

    Args:
        parameters: the Tensors whose `grad` is scaled.
        max_norm: the limit of the norm.
        norm_type: the exponent p of the norm; `math.inf` for the largest absolute value.
        error_if_nonfinite: whether a norm that is infinite or NaN is an error.
        foreach: has no effect.

    Returns:
        The norm before the change.

    Raises:
        RuntimeError: the norm is infinite or NaN, and `error_if_nonfinite` is set.
    """
    gradients = _gradients(parameters)
    if not gradients:
        return Tensor.wrap(jnp.zeros((), jnp.float32))
    arrays = [as_array(gradient) for gradient in gradients]
    norm, scaled = _scaled_to_norm(arrays, float(norm_type), float(max_norm))
    result = _checked(norm, norm_type, error_if_nonfinite)
    _write(gradients, scaled)
    return result


def clip_grads_with_norm_(
    parameters: Tensors, max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Scales all gradients by `max_norm / total_norm`, in place, if that is less than 1."""
    gradients = _gradients(parameters)
    arrays = [as_array(gradient) for gradient in gradients]
    _write(gradients, _scaled(arrays, as_array(total_norm), float(max_norm)))


def clip_grad_value_(parameters: Tensors, clip_value: float, foreach: bool | None = None) -> None:
    """Limits each element of the gradients to [-clip_value, clip_value], in place."""
    gradients = _gradients(parameters)
    _write(gradients, _limited([as_array(gradient) for gradient in gradients], float(clip_value)))


def _listed(tensors: Tensors) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _gradients(parameters: Tensors) -> list[Tensor]:
    return [parameter.grad for parameter in _listed(parameters) if parameter.grad is not None]


def _write(gradients: list[Tensor], arrays: list[jax.Array]) -> None:
    for gradient, array in zip(gradients, arrays, strict=True):
        gradient.array = array


def _checked(norm: jax.Array, norm_type: float, error_if_nonfinite: bool) -> Tensor:
    if error_if_nonfinite and not math.isfinite(norm):
        raise RuntimeError(
            f"the total norm of order {norm_type} of the gradients is {float(norm)}, so they cannot be clipped. To "
            "clip them all the same, pass error_if_nonfinite=False"
        )
    return Tensor.wrap(norm)


@functools.partial(jax.jit, static_argnums=1)
def _norm(arrays: list[jax.Array], order: float) -> jax.Array:
    """The norm, in the dtype of the arrays if all have the same one, and at least in float32 otherwise."""
    dtypes = {array.real.dtype for array in arrays}
    wide = jnp.float64 if jnp.dtype(jnp.float64) in dtypes else jnp.float32
    norms = [_vector_norm(jnp.abs(array).astype(wide), order) for array in arrays]
    return _vector_norm(jnp.stack(norms), order).astype(dtypes.pop() if len(dtypes) == 1 else wide)


def _vector_norm(magnitudes: jax.Array, order: float) -> jax.Array:
    if not magnitudes.size:
        return jnp.zeros((), magnitudes.dtype)
    return jnp.linalg.norm(magnitudes.ravel(), ord=order)


@jax.jit
def _scaled(arrays: list[jax.Array], norm: jax.Array, max_norm: Any) -> list[jax.Array]:
    factor = jnp.minimum(max_norm / (norm + 1e-6), 1)
    return [array * factor.astype(array.dtype) for array in arrays]


@functools.partial(jax.jit, static_argnums=1)
def _scaled_to_norm(arrays: list[jax.Array], order: float, max_norm: Any) -> tuple[jax.Array, list[jax.Array]]:
    norm = _norm(arrays, order)
    return norm, _scaled(arrays, norm, max_norm)


@jax.jit
def _limited(arrays: list[jax.Array], limit: Any) -> list[jax.Array]:
    return [jnp.clip(array, -limit, limit).astype(array.dtype) for array in arrays]
