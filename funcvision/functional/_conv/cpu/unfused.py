"""Computations that XLA compiles by themselves, and writes their result once."""

import functools
from collections.abc import Callable
from typing import Any

import jax
from jax.experimental.xla_metadata import set_xla_metadata

__all__ = ["apart"]


def apart(function: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """The function, not fused with what comes before and after it.

    On a CPU XLA hands products of matrices to YNNPACK together with what precedes and follows them, and cuts where that
    is as long as it may be. Cut through a sum of shifted images, its shifts and the kernel's rows at every pixel
    are written out; uncut, the sum may be made again for each of its readers, as a layer norm has three.
    """
    @functools.wraps(function)
    def called(*operands: jax.Array) -> jax.Array:
        result: Any = set_xla_metadata(jax.jit(function)(*operands), inlineable="false")
        return result

    return called
