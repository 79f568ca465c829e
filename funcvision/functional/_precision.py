"""The precision in which sums are accumulated."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["accumulation_dtype", "at_least_float32"]


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
