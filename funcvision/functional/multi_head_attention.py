"""Attention with several heads in parallel (Vaswani et al. 2017, https://arxiv.org/abs/1706.03762)."""

import functools
import operator
from typing import Any

import jax
import jax.numpy as jnp

from ._attention import attend, check_mask
from ._mesh import broadcast_to
from ._precision import accumulation_dtype
from .linear import linear

__all__ = ["multi_head_attention_forward"]


def multi_head_attention_forward(
    query: jax.Array, key: jax.Array, value: jax.Array, embed_dim_to_check: int, num_heads: int,
    in_proj_weight: jax.Array | None, in_proj_bias: jax.Array | None, bias_k: jax.Array | None,
    bias_v: jax.Array | None, add_zero_attn: bool, dropout_p: float, out_proj_weight: jax.Array,
    out_proj_bias: jax.Array | None, training: bool = True, key_padding_mask: jax.Array | None = None,
    need_weights: bool = True, attn_mask: jax.Array | None = None, use_separate_proj_weight: bool = False,
    q_proj_weight: jax.Array | None = None, k_proj_weight: jax.Array | None = None,
    v_proj_weight: jax.Array | None = None, static_k: jax.Array | None = None, static_v: jax.Array | None = None,
    average_attn_weights: bool = True, is_causal: bool = False, *, batch_first: bool = False,
    dropout_key: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array | None]:
    """What `nn.MultiheadAttention` computes, for given weights.

    Weights are [in, out], the transpose of torch's. A query whose keys are all ignored gets zeros as the input of the
    last projection, and weights of zero. Torch does the same without `need_weights` and returns NaN with it.

    Args:
        query: [L, N, embed_dim], or [L, embed_dim] without a batch.
        key: the same with S keys, and any number of features.
        value: the same with S values, and any number of features.
        embed_dim_to_check: the number of features that the query must have.
        num_heads: the number of heads, a divisor of `embed_dim_to_check`.
        in_proj_weight: the projections of query, key and value side by side, [embed_dim, 3 * embed_dim].
        in_proj_bias: [3 * embed_dim].
        bias_k: [1, 1, embed_dim], a projected key to append.
        bias_v: [1, 1, embed_dim], a projected value to append; given if `bias_k` is.
        add_zero_attn: append a projected key and value of zeros.
        dropout_p: the probability to drop an attention weight while training.
        out_proj_weight: the projection of the result, [embed_dim, embed_dim].
        out_proj_bias: [embed_dim].
        training: whether dropout is on.
        key_padding_mask: [N, S] or [S]. Booleans: True means to **ignore** a key. As in torch, this is the opposite of
            the masks of `scaled_dot_product_attention`. Numbers are added to the logits.
        need_weights: whether to return the attention weights.
        attn_mask: [L, S] or [N * num_heads, L, S]. Booleans: True means to ignore a pair. Numbers are added.
        use_separate_proj_weight: project by the next three weights, not by `in_proj_weight`.
        q_proj_weight: [embed_dim, embed_dim].
        k_proj_weight: [features of the key, embed_dim].
        v_proj_weight: [features of the value, embed_dim].
        static_k: projected keys to use instead of those of `key`, [N * num_heads, S, embed_dim / num_heads].
        static_v: projected values to use instead of those of `value`, of the same shape.
        average_attn_weights: whether to average the weights over heads. Otherwise they are [N, num_heads, L, S].
        is_causal: query i attends only to keys 0 to i. In torch this is a hint that `attn_mask` is causal already.
        batch_first: query, key, value and result have the axes [N, L, features].
        dropout_key: random key for dropout. `key` means the keys of attention.

    Returns:
        The output, of the query's shape, and the attention weights [N, L, S], [L, S] without a batch, or None.

    Raises:
        ValueError: shapes or options do not fit together, or dropout has no key.
        TypeError: a mask is of integers.
    """
    embed_dim = embed_dim_to_check
    if num_heads <= 0 or embed_dim <= 0 or embed_dim % num_heads:
        raise ValueError(f"embed_dim={embed_dim} must be a positive multiple of num_heads={num_heads}")
    if (bias_k is None) != (bias_v is None):
        raise ValueError("multi_head_attention_forward takes bias_k and bias_v together, or none of them")
    if bias_k is not None and (static_k is not None or static_v is not None):
        raise ValueError("multi_head_attention_forward cannot append bias_k and bias_v to static_k and static_v")
    separate = (q_proj_weight, k_proj_weight, v_proj_weight)
    weights = _projections(embed_dim, in_proj_weight, separate if use_separate_proj_weight else None)
    _check(query, key, value, (embed_dim, weights[1].shape[0], weights[2].shape[0]), batch_first)
    batched = query.ndim == 3
    packed = None if use_separate_proj_weight else in_proj_weight
    projected = _projected(query, key, value, weights, packed, in_proj_bias)
    query, key, value = (_split_heads(x, num_heads, batch_first) for x in projected)
    key, value = _static("static_k", static_k, key), _static("static_v", static_v, value)
    mask = _merged_mask(query, key, batched, key_padding_mask, attn_mask, is_causal)
    key, value, mask = _with_extra_keys(key, value, mask, bias_k, bias_v, add_zero_attn)
    p, scale = dropout_p if training else 0.0, query.shape[-1] ** -0.5
    heads, attention = attend(query, key, value, mask, scale, p, dropout_key)
    output = linear(_join_heads(heads, batched, batch_first), out_proj_weight, out_proj_bias)
    if not need_weights:
        return output, None
    attention = attention.mean(1) if average_attn_weights else attention
    return output, attention if batched else attention[0]


