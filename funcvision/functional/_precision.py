"""The precision in which sums are accumulated."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["accumulation_dtype", "at_least_float32", "weight_for"]


def accumulation_dtype(dtype: Any) -> np.dtype:
    """Float32 for floating-point dtypes of fewer bits, and the same dtype for all others.

    >>> accumulation_dtype(jnp.bfloat16), accumulation_dtype("float64")
    (dtype('float32'), dtype('float64'))
    """
    narrow = jnp.issubdtype(dtype, jnp.floating) and jnp.finfo(dtype).bits < 32
    return np.dtype(np.float32 if narrow else dtype)


def at_least_float32(x: jax.Array) -> jax.Array:
    """`x` in float32, or in float64 if that is its dtype. Sums of many 16-bit numbers would lose too much precision.

    Raises:
        TypeError: `x` is not a floating-point array. Whether to cast integers is the caller's decision.
    """
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise TypeError(f"a floating-point array is needed and this one, of shape {x.shape}, is {x.dtype}: cast it")
    return x.astype(accumulation_dtype(x.dtype))


def weight_for(x: jax.Array, weight: jax.Array) -> jax.Array:
    """A weight in the dtype of the input `x`.

    Raises:
        TypeError: the input holds integers and the weight does not. Cast to integers it would be nearly all zeros.
    """
    if jnp.issubdtype(x.dtype, jnp.integer) and jnp.issubdtype(weight.dtype, jnp.inexact):
        raise TypeError(
            f"the input, of shape {x.shape}, is {x.dtype}, and the weight is {weight.dtype}: cast the input to a "
            "floating-point dtype"
        )
    return weight.astype(x.dtype)
