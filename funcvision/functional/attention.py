"""Attention (Vaswani et al. 2017, https://arxiv.org/abs/1706.03762)."""

import math

import jax
import jax.numpy as jnp

from ._attention import attend

__all__ = ["scaled_dot_product_attention"]


def scaled_dot_product_attention(
    query: jax.Array, key: jax.Array, value: jax.Array, attn_mask: jax.Array | None = None, dropout_p: float = 0.0,
    is_causal: bool = False, *, scale: float | None = None, enable_gqa: bool = False,
    dropout_key: jax.Array | None = None,
) -> jax.Array:
    """`softmax(query @ key.T * scale + mask) @ value`: for each query a weighted mean of the values.

    Here `key` means the keys of attention, as in torch. The random key, called `key` elsewhere, is `dropout_key`.

    Args:
        query: [..., heads, L, E]; any number of leading axes, heads included.
        key: [..., heads, S, E].
        value: [..., heads, S, Ev].
        attn_mask: broadcasts to [..., heads, L, S]. Booleans are True where a query may attend to a key; floating-point
            numbers are added to the logits. A query that may attend to no key gets zeros, and its gradients are zero.
        dropout_p: the probability to drop a weight. There is no `training` argument: pass 0 in evaluation.
        is_causal: query i attends to keys 0 to i only, also where L and S differ.
        scale: factor of the logits, 1 / sqrt(E) by default.
        enable_gqa: `key` and `value` may have fewer heads than `query`; each of them serves a number of neighbouring
            heads of the query (Ainslie et al. 2023, https://arxiv.org/abs/2305.13245).
        dropout_key: random key for dropout.

    Returns:
        [..., heads, L, Ev] in the dtype of the inputs; logits and softmax are float32 at least.

    Raises:
        ValueError: the shapes do not fit together, both a mask and `is_causal` are given, the number of heads of the
            query is no multiple of the others', or dropout has no key.
        TypeError: the inputs differ in dtype or are integers, or the mask is of integers.

    >>> x = jnp.ones((2, 8, 5, 16))
    >>> scaled_dot_product_attention(x, x, x, is_causal=True).shape
    (2, 8, 5, 16)
    """
    _check(query, key, value)
    if is_causal:
        if attn_mask is not None:
            raise ValueError("scaled_dot_product_attention got attn_mask and is_causal=True: put the two in one mask")
        attn_mask = jnp.tri(query.shape[-2], key.shape[-2], dtype=bool)
    if 0 < dropout_p < 1 and dropout_key is None:
        raise ValueError(f"scaled_dot_product_attention with dropout_p={dropout_p} needs dropout_key=jax.random.key(0)")
    if enable_gqa:
        key, value = _repeat_heads(key, query), _repeat_heads(value, query)
    scale = 1 / math.sqrt(max(query.shape[-1], 1)) if scale is None else scale
    return attend(query, key, value, attn_mask, scale, dropout_p, dropout_key)[0]


def _check(query: jax.Array, key: jax.Array, value: jax.Array) -> None:
    shapes = f"query {query.shape}, key {key.shape}, value {value.shape}"
    flat = min(query.ndim, key.ndim, value.ndim) < 2
    if flat or query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise ValueError(
            f"scaled_dot_product_attention takes query [..., L, E], key [..., S, E], value [..., S, Ev]; got {shapes}"
        )
    if not query.dtype == key.dtype == value.dtype or not jnp.issubdtype(query.dtype, jnp.floating):
        raise TypeError(
            "scaled_dot_product_attention takes floating-point arrays of one dtype and got "
            f"query {query.dtype}, key {key.dtype}, value {value.dtype}: cast them"
        )


def _repeat_heads(x: jax.Array, query: jax.Array) -> jax.Array:
    """Repeats each head of `x` [..., heads, S, E] so that it has as many heads as `query`."""
    if min(x.ndim, query.ndim) < 3 or query.shape[-3] % x.shape[-3]:
        raise ValueError(
            "enable_gqa takes [..., heads, length, features] and as many heads in key and value as divide those of "
            f"the query; got a query {query.shape} and {x.shape}"
        )
    return jnp.repeat(x, query.shape[-3] // x.shape[-3], axis=-3)
