"""MaxViT: every layer has convolutions, attention within windows, and attention across a grid (Tu et al. 2022).

https://arxiv.org/abs/2204.01697, figure 2.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from ... import nn
from ...functional._attention import attend
from ...nn import init
from ...nn.init import Initializer
from ..ops import Conv2dNormActivation, SqueezeExcitation, StochasticDepth
from ._windows import (
    from_windows,
    join_heads,
    relative_position_bias,
    relative_position_index,
    split_heads,
    to_windows,
)
from ._zoo.registry import register

__all__ = [
    "MBConv", "MaxVit", "MaxVitBlock", "MaxVitLayer", "PartitionAttentionLayer", "RelativePositionalMultiHeadAttention",
    "maxvit_t",
]

Layer = Callable[..., nn.Module]

# Table 1 of the paper; the probability of stochastic depth is torchvision's.
TINY: dict[str, Any] = {
    "stem_channels": 64, "block_channels": (64, 128, 256, 512), "block_layers": (2, 2, 5, 2), "head_dim": 32,
    "partition_size": 7, "stochastic_depth_prob": 0.2,
}

_batch_norm = functools.partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01)


class MBConv(nn.Module):
    """A residual block: a 1x1 convolution, a depthwise 3x3 one, squeeze-and-excitation, and a 1x1 convolution.

    Where the output has another shape than the input, average pooling and a 1x1 convolution on the shortcut adapt the
    input.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, expansion_ratio: float, squeeze_ratio: float, stride: int,
        activation_layer: Layer, norm_layer: Layer, stochastic_depth_prob: float = 0.0,
    ):
        shortcut: list[nn.Module] = [nn.AvgPool2d(3, stride, padding=1)] if stride == 2 else []
        if stride != 1 or in_channels != out_channels:
            shortcut.append(nn.Conv2d(in_channels, out_channels, 1))
        self.proj = nn.Sequential(*shortcut) if shortcut else nn.Identity()
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        wide = int(out_channels * expansion_ratio)
        shared: dict[str, Any] = {"activation_layer": activation_layer, "norm_layer": norm_layer}
        self.layers = nn.Sequential({
            "pre_norm": norm_layer(in_channels),
            "conv_a": Conv2dNormActivation(in_channels, wide, 1, **shared),
            "conv_b": Conv2dNormActivation(wide, wide, 3, stride, groups=wide, **shared),
            "squeeze_excitation": SqueezeExcitation(wide, int(out_channels * squeeze_ratio), activation=nn.SiLU),
            "conv_c": nn.Conv2d(wide, out_channels, 1),
        })

    def forward(self, x: jax.Array) -> jax.Array:
        return self.proj(x) + self.stochastic_depth(self.layers(x))


class RelativePositionalMultiHeadAttention(nn.Module):
    """Multi-head attention within a square of tokens, with a learned bias for each head and relative position.

    Args:
        feat_dim: channels of a token.
        head_dim: channels of a head; a divisor of `feat_dim`.
        max_seq_len: number of tokens, a square number.
    """

    def __init__(self, feat_dim: int, head_dim: int, max_seq_len: int):
        if feat_dim % head_dim:
            raise ValueError(f"feat_dim={feat_dim} must be a multiple of head_dim={head_dim}")
        side = math.isqrt(max_seq_len)
        if side**2 != max_seq_len:
            raise ValueError(f"max_seq_len={max_seq_len} must be a square number, such as {side**2}")
        self.n_heads, self.head_dim = feat_dim // head_dim, head_dim
        self.scale_factor = feat_dim**-0.5  # as in torchvision; the paper has head_dim**-0.5
        self.relative_position_bias_table = nn.Param(((2 * side - 1) ** 2, self.n_heads), init.trunc_normal(std=0.02))
        index = relative_position_index((side, side))
        self.relative_position_index = nn.Buffer((max_seq_len, max_seq_len), index, dtype=jnp.int32)
        self.to_qkv = nn.Linear(feat_dim, 3 * feat_dim)
        self.merge = nn.Linear(feat_dim, feat_dim)

    def forward(self, x: jax.Array) -> jax.Array:
        """Maps tokens [..., max_seq_len, feat_dim] to tokens of the same shape."""
        query, key, value = split_heads(self.to_qkv(x), self.n_heads)
        bias = relative_position_bias(self.relative_position_bias_table, self.relative_position_index)
        heads, _ = attend(query, key, value, bias, self.scale_factor)
        return self.merge(join_heads(heads))


