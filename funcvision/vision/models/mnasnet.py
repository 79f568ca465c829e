"""MNASNet: inverted residuals whose kernel sizes and widths were found by a search for mobile phones (Tan et al. 2018).

https://arxiv.org/abs/1807.11626. This is the variant B1, without squeeze-and-excitation, of
https://github.com/tensorflow/tpu/tree/master/models/official/mnasnet.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax

from ... import nn
from ...nn import init
from ...nn.init import Initializer
from ..ops import Conv2dNormActivation
from ._channels import make_divisible
from ._initial import fan_out_normal
from ._zoo.registry import register

__all__ = ["MNASNet", "mnasnet0_5", "mnasnet0_75", "mnasnet1_0", "mnasnet1_3"]

STEM_CHANNELS = (32, 16)
# For each stack: output channels, kernel size, stride of the first block, expansion, number of blocks.
STACKS = (
    (24, 3, 2, 3, 3),
    (40, 5, 2, 3, 3),
    (80, 5, 2, 6, 3),
    (96, 3, 1, 6, 2),
    (192, 5, 2, 6, 4),
    (320, 3, 1, 6, 1),
)
LAST_CHANNELS = 1280  # in every variant

# The authors' decay of running statistics is 0.9997, which is a momentum of 1 - 0.9997 in torch's terms. torchvision's
# names number the layers of all blocks consecutively, so the blocks are unpacked below: `*_conv(...)`.
_conv = partial(Conv2dNormActivation, norm_layer=partial(nn.BatchNorm2d, momentum=1 - 0.9997))


class _InvertedResidual(nn.Module):
    """A 1x1 convolution to more channels, a depthwise one, and a 1x1 one to fewer channels, without an activation.

    The input is added if it has the shape of the output.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int, expand_ratio: int):
        self.apply_residual = stride == 1 and in_channels == out_channels
        wide = in_channels * expand_ratio
        self.layers = nn.Sequential(
            *_conv(in_channels, wide, 1),
            *_conv(wide, wide, kernel_size, stride, groups=wide),
            *_conv(wide, out_channels, 1, activation_layer=None),
        )

    def forward(self, x: jax.Array) -> jax.Array:
        return x + self.layers(x) if self.apply_residual else self.layers(x)


class MNASNet(nn.Module):
    """A stem, six stacks of inverted residuals, a 1x1 convolution, and a linear classifier of channel means.

    Args:
        alpha: multiplies the number of channels of every layer but the last.
        num_classes: number of logits.
        in_channels: channels of the image.
        dropout: probability to drop an element before the classifier.
    """

    def __init__(self, alpha: float, num_classes: int = 1000, *, in_channels: int = 3, dropout: float = 0.2):
        if alpha <= 0:
            raise ValueError(f"alpha must be greater than 0, it multiplies numbers of channels; alpha={alpha}")
        stem, channels = (make_divisible(width * alpha) for width in STEM_CHANNELS)
        layers: list[nn.Module] = [
            *_conv(in_channels, stem, 3, 2),
            *_conv(stem, stem, 3, groups=stem),
            *_conv(stem, channels, 1, activation_layer=None),
        ]
        for width, kernel_size, stride, expand_ratio, count in STACKS:
            out_channels = make_divisible(width * alpha)
            blocks = [_InvertedResidual(channels, out_channels, kernel_size, stride, expand_ratio)]
            blocks += [
                _InvertedResidual(out_channels, out_channels, kernel_size, 1, expand_ratio) for _ in range(1, count)
            ]
            layers.append(nn.Sequential(*blocks))
            channels = out_channels
        layers += _conv(channels, LAST_CHANNELS, 1)
        self.layers = nn.Sequential(*layers).with_init(fan_out_normal)
        self.mean = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(LAST_CHANNELS, num_classes)).with_init(
            _fan_out_uniform
        )

    def forward(self, x: jax.Array) -> jax.Array:
        """Maps images [batch, height, width, in_channels] to logits [batch, num_classes]."""
        return self.classifier(self.mean(self.layers(x)))


def _fan_out_uniform(layer: nn.Module) -> Mapping[str, Initializer]:
    if isinstance(layer, nn.Linear):
        return {"weight": init.kaiming_uniform(mode="fan_out", nonlinearity="sigmoid"), "bias": init.zeros}
    return {}


@register
def mnasnet0_5(num_classes: int = 1000, **options: Any) -> MNASNet:
    """MNASNet-B1 of half the width; `options` are those of `MNASNet`."""
    return MNASNet(0.5, num_classes, **options)


@register
def mnasnet0_75(num_classes: int = 1000, **options: Any) -> MNASNet:
    """MNASNet-B1 of 0.75 times the width; `options` are those of `MNASNet`."""
    return MNASNet(0.75, num_classes, **options)


@register
def mnasnet1_0(num_classes: int = 1000, **options: Any) -> MNASNet:
    """MNASNet-B1; `options` are those of `MNASNet`."""
    return MNASNet(1.0, num_classes, **options)


@register
def mnasnet1_3(num_classes: int = 1000, **options: Any) -> MNASNet:
    """MNASNet-B1 of 1.3 times the width; `options` are those of `MNASNet`."""
    return MNASNet(1.3, num_classes, **options)
