"""The first and the last step of every loss: operands of one precision and shape, and the reduction."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from ._mesh import broadcast_to
from ._precision import at_least_float32

__all__ = ["Factor", "factor", "operands", "reduce", "same_shape"]

Factor = jax.Array | Sequence[float] | None


def operands(function: str, input: jax.Array, *others: jax.Array) -> tuple[jax.Array, ...]:
    """Casts all arrays to the precision of the computation: float32, or float64 if `input` is float64.

    Raises:
        ValueError: the arrays differ in shape. `function` is the caller's name, for the error.
        TypeError: `input` is not floating-point.
    """
    wide = at_least_float32(input)
    for other in others:
        if other.shape != input.shape:
            raise ValueError(
                f"{function} compares arrays of one shape and got {input.shape} and {other.shape}; "
                "nothing is broadcast, so reshape one of them"
            )
    return wide, *(other.astype(wide.dtype) for other in others)


def factor(given: Factor, x: jax.Array, name: str) -> jax.Array:
    """An optional factor of a loss, broadcast to the shape of `x` and in its dtype; ones if it is None.

    Raises:
        ValueError: it does not broadcast to that shape. `name` is the argument's name, for the error.
    """
    array = jnp.asarray(1 if given is None else given)
    try:
        return broadcast_to(array.astype(x.dtype), x.shape, x)
    except ValueError:
        raise ValueError(f"{name} must broadcast to the shape of the input, {x.shape}; it is {array.shape}") from None


def same_shape(weight: jax.Array, loss: jax.Array) -> jax.Array:
    """`weight` in the dtype of `loss`. Raises ValueError unless it has the shape of `loss`."""
    if weight.shape != loss.shape:
        raise ValueError(f"weight must have the shape of the input, {loss.shape}; it is {weight.shape}")
    return weight.astype(loss.dtype)


def reduce(loss: jax.Array, reduction: str, total: jax.Array | None = None) -> jax.Array:
    """Reduces the losses of all elements to one number.

    Args:
        loss: [...].
        reduction: "sum", "mean", or "none" to return `loss` unchanged.
        total: what "mean" divides the sum by; the number of elements by default.

    Raises:
        ValueError: `reduction` is none of the three.
    """
    if reduction == "none":
        return loss
    if reduction not in ("mean", "sum"):
        raise ValueError(f"reduction={reduction!r} is unknown; give 'mean', 'sum' or 'none'")
    if reduction == "sum":
        return jnp.sum(loss)
    return jnp.mean(loss) if total is None else jnp.sum(loss) / total