class PartitionAttentionLayer(nn.Module):
    """Attention and an MLP for groups of `partition_size` x `partition_size` tokens of a feature map.

    Args:
        in_channels: channels of the feature map.
        head_dim: channels of a head of attention.
        partition_size: height and width of a group, in tokens.
        partition_type: "window" groups adjacent tokens; "grid" groups tokens at regular distances over the whole map.
        mlp_ratio: hidden features of the MLP divided by its input features.
        activation_layer: of the MLP; called without arguments.
        norm_layer: before attention; called with a number of channels.
        attention_dropout: probability to drop an element of attention's output.
        mlp_dropout: probability to drop an element of the MLP's output.
        stochastic_depth_prob: probability to skip a residual branch for a sample.
    """

    def __init__(
        self, in_channels: int, head_dim: int, partition_size: int, partition_type: Literal["grid", "window"], *,
        mlp_ratio: int = 4, activation_layer: Layer = nn.GELU, norm_layer: Layer = nn.LayerNorm,
        attention_dropout: float = 0.0, mlp_dropout: float = 0.0, stochastic_depth_prob: float = 0.0,
    ):
        if partition_type not in ("grid", "window"):
            raise ValueError(f"partition_type must be 'grid' or 'window'; got {partition_type!r}")
        self.partition_size, self.partition_type = partition_size, partition_type
        self.attn_layer = nn.Sequential(
            norm_layer(in_channels),
            RelativePositionalMultiHeadAttention(in_channels, head_dim, partition_size**2),
            nn.Dropout(attention_dropout),
        )
        self.mlp_layer = nn.Sequential(
            nn.LayerNorm(in_channels),
            nn.Linear(in_channels, in_channels * mlp_ratio),
            activation_layer(),
            nn.Linear(in_channels * mlp_ratio, in_channels),
            nn.Dropout(mlp_dropout),
        )
        self.stochastic_dropout = StochasticDepth(stochastic_depth_prob, "row")

    def forward(self, x: jax.Array) -> jax.Array:
        """Maps [batch, height, width, in_channels] to the same shape; `partition_size` must divide height and width."""
        size, side, across_grid = x.shape[1:3], self.partition_size, self.partition_type == "grid"
        if size[0] % side or size[1] % side:
            raise ValueError(
                f"a feature map of {size[0]}x{size[1]} does not divide into groups of {side}x{side} tokens: "
                "change the size of the images or partition_size"
            )
        window = (size[0] // side, size[1] // side) if across_grid else (side, side)
        x = to_windows(x, window)
        if across_grid:  # a group is the tokens at the same position of all windows
            x = x.swapaxes(1, 2)
        x = x + self.stochastic_dropout(self.attn_layer(x))
        x = x + self.stochastic_dropout(self.mlp_layer(x))
        return from_windows(x.swapaxes(1, 2) if across_grid else x, window, size)


class MaxVitLayer(nn.Module):
    """`MBConv`, then attention within windows, then attention across the grid."""

    def __init__(
        self, in_channels: int, out_channels: int, *, squeeze_ratio: float, expansion_ratio: float, stride: int,
        norm_layer: Layer, activation_layer: Layer, head_dim: int, mlp_ratio: int, mlp_dropout: float,
        attention_dropout: float, stochastic_depth_prob: float, partition_size: int,
    ):
        shared: dict[str, Any] = {
            "activation_layer": activation_layer, "stochastic_depth_prob": stochastic_depth_prob,
        }
        convolution = MBConv(
            in_channels, out_channels, expansion_ratio=expansion_ratio, squeeze_ratio=squeeze_ratio, stride=stride,
            norm_layer=norm_layer, **shared,
        )
        attention = functools.partial(
            PartitionAttentionLayer, out_channels, head_dim, partition_size, mlp_ratio=mlp_ratio,
            attention_dropout=attention_dropout, mlp_dropout=mlp_dropout, **shared,
        )
        self.layers = nn.Sequential({
            "MBconv": convolution, "window_attention": attention("window"), "grid_attention": attention("grid"),
        })

    def forward(self, x: jax.Array) -> jax.Array:
        return self.layers(x)


class MaxVitBlock(nn.Module):
    """Layers with the same output channels; the first halves the resolution. `options` are those of `MaxVitLayer`."""

    def __init__(self, in_channels: int, out_channels: int, drop_probs: Sequence[float], **options: Any):
        self.layers = nn.ModuleList([
            MaxVitLayer(
                in_channels if i == 0 else out_channels, out_channels, stride=2 if i == 0 else 1,
                stochastic_depth_prob=p, **options,
            )
            for i, p in enumerate(drop_probs)
        ])

    def forward(self, x: jax.Array) -> jax.Array:
        for layer in self.layers:
            x = layer(x)
        return x


class MaxVit(nn.Module):
    """A convolutional stem, blocks that each halve the resolution, and a classifier of two layers on the mean token.

    Args:
        num_classes: number of logits.
        in_channels: channels of the image.
        input_size: height and width of the images. It is only checked; images of other sizes work if `partition_size`
            divides all of their feature maps.
        stem_channels: channels of the first two convolutions.
        partition_size: height and width of the groups of tokens; it divides the feature maps of all blocks.
        block_channels: channels of each block.
        block_layers: number of layers of each block.
        head_dim: channels of a head of attention.
        stochastic_depth_prob: probability to skip a residual branch of the last layer; it increases linearly from 0.
        norm_layer: of the convolutions; called with a number of channels.
        activation_layer: of convolutions and MLPs; called without arguments.
        squeeze_ratio: channels inside squeeze-and-excitation divided by the layer's channels.
        expansion_ratio: channels inside `MBConv` divided by its output channels.
        mlp_ratio: hidden features of the MLPs divided by their input features.
        mlp_dropout: probability to drop an element of an MLP's output.
        attention_dropout: probability to drop an element of attention's output.
    """

    def __init__(
        self, num_classes: int = 1000, *, in_channels: int = 3, input_size: tuple[int, int] = (224, 224),
        stem_channels: int, partition_size: int, block_channels: Sequence[int], block_layers: Sequence[int],
        head_dim: int, stochastic_depth_prob: float, norm_layer: Layer = _batch_norm,
        activation_layer: Layer = nn.GELU, squeeze_ratio: float = 0.25, expansion_ratio: float = 4, mlp_ratio: int = 4,
        mlp_dropout: float = 0.0, attention_dropout: float = 0.0,
    ):
        _check_sizes(input_size, partition_size, len(block_channels))
        convolution: dict[str, Any] = {"norm_layer": norm_layer, "activation_layer": activation_layer}
        self.stem = nn.Sequential(
            Conv2dNormActivation(in_channels, stem_channels, 3, 2, bias=False, **convolution),
            Conv2dNormActivation(stem_channels, stem_channels, 3, norm_layer=None, activation_layer=None),
        ).with_init(_narrow_normal)
        shared: dict[str, Any] = {
            "squeeze_ratio": squeeze_ratio, "expansion_ratio": expansion_ratio, "head_dim": head_dim,
            "mlp_ratio": mlp_ratio, "mlp_dropout": mlp_dropout, "attention_dropout": attention_dropout,
            "partition_size": partition_size, **convolution,
        }
        drop_probs = iter(np.linspace(0, stochastic_depth_prob, sum(block_layers)).tolist())
        blocks = []
        channels = stem_channels
        for out_channels, count in zip(block_channels, block_layers, strict=True):
            blocks.append(MaxVitBlock(channels, out_channels, [next(drop_probs) for _ in range(count)], **shared))
            channels = out_channels
        self.blocks = nn.ModuleList(blocks).with_init(_narrow_normal)
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.LayerNorm(channels),
            nn.Linear(channels, channels),
            nn.Tanh(),
            nn.Linear(channels, num_classes, bias=False),
        ).with_init(_narrow_normal)

    def forward(self, x: jax.Array) -> jax.Array:
        """Maps images [batch, height, width, in_channels] to logits [batch, num_classes]."""
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.classifier(x)


def _check_sizes(input_size: tuple[int, int], partition_size: int, blocks: int) -> None:
    """Raises ValueError unless `partition_size` divides the feature map of every block.

    The stem and each block halve the resolution.
    """
    sizes = [tuple(math.ceil(side / 2 ** (i + 2)) for side in input_size) for i in range(blocks)]
    if any(side % partition_size for size in sizes for side in size):
        step = partition_size * 2 ** (blocks + 1)
        raise ValueError(
            f"images of input_size={input_size} have feature maps of {sizes}, which partition_size={partition_size} "
            f"does not divide: use image sizes that are multiples of {step}, or change partition_size"
        )


def _narrow_normal(layer: nn.Module) -> dict[str, Initializer]:
    if isinstance(layer, nn.Conv2d | nn.Linear):
        return {"weight": init.normal(std=0.02), "bias": init.zeros}
    return {}


@register
def maxvit_t(num_classes: int = 1000, **options: Any) -> MaxVit:
    """MaxViT-T; `options` are those of `MaxVit`."""
    return MaxVit(num_classes, **{**TINY, **options})
