"""Dense products and table look-ups."""

import math

import jax
import jax.numpy as jnp
from jax.core import Tracer

from ._mesh import has_typed_axes

__all__ = ["bilinear", "embedding", "linear", "one_hot"]


def linear(x: jax.Array, weight: jax.Array, bias: jax.Array | None = None) -> jax.Array:
    """The affine map `x @ weight + bias` over the last axis.

    Args:
        x: [..., in].
        weight: [in, out] (torch's transposed), cast to the dtype of `x`.
        bias: [out].

    Returns:
        [..., out].

    Raises:
        ValueError: the last axis of `x` is not the first of `weight`.
    """
    if x.shape[-1:] != weight.shape[:1]:
        raise ValueError(f"linear takes [..., {weight.shape[0]}] for a weight {weight.shape} and got {x.shape}")
    y = _product(x, weight.astype(x.dtype))
    return y if bias is None else y + jnp.broadcast_to(bias.astype(x.dtype), y.shape)


def _product(x: jax.Array, weight: jax.Array) -> jax.Array:
    """`x @ weight`, of matrices: of more axes, XLA would transpose copies of both for the gradient of the weight."""
    if x.ndim <= 2 or has_typed_axes():
        return x @ weight
    rows = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
    return (rows @ weight).reshape(*x.shape[:-1], weight.shape[-1])


def bilinear(x1: jax.Array, x2: jax.Array, weight: jax.Array, bias: jax.Array | None = None) -> jax.Array:
    """`y[o] = x1 @ weight[o] @ x2 + bias[o]`: [..., in1] and [..., in2] to [..., out]; weight [out, in1, in2].

    Raises:
        ValueError: features that are not those of the weight, or different leading axes.
    """
    if x1.shape[:-1] != x2.shape[:-1] or (*x1.shape[-1:], *x2.shape[-1:]) != weight.shape[1:]:
        raise ValueError(
            f"bilinear takes [..., {weight.shape[1]}] and [..., {weight.shape[2]}] for a weight {weight.shape} and got "
            f"{x1.shape} and {x2.shape}"
        )
    y = jnp.einsum("...i,oij,...j->...o", x1, weight.astype(x1.dtype), x2)
    return y if bias is None else y + jnp.broadcast_to(bias.astype(x1.dtype), y.shape)


def embedding(input: jax.Array, weight: jax.Array, padding_idx: int | None = None) -> jax.Array:
    """Rows of a table: indices [...] into weight [rows, features] to [..., features].

    The row `padding_idx`, counted from the end if negative, gets no gradient. An index outside the table, a negative
    one too, gives NaN, since traced values cannot be checked.

    Raises:
        TypeError: the indices are not integers.
        ValueError: `padding_idx` is no row of the table.
    """
    if not jnp.issubdtype(input.dtype, jnp.integer):
        raise TypeError(f"embedding takes integer indices and got {input.dtype}")
    rows = weight.at[input].get(mode="fill", wrap_negative_indices=False)
    if padding_idx is None:
        return rows
    if not -weight.shape[0] <= padding_idx < weight.shape[0]:
        raise ValueError(f"padding_idx={padding_idx} is no row of a table of {weight.shape[0]}")
    padding = (input == padding_idx % weight.shape[0])[..., None]
    return jnp.where(padding, jax.lax.stop_gradient(rows), rows)


def one_hot(input: jax.Array, num_classes: int = -1) -> jax.Array:
    """Integers [...] to [..., num_classes] with a 1 at each, in their dtype.

    Without `num_classes` it is one more than the largest, which needs concrete values: under jit, give it.
    Indices outside the classes give a row of zeros, since traced values cannot be checked.

    Raises:
        TypeError: `input` is not of integers.
        ValueError: `num_classes` is neither -1 nor positive, or is not given and cannot be found.

    >>> one_hot(jnp.array([0, 2]), 3)
    Array([[1, 0, 0],
           [0, 0, 1]], dtype=int32)
    """
    if not jnp.issubdtype(input.dtype, jnp.integer):
        raise TypeError(f"one_hot takes integers and got {input.dtype}")
    if num_classes < 1 and num_classes != -1:
        raise ValueError(f"one_hot takes num_classes of 1 or more, or -1 to find it; got {num_classes}")
    if num_classes == -1:
        if isinstance(input, Tracer) or not input.size:
            raise ValueError("one_hot cannot find the number of classes under jit or of no input: pass num_classes")
        num_classes = int(input.max()) + 1
    return jax.nn.one_hot(input, num_classes, dtype=input.dtype)
