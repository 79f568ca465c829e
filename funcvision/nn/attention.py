"""Multi-head attention with torch's parameters."""

import functools
import operator
from typing import Any

import jax
import jax.numpy as jnp

from .. import functional as F
from ..functional._attention import attend, check_mask
from ..functional._precision import accumulation_dtype
from . import init
from .conv import TORCH_WEIGHT
from .init import Initializer
from .linear import Linear
from .module import Module, Param

__all__ = ["MultiheadAttention"]


class MultiheadAttention(Module):
    """Attention with `num_heads` heads in parallel (Vaswani et al. 2017, https://arxiv.org/abs/1706.03762).

    Args:
        embed_dim: features of the query and of the output, a multiple of `num_heads`.
        num_heads: the number of heads.
        dropout: the probability with which an attention weight is dropped in training.
        bias: whether the projections have biases.
        add_bias_kv: append a learned key and value to those given.
        add_zero_attn: append a key and value of zeros to those given.
        kdim: features of the key, `embed_dim` by default.
        vdim: features of the value, `embed_dim` by default.
        batch_first: arrays are [batch, length, features]. By default they are [length, batch, features], as in torch.
        weight_init: initialises `out_proj.weight`. The other projections are Glorot uniform.

    `in_proj_weight` [embed_dim, 3 * embed_dim] holds the projections of query, key and value, in this order. If `kdim`
    or `vdim` differs from `embed_dim`, there are `q_proj_weight`, `k_proj_weight` and `v_proj_weight`, each
    [in, embed_dim], in its place.

    >>> attention = MultiheadAttention(8, 2, batch_first=True)
    >>> params, state = attention.init(jax.random.key(0))
    >>> x = jnp.ones((4, 5, 8))
    >>> (y, weights), _ = attention.apply(params, state, x, x, x)
    >>> y.shape, weights.shape
    ((4, 5, 8), (4, 5, 5))
    """

    def __init__(
        self, embed_dim: int, num_heads: int, dropout: float = 0.0, bias: bool = True, add_bias_kv: bool = False,
        add_zero_attn: bool = False, kdim: int | None = None, vdim: int | None = None, batch_first: bool = False, *,
        weight_init: Initializer = TORCH_WEIGHT,
    ):
        if num_heads <= 0 or embed_dim <= 0 or embed_dim % num_heads:
            raise ValueError(f"embed_dim={embed_dim} must be a positive multiple of num_heads={num_heads}")
        if not 0 <= dropout <= 1:
            raise ValueError(f"dropout={dropout} is not a probability from 0 to 1")
        self.embed_dim, self.num_heads, self.dropout = embed_dim, num_heads, dropout
        self.add_zero_attn, self.batch_first = add_zero_attn, batch_first
        self.kdim, self.vdim = kdim or embed_dim, vdim or embed_dim
        glorot = init.xavier_uniform()
        if self.kdim == self.vdim == embed_dim:
            self.in_proj_weight = Param((3 * embed_dim, embed_dim), glorot, "OI->IO")
        else:
            self.in_proj_weight = None
            self.q_proj_weight = Param((embed_dim, embed_dim), glorot, "OI->IO")
            self.k_proj_weight = Param((embed_dim, self.kdim), glorot, "OI->IO")
            self.v_proj_weight = Param((embed_dim, self.vdim), glorot, "OI->IO")
        self.in_proj_bias = Param((3 * embed_dim,), init.zeros) if bias else None
        self.bias_k = Param((1, 1, embed_dim), init.xavier_normal()) if add_bias_kv else None
        self.bias_v = Param((1, 1, embed_dim), init.xavier_normal()) if add_bias_kv else None
        self.out_proj = Linear(embed_dim, embed_dim, bias, weight_init=weight_init, bias_init=init.zeros)

    def forward(
        self, query: jax.Array, key: jax.Array, value: jax.Array, key_padding_mask: jax.Array | None = None,
        need_weights: bool = True, attn_mask: jax.Array | None = None, average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[jax.Array, jax.Array | None]:
        """(output of the query's shape, attention weights or None).

        In `apply`, pass the key of attention by position: the argument `key=` of `apply` is the random key.

        Args:
            query: [L, N, embed_dim], [N, L, embed_dim] if `batch_first`, or [L, embed_dim].
            key: the same with S keys and `kdim` features.
            value: the same with S values and `vdim` features.
            key_padding_mask: [N, S] or [S]. Booleans: True means to **ignore** a key. As in torch, this is the opposite
                of the masks of `functional.scaled_dot_product_attention`. Numbers are added to the logits.
            need_weights: whether to return the attention weights: [N, L, S], or [L, S] if there is no batch.
            attn_mask: [L, S] or [N * num_heads, L, S]. Booleans: True means to ignore a pair. Numbers are added.
            average_attn_weights: whether to average the weights over heads. Otherwise they are [N, num_heads, L, S].
            is_causal: query i attends only to keys 0 to i. In torch this is a hint that `attn_mask` is causal already.

        A query whose keys are all ignored gets zeros as the input of `out_proj`, and weights of zero. Torch does the
        same without `need_weights` and returns NaN with it.

        Raises:
            ValueError: shapes do not match.
            TypeError: a mask has integers.
        """
        self._check(query, key, value)
        batched = query.ndim == 3
        query, key, value = map(self._split_heads, self._project(query, key, value))
        mask = _merged_mask(query, key, batched, key_padding_mask, attn_mask, is_causal)
        key, value, mask = self._with_extra_keys(key, value, mask)
        p = self.dropout if self.training else 0.0
        scale = query.shape[-1] ** -0.5
        heads, weights = attend(query, key, value, mask, scale, p, self.random_key() if p > 0 else None)
        output = self.out_proj(self._join_heads(heads, batched))
        if not need_weights:
            return output, None
        weights = weights.mean(1) if average_attn_weights else weights
        return output, weights if batched else weights[0]

    def _check(self, query: jax.Array, key: jax.Array, value: jax.Array) -> None:
        given = query.shape, key.shape, value.shape
        axis = 0 if self.batch_first else 1
        fits = (
            query.ndim in (2, 3) and query.ndim == key.ndim == value.ndim and key.shape[:-1] == value.shape[:-1]
            and (query.ndim == 2 or query.shape[axis] == key.shape[axis])
            and [shape[-1] for shape in given] == [self.embed_dim, self.kdim, self.vdim]
        )
        if not fits:
            layout = "batch, length" if self.batch_first else "length, batch"
            raise ValueError(
                f"MultiheadAttention takes query [{layout}, {self.embed_dim}], key [{layout}, {self.kdim}] and value "
                f"[{layout}, {self.vdim}], or all without the batch axis; got {given[0]}, {given[1]} and {given[2]}"
            )

    def _project(self, query: jax.Array, key: jax.Array, value: jax.Array) -> list[jax.Array]:
        if self.in_proj_weight is None:
            weights = [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]
        elif query is key is value:  # one matrix product is faster than three
            return jnp.split(F.linear(query, self.in_proj_weight, self.in_proj_bias), 3, axis=-1)
        else:
            weights = jnp.split(self.in_proj_weight, 3, axis=-1)
        biases = [None] * 3 if self.in_proj_bias is None else jnp.split(self.in_proj_bias, 3)
        return [F.linear(*args) for args in zip((query, key, value), weights, biases, strict=True)]

    def _split_heads(self, x: jax.Array) -> jax.Array:
        """From the layout of `forward` to [N, heads, length, features of a head]. Without a batch N is 1."""
        x = x.reshape(*x.shape[:-1], self.num_heads, self.embed_dim // self.num_heads)
        if x.ndim == 3:
            return x.swapaxes(0, 1)[None]
        return x.transpose((0, 2, 1, 3) if self.batch_first else (1, 2, 0, 3))

    def _join_heads(self, x: jax.Array, batched: bool) -> jax.Array:
        """The inverse of `_split_heads`."""
        x = x.transpose((0, 2, 1, 3) if self.batch_first or not batched else (2, 0, 1, 3))
        x = x.reshape(*x.shape[:2], self.embed_dim)
        return x if batched else x[0]

    def _with_extra_keys(
        self, key: jax.Array, value: jax.Array, mask: jax.Array | None
    ) -> tuple[jax.Array, jax.Array, jax.Array | None]:
        """Appends the keys and values of `add_bias_kv` and `add_zero_attn`. All queries may attend to these."""
        one = (*key.shape[:2], 1, key.shape[3])
        if self.bias_k is not None and self.bias_v is not None:
            bias_k, bias_v = (
                jnp.broadcast_to(bias.astype(key.dtype).reshape(1, self.num_heads, 1, -1), one)
                for bias in (self.bias_k, self.bias_v)
            )
            key, value = jnp.concatenate([key, bias_k], 2), jnp.concatenate([value, bias_v], 2)
        if self.add_zero_attn:
            zeros = jnp.zeros(one, key.dtype)
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