Separate = tuple[jax.Array | None, jax.Array | None, jax.Array | None]


def _projections(embed_dim: int, packed: jax.Array | None, separate: Separate | None) -> list[jax.Array]:
    """The weights that project query, key and value."""
    if separate is None:
        if packed is None or packed.shape != (embed_dim, 3 * embed_dim):
            given = "None" if packed is None else packed.shape
            raise ValueError(f"in_proj_weight has the shape {(embed_dim, 3 * embed_dim)}; got {given}")
        return jnp.split(packed, 3, axis=-1)
    weights = [weight for weight in separate if weight is not None]
    if len(weights) < 3 or any(weight.ndim != 2 or weight.shape[1] != embed_dim for weight in weights):
        shapes = [weight.shape for weight in weights]
        raise ValueError(f"q_proj_weight, k_proj_weight and v_proj_weight are [in, {embed_dim}] each; got {shapes}")
    return weights


def _check(
    query: jax.Array, key: jax.Array, value: jax.Array, features: tuple[int, int, int], batch_first: bool
) -> None:
    given = query.shape, key.shape, value.shape
    axis = 0 if batch_first else 1
    fits = (
        query.ndim in (2, 3) and query.ndim == key.ndim == value.ndim and key.shape[:-1] == value.shape[:-1]
        and (query.ndim == 2 or query.shape[axis] == key.shape[axis])
        and tuple(shape[-1] for shape in given) == features
    )
    if not fits:
        layout = "batch, length" if batch_first else "length, batch"
        raise ValueError(
            f"multi-head attention takes query [{layout}, {features[0]}], key [{layout}, {features[1]}] and value "
            f"[{layout}, {features[2]}], or all without the batch axis; got {given[0]}, {given[1]} and {given[2]}"
        )


def _projected(
    query: jax.Array, key: jax.Array, value: jax.Array, weights: list[jax.Array], packed: jax.Array | None,
    bias: jax.Array | None,
) -> list[jax.Array]:
    if packed is not None and query is key is value:  # one matrix product is faster than three
        return jnp.split(linear(query, packed, bias), 3, axis=-1)
    biases = [None] * 3 if bias is None else jnp.split(bias, 3)
    return [linear(*args) for args in zip((query, key, value), weights, biases, strict=True)]


