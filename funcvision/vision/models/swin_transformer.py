"""Swin Transformer: attention within windows that are shifted in every other block (Liu et al. 2021).

https://arxiv.org/abs/2103.14030, section 3.3. Version 2 (Liu et al. 2021, https://arxiv.org/abs/2111.09883, figure 1)
uses cosine similarity in place of the dot product, computes the bias of a relative position with a small network, and
normalises at the end of each branch.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ... import nn
from ...functional._check import Size, per_axis
from ..ops import MLP, StochasticDepth
from ._initial import narrow_linear
from ._shifted_windows import ShiftedWindowAttention, ShiftedWindowAttentionV2
from ._zoo.registry import register

__all__ = [
    "PatchMerging", "PatchMergingV2", "SwinTransformer", "SwinTransformerBlock", "SwinTransformerBlockV2", "swin_b",
    "swin_s", "swin_t", "swin_v2_b", "swin_v2_s", "swin_v2_t",
]

Layer = Callable[..., nn.Module]

# Channels of the first stage, blocks and heads of each stage, and the probability of stochastic depth (torchvision's).
SIZES: dict[str, dict[str, Any]] = {
    "t": {"embed_dim": 96, "depths": (2, 2, 6, 2), "num_heads": (3, 6, 12, 24), "stochastic_depth_prob": 0.2},
    "s": {"embed_dim": 96, "depths": (2, 2, 18, 2), "num_heads": (3, 6, 12, 24), "stochastic_depth_prob": 0.3},
    "b": {"embed_dim": 128, "depths": (2, 2, 18, 2), "num_heads": (4, 8, 16, 32), "stochastic_depth_prob": 0.5},
}


class PatchMerging(nn.Module):
    """Projects each 2x2 tokens of [..., height, width, dim] to one token with `2 * dim` channels."""

    def __init__(self, dim: int, norm_layer: Layer = nn.LayerNorm):
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = norm_layer(4 * dim)

    def forward(self, x: jax.Array) -> jax.Array:
        return self.reduction(self.norm(_neighbours(x)))


class PatchMergingV2(nn.Module):
    """`PatchMerging` with the norm after the projection."""

    def __init__(self, dim: int, norm_layer: Layer = nn.LayerNorm):
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = norm_layer(2 * dim)

    def forward(self, x: jax.Array) -> jax.Array:
        return self.norm(self.reduction(_neighbours(x)))


def _neighbours(x: jax.Array) -> jax.Array:
    """Concatenates the channels of each 2x2 tokens, column by column; odd sizes are padded with zeros."""
    height, width = x.shape[-3:-1]
    x = jnp.pad(x, (*[(0, 0)] * (x.ndim - 3), (0, height % 2), (0, width % 2), (0, 0)))
    return jnp.concatenate([x[..., row::2, column::2, :] for column in (0, 1) for row in (0, 1)], axis=-1)


class SwinTransformerBlock(nn.Module):
    """Two residual branches, attention within windows and an MLP, each with a norm at its start.

    Args:
        dim: channels of a token.
        num_heads: number of heads of attention.
        window_size: height and width of a window.
        shift_size: by how many tokens the windows are shifted.
        mlp_ratio: hidden features of the MLP divided by its input features.
        dropout: probability to drop an element after the projection of attention and after each layer of the MLP.
        attention_dropout: probability to drop a weight of attention.
        stochastic_depth_prob: probability to skip a residual branch for a sample.
        norm_layer: called with a number of channels.
        attn_layer: called with the arguments of `ShiftedWindowAttention`.
    """

    def __init__(
        self, dim: int, num_heads: int, window_size: Size, shift_size: Size, *, mlp_ratio: float = 4.0,
        dropout: float = 0.0, attention_dropout: float = 0.0, stochastic_depth_prob: float = 0.0,
        norm_layer: Layer = nn.LayerNorm, attn_layer: Layer = ShiftedWindowAttention,
    ):
        self.norm1 = norm_layer(dim)
        self.attn = attn_layer(
            dim, window_size, shift_size, num_heads, attention_dropout=attention_dropout, dropout=dropout
        )
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.norm2 = norm_layer(dim)
        self.mlp = MLP(dim, [int(dim * mlp_ratio), dim], activation_layer=nn.GELU, dropout=dropout)

    def forward(self, x: jax.Array) -> jax.Array:
        x = x + self.stochastic_depth(self.attn(self.norm1(x)))
        return x + self.stochastic_depth(self.mlp(self.norm2(x)))


class SwinTransformerBlockV2(SwinTransformerBlock):
    """`SwinTransformerBlock` with the attention of version 2, and with each norm at the end of its branch."""

    def __init__(self, *args: Any, attn_layer: Layer = ShiftedWindowAttentionV2, **options: Any):
        super().__init__(*args, attn_layer=attn_layer, **options)

    def forward(self, x: jax.Array) -> jax.Array:
        x = x + self.stochastic_depth(self.norm1(self.attn(x)))
        return x + self.stochastic_depth(self.norm2(self.mlp(x)))


class SwinTransformer(nn.Module):
    """An embedding of patches, stages of blocks, each at half the resolution of the last, and a linear classifier.

    Args:
        num_classes: number of logits.
        in_channels: channels of the image.
        patch_size: height and width of a patch.
        embed_dim: channels of the first stage; each later stage has twice those of the one before.
        depths: number of blocks of each stage; every second block shifts its windows by half a window.
        num_heads: number of heads of each stage.
        window_size: height and width of a window.
        mlp_ratio: hidden features of the MLPs divided by their input features.
        dropout: probability to drop an element after the projection of attention and after each layer of the MLPs.
        attention_dropout: probability to drop a weight of attention.
        stochastic_depth_prob: probability to skip a residual branch of the last block; it increases linearly from 0.
        norm_layer: called with a number of channels.
        block: called with the arguments of `SwinTransformerBlock`.
        downsample_layer: called with the arguments of `PatchMerging`, between stages.
    """

    def __init__(
        self, num_classes: int = 1000, *, in_channels: int = 3, patch_size: Size, embed_dim: int,
        depths: Sequence[int], num_heads: Sequence[int], window_size: Size, mlp_ratio: float = 4.0,
        dropout: float = 0.0, attention_dropout: float = 0.0, stochastic_depth_prob: float = 0.1,
        norm_layer: Layer = nn.LayerNorm, block: Layer = SwinTransformerBlock,
        downsample_layer: Layer = PatchMerging,
    ):
        if len(depths) != len(num_heads):
            raise ValueError(f"depths={depths} and num_heads={num_heads} must have one value for each stage")
        window_size = per_axis(window_size, 2, "window_size")
        half = tuple(side // 2 for side in window_size)
        shared: dict[str, Any] = {
            "window_size": window_size, "mlp_ratio": mlp_ratio, "dropout": dropout,
            "attention_dropout": attention_dropout, "norm_layer": norm_layer,
        }
        drop_probs = iter(np.linspace(0, stochastic_depth_prob, sum(depths)).tolist())
        # torchvision permutes axes to channels last and back. Here an Identity in its place keeps the names of layers.
        patches = nn.Conv2d(in_channels, embed_dim, patch_size, patch_size)
        features: list[nn.Module] = [nn.Sequential(patches, nn.Identity(), norm_layer(embed_dim))]
        dim = embed_dim
        for stage, (depth, heads) in enumerate(zip(depths, num_heads, strict=True)):
            if stage > 0:
                features.append(downsample_layer(dim, norm_layer))
                dim *= 2
            shifts = [half if i % 2 else (0, 0) for i in range(depth)]
            features.append(nn.Sequential(*(
                block(dim, heads, shift_size=shift, stochastic_depth_prob=next(drop_probs), **shared)
                for shift in shifts
            )))
        self.features = nn.Sequential(*features).with_init(narrow_linear)
        self.norm = norm_layer(dim)
        self.permute = nn.Identity()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.head = nn.Linear(dim, num_classes).with_init(narrow_linear)

    def forward(self, x: jax.Array) -> jax.Array:
        """Maps images [batch, height, width, in_channels] to logits [batch, num_classes]."""
        x = self.norm(self.features(x))
        return self.head(self.flatten(self.avgpool(self.permute(x))))


def _swin(size: str, num_classes: int, options: dict[str, Any]) -> SwinTransformer:
    return SwinTransformer(num_classes, **{"patch_size": 4, "window_size": 7, **SIZES[size], **options})


def _swin_v2(size: str, num_classes: int, options: dict[str, Any]) -> SwinTransformer:
    version = {"window_size": 8, "block": SwinTransformerBlockV2, "downsample_layer": PatchMergingV2}
    return _swin(size, num_classes, version | options)


@register
def swin_t(num_classes: int = 1000, **options: Any) -> SwinTransformer:
    """Swin-T; `options` are those of `SwinTransformer`."""
    return _swin("t", num_classes, options)


@register
def swin_s(num_classes: int = 1000, **options: Any) -> SwinTransformer:
    """Swin-S; `options` are those of `SwinTransformer`."""
    return _swin("s", num_classes, options)


@register
def swin_b(num_classes: int = 1000, **options: Any) -> SwinTransformer:
    """Swin-B; `options` are those of `SwinTransformer`."""
    return _swin("b", num_classes, options)


@register
def swin_v2_t(num_classes: int = 1000, **options: Any) -> SwinTransformer:
    """Swin-T, version 2; `options` are those of `SwinTransformer`."""
    return _swin_v2("t", num_classes, options)


@register
def swin_v2_s(num_classes: int = 1000, **options: Any) -> SwinTransformer:
    """Swin-S, version 2; `options` are those of `SwinTransformer`."""
    return _swin_v2("s", num_classes, options)


@register
def swin_v2_b(num_classes: int = 1000, **options: Any) -> SwinTransformer:
    """Swin-B, version 2; `options` are those of `SwinTransformer`."""
    return _swin_v2("b", num_classes, options)
