"""VGG: stacks of 3x3 convolutions (Simonyan and Zisserman 2014, https://arxiv.org/abs/1409.1556)."""

from typing import Any

import jax

from ... import nn
from ...nn import init
from ._zoo.registry import register

__all__ = ["VGG", "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn"]

# Number of 3x3 convolutions before each of the five 2x2 max pools. Their channels are the same in all variants.
CONVOLUTIONS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
CHANNELS = (64, 128, 256, 512, 512)


class VGG(nn.Module):
    """Convolutions, pooling to 7x7 positions, and a classifier of three linear layers.

    Args:
        depth: number of layers with weights, 11, 13, 16 or 19.
        batch_norm: whether a batch norm follows each convolution.
        num_classes: number of logits.
        in_channels: channels of the image.
        dropout: probability to drop an element after each hidden layer of the classifier.
    """

    def __init__(
        self, depth: int, batch_norm: bool, num_classes: int = 1000, *, in_channels: int = 3, dropout: float = 0.5
    ):
        features: list[nn.Module] = []
        for count, channels in zip(CONVOLUTIONS[depth], CHANNELS, strict=True):
            for _ in range(count):
                features.append(_conv(in_channels, channels))
                features += [nn.BatchNorm2d(channels), nn.ReLU()] if batch_norm else [nn.ReLU()]
                in_channels = channels
            features.append(nn.MaxPool2d(2, stride=2))
        self.features = nn.Sequential(*features)
        self.avgpool = nn.AdaptiveAvgPool2d(7)
        self.flatten = nn.Flatten()
        self.classifier = nn.Sequential(
            _linear(512 * 7 * 7, 4096), nn.ReLU(), nn.Dropout(dropout),
            _linear(4096, 4096), nn.ReLU(), nn.Dropout(dropout),
            _linear(4096, num_classes),
        )

    def forward(self, x: jax.Array) -> jax.Array:
        """Maps images [batch, height, width, in_channels] to logits [batch, num_classes]."""
        return self.classifier(self.flatten(self.avgpool(self.features(x))))


def _conv(in_channels: int, out_channels: int) -> nn.Conv2d:
    weight_init = init.kaiming_normal(mode="fan_out", nonlinearity="relu")
    return nn.Conv2d(in_channels, out_channels, 3, padding=1, weight_init=weight_init, bias_init=init.zeros)


def _linear(in_features: int, out_features: int) -> nn.Linear:
    return nn.Linear(in_features, out_features, weight_init=init.normal(std=0.01), bias_init=init.zeros)


@register
def vgg11(num_classes: int = 1000, **options: Any) -> VGG:
    """VGG-11; `options` are those of `VGG`."""
    return VGG(11, False, num_classes, **options)


@register
def vgg11_bn(num_classes: int = 1000, **options: Any) -> VGG:
    """VGG-11 with batch norms; `options` are those of `VGG`."""
    return VGG(11, True, num_classes, **options)


@register
def vgg13(num_classes: int = 1000, **options: Any) -> VGG:
    """VGG-13; `options` are those of `VGG`."""
    return VGG(13, False, num_classes, **options)


@register
def vgg13_bn(num_classes: int = 1000, **options: Any) -> VGG:
    """VGG-13 with batch norms; `options` are those of `VGG`."""
    return VGG(13, True, num_classes, **options)


@register
def vgg16(num_classes: int = 1000, **options: Any) -> VGG:
    """VGG-16; `options` are those of `VGG`."""
    return VGG(16, False, num_classes, **options)


@register
def vgg16_bn(num_classes: int = 1000, **options: Any) -> VGG:
    """VGG-16 with batch norms; `options` are those of `VGG`."""
    return VGG(16, True, num_classes, **options)


@register
def vgg19(num_classes: int = 1000, **options: Any) -> VGG:
    """VGG-19; `options` are those of `VGG`."""
    return VGG(19, False, num_classes, **options)


@register
def vgg19_bn(num_classes: int = 1000, **options: Any) -> VGG:
    """VGG-19 with batch norms; `options` are those of `VGG`."""
    return VGG(19, True, num_classes, **options)
