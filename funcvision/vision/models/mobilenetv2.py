"""MobileNetV2: residual blocks with more channels inside than at input and output (Sandler et al. 2018).

https://arxiv.org/abs/1801.04381, table 2.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax

from ... import nn
from ..ops import Conv2dNormActivation
from ._channels import make_divisible
from ._initial import fan_out_normal
from ._zoo.registry import register

__all__ = ["InvertedResidual", "MobileNetV2", "mobilenet_v2"]

Norm = Callable[..., nn.Module]

# For each stage: expansion, output channels, number of blocks, stride of the first block.
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class InvertedResidual(nn.Module):
    """A 1x1 convolution to more channels, a depthwise 3x3 one, and a 1x1 one to fewer channels, without an activation.

    The input is added if it has the shape of the output.

    Attributes:
        out_channels: channels of the output.
        reduces_resolution: whether it has a stride.
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, expand_ratio: float, *,
        norm_layer: Norm = nn.BatchNorm2d,
    ):
        if stride not in (1, 2):
            raise ValueError(f"InvertedResidual has stride 1 or 2; stride={stride}")
        self.use_res_connect = stride == 1 and in_channels == out_channels
        wide = round(in_channels * expand_ratio)
        shared: dict[str, Any] = {"norm_layer": norm_layer, "activation_layer": nn.ReLU6}
        layers: list[nn.Module] = []
        if expand_ratio != 1:
            layers.append(Conv2dNormActivation(in_channels, wide, 1, **shared))
        layers += [
            Conv2dNormActivation(wide, wide, 3, stride, groups=wide, **shared),
            nn.Conv2d(wide, out_channels, 1, bias=False),
            norm_layer(out_channels),
        ]
        self.conv = nn.Sequential(*layers)
        self.out_channels = out_channels
        self.reduces_resolution = stride > 1

    def forward(self, x: jax.Array) -> jax.Array:
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(nn.Module):
    """A stem, stages of inverted residuals, a 1x1 convolution to 1280 channels, and a linear classifier.

    Args:
        num_classes: number of logits.
        in_channels: channels of the image.
        width_mult: multiplies the number of channels of every layer.
        inverted_residual_setting: for each stage (expansion, channels, blocks, stride); see `STAGES`.
        round_nearest: numbers of channels are rounded to multiples of this.
        block: called with the arguments of `InvertedResidual`.
        norm_layer: called with a number of channels.
        dropout: probability to drop an element before the classifier.
    """

    def __init__(
        self, num_classes: int = 1000, *, in_channels: int = 3, width_mult: float = 1.0,
        inverted_residual_setting: Sequence[tuple[int, int, int, int]] = STAGES, round_nearest: int = 8,
        block: Callable[..., nn.Module] = InvertedResidual, norm_layer: Norm = nn.BatchNorm2d, dropout: float = 0.2,
    ):
        def rounded(channels: float) -> int:
            return make_divisible(channels, round_nearest)

        shared: dict[str, Any] = {"norm_layer": norm_layer, "activation_layer": nn.ReLU6}
        channels = rounded(32 * width_mult)
        last_channels = rounded(1280 * max(1.0, width_mult))
        features: list[nn.Module] = [Conv2dNormActivation(in_channels, channels, 3, 2, **shared)]
        for expand_ratio, width, count, stride in inverted_residual_setting:
            out_channels = rounded(width * width_mult)
            for i in range(count):
                features.append(
                    block(channels, out_channels, stride if i == 0 else 1, expand_ratio, norm_layer=norm_layer)
                )
                channels = out_channels
        features.append(Conv2dNormActivation(channels, last_channels, 1, **shared))
        self.features = nn.Sequential(*features).with_init(fan_out_normal)
        self.adaptive_avg_pool2d = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(last_channels, num_classes)).with_init(
            fan_out_normal
        )

    def forward(self, x: jax.Array) -> jax.Array:
        """Maps images [batch, height, width, in_channels] to logits [batch, num_classes]."""
        return self.classifier(self.flatten(self.adaptive_avg_pool2d(self.features(x))))


@register
def mobilenet_v2(num_classes: int = 1000, **options: Any) -> MobileNetV2:
    """MobileNetV2; `options` are those of `MobileNetV2`."""
    return MobileNetV2(num_classes, **options)
