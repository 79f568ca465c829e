"""Computations that XLA does not fuse with their surroundings."""

import functools
from collections.abc import Callable
from typing import Any

import jax
from jax.experimental.xla_metadata import set_xla_metadata

__all__ = ["unfused"]


def unfused(function: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """The same function, compiled as one call that XLA does not inline.

    On a CPU, XLA gives a matrix product to YNNPACK together with the operations before and after it, and cuts that
    program where it gets too long. A cut inside a sum of shifted images materialises the shifted images and the
    broadcast weights. Without a cut, the sum may be computed once for each of its consumers; a layer norm has three.
    """
    @functools.wraps(function)
    def call(*operands: jax.Array) -> jax.Array:
        result: Any = set_xla_metadata(jax.jit(function)(*operands), inlineable="false")
        return result

    return call
