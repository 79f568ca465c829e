"""Multiscale vision transformers, whose attention pools queries, keys and values (Fan et al. 2021).

https://arxiv.org/abs/2104.11227; version 2, with relative positions: Li et al. 2021, https://arxiv.org/abs/2112.01526.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .... import functional as F
from .... import nn
from ....nn import init
from ...ops import MLP, StochasticDepth
from .._initial import narrow_linear
from .._zoo.registry import register

__all__ = ["MSBlockConfig", "MViT", "MultiscaleAttention", "MultiscaleBlock", "mvit_v1_b", "mvit_v2_s"]

Layer = Callable[..., nn.Module]
Sides = tuple[int, int, int]
NARROW = init.trunc_normal(std=0.02)
_norm = partial(nn.LayerNorm, eps=1e-6)


@dataclass(frozen=True)
class MSBlockConfig:
    """A block.

    Attributes:
        num_heads: of its attention.
        input_channels: of each token.
        output_channels: of each token after the block.
        kernel_q: of the convolution that pools queries, in time, height and width; empty for none.
        kernel_kv: of those that pool keys and values.
        stride_q: by which queries are pooled, and with them the tokens; empty for none.
        stride_kv: by which keys and values are pooled.
    """

    num_heads: int
    input_channels: int
    output_channels: int
    kernel_q: Sequence[int]
    kernel_kv: Sequence[int]
    stride_q: Sequence[int]
    stride_kv: Sequence[int]


class _Pool(nn.Module):
    """Pools the tokens of a clip, but not the class token, which is the first.

    Args:
        pool: a convolution or a pooling layer of clips.
        norm: applied to all tokens afterwards; None for none.
    """

    def __init__(self, pool: nn.Module, norm: nn.Module | None):
        self.pool = pool
        self.norm_act = None if norm is None else nn.Sequential(norm)

    def forward(self, x: jax.Array, size: Sides) -> tuple[jax.Array, Sides]:
        """Maps tokens [..., 1 + time * height * width, channels] to fewer, whose time, height and width it returns."""
        *lead, _, channels = x.shape
        clip = self.pool(x[..., 1:, :].reshape(-1, *size, channels))
        tokens = jnp.concatenate([x[..., :1, :], clip.reshape(*lead, -1, channels)], -2)
        if self.norm_act is not None:
            tokens = self.norm_act(tokens)
        return tokens, clip.shape[1:-1]


def _pooling(channels: int, kernel: Sequence[int], stride: Sequence[int], norm_layer: Layer) -> _Pool | None:
    """A depthwise convolution; None where it would change nothing."""
    if math.prod(kernel) == 1 and math.prod(stride) == 1:
        return None
    padding = tuple(length // 2 for length in kernel)
    conv = nn.Conv3d(channels, channels, tuple(kernel), tuple(stride), padding, groups=channels, bias=False)
    return _Pool(conv, norm_layer(channels))


class MultiscaleAttention(nn.Module):
    """Attention between pooled tokens.

    Args:
        input_size: time, height and width of the tokens.
        embed_dim: channels of a token.
        output_dim: channels of the result.
        num_heads: number of heads.
        kernel_q: see `MSBlockConfig`.
        kernel_kv: see `MSBlockConfig`.
        stride_q: see `MSBlockConfig`.
        stride_kv: see `MSBlockConfig`.
        residual_pool: whether the pooled queries are added to the result.
        residual_with_cls_embed: whether they are added for the class token, too.
        rel_pos_embed: whether logits get a bias for each relative position in time, height and width.
        dropout: probability to drop an element of the output.
        norm_layer: called with a number of channels.
    """

    def __init__(
        self, input_size: Sequence[int], embed_dim: int, output_dim: int, num_heads: int, kernel_q: Sequence[int],
        kernel_kv: Sequence[int], stride_q: Sequence[int], stride_kv: Sequence[int], residual_pool: bool,
        residual_with_cls_embed: bool, rel_pos_embed: bool, dropout: float = 0.0, norm_layer: Layer = nn.LayerNorm,
    ):
        self.num_heads, self.head_dim = num_heads, output_dim // num_heads
        self.residual_pool, self.residual_with_cls_embed = residual_pool, residual_with_cls_embed
        self.qkv = nn.Linear(embed_dim, 3 * output_dim)
        dropped = [nn.Dropout(dropout)] if dropout > 0 else []
        self.project = nn.Sequential(nn.Linear(output_dim, output_dim), *dropped)
        self.pool_q = _pooling(self.head_dim, kernel_q, stride_q, norm_layer)
        self.pool_k = _pooling(self.head_dim, kernel_kv, stride_kv, norm_layer)
        self.pool_v = _pooling(self.head_dim, kernel_kv, stride_kv, norm_layer)
        self.rel_pos_embed = rel_pos_embed
        if rel_pos_embed:
            longest = max(input_size[1:])
            sides = [longest // stride[1] if len(stride) else longest for stride in (stride_q, stride_kv)]
            spatial, temporal = 2 * max(sides) - 1, 2 * input_size[0] - 1
            self.rel_pos_h = nn.Param((spatial, self.head_dim), NARROW)
            self.rel_pos_w = nn.Param((spatial, self.head_dim), NARROW)
            self.rel_pos_t = nn.Param((temporal, self.head_dim), NARROW)

    def forward(self, x: jax.Array, size: Sides) -> tuple[jax.Array, Sides]:
        """Maps tokens [batch, 1 + time * height * width, embed_dim] to pooled ones, and returns their size."""
        batch, tokens, _ = x.shape
        parts = self.qkv(x).reshape(batch, tokens, 3, self.num_heads, self.head_dim)
        query, key, value = jnp.moveaxis(parts, (2, 3), (0, 2))  # each [batch, heads, tokens, features]
        key_size = size
        if self.pool_k is not None and self.pool_v is not None:
            (key, key_size), (value, _) = self.pool_k(key, size), self.pool_v(value, size)
        if self.pool_q is not None:
            query, size = self.pool_q(query, size)
        logits = query * self.head_dim**-0.5 @ key.swapaxes(-1, -2)
        if self.rel_pos_embed:
            logits = logits.at[:, :, 1:, 1:].add(self._position_bias(query, size, key_size))
        found = F.softmax(logits, -1) @ value
        if self.residual_pool:
            first = 0 if self.residual_with_cls_embed else 1
            found = found.at[:, :, first:].add(query[:, :, first:])
        found = found.swapaxes(1, 2).reshape(batch, -1, self.num_heads * self.head_dim)
        return self.project(found), size

    def _position_bias(self, query: jax.Array, size: Sides, key_size: Sides) -> jax.Array:
        """The bias of each query and key, [batch, heads, queries, keys] (version 2, equation 4)."""
        tables = self.rel_pos_t, self.rel_pos_h, self.rel_pos_w
        time, height, width = (_relative(*one) for one in zip(tables, size, key_size, strict=True))
        clip = query[:, :, 1:].reshape(*query.shape[:2], *size, self.head_dim)
        bias = (
            jnp.einsum("bnthwc,tkc->bnthwk", clip, time)[..., :, None, None]
            + jnp.einsum("bnthwc,hkc->bnthwk", clip, height)[..., None, :, None]
            + jnp.einsum("bnthwc,wkc->bnthwk", clip, width)[..., None, None, :]
        )
        return bias.reshape(*query.shape[:2], math.prod(size), math.prod(key_size))


def _relative(table: jax.Array, queries: int, keys: int) -> jax.Array:
    """Along one axis, the entry of each query and key, [queries, keys, features], of a table of relative positions."""
    longest = max(queries, keys)
    distances = 2 * longest - 1
    if len(table) != distances:
        table = F.interpolate(table[None], distances, mode="linear")[0]
    query_step, key_step = max(keys / queries, 1.0), max(queries / keys, 1.0)
    place = np.arange(queries)[:, None] * query_step - (np.arange(keys)[None] + (1.0 - keys)) * key_step
    return table[place.astype(np.int32)]


class MultiscaleBlock(nn.Module):
    """Attention that pools tokens, and an MLP, each with a shortcut.

    Args:
        input_size: time, height and width of the tokens.
        cnf: the block.
        residual_pool: see `MultiscaleAttention`.
        residual_with_cls_embed: see `MultiscaleAttention`.
        rel_pos_embed: see `MultiscaleAttention`.
        proj_after_attn: whether the channels change in attention, and not in the MLP.
        dropout: see `MultiscaleAttention`; of the MLP, too.
        stochastic_depth_prob: probability to skip a residual branch.
        norm_layer: called with a number of channels.
    """

    def __init__(
        self, input_size: Sequence[int], cnf: MSBlockConfig, residual_pool: bool, residual_with_cls_embed: bool,
        rel_pos_embed: bool, proj_after_attn: bool, dropout: float = 0.0, stochastic_depth_prob: float = 0.0,
        norm_layer: Layer = nn.LayerNorm,
    ):
        self.proj_after_attn = proj_after_attn
        self.pool_skip = None
        if math.prod(cnf.stride_q) > 1:
            kernel = tuple(step + 1 if step > 1 else step for step in cnf.stride_q)
            padding = tuple(length // 2 for length in kernel)
            self.pool_skip = _Pool(nn.MaxPool3d(kernel, tuple(cnf.stride_q), padding), None)
        width = cnf.output_channels if proj_after_attn else cnf.input_channels
        self.norm1 = norm_layer(cnf.input_channels)
        self.norm2 = norm_layer(width)
        self.attn = MultiscaleAttention(
            input_size, cnf.input_channels, width, cnf.num_heads, kernel_q=cnf.kernel_q, kernel_kv=cnf.kernel_kv,
            stride_q=cnf.stride_q, stride_kv=cnf.stride_kv, rel_pos_embed=rel_pos_embed, residual_pool=residual_pool,
            residual_with_cls_embed=residual_with_cls_embed, dropout=dropout, norm_layer=norm_layer,
        )
        self.mlp = MLP(width, [4 * width, cnf.output_channels], activation_layer=nn.GELU, dropout=dropout)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        same = cnf.input_channels == cnf.output_channels
        self.project = None if same else nn.Linear(cnf.input_channels, cnf.output_channels)

    def forward(self, x: jax.Array, size: Sides) -> tuple[jax.Array, Sides]:
        """Maps tokens [batch, 1 + time * height * width, channels] to pooled ones, and returns their size."""
        normed = self.norm1(x)
        branch, new_size = self.attn(normed, size)
        if self.project is not None and self.proj_after_attn:
            x = self.project(normed)
        if self.pool_skip is not None:
            x, _ = self.pool_skip(x, size)
        x = x + self.stochastic_depth(branch)
        normed = self.norm2(x)
        if self.project is not None and not self.proj_after_attn:
            x = self.project(normed)
        return x + self.stochastic_depth(self.mlp(normed)), new_size


class PositionalEncoding(nn.Module):
    """Puts a class token before the tokens, and adds an embedding of their places unless these are relative.

    Args:
        embed_size: channels of a token.
        spatial_size: height and width of the tokens.
        temporal_size: time of the tokens.
        rel_pos_embed: whether places are relative; then nothing is added.
    """

    def __init__(self, embed_size: int, spatial_size: tuple[int, int], temporal_size: int, rel_pos_embed: bool):
        self.spatial_size, self.temporal_size, self.rel_pos_embed = spatial_size, temporal_size, rel_pos_embed
        self.class_token = nn.Param((embed_size,), NARROW)
        if not rel_pos_embed:
            self.spatial_pos = nn.Param((math.prod(spatial_size), embed_size), NARROW)
            self.temporal_pos = nn.Param((temporal_size, embed_size), NARROW)
            self.class_pos = nn.Param((embed_size,), NARROW)

    def forward(self, x: jax.Array) -> jax.Array:
        first = jnp.broadcast_to(self.class_token.astype(x.dtype), (len(x), 1, x.shape[-1]))
        x = jnp.concatenate([first, x], 1)
        if self.rel_pos_embed:
            return x
        places = self.temporal_pos[:, None] + self.spatial_pos[None]
        places = jnp.concatenate([self.class_pos[None], places.reshape(-1, x.shape[-1])])
        return x + places[None].astype(x.dtype)


class MViT(nn.Module):
    """An embedding of patches, blocks that pool their tokens, and a linear classifier of the class token.

    Args:
        spatial_size: height and width of a clip.
        temporal_size: number of frames of a clip.
        block_setting: the blocks.
        residual_pool: see `MultiscaleAttention`.
        residual_with_cls_embed: see `MultiscaleAttention`.
        rel_pos_embed: see `MultiscaleAttention`.
        proj_after_attn: see `MultiscaleBlock`.
        dropout: probability to drop an element before the classifier.
        attention_dropout: the blocks' `dropout`.
        stochastic_depth_prob: probability to skip a residual branch of the last block; it increases linearly from 0.
        num_classes: number of logits.
        block: called with the arguments of `MultiscaleBlock`.
        norm_layer: called with a number of channels.
        patch_embed_kernel: of the convolution that embeds patches.
        patch_embed_stride: its stride.
        patch_embed_padding: its padding.
        in_channels: channels of the clip.
    """

    def __init__(
        self, spatial_size: tuple[int, int], temporal_size: int, block_setting: Sequence[MSBlockConfig],
        residual_pool: bool, residual_with_cls_embed: bool, rel_pos_embed: bool, proj_after_attn: bool,
        dropout: float = 0.5, attention_dropout: float = 0.0, stochastic_depth_prob: float = 0.0,
        num_classes: int = 400, block: Layer = MultiscaleBlock, norm_layer: Layer = _norm,
        patch_embed_kernel: Sides = (3, 7, 7), patch_embed_stride: Sides = (2, 4, 4),
        patch_embed_padding: Sides = (1, 3, 3), *, in_channels: int = 3,
    ):
        if not block_setting:
            raise ValueError("block_setting is empty: MViT takes one MSBlockConfig or more")
        channels = block_setting[0].input_channels
        self.clip_size = temporal_size, *spatial_size
        self.conv_proj = nn.Conv3d(in_channels, channels, patch_embed_kernel, patch_embed_stride, patch_embed_padding)
        size = [length // step for length, step in zip(self.clip_size, patch_embed_stride, strict=True)]
        self.pos_encoding = PositionalEncoding(channels, (size[1], size[2]), size[0], rel_pos_embed)
        blocks = []
        drop_probs = np.linspace(0, stochastic_depth_prob, len(block_setting)).tolist()
        for cnf, drop_prob in zip(block_setting, drop_probs, strict=True):
            one = block(
                input_size=tuple(size), cnf=cnf, residual_pool=residual_pool, rel_pos_embed=rel_pos_embed,
                residual_with_cls_embed=residual_with_cls_embed, proj_after_attn=proj_after_attn,
                dropout=attention_dropout, stochastic_depth_prob=drop_prob, norm_layer=norm_layer,
            )
            blocks.append(one.with_init(narrow_linear))
            if len(cnf.stride_q):
                size = [length // step for length, step in zip(size, cnf.stride_q, strict=True)]
        self.blocks = nn.ModuleList(blocks)
        last = block_setting[-1].output_channels
        self.norm = norm_layer(last)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(last, num_classes)).with_init(narrow_linear)

    def forward(self, x: jax.Array) -> jax.Array:
        """Maps clips [batch, time, height, width, in_channels] to logits [batch, num_classes]."""
        if x.shape[1:-1] != self.clip_size:
            raise ValueError(
                f"this MViT takes clips of (time, height, width) = {self.clip_size} and got {x.shape}: pass "
                "temporal_size and spatial_size to its builder"
            )
        x = self.conv_proj(x)
        size = x.shape[1:-1]
        x = self.pos_encoding(x.reshape(len(x), -1, x.shape[-1]))
        for block in self.blocks:
            x, size = block(x, size)
        return self.head(self.norm(x)[:, 0])


HEADS = (1, 2, 2, *[4] * 11, 8, 8)
STRIDES_KV = ((1, 8, 8), (1, 4, 4), (1, 4, 4), *[(1, 2, 2)] * 11, (1, 1, 1), (1, 1, 1))
POOLING = (1, 3, 14)  # the blocks that halve height and width


def _blocks(input_channels: Sequence[int], output_channels: Sequence[int], everywhere: bool) -> list[MSBlockConfig]:
    """The blocks of both versions; version 2 has convolutions on the queries of all of them."""
    blocks = []
    for i, (heads, own, new, stride) in enumerate(
        zip(HEADS, input_channels, output_channels, STRIDES_KV, strict=True)
    ):
        steps = (1, 2, 2) if i in POOLING else (1, 1, 1)
        kernel, steps = ((3, 3, 3), steps) if everywhere or i in POOLING else ((), ())
        blocks.append(MSBlockConfig(heads, own, new, kernel, (3, 3, 3), steps, stride))
    return blocks


def _read_options(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    logits = shapes.get("head.1.bias")
    return {} if logits is None else {"num_classes": logits[0]}


@register(task="video", probed=("in_channels",), read_options=_read_options)
def mvit_v1_b(num_classes: int = 400, **options: Any) -> MViT:
    """MViT-B of version 1; `options` are those of `MViT`."""
    blocks = _blocks((96, 192, 192, *[384] * 11, 768, 768), (192, 192, *[384] * 11, 768, 768, 768), False)
    return _mvit(blocks, num_classes, False, options)


@register(task="video", probed=("in_channels",), read_options=_read_options)
def mvit_v2_s(num_classes: int = 400, **options: Any) -> MViT:
    """MViT-S of version 2; `options` are those of `MViT`."""
    blocks = _blocks((96, 96, 192, 192, *[384] * 11, 768), (96, 192, 192, *[384] * 11, 768, 768), True)
    return _mvit(blocks, num_classes, True, options)


def _mvit(blocks: list[MSBlockConfig], num_classes: int, second: bool, options: dict[str, Any]) -> MViT:
    defaults: dict[str, Any] = {
        "spatial_size": (224, 224), "temporal_size": 16, "block_setting": blocks, "residual_pool": second,
        "residual_with_cls_embed": False, "rel_pos_embed": second, "proj_after_attn": second,
        "stochastic_depth_prob": 0.2,
    }
    return MViT(num_classes=num_classes, **(defaults | options))
