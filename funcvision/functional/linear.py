"""Dense products and table look-ups."""

import jax
import jax.numpy as jnp

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
    y = x @ weight.astype(x.dtype)
    return y if bias is None else y + jnp.broadcast_to(bias.astype(x.dtype), y.shape)


def bilinear(x1: jax.Array, x2: jax.Array, weight: jax.Array, bias: jax.Array | None = None) -> jax.Array:
    """`y[o] = x1 @ weight[o] @ x2 + bias[o]`: [..., in1] and [..., in2] to [..., out]; weight [out, in1, in2]."""
    y = jnp.einsum("...i,oij,...j->...o", x1, weight.astype(x1.dtype), x2)
    return y if bias is None else y + jnp.broadcast_to(bias.astype(x1.dtype), y.shape)


def embedding(input: jax.Array, weight: jax.Array, padding_idx: int | None = None) -> jax.Array:
    """Rows of a table: indices [...] into weight [rows, features] to [..., features].

    The row `padding_idx` gets no gradient. An index outside the table gives NaN, since traced values cannot be checked.

    Raises:
        TypeError: the indices are not integers.
    """
    if not jnp.issubdtype(input.dtype, jnp.integer):
        raise TypeError(f"embedding takes integer indices and got {input.dtype}")
    rows = jnp.take(weight, input, axis=0, mode="fill")
    if padding_idx is None:
        return rows
    padding = (input == padding_idx % weight.shape[0])[..., None]
    return jnp.where(padding, jax.lax.stop_gradient(rows), rows)


def one_hot(input: jax.Array, num_classes: int = -1) -> jax.Array:
    """Integers [...] to [..., num_classes] with a 1 at each, in their dtype.

    Without `num_classes` it is one more than the largest, which needs concrete values: under jit, give it.
    Indices outside the classes give a row of zeros, since traced values cannot be checked.

    >>> one_hot(jnp.array([0, 2]), 3)
    Array([[1, 0, 0],
           [0, 0, 1]], dtype=int32)
    """
    if num_classes == -1:
        if isinstance(input, jax.core.Tracer):
            raise ValueError("one_hot cannot find the number of classes under jit: pass num_classes")
        num_classes = int(input.max()) + 1
    return jax.nn.one_hot(input, num_classes, dtype=input.dtype)