def _split_heads(x: jax.Array, heads: int, batch_first: bool) -> jax.Array:
    """From the layout of the input to [N, heads, length, features of a head]. Without a batch N is 1."""
    x = x.reshape(*x.shape[:-1], heads, x.shape[-1] // heads)
    if x.ndim == 3:
        return x.swapaxes(0, 1)[None]
    return x.transpose((0, 2, 1, 3) if batch_first else (1, 2, 0, 3))


def _join_heads(x: jax.Array, batched: bool, batch_first: bool) -> jax.Array:
    """The inverse of `_split_heads`."""
    x = x.transpose((0, 2, 1, 3) if batch_first or not batched else (2, 0, 1, 3))
    x = x.reshape(*x.shape[:2], x.shape[2] * x.shape[3])
    return x if batched else x[0]


def _static(name: str, given: jax.Array | None, projected: jax.Array) -> jax.Array:
    """Keys or values [N * heads, S, features], if they are given, in place of the projected [N, heads, S, features]."""
    if given is None:
        return projected
    n, heads, _, features = projected.shape
    if given.ndim != 3 or (given.shape[0], given.shape[2]) != (n * heads, features):
        raise ValueError(f"{name} has the shape [{n * heads}, S, {features}] here; got {given.shape}")
    return given.reshape(n, heads, given.shape[1], features)


def _with_extra_keys(
    key: jax.Array, value: jax.Array, mask: jax.Array | None, bias_k: jax.Array | None, bias_v: jax.Array | None,
    add_zero_attn: bool,
) -> tuple[jax.Array, jax.Array, jax.Array | None]:
    """Appends the keys and values of `add_bias_kv` and `add_zero_attn`. All queries may attend to these."""
    one = (*key.shape[:2], 1, key.shape[3])
    if bias_k is not None and bias_v is not None:
        extra_k, extra_v = (
            broadcast_to(bias.astype(key.dtype).reshape(1, key.shape[1], 1, -1), one, key) for bias in (bias_k, bias_v)
        )
        key, value = jnp.concatenate([key, extra_k], 2), jnp.concatenate([value, extra_v], 2)
    if add_zero_attn:
        zeros = broadcast_to(jnp.zeros((), key.dtype), one, key)
        key, value = jnp.concatenate([key, zeros], 2), jnp.concatenate([value, zeros], 2)
    if mask is not None and mask.shape[3] < key.shape[2]:
        mask = jnp.pad(mask, ((0, 0), (0, 0), (0, 0), (0, key.shape[2] - mask.shape[3])))
    return key, value, mask


def _merged_mask(
    query: jax.Array, key: jax.Array, batched: bool, key_padding_mask: jax.Array | None, attn_mask: jax.Array | None,
    is_causal: bool,
) -> jax.Array | None:
    """The sum of all masks, as numbers to add to the logits [N, heads, L, S]."""
    n, heads, length, _ = query.shape
    keys = key.shape[2]
    dtype = accumulation_dtype(query.dtype)
    masks = []
    if key_padding_mask is not None:
        expected = (n, keys) if batched else (keys,)
        if key_padding_mask.shape != expected:
            raise ValueError(f"key_padding_mask has shape {key_padding_mask.shape}; these keys need {expected}")
        masks.append(_additive("key_padding_mask", key_padding_mask, dtype).reshape(n, 1, 1, keys))
    if attn_mask is not None:
        expected = (length, keys), (n * heads, length, keys)
        if attn_mask.shape not in expected:
            raise ValueError(f"attn_mask has shape {attn_mask.shape}; these arrays need {expected[0]} or {expected[1]}")
        leading = (1, 1) if attn_mask.ndim == 2 else (n, heads)
        masks.append(_additive("attn_mask", attn_mask, dtype).reshape(*leading, length, keys))
    if is_causal:
        masks.append(_additive("causal mask", ~jnp.tri(length, keys, dtype=bool), dtype)[None, None])
    return functools.reduce(operator.add, masks) if masks else None


def _additive(name: str, mask: jax.Array, dtype: Any) -> jax.Array:
    """A mask as numbers: minus infinity where a boolean mask is True."""
    check_mask(name, mask)
    if mask.dtype == jnp.bool_:
        return jnp.where(mask, jnp.array(-jnp.inf, dtype), jnp.array(0, dtype))
    return mask.astype(dtype)
