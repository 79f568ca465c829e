"""Affine and bilinear maps."""

import math

import jax
import jax.numpy as jnp

from ._mesh import broadcast_to, by_compiler, sharded_axes
from ._precision import weight_for

__all__ = ["bilinear", "linear"]


def linear(x: jax.Array, weight: jax.Array, bias: jax.Array | None = None) -> jax.Array:
    """The affine map `x @ weight + bias` over the last axis.

    Args:
        x: [..., in].
        weight: [in, out], the transpose of torch's; cast to the dtype of `x`.
        bias: [out], cast to the dtype of `x`.

    Returns:
        [..., out] in the dtype of `x`.

    Raises:
        TypeError: `x` holds integers and `weight` does not.
        ValueError: the last axis of `x` is not the first of `weight`.
    """
    if x.shape[-1:] != weight.shape[:1]:
        raise ValueError(f"linear takes [..., {weight.shape[0]}] for a weight {weight.shape} and got {x.shape}")
    y = by_compiler(
        _product, x, weight_for(x, weight), result=lambda: (*sharded_axes(x)[:-1], sharded_axes(weight)[-1])
    )
    return y if bias is None else y + broadcast_to(bias.astype(x.dtype), y.shape, y)


def _product(x: jax.Array, weight: jax.Array) -> jax.Array:
    """`x @ weight` with `x` reshaped to a matrix.

    With more axes, XLA would copy and transpose both operands of the gradient with respect to the weight.
    """
    if x.ndim <= 2:
        return x @ weight
    rows = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
    return (rows @ weight).reshape(*x.shape[:-1], weight.shape[-1])


def bilinear(x1: jax.Array, x2: jax.Array, weight: jax.Array, bias: jax.Array | None = None) -> jax.Array:
    """The bilinear map `y[o] = x1 @ weight[o] @ x2 + bias[o]`.

    Args:
        x1: [..., in1].
        x2: [..., in2], with the leading axes and the dtype of `x1`.
        weight: [out, in1, in2], cast to the dtype of `x1`.
        bias: [out], cast to the dtype of `x1`.

    Returns:
        [..., out] in the dtype of `x1`.

    Raises:
        ValueError: the last axes are not in1 and in2, or the leading axes differ.
    """
    if x1.shape[:-1] != x2.shape[:-1] or (*x1.shape[-1:], *x2.shape[-1:]) != weight.shape[1:]:
        raise ValueError(
            f"bilinear takes [..., {weight.shape[1]}] and [..., {weight.shape[2]}] for a weight {weight.shape} and got "
            f"{x1.shape} and {x2.shape}"
        )
    y = jnp.einsum("...i,oij,...j->...o", x1, weight_for(x1, weight), x2)
    return y if bias is None else y + broadcast_to(bias.astype(x1.dtype), y.shape, y)
