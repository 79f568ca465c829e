"""DenseNet: the input of every layer is the outputs of all layers before it in its block (Huang et al. 2016).

These are the DenseNet-BC of https://arxiv.org/abs/1608.06993, table 1.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from ... import nn
from ...nn import init
from ._zoo.registry import register

__all__ = ["DenseNet", "densenet121", "densenet161", "densenet169", "densenet201"]

# For each variant: channels that each layer adds, layers of each block, channels of the first convolution.
VARIANTS = {
    121: (32, (6, 12, 24, 16), 64),
    161: (48, (6, 12, 36, 24), 96),
    169: (32, (6, 12, 32, 32), 64),
    201: (32, (6, 12, 48, 32), 64),
}


def _conv(in_channels: int, out_channels: int, kernel_size: int, **options: Any) -> nn.Conv2d:
    weight_init = init.kaiming_normal(nonlinearity="relu")
    return nn.Conv2d(in_channels, out_channels, kernel_size, bias=False, weight_init=weight_init, **options)


class DenseLayer(nn.Module):
    """A 1x1 convolution to `bn_size * growth_rate` channels and a 3x3 one to `growth_rate`, each after a norm."""

    def __init__(self, in_channels: int, growth_rate: int, bn_size: int, drop_rate: float):
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.relu1 = nn.ReLU()
        self.conv1 = _conv(in_channels, bn_size * growth_rate, 1)
        self.norm2 = nn.BatchNorm2d(bn_size * growth_rate)
        self.relu2 = nn.ReLU()
        self.conv2 = _conv(bn_size * growth_rate, growth_rate, 3, padding=1)
        self.dropout = nn.Dropout(drop_rate)

    def forward(self, x: jax.Array) -> jax.Array:
        x = self.conv1(self.relu1(self.norm1(x)))
        return self.dropout(self.conv2(self.relu2(self.norm2(x))))


class DenseBlock(nn.ModuleDict):
    """Layers `denselayer1`, `denselayer2`, ...; the output of each is concatenated to the input of the next."""

    def __init__(
        self, num_layers: int, in_channels: int, growth_rate: int, bn_size: int, drop_rate: float,
        memory_efficient: bool = False,
    ):
        self.memory_efficient = memory_efficient
        super().__init__({
            f"denselayer{i + 1}": DenseLayer(in_channels + i * growth_rate, growth_rate, bn_size, drop_rate)
            for i in range(num_layers)
        })

    def forward(self, x: jax.Array) -> jax.Array:
        for layer in self.values():
            new = nn.remat(layer, x) if self.memory_efficient else layer(x)
            x = jnp.concatenate((x, new), axis=-1)
        return x


class Transition(nn.Sequential):
    """Between two blocks: a norm, a 1x1 convolution, and average pooling that halves the resolution."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__({
            "norm": nn.BatchNorm2d(in_channels),
            "relu": nn.ReLU(),
            "conv": _conv(in_channels, out_channels, 1),
            "pool": nn.AvgPool2d(2, stride=2),
        })


class DenseNet(nn.Module):
    """A stem, dense blocks with transitions that halve resolution and channels, and a linear classifier.

    Args:
        growth_rate: channels that each layer adds.
        block_config: layers of each block.
        num_init_features: channels of the first convolution.
        bn_size: the 1x1 convolution of a layer has `bn_size * growth_rate` output channels.
        drop_rate: probability to drop an element of a layer's output in training.
        memory_efficient: recompute the layers in the backward pass instead of keeping their intermediate results.
        num_classes: number of logits.
        in_channels: channels of the image.
    """

    def __init__(
        self, growth_rate: int = 32, block_config: Sequence[int] = (6, 12, 24, 16), num_init_features: int = 64, *,
        bn_size: int = 4, drop_rate: float = 0.0, num_classes: int = 1000, in_channels: int = 3,
        memory_efficient: bool = False,
    ):
        channels = num_init_features
        features: dict[str, nn.Module] = {
            "conv0": _conv(in_channels, channels, 7, stride=2, padding=3),
            "norm0": nn.BatchNorm2d(channels),
            "relu0": nn.ReLU(),
            "pool0": nn.MaxPool2d(3, stride=2, padding=1),
        }
        for i, num_layers in enumerate(block_config, 1):
            features[f"denseblock{i}"] = DenseBlock(
                num_layers, channels, growth_rate, bn_size, drop_rate, memory_efficient
            )
            channels += num_layers * growth_rate
            if i < len(block_config):
                features[f"transition{i}"] = Transition(channels, channels // 2)
                channels //= 2
        features["norm5"] = nn.BatchNorm2d(channels)
        self.features = nn.Sequential(features)
        self.relu = nn.ReLU()
        self.adaptive_avg_pool2d = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(channels, num_classes, bias_init=init.zeros)

    def forward(self, x: jax.Array) -> jax.Array:
        """Maps images [batch, height, width, in_channels] to logits [batch, num_classes].

        Height and width are 29 or more.
        """
        x = self.relu(self.features(x))
        return self.classifier(self.flatten(self.adaptive_avg_pool2d(x)))


@register
def densenet121(num_classes: int = 1000, **options: Any) -> DenseNet:
    """DenseNet-121; `options` are those of `DenseNet`."""
    return DenseNet(*VARIANTS[121], num_classes=num_classes, **options)


@register
def densenet161(num_classes: int = 1000, **options: Any) -> DenseNet:
    """DenseNet-161; `options` are those of `DenseNet`."""
    return DenseNet(*VARIANTS[161], num_classes=num_classes, **options)


@register
def densenet169(num_classes: int = 1000, **options: Any) -> DenseNet:
    """DenseNet-169; `options` are those of `DenseNet`."""
    return DenseNet(*VARIANTS[169], num_classes=num_classes, **options)


@register
def densenet201(num_classes: int = 1000, **options: Any) -> DenseNet:
    """DenseNet-201; `options` are those of `DenseNet`."""
    return DenseNet(*VARIANTS[201], num_classes=num_classes, **options)
