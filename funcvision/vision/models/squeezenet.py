"""SqueezeNet: blocks that first reduce and then expand the channels (Iandola et al. 2016).

https://arxiv.org/abs/1602.07360, table 1; version 1.1 is from
https://github.com/forresti/SqueezeNet/tree/master/SqueezeNet_v1.1.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from ... import nn
from ...nn import init
from ...nn.init import Initializer
from ._zoo.registry import register

__all__ = ["Fire", "SqueezeNet", "squeezenet1_0", "squeezenet1_1"]

# For each version: channels and kernel size of the first convolution; then for each of three max pools the Fire blocks
# after it, as the channels of the squeeze convolution and of each of the two expand convolutions.
VERSIONS = {
    "1_0": (
        (96, 7),
        ((16, 64), (16, 64), (32, 128)),
        ((32, 128), (48, 192), (48, 192), (64, 256)),
        ((64, 256),),
    ),
    "1_1": (
        (64, 3),
        ((16, 64), (16, 64)),
        ((32, 128), (32, 128)),
        ((48, 192), (48, 192), (64, 256), (64, 256)),
    ),
}


class Fire(nn.Module):
    """A 1x1 convolution to fewer channels, then a 1x1 and a 3x3 convolution in parallel, concatenated."""

    def __init__(self, in_channels: int, squeeze: int, expand1x1: int, expand3x3: int):
        self.squeeze = nn.Conv2d(in_channels, squeeze, 1)
        self.squeeze_activation = nn.ReLU()
        self.expand1x1 = nn.Conv2d(squeeze, expand1x1, 1)
        self.expand1x1_activation = nn.ReLU()
        self.expand3x3 = nn.Conv2d(squeeze, expand3x3, 3, padding=1)
        self.expand3x3_activation = nn.ReLU()

    def forward(self, x: jax.Array) -> jax.Array:
        x = self.squeeze_activation(self.squeeze(x))
        branches = self.expand1x1_activation(self.expand1x1(x)), self.expand3x3_activation(self.expand3x3(x))
        return jnp.concatenate(branches, axis=-1)


class SqueezeNet(nn.Module):
    """A convolution, eight Fire blocks, and a 1x1 convolution to a channel for each class, whose mean is the logit.

    Args:
        version: "1_0", or "1_1", which has the same accuracy with less computation.
        num_classes: number of logits.
        in_channels: channels of the image.
        dropout: probability to drop an element before the last convolution.
    """

    def __init__(
        self, version: str = "1_0", num_classes: int = 1000, *, in_channels: int = 3, dropout: float = 0.5
    ):
        if version not in VERSIONS:
            raise ValueError(f"SqueezeNet has the versions {' and '.join(map(repr, VERSIONS))}; version={version!r}")
        (channels, kernel_size), *groups = VERSIONS[version]
        features: list[nn.Module] = [nn.Conv2d(in_channels, channels, kernel_size, stride=2), nn.ReLU()]
        for group in groups:
            features.append(nn.MaxPool2d(3, stride=2, ceil_mode=True))
            for squeeze, expand in group:
                features.append(Fire(channels, squeeze, expand, expand))
                channels = 2 * expand
        self.features = nn.Sequential(*features).with_init(_relu_uniform)
        last = nn.Conv2d(channels, num_classes, 1, weight_init=init.normal(std=0.01), bias_init=init.zeros)
        self.classifier = nn.Sequential(nn.Dropout(dropout), last, nn.ReLU(), nn.AdaptiveAvgPool2d(1))
        self.flatten = nn.Flatten()

    def forward(self, x: jax.Array) -> jax.Array:
        """Maps images [batch, height, width, in_channels] to logits [batch, num_classes].

        Height and width are 21 or more, for version 1.1 17 or more. Logits are never negative, because a ReLU comes
        before the mean.
        """
        return self.flatten(self.classifier(self.features(x)))


def _relu_uniform(layer: nn.Module) -> Mapping[str, Initializer]:
    if isinstance(layer, nn.Conv2d):
        return {"weight": init.kaiming_uniform(nonlinearity="relu"), "bias": init.zeros}
    return {}


@register
def squeezenet1_0(num_classes: int = 1000, **options: Any) -> SqueezeNet:
    """SqueezeNet 1.0, of the paper; `options` are those of `SqueezeNet`."""
    return SqueezeNet("1_0", num_classes, **options)


@register
def squeezenet1_1(num_classes: int = 1000, **options: Any) -> SqueezeNet:
    """SqueezeNet 1.1, with 2.4 times less computation; `options` are those of `SqueezeNet`."""
    return SqueezeNet("1_1", num_classes, **options)
