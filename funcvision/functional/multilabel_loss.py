"""Losses for samples that have several classes at once. Precision and `reduction` are those of `loss.py`."""

import jax
import jax.numpy as jnp
from jax import lax

from ._loss_terms import Factor, factor, operands, reduce
from ._precision import at_least_float32
from .activation import logsigmoid

__all__ = ["multilabel_margin_loss", "multilabel_soft_margin_loss"]


def multilabel_margin_loss(input: jax.Array, target: jax.Array, *, reduction: str = "mean") -> jax.Array:
    """The sum of `max(0, 1 - x[y] + x[i])` over target classes y and other classes i, divided by the number of classes.

    Args:
        input: scores x, [batch, classes] or [classes].
        target: class indices, integers of the same shape. The targets of a sample are those before its first negative
            number. A target that is no class makes the loss NaN.
        reduction: "mean", "sum" or "none".

    Returns:
        A scalar, or [batch] if `reduction` is "none".

    Raises:
        ValueError: the shapes differ, or `reduction` is unknown.
        TypeError: `input` is not floating-point, or `target` is not of integers.
    """
    if input.ndim not in (1, 2) or target.shape != input.shape:
        raise ValueError(
            "multilabel_margin_loss takes scores [batch, classes] or [classes] and as many targets; got shapes "
            f"{input.shape} and {target.shape}"
        )
    if not jnp.issubdtype(target.dtype, jnp.integer):
        raise TypeError(f"multilabel_margin_loss takes integer class indices and got {target.dtype}")
    x, classes, target = at_least_float32(input), input.shape[-1], target.astype(jnp.int32)
    given = jnp.cumsum(target < 0, -1) == 0  # before the first negative number
    index = lax.broadcasted_iota(jnp.int32, (*target.shape, classes), target.ndim)
    chosen = (target[..., None] == index) & given[..., None]
    is_target = jnp.any(chosen, -2)
    at_target = jnp.sum(jnp.where(chosen, x[..., None, :], 0), -1)
    differences = 1 - at_target[..., None] + x[..., None, :]
    counted = given[..., None] & ~is_target[..., None, :] & (differences > 0)
    loss = jnp.sum(jnp.where(counted, differences, 0), (-2, -1)) / max(classes, 1)
    return reduce(jnp.where(jnp.any(given & (target >= classes), -1), jnp.nan, loss), reduction).astype(input.dtype)


def multilabel_soft_margin_loss(
    input: jax.Array, target: jax.Array, weight: Factor = None, *, reduction: str = "mean"
) -> jax.Array:
    """The negative log-likelihood of `target` under `sigmoid(input)`, averaged over classes.

    Args:
        input: logits [..., classes].
        target: 0 or 1 for each class, of the same shape.
        weight: a factor that broadcasts to the shape of `input`, such as one for each class.
        reduction: "mean", "sum" or "none".

    Returns:
        A scalar, or [...] if `reduction` is "none".

    Raises:
        ValueError: the shapes do not fit together, or `reduction` is unknown.
        TypeError: `input` is not floating-point.
    """
    x, y = operands("multilabel_soft_margin_loss", input, target)
    loss = -(y * logsigmoid(x) + (1 - y) * logsigmoid(-x)) * factor(weight, x, "weight")
    return reduce(jnp.mean(loss, -1), reduction).astype(input.dtype)
