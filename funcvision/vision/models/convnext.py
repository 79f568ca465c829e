"""ConvNeXt: a ResNet changed step by step towards the Swin transformer (Liu et al. 2022, https://arxiv.org/abs/2201.03545)."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ... import nn
from ...nn import init
from ...nn.init import Initializer
from ..ops import Conv2dNormActivation, StochasticDepth
from ._zoo.registry import register

__all__ = [
    "CNBlock", "CNBlockConfig", "ConvNeXt", "convnext_base", "convnext_large", "convnext_small", "convnext_tiny",
]

Norm = Callable[..., nn.Module]

# For each variant: channels and blocks of the four stages, and the probability of stochastic depth (tables 5 and 9).
VARIANTS = {
    "tiny": ((96, 192, 384, 768), (3, 3, 9, 3), 0.1),
    "small": ((96, 192, 384, 768), (3, 3, 27, 3), 0.4),
    "base": ((128, 256, 512, 1024), (3, 3, 27, 3), 0.5),
    "large": ((192, 384, 768, 1536), (3, 3, 27, 3), 0.5),
}

_layer_norm = functools.partial(nn.LayerNorm, eps=1e-6)  # over the last axis, the channels


class CNBlockConfig(NamedTuple):
    """A stage of `num_layers` blocks, and a convolution of stride 2 after them unless `out_channels` is None."""

    input_channels: int
    out_channels: int | None
    num_layers: int


class CNBlock(nn.Module):
    """A residual block: a depthwise 7x7 convolution and two linear layers, scaled by a factor for each channel.

    Args:
        dim: channels of input and output.
        layer_scale: initial value of the factors (CaiT, Touvron et al. 2021, https://arxiv.org/abs/2103.17239).
        stochastic_depth_prob: probability to skip the block for a sample in training.
        norm_layer: called with a number of channels.
    """

    def __init__(
        self, dim: int, layer_scale: float, stochastic_depth_prob: float, norm_layer: Norm = _layer_norm
    ):
        self.layer_scale = nn.Param((dim, 1, 1), init.constant(layer_scale), "CHW->HWC")
        self.block = nn.Sequential(
            nn.Conv2d(dim, dim, 7, padding=3, groups=dim),
            nn.Identity(),  # stands for torchvision's permutation to channels last, which they are here
            norm_layer(dim),
            nn.Linear(dim, 4 * dim),
            nn.GELU(),
            nn.Linear(4 * dim, dim),
            nn.Identity(),  # stands for the permutation back
        )
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")

    def forward(self, x: jax.Array) -> jax.Array:
        scale = jnp.expand_dims(self.layer_scale, 0).astype(x.dtype)
        return x + self.stochastic_depth(scale * self.block(x))


class ConvNeXt(nn.Module):
    """A stem of 4x4 patches, stages of blocks, each at half the resolution of the one before, and a linear classifier.

    Args:
        block_setting: the stages.
        num_classes: number of logits.
        in_channels: channels of the image.
        stochastic_depth_prob: probability to skip the last block; it increases linearly from 0 for the first one.
        layer_scale: initial value of the factors of each block's channels.
        block: called with channels, `layer_scale`, and the probability to skip the block.
        norm_layer: norms outside of the blocks; called with a number of channels.
    """

    def __init__(
        self, block_setting: Sequence[CNBlockConfig], num_classes: int = 1000, *, in_channels: int = 3,
        stochastic_depth_prob: float = 0.0, layer_scale: float = 1e-6, block: Callable[..., nn.Module] = CNBlock,
        norm_layer: Norm = _layer_norm,
    ):
        _check_setting(block_setting)
        stem = block_setting[0].input_channels
        features: list[nn.Module] = [
            Conv2dNormActivation(in_channels, stem, 4, 4, 0, norm_layer=norm_layer, activation_layer=None, bias=True)
        ]
        last, number = max(1, sum(stage.num_layers for stage in block_setting) - 1), 0
        for channels, out_channels, count in block_setting:
            blocks = []
            for _ in range(count):
                blocks.append(block(channels, layer_scale, stochastic_depth_prob * number / last))
                number += 1
            features.append(nn.Sequential(*blocks))
            if out_channels is not None:
                features.append(nn.Sequential(norm_layer(channels), nn.Conv2d(channels, out_channels, 2, 2)))
        channels = block_setting[-1].out_channels or block_setting[-1].input_channels
        self.features = nn.Sequential(*features).with_init(_narrow_normal)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            norm_layer(channels), nn.Flatten(), nn.Linear(channels, num_classes)
        ).with_init(_narrow_normal)

    def forward(self, x: jax.Array) -> jax.Array:
        """Maps images [batch, height, width, in_channels] to logits [batch, num_classes]."""
        return self.classifier(self.avgpool(self.features(x)))


def _check_setting(setting: Sequence[Any]) -> None:
    if not setting:
        raise ValueError("block_setting is empty: give at least one stage")
    for stage in setting:
        if not isinstance(stage, CNBlockConfig):
            raise TypeError(f"block_setting must hold CNBlockConfig objects; got {stage!r}")


def _narrow_normal(layer: nn.Module) -> Mapping[str, Initializer]:
    if isinstance(layer, nn.Conv2d | nn.Linear):
        return {"weight": init.trunc_normal(std=0.02), "bias": init.zeros}
    return {}


def _variant(variant: str, num_classes: int, **options: Any) -> ConvNeXt:
    widths, depths, probability = VARIANTS[variant]
    setting = [CNBlockConfig(*stage) for stage in zip(widths, (*widths[1:], None), depths, strict=True)]
    options.setdefault("stochastic_depth_prob", probability)
    return ConvNeXt(setting, num_classes, **options)


@register
def convnext_tiny(num_classes: int = 1000, **options: Any) -> ConvNeXt:
    """ConvNeXt-T; `options` are those of `ConvNeXt`."""
    return _variant("tiny", num_classes, **options)


@register
def convnext_small(num_classes: int = 1000, **options: Any) -> ConvNeXt:
    """ConvNeXt-S; `options` are those of `ConvNeXt`."""
    return _variant("small", num_classes, **options)


@register
def convnext_base(num_classes: int = 1000, **options: Any) -> ConvNeXt:
    """ConvNeXt-B; `options` are those of `ConvNeXt`."""
    return _variant("base", num_classes, **options)


@register
def convnext_large(num_classes: int = 1000, **options: Any) -> ConvNeXt:
    """ConvNeXt-L; `options` are those of `ConvNeXt`."""
    return _variant("large", num_classes, **options)
