"""What every loss begins and ends with: operands in one precision and shape, and a reduction."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from ._precision import at_least_float32

__all__ = ["Factor", "factor", "operands", "reduce", "same_shape"]

Factor = jax.Array | Sequence[float] | None


def operands(function: str, input: jax.Array, *others: jax.Array) -> tuple[jax.Array, ...]:
    """All arrays in the precision of the computation; raises unless they have one shape."""
    wide = at_least_float32(input)
    for other in others:
        if other.shape != input.shape:
            raise ValueError(
                f"{function} compares arrays of one shape and got {input.shape} and {other.shape}; "
                "nothing is broadcast, so reshape one of them"
            )
    return wide, *(other.astype(wide.dtype) for other in others)


def factor(given: Factor, x: jax.Array, name: str) -> jax.Array:
    """A factor in the precision and shape of `x`; 1 if none is given."""
    array = jnp.asarray(1 if given is None else given)
    try:
        return jnp.broadcast_to(array.astype(x.dtype), x.shape)
    except ValueError:
        raise ValueError(f"{name} must broadcast to the shape of the input, {x.shape}; it is {array.shape}") from None


def same_shape(weight: jax.Array, loss: jax.Array) -> jax.Array:
    """`weight` in the precision of `loss`; raises unless it has its shape."""
    if weight.shape != loss.shape:
        raise ValueError(f"weight must have the shape of the input, {loss.shape}; it is {weight.shape}")
    return weight.astype(loss.dtype)


def reduce(loss: jax.Array, reduction: str, total: jax.Array | None = None) -> jax.Array:
    """The sum, the mean (the sum divided by `total`, or by the number of elements), or the loss of every element."""
    if reduction == "none":
        return loss
    if reduction not in ("mean", "sum"):
        raise ValueError(f"reduction={reduction!r}; it is 'mean', 'sum' or 'none'")
    if reduction == "sum":
        return jnp.sum(loss)
    return jnp.mean(loss) if total is None else jnp.sum(loss) / total
