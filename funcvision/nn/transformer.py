"""The transformer of Vaswani et al. 2017 (https://arxiv.org/abs/1706.03762), with torch's parameters.

Sequences are [length, batch, d_model], or [batch, length, d_model] with `batch_first`; the batch axis may be left out.
Masks are those of `MultiheadAttention`: True in a boolean mask means to **ignore**; numbers are added to the logits.
"""

import copy
from collections.abc import Callable

import jax
import jax.numpy as jnp

from .. import functional as F
from . import init
from .attention import MultiheadAttention
from .containers import ModuleList
from .conv import TORCH_WEIGHT
from .dropout import Dropout
from .init import Initializer
from .linear import Linear
from .module import Module
from .norm import LayerNorm

__all__ = [
    "Transformer", "TransformerDecoder", "TransformerDecoderLayer", "TransformerEncoder", "TransformerEncoderLayer",
]

Activation = str | Callable[[jax.Array], jax.Array]


def _activation(activation: Activation) -> Callable[[jax.Array], jax.Array]:
    named = {"relu": F.relu, "gelu": F.gelu}
    if not isinstance(activation, str):
        return activation
    if activation not in named:
        raise ValueError(f'activation={activation!r}; give "relu", "gelu" or a function of an array')
    return named[activation]


class _Layer(Module):
    """The residual blocks that encoder and decoder layers share."""

    norm_first: bool
    activation: Callable[[jax.Array], jax.Array]
    linear1: Linear
    dropout: Dropout
    linear2: Linear

    def _add(
        self, x: jax.Array, block: Callable[[jax.Array], jax.Array], norm: LayerNorm, dropout: Dropout
    ) -> jax.Array:
        """The sum of `x` and `block` of it, with the norm after the sum or before the block."""
        return x + dropout(block(norm(x))) if self.norm_first else norm(x + dropout(block(x)))

    def _feed_forward(self, x: jax.Array) -> jax.Array:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))


class TransformerEncoderLayer(_Layer):
    """Self-attention, then two dense layers at each position, each of the two with a shortcut.

    Args:
        d_model: features.
        nhead: the number of attention heads, a divisor of `d_model`.
        dim_feedforward: features between the dense layers.
        dropout: the probability of dropout of attention weights, after each block and between the dense layers.
        activation: "relu", "gelu" or a function, applied between the dense layers.
        layer_norm_eps: the `eps` of the layer norms.
        batch_first: sequences are [batch, length, d_model].
        norm_first: normalise before each block (Xiong et al. 2020, https://arxiv.org/abs/2002.04745), not after it.
        bias: whether dense layers, attention and norms have biases.
        weight_init: initialises the dense layers and the output projection of attention.

    >>> layer = TransformerEncoderLayer(8, 2, 16, batch_first=True)
    >>> params, state = layer.init(jax.random.key(0))
    >>> layer.apply(params, state, jnp.ones((4, 5, 8)))[0].shape
    (4, 5, 8)
    """

    def __init__(
        self, d_model: int, nhead: int, dim_feedforward: int = 2048, dropout: float = 0.1,
        activation: Activation = "relu", layer_norm_eps: float = 1e-5, batch_first: bool = False,
        norm_first: bool = False, bias: bool = True, *, weight_init: Initializer = TORCH_WEIGHT,
    ):
        self.self_attn = MultiheadAttention(
            d_model, nhead, dropout, bias, batch_first=batch_first, weight_init=weight_init
        )
        self.linear1 = Linear(d_model, dim_feedforward, bias, weight_init=weight_init)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, weight_init=weight_init)
        self.norm_first, self.activation = norm_first, _activation(activation)
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias)
        self.dropout1, self.dropout2 = Dropout(dropout), Dropout(dropout)

    def forward(
        self, src: jax.Array, src_mask: jax.Array | None = None, src_key_padding_mask: jax.Array | None = None,
        is_causal: bool = False,
    ) -> jax.Array:
        def attend(x: jax.Array) -> jax.Array:
            return self.self_attn(x, x, x, src_key_padding_mask, False, src_mask, is_causal=is_causal)[0]

        x = self._add(src, attend, self.norm1, self.dropout1)
        return self._add(x, self._feed_forward, self.norm2, self.dropout2)


class TransformerEncoder(Module):
    """`num_layers` layers like `encoder_layer`, one after another, then `norm` if it is given.

    Each layer has its own parameters with their own initial values. In torch all layers have the same initial values.
    """

    def __init__(self, encoder_layer: TransformerEncoderLayer, num_layers: int, norm: Module | None = None):
        self.layers = ModuleList([copy.deepcopy(encoder_layer) for _ in range(num_layers)])
        self.norm = norm

    def forward(
        self, src: jax.Array, mask: jax.Array | None = None, src_key_padding_mask: jax.Array | None = None,
        is_causal: bool = False,
    ) -> jax.Array:
        x = src
        for layer in self.layers:
            x = layer(x, mask, src_key_padding_mask, is_causal)
        return x if self.norm is None else self.norm(x)


