"""Sums over a whole data set, exact enough in 32 bits.

JAX has no 64-bit numbers unless they are switched on. A count of pixels soon exceeds int32, and a sum in float32 stops
growing when its terms are small beside it. So each total is kept as two numbers, along a first axis of length 2, whose
combination is the total. Totals of different batches, devices or processes are added as plain arrays.
"""

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["add_count", "add_sum", "count_value", "exact_counts", "new_count", "new_sum", "sum_value", "weights"]

_UNIT = 1 << 20  # a count is first * _UNIT + second; the sum of 2000 devices' second numbers still fits int32


def new_count(*shape: int) -> jax.Array:
    """Counts of zero: int32 `[2, *shape]`."""
    return jnp.zeros((2, *shape), jnp.int32)


def add_count(total: jax.Array, more: jax.Array) -> jax.Array:
    """Counts and further ones, int32 of their shape; the second number stays below `_UNIT`."""
    second = total[1] + more % _UNIT
    return jnp.stack([total[0] + more // _UNIT + second // _UNIT, second % _UNIT])


def count_value(total: jax.Array) -> jax.Array:
    """The counts as floats."""
    return total[0].astype(float) * _UNIT + total[1].astype(float)


def exact_counts(total: jax.Array) -> np.ndarray:
    """The counts as int64 of numpy, outside `jit`."""
    first, second = np.asarray(total).astype(np.int64)
    return first * _UNIT + second


def new_sum(*shape: int) -> jax.Array:
    """Sums of zero: floats `[2, *shape]`."""
    return jnp.zeros((2, *shape), float)


def add_sum(total: jax.Array, more: jax.Array) -> jax.Array:
    """Sums and further terms. The second number is what rounding has taken from the first (Knuth's two-sum)."""
    old, more = total[0], more.astype(total.dtype)
    new = old + more
    added = new - old
    lost = (old - (new - added)) + (more - added)
    return jnp.stack([new, total[1] + lost])


def sum_value(total: jax.Array) -> jax.Array:
    """The sums as floats."""
    return total[0] + total[1]


def weights(valid: jax.Array | np.ndarray | None, shape: tuple[int, ...]) -> jax.Array:
    """Which entries of an array count, bool of its shape.

    Args:
        valid: bool with the shape's first axes, or all of them; None means that every entry counts.
        shape: of the array.

    Raises:
        ValueError: `valid` has another shape.
    """
    if valid is None:
        return jnp.ones(shape, bool)
    valid = jnp.asarray(valid)
    if valid.shape != shape[: valid.ndim]:
        raise ValueError(f"valid has the shape {valid.shape}, expected {shape} or its first axes")
    return jnp.broadcast_to(valid.astype(bool).reshape(valid.shape + (1,) * (len(shape) - valid.ndim)), shape)
