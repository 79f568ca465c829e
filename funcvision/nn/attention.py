"""Multi-head attention with torch's parameters."""

import jax

from .. import functional as F
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

    >>> import jax.numpy as jnp
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
        separate = self.in_proj_weight is None
        p = self.dropout if self.training else 0.0
        return F.multi_head_attention_forward(
            query, key, value, self.embed_dim, self.num_heads, self.in_proj_weight, self.in_proj_bias, self.bias_k,
            self.bias_v, self.add_zero_attn, p, self.out_proj.weight, self.out_proj.bias,
            key_padding_mask=key_padding_mask, need_weights=need_weights, attn_mask=attn_mask,
            use_separate_proj_weight=separate, q_proj_weight=self.q_proj_weight if separate else None,
            k_proj_weight=self.k_proj_weight if separate else None,
            v_proj_weight=self.v_proj_weight if separate else None, average_attn_weights=average_attn_weights,
            is_causal=is_causal, batch_first=self.batch_first, dropout_key=self.random_key() if p > 0 else None,
        )