class TransformerDecoderLayer(_Layer):
    """Self-attention, attention to `memory`, then two dense layers, each with a shortcut.

    Arguments are those of `TransformerEncoderLayer`.
    """

    def __init__(
        self, d_model: int, nhead: int, dim_feedforward: int = 2048, dropout: float = 0.1,
        activation: Activation = "relu", layer_norm_eps: float = 1e-5, batch_first: bool = False,
        norm_first: bool = False, bias: bool = True, *, weight_init: Initializer = TORCH_WEIGHT,
    ):
        self.self_attn, self.multihead_attn = (
            MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, weight_init=weight_init)
            for _ in range(2)
        )
        self.linear1 = Linear(d_model, dim_feedforward, bias, weight_init=weight_init)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, weight_init=weight_init)
        self.norm_first, self.activation = norm_first, _activation(activation)
        self.norm1, self.norm2, self.norm3 = (LayerNorm(d_model, layer_norm_eps, bias=bias) for _ in range(3))
        self.dropout1, self.dropout2, self.dropout3 = (Dropout(dropout) for _ in range(3))

    def forward(
        self, tgt: jax.Array, memory: jax.Array, tgt_mask: jax.Array | None = None,
        memory_mask: jax.Array | None = None, tgt_key_padding_mask: jax.Array | None = None,
        memory_key_padding_mask: jax.Array | None = None, tgt_is_causal: bool = False, memory_is_causal: bool = False,
    ) -> jax.Array:
        def attend(x: jax.Array) -> jax.Array:
            return self.self_attn(x, x, x, tgt_key_padding_mask, False, tgt_mask, is_causal=tgt_is_causal)[0]

        def attend_to_memory(x: jax.Array) -> jax.Array:
            return self.multihead_attn(
                x, memory, memory, memory_key_padding_mask, False, memory_mask, is_causal=memory_is_causal
            )[0]

        x = self._add(tgt, attend, self.norm1, self.dropout1)
        x = self._add(x, attend_to_memory, self.norm2, self.dropout2)
        return self._add(x, self._feed_forward, self.norm3, self.dropout3)


class TransformerDecoder(Module):
    """`num_layers` layers like `decoder_layer`, then `norm` if it is given, as in `TransformerEncoder`."""

    def __init__(self, decoder_layer: TransformerDecoderLayer, num_layers: int, norm: Module | None = None):
        self.layers = ModuleList([copy.deepcopy(decoder_layer) for _ in range(num_layers)])
        self.norm = norm

    def forward(
        self, tgt: jax.Array, memory: jax.Array, tgt_mask: jax.Array | None = None,
        memory_mask: jax.Array | None = None, tgt_key_padding_mask: jax.Array | None = None,
        memory_key_padding_mask: jax.Array | None = None, tgt_is_causal: bool = False, memory_is_causal: bool = False,
    ) -> jax.Array:
        x = tgt
        for layer in self.layers:
            x = layer(
                x, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask, tgt_is_causal,
                memory_is_causal,
            )
        return x if self.norm is None else self.norm(x)


class Transformer(Module):
    """An encoder of the source, and a decoder of the target that attends to the output of the encoder.

    Both end with a layer norm. Arguments are those of `TransformerEncoderLayer`. Weights are Glorot uniform. Torch's
    `custom_encoder` and `custom_decoder` are not arguments: use `model.replace("encoder", module)`.
    """

    def __init__(
        self, d_model: int = 512, nhead: int = 8, num_encoder_layers: int = 6, num_decoder_layers: int = 6,
        dim_feedforward: int = 2048, dropout: float = 0.1, activation: Activation = "relu", *,
        layer_norm_eps: float = 1e-5, batch_first: bool = False, norm_first: bool = False, bias: bool = True,
    ):
        options = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias)
        glorot = init.xavier_uniform()
        self.encoder = TransformerEncoder(
            TransformerEncoderLayer(*options, weight_init=glorot), num_encoder_layers,
            LayerNorm(d_model, layer_norm_eps, bias=bias),
        )
        self.decoder = TransformerDecoder(
            TransformerDecoderLayer(*options, weight_init=glorot), num_decoder_layers,
            LayerNorm(d_model, layer_norm_eps, bias=bias),
        )

    def forward(
        self, src: jax.Array, tgt: jax.Array, src_mask: jax.Array | None = None, tgt_mask: jax.Array | None = None,
        memory_mask: jax.Array | None = None, src_key_padding_mask: jax.Array | None = None,
        tgt_key_padding_mask: jax.Array | None = None, memory_key_padding_mask: jax.Array | None = None,
        src_is_causal: bool = False, tgt_is_causal: bool = False, memory_is_causal: bool = False,
    ) -> jax.Array:
        memory = self.encoder(src, src_mask, src_key_padding_mask, src_is_causal)
        return self.decoder(
            tgt, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask, tgt_is_causal,
            memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(sz: int) -> jax.Array:
        """A mask [sz, sz] of numbers with which no position attends to a later one.

        >>> Transformer.generate_square_subsequent_mask(2)
        Array([[  0., -inf],
               [  0.,   0.]], dtype=float32)
        """
        return jnp.where(jnp.tri(sz, dtype=bool), jnp.float32(0), -jnp.inf)
