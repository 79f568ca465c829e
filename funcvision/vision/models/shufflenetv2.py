"""ShuffleNetV2: blocks that transform half of the channels and then shuffle all channels (Ma et al. 2018).

https://arxiv.org/abs/1807.11164, table 5.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from ... import nn
from ..ops import Conv2dNormActivation
from ._zoo.registry import register

__all__ = [
    "InvertedResidual", "ShuffleNetV2", "shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5",
    "shufflenet_v2_x2_0",
]

REPEATS = (4, 8, 4)  # blocks in each of the three stages
# For each factor of the width: channels of the stem, of the three stages, and of the last convolution.
CHANNELS = {
    0.5: (24, 48, 96, 192, 1024),
    1.0: (24, 116, 232, 464, 1024),
    1.5: (24, 176, 352, 704, 1024),
    2.0: (24, 244, 488, 976, 2048),
}


class InvertedResidual(nn.Module):
    """Two parallel branches whose output channels are interleaved.

    One branch has 1x1, depthwise 3x3 and 1x1 convolutions. At stride 1 its input is half of the channels, and the other
    branch passes the other half through. At a larger stride the input of both is the whole feature map, and the other
    branch has a depthwise 3x3 and a 1x1 convolution.
    """

    def __init__(self, inp: int, oup: int, stride: int):
        if not 1 <= stride <= 3:
            raise ValueError(f"InvertedResidual takes a stride from 1 to 3; stride={stride}")
        half = oup // 2
        if stride == 1 and inp != 2 * half:
            raise ValueError(f"at stride 1 input and output channels must be the same even number; {inp=}, {oup=}")
        self.stride = stride
        if stride > 1:
            self.branch1 = nn.Sequential(
                *Conv2dNormActivation(inp, inp, 3, stride, groups=inp, activation_layer=None),
                *Conv2dNormActivation(inp, half, 1),
            )
        else:
            self.branch1 = nn.Sequential()
        self.branch2 = nn.Sequential(
            *Conv2dNormActivation(inp if stride > 1 else half, half, 1),
            *Conv2dNormActivation(half, half, 3, stride, groups=half, activation_layer=None),
            *Conv2dNormActivation(half, half, 1),
        )

    def forward(self, x: jax.Array) -> jax.Array:
        first, second = jnp.split(x, 2, axis=-1) if self.stride == 1 else (x, x)
        return _interleave(self.branch1(first), self.branch2(second))


def _interleave(first: jax.Array, second: jax.Array) -> jax.Array:
    """Alternates the channels of two arrays, which equals a channel shuffle of their concatenation in two groups."""
    *lead, channels = first.shape
    return jnp.stack((first, second), axis=-1).reshape(*lead, 2 * channels)


class ShuffleNetV2(nn.Module):
    """A stem, three stages of blocks, a 1x1 convolution, and a linear classifier of channel means.

    Args:
        stages_repeats: number of blocks in each of the three stages; the first of each has stride 2.
        stages_out_channels: channels of the stem, of the three stages, and of the last convolution.
        num_classes: number of logits.
        in_channels: channels of the image.
        inverted_residual: called with the arguments of `InvertedResidual`.
    """

    def __init__(
        self, stages_repeats: Sequence[int], stages_out_channels: Sequence[int], num_classes: int = 1000, *,
        in_channels: int = 3, inverted_residual: Callable[..., nn.Module] = InvertedResidual,
    ):
        if len(stages_repeats) != 3 or len(stages_out_channels) != 5:
            raise ValueError(
                "ShuffleNetV2 takes three stages_repeats and five stages_out_channels; "
                f"got {stages_repeats} and {stages_out_channels}"
            )
        stem, *widths, last = stages_out_channels

        def stage(number: int) -> nn.Sequential:
            before, width = (stem, *widths)[number : number + 2]
            blocks = [inverted_residual(before, width, 2)]
            blocks += [inverted_residual(width, width, 1) for _ in range(1, stages_repeats[number])]
            return nn.Sequential(*blocks)

        self.conv1 = Conv2dNormActivation(in_channels, stem, 3, 2)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.stage2 = stage(0)
        self.stage3 = stage(1)
        self.stage4 = stage(2)
        self.conv5 = Conv2dNormActivation(widths[-1], last, 1)
        self.mean = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.fc = nn.Linear(last, num_classes)

    def forward(self, x: jax.Array) -> jax.Array:
        """Maps images [batch, height, width, in_channels] to logits [batch, num_classes]."""
        x = self.maxpool(self.conv1(x))
        x = self.stage4(self.stage3(self.stage2(x)))
        return self.fc(self.mean(self.conv5(x)))


@register
def shufflenet_v2_x0_5(num_classes: int = 1000, **options: Any) -> ShuffleNetV2:
    """ShuffleNetV2 of half the width; `options` are those of `ShuffleNetV2`."""
    return ShuffleNetV2(REPEATS, CHANNELS[0.5], num_classes, **options)


@register
def shufflenet_v2_x1_0(num_classes: int = 1000, **options: Any) -> ShuffleNetV2:
    """ShuffleNetV2; `options` are those of `ShuffleNetV2`."""
    return ShuffleNetV2(REPEATS, CHANNELS[1.0], num_classes, **options)


@register
def shufflenet_v2_x1_5(num_classes: int = 1000, **options: Any) -> ShuffleNetV2:
    """ShuffleNetV2 of 1.5 times the width; `options` are those of `ShuffleNetV2`."""
    return ShuffleNetV2(REPEATS, CHANNELS[1.5], num_classes, **options)


@register
def shufflenet_v2_x2_0(num_classes: int = 1000, **options: Any) -> ShuffleNetV2:
    """ShuffleNetV2 of twice the width; `options` are those of `ShuffleNetV2`."""
    return ShuffleNetV2(REPEATS, CHANNELS[2.0], num_classes, **options)
