"""Video Swin Transformer: attention within shifted windows of space and time (Liu et al. 2021).

https://arxiv.org/abs/2106.13230
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .... import nn
from ....functional._attention import attend
from ....functional._check import per_axis
from ....nn import init
from .._initial import narrow_linear
from .._shifted_windows import in_shifted_windows
from .._windows import join_heads, relative_position_bias, relative_position_index, split_heads
from .._zoo.registry import register
from ..swin_transformer import PatchMerging, SwinTransformerBlock

__all__ = ["PatchEmbed3d", "ShiftedWindowAttention3d", "SwinTransformer3d", "swin3d_b", "swin3d_s", "swin3d_t"]

Layer = Callable[..., nn.Module]
Sides = tuple[int, int, int]

# Channels of the first stage, and blocks and heads of each stage.
SIZES: dict[str, dict[str, Any]] = {
    "t": {"embed_dim": 96, "depths": (2, 2, 6, 2), "num_heads": (3, 6, 12, 24)},
    "s": {"embed_dim": 96, "depths": (2, 2, 18, 2), "num_heads": (3, 6, 12, 24)},
    "b": {"embed_dim": 128, "depths": (2, 2, 18, 2), "num_heads": (4, 8, 16, 32)},
}


class ShiftedWindowAttention3d(nn.Module):
    """Multi-head attention within windows of a clip, with a learned bias for each head and relative position.

    A window is cut to a clip that is smaller, and is not shifted along that axis. As in torchvision, the biases are
    then those of the first tokens of the whole window.

    Args:
        dim: channels of a token.
        window_size: duration, height and width of a window.
        shift_size: by how many tokens the clip is rolled along each axis before it is cut into windows.
        num_heads: number of heads; a divisor of `dim`.
        qkv_bias: whether the projection to query, key and value has a bias.
        proj_bias: whether the projection of the output has one.
        attention_dropout: probability to drop a weight of attention.
        dropout: probability to drop an element of the output.
    """

    def __init__(
        self, dim: int, window_size: Sequence[int], shift_size: Sequence[int], num_heads: int, qkv_bias: bool = True,
        proj_bias: bool = True, attention_dropout: float = 0.0, dropout: float = 0.0,
    ):
        if dim % num_heads:
            raise ValueError(f"dim={dim} must be a multiple of num_heads={num_heads}")
        self.window_size = per_axis(window_size, 3, "window_size")
        self.shift_size = per_axis(shift_size, 3, "shift_size")
        self.num_heads, self.attention_dropout = num_heads, attention_dropout
        tokens, offsets = math.prod(self.window_size), math.prod(2 * side - 1 for side in self.window_size)
        self.relative_position_bias_table = nn.Param((offsets, num_heads), init.trunc_normal(std=0.02))
        index = relative_position_index(self.window_size)
        self.relative_position_index = nn.Buffer((tokens, tokens), index, dtype=jnp.int32)
        self.qkv = nn.Linear(dim, 3 * dim, qkv_bias)
        self.proj = nn.Linear(dim, dim, proj_bias)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: jax.Array) -> jax.Array:
        """Maps [batch, time, height, width, dim] to the same shape; the clip is padded with zeros to whole windows."""
        cut = [length <= side for length, side in zip(x.shape[1:-1], self.window_size, strict=True)]
        window = [min(pair) for pair in zip(x.shape[1:-1], self.window_size, strict=True)]
        shift = [0 if one else by for one, by in zip(cut, self.shift_size, strict=True)]
        return in_shifted_windows(x, window, shift, self._attend)

    def _attend(self, x: jax.Array, mask: np.ndarray | None) -> jax.Array:
        query, key, value = split_heads(self.qkv(x), self.num_heads)
        tokens = x.shape[-2]
        index = self.relative_position_index[:tokens, :tokens]
        bias = relative_position_bias(self.relative_position_bias_table, index)
        if mask is not None:
            bias = bias[None] + jnp.asarray(mask, bias.dtype)
        p = self.attention_dropout if self.training else 0.0
        scale = query.shape[-1] ** -0.5
        heads, _ = attend(query * scale, key, value, bias, 1.0, p, self.random_key() if 0 < p < 1 else None)
        return self.dropout(self.proj(join_heads(heads)))


class PatchEmbed3d(nn.Module):
    """Projects each patch of a clip, which is padded with zeros to whole patches, and normalises.

    Args:
        patch_size: duration, height and width of a patch.
        in_channels: of the clip [batch, time, height, width, in_channels].
        embed_dim: channels of the result.
        norm_layer: called with a number of channels; None for none.
    """

    def __init__(
        self, patch_size: Sequence[int], in_channels: int = 3, embed_dim: int = 96, norm_layer: Layer | None = None
    ):
        self.patch_size = per_axis(patch_size, 3, "patch_size")
        self.proj = nn.Conv3d(in_channels, embed_dim, self.patch_size, self.patch_size)
        self.norm = norm_layer(embed_dim) if norm_layer else nn.Identity()

    def forward(self, x: jax.Array) -> jax.Array:
        margins = [(0, -length % side) for length, side in zip(x.shape[1:-1], self.patch_size, strict=True)]
        return self.norm(self.proj(jnp.pad(x, ((0, 0), *margins, (0, 0)))))


class SwinTransformer3d(nn.Module):
    """An embedding of patches, stages of blocks, each at half the resolution of the last, and a linear classifier.

    Args:
        patch_size: duration, height and width of a patch.
        embed_dim: channels of the first stage; each later stage has twice those of the one before.
        depths: number of blocks of each stage; every second block shifts its windows by half a window.
        num_heads: number of heads of each stage.
        window_size: duration, height and width of a window.
        mlp_ratio: hidden features of the MLPs divided by their input features.
        dropout: probability to drop an element after the embedding, after the projection of attention and after each
            layer of the MLPs.
        attention_dropout: probability to drop a weight of attention.
        stochastic_depth_prob: probability to skip a residual branch of the last block; it increases linearly from 0.
        num_classes: number of logits.
        norm_layer: called with a number of channels.
        block: called with the arguments of `SwinTransformerBlock`.
        downsample_layer: called with the arguments of `PatchMerging`, between stages.
        patch_embed: called with the arguments of `PatchEmbed3d`.
        in_channels: channels of the clip.
    """

    def __init__(
        self, patch_size: Sequence[int], embed_dim: int, depths: Sequence[int], num_heads: Sequence[int],
        window_size: Sequence[int], mlp_ratio: float = 4.0, dropout: float = 0.0, attention_dropout: float = 0.0,
        stochastic_depth_prob: float = 0.1, num_classes: int = 400, norm_layer: Layer = nn.LayerNorm,
        block: Layer = SwinTransformerBlock, downsample_layer: Layer = PatchMerging,
        patch_embed: Layer = PatchEmbed3d, *, in_channels: int = 3,
    ):
        self.patch_embed = patch_embed(
            patch_size=patch_size, in_channels=in_channels, embed_dim=embed_dim, norm_layer=norm_layer
        )
        self.pos_drop = nn.Dropout(dropout)
        drop_probs = iter(np.linspace(0, stochastic_depth_prob, sum(depths)).tolist())
        half = tuple(side // 2 for side in window_size)
        shared: dict[str, Any] = {
            "window_size": tuple(window_size), "mlp_ratio": mlp_ratio, "dropout": dropout,
            "attention_dropout": attention_dropout, "norm_layer": norm_layer, "attn_layer": ShiftedWindowAttention3d,
        }
        layers: list[nn.Module] = []
        dim = embed_dim
        for stage, (depth, heads) in enumerate(zip(depths, num_heads, strict=True)):
            if stage > 0:
                layers.append(downsample_layer(dim, norm_layer))
                dim *= 2
            shifts = [half if i % 2 else (0, 0, 0) for i in range(depth)]
            layers.append(nn.Sequential(*(
                block(dim, heads, shift_size=shift, stochastic_depth_prob=next(drop_probs), **shared)
                for shift in shifts
            )))
        self.features = nn.Sequential(*layers).with_init(narrow_linear)
        self.norm = norm_layer(dim)
        self.avgpool = nn.AdaptiveAvgPool3d(1)
        self.flatten = nn.Flatten()
        self.head = nn.Linear(dim, num_classes).with_init(narrow_linear)

    def forward(self, x: jax.Array) -> jax.Array:
        """Maps clips [batch, time, height, width, in_channels] to logits [batch, num_classes]."""
        x = self.norm(self.features(self.pos_drop(self.patch_embed(x))))
        return self.head(self.flatten(self.avgpool(x)))


_swin3d = partial(SwinTransformer3d, patch_size=(2, 4, 4), window_size=(8, 7, 7))


@register(task="video")
def swin3d_t(num_classes: int = 400, **options: Any) -> SwinTransformer3d:
    """Video Swin-T; `options` are those of `SwinTransformer3d`."""
    return _swin3d(num_classes=num_classes, **{**SIZES["t"], **options})


@register(task="video")
def swin3d_s(num_classes: int = 400, **options: Any) -> SwinTransformer3d:
    """Video Swin-S; `options` are those of `SwinTransformer3d`."""
    return _swin3d(num_classes=num_classes, **{**SIZES["s"], **options})


@register(task="video")
def swin3d_b(num_classes: int = 400, **options: Any) -> SwinTransformer3d:
    """Video Swin-B; `options` are those of `SwinTransformer3d`."""
    return _swin3d(num_classes=num_classes, **{**SIZES["b"], **options})
