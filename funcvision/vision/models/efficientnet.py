"""EfficientNet, one network of mobile bottlenecks scaled in width, depth and resolution together, and its version 2.

Tan and Le 2019, https://arxiv.org/abs/1905.11946, table 1; Tan and Le 2021, https://arxiv.org/abs/2104.00298, table 4.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax

from ... import nn
from ...nn import init
from ..ops import Conv2dNormActivation, SqueezeExcitation, StochasticDepth
from ._channels import make_divisible
from ._initial import fan_out_normal
from ._zoo.registry import register

__all__ = [
    "EfficientNet", "FusedMBConv", "FusedMBConvConfig", "MBConv", "MBConvConfig", "efficientnet_b0", "efficientnet_b1",
    "efficientnet_b2", "efficientnet_b3", "efficientnet_b4", "efficientnet_b5", "efficientnet_b6", "efficientnet_b7",
    "efficientnet_v2_l", "efficientnet_v2_m", "efficientnet_v2_s",
]

Norm = Callable[..., nn.Module]

# For each stage: expansion, kernel size, stride of the first block, input channels, output channels, blocks.
V1_STAGES = (
    (1, 3, 1, 32, 16, 1),
    (6, 3, 2, 16, 24, 2),
    (6, 5, 2, 24, 40, 2),
    (6, 3, 2, 40, 80, 3),
    (6, 5, 1, 80, 112, 3),
    (6, 5, 2, 112, 192, 4),
    (6, 3, 1, 192, 320, 1),
)
# Factors of width and depth, and dropout. The paper's image sizes are 224, 240, 260, 300, 380, 456, 528 and 600.
V1_VARIANTS = {
    "b0": (1.0, 1.0, 0.2),
    "b1": (1.0, 1.1, 0.2),
    "b2": (1.1, 1.2, 0.3),
    "b3": (1.2, 1.4, 0.3),
    "b4": (1.4, 1.8, 0.4),
    "b5": (1.6, 2.2, 0.4),
    "b6": (1.8, 2.6, 0.5),
    "b7": (2.0, 3.1, 0.5),
}
# For each variant: stages of FusedMBConv and stages of MBConv, with the columns of V1_STAGES, and dropout.
V2_VARIANTS = {
    "s": (
        ((1, 3, 1, 24, 24, 2), (4, 3, 2, 24, 48, 4), (4, 3, 2, 48, 64, 4)),
        ((4, 3, 2, 64, 128, 6), (6, 3, 1, 128, 160, 9), (6, 3, 2, 160, 256, 15)),
        0.2,
    ),
    "m": (
        ((1, 3, 1, 24, 24, 3), (4, 3, 2, 24, 48, 5), (4, 3, 2, 48, 80, 5)),
        ((4, 3, 2, 80, 160, 7), (6, 3, 1, 160, 176, 14), (6, 3, 2, 176, 304, 18), (6, 3, 1, 304, 512, 5)),
        0.3,
    ),
    "l": (
        ((1, 3, 1, 32, 32, 4), (4, 3, 2, 32, 64, 7), (4, 3, 2, 64, 96, 7)),
        ((4, 3, 2, 96, 192, 10), (6, 3, 1, 192, 224, 19), (6, 3, 2, 224, 384, 25), (6, 3, 1, 384, 640, 7)),
        0.4,
    ),
}


@dataclasses.dataclass(frozen=True)
class _StageConfig:
    expand_ratio: float
    kernel: int
    stride: int
    input_channels: int
    out_channels: int
    num_layers: int
    block: Callable[..., nn.Module]

    @property
    def expanded_channels(self) -> int:
        """Channels between the first and the last convolution of a block."""
        return make_divisible(self.input_channels * self.expand_ratio)

    @property
    def keeps_shape(self) -> bool:
        """Whether the block's input can be added to its output."""
        return self.stride == 1 and self.input_channels == self.out_channels


class MBConvConfig(_StageConfig):
    """A stage of `MBConv` blocks, with its channels multiplied by `width_mult` and its blocks by `depth_mult`.

    Args:
        expand_ratio: channels inside a block divided by its input channels.
        kernel: kernel size of the depthwise convolutions.
        stride: of the first block.
        input_channels: channels of the stage's input.
        out_channels: channels of each block's output.
        num_layers: number of blocks.
        width_mult: multiplies the channels, which are then rounded to multiples of 8.
        depth_mult: multiplies the number of blocks, which is then rounded up.
        block: called with one block's configuration, `stochastic_depth_prob` and `norm_layer`; `MBConv` by default.
    """

    def __init__(
        self, expand_ratio: float, kernel: int, stride: int, input_channels: int, out_channels: int, num_layers: int,
        width_mult: float = 1.0, depth_mult: float = 1.0, block: Callable[..., nn.Module] | None = None,
    ):
        narrow, wide = (make_divisible(channels * width_mult) for channels in (input_channels, out_channels))
        super().__init__(
            expand_ratio, kernel, stride, narrow, wide, math.ceil(num_layers * depth_mult), block or MBConv
        )


class FusedMBConvConfig(_StageConfig):
    """A stage of `FusedMBConv` blocks; see `MBConvConfig`."""

    def __init__(
        self, expand_ratio: float, kernel: int, stride: int, input_channels: int, out_channels: int, num_layers: int,
        block: Callable[..., nn.Module] | None = None,
    ):
        super().__init__(expand_ratio, kernel, stride, input_channels, out_channels, num_layers, block or FusedMBConv)


class _Residual(nn.Module):
    """Runs `block` and adds its input if the shapes are equal, with stochastic depth."""

    def __init__(self, layers: Sequence[nn.Module], cnf: _StageConfig, stochastic_depth_prob: float):
        if cnf.stride not in (1, 2):
            raise ValueError(f"{type(self).__name__} has stride 1 or 2; stride={cnf.stride}")
        self.use_res_connect = cnf.keeps_shape
        self.block = nn.Sequential(*layers)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.out_channels = cnf.out_channels

    def forward(self, x: jax.Array) -> jax.Array:
        return x + self.stochastic_depth(self.block(x)) if self.use_res_connect else self.block(x)


class MBConv(_Residual):
    """A 1x1 convolution to more channels, a depthwise one, squeeze-and-excitation, and a 1x1 one to fewer channels.

    Squeeze-and-excitation has a quarter of the block's input channels inside.
    """

    def __init__(
        self, cnf: MBConvConfig, stochastic_depth_prob: float, norm_layer: Norm,
        se_layer: Callable[..., nn.Module] = SqueezeExcitation,
    ):
        active: dict[str, Any] = {"norm_layer": norm_layer, "activation_layer": nn.SiLU}
        wide = cnf.expanded_channels
        layers: list[nn.Module] = []
        if wide != cnf.input_channels:
            layers.append(Conv2dNormActivation(cnf.input_channels, wide, 1, **active))
        layers += [
            Conv2dNormActivation(wide, wide, cnf.kernel, cnf.stride, groups=wide, **active),
            se_layer(wide, max(1, cnf.input_channels // 4), activation=nn.SiLU),
            Conv2dNormActivation(wide, cnf.out_channels, 1, norm_layer=norm_layer, activation_layer=None),
        ]
        super().__init__(layers, cnf, stochastic_depth_prob)


class FusedMBConv(_Residual):
    """A convolution to more channels and a 1x1 convolution to fewer; with an expansion of 1 only the first."""

    def __init__(self, cnf: FusedMBConvConfig, stochastic_depth_prob: float, norm_layer: Norm):
        active: dict[str, Any] = {"norm_layer": norm_layer, "activation_layer": nn.SiLU}
        wide = cnf.expanded_channels
        if wide == cnf.input_channels:
            layers = [Conv2dNormActivation(wide, cnf.out_channels, cnf.kernel, cnf.stride, **active)]
        else:
            layers = [
                Conv2dNormActivation(cnf.input_channels, wide, cnf.kernel, cnf.stride, **active),
                Conv2dNormActivation(wide, cnf.out_channels, 1, norm_layer=norm_layer, activation_layer=None),
            ]
        super().__init__(layers, cnf, stochastic_depth_prob)


class EfficientNet(nn.Module):
    """A stem, stages of bottlenecks, a 1x1 convolution, and a linear classifier of channel means.

    Args:
        inverted_residual_setting: the stages.
        num_classes: number of logits.
        in_channels: channels of the image.
        dropout: probability to drop an element before the classifier.
        stochastic_depth_prob: block i of n is skipped for a sample with i / n of this probability.
        norm_layer: called with a number of channels.
        last_channel: channels of the last convolution; by default 4 times those of the last stage.
    """

    def __init__(
        self, inverted_residual_setting: Sequence[MBConvConfig | FusedMBConvConfig], num_classes: int = 1000, *,
        in_channels: int = 3, dropout: float = 0.2, stochastic_depth_prob: float = 0.2,
        norm_layer: Norm = nn.BatchNorm2d, last_channel: int | None = None,
    ):
        _check_setting(inverted_residual_setting)
        active: dict[str, Any] = {"norm_layer": norm_layer, "activation_layer": nn.SiLU}
        stem = inverted_residual_setting[0].input_channels
        features: list[nn.Module] = [Conv2dNormActivation(in_channels, stem, 3, 2, **active)]
        total, number = sum(stage.num_layers for stage in inverted_residual_setting), 0
        for stage in inverted_residual_setting:
            later = dataclasses.replace(stage, input_channels=stage.out_channels, stride=1)
            blocks = []
            for i in range(stage.num_layers):
                probability = stochastic_depth_prob * number / total
                blocks.append(stage.block(later if i else stage, probability, norm_layer))
                number += 1
            features.append(nn.Sequential(*blocks))
        channels = inverted_residual_setting[-1].out_channels
        last_channel = last_channel or 4 * channels
        features.append(Conv2dNormActivation(channels, last_channel, 1, **active))
        self.features = nn.Sequential(*features).with_init(fan_out_normal)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        edge = num_classes**-0.5
        linear = nn.Linear(last_channel, num_classes, weight_init=init.uniform(-edge, edge), bias_init=init.zeros)
        self.classifier = nn.Sequential(nn.Dropout(dropout), linear)

    def forward(self, x: jax.Array) -> jax.Array:
        """Maps images [batch, height, width, in_channels] to logits [batch, num_classes]."""
        return self.classifier(self.flatten(self.avgpool(self.features(x))))


def _check_setting(setting: Sequence[Any]) -> None:
    if not setting:
        raise ValueError("inverted_residual_setting is empty: give at least one stage")
    for stage in setting:
        if not isinstance(stage, _StageConfig):
            raise TypeError(f"inverted_residual_setting must hold MBConvConfig or FusedMBConvConfig; got {stage!r}")


def _v1(variant: str, num_classes: int, **options: Any) -> EfficientNet:
    width, depth, dropout = V1_VARIANTS[variant]
    setting = [MBConvConfig(*stage, width_mult=width, depth_mult=depth) for stage in V1_STAGES]
    options.setdefault("dropout", dropout)
    return EfficientNet(setting, num_classes, **options)


def _v2(variant: str, num_classes: int, **options: Any) -> EfficientNet:
    fused, depthwise, dropout = V2_VARIANTS[variant]
    setting = [*(FusedMBConvConfig(*stage) for stage in fused), *(MBConvConfig(*stage) for stage in depthwise)]
    norm_layer = functools.partial(nn.BatchNorm2d, eps=1e-3)
    defaults: dict[str, Any] = {"dropout": dropout, "norm_layer": norm_layer, "last_channel": 1280}
    return EfficientNet(setting, num_classes, **defaults | options)


# torchvision's weights for B5 to B7 are converted from the authors' TensorFlow weights, and so are these options.
_tensorflow_norm = functools.partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01)


@register
def efficientnet_b0(num_classes: int = 1000, **options: Any) -> EfficientNet:
    """EfficientNet-B0; `options` are those of `EfficientNet`."""
    return _v1("b0", num_classes, **options)


@register
def efficientnet_b1(num_classes: int = 1000, **options: Any) -> EfficientNet:
    """EfficientNet-B1; `options` are those of `EfficientNet`."""
    return _v1("b1", num_classes, **options)


@register
def efficientnet_b2(num_classes: int = 1000, **options: Any) -> EfficientNet:
    """EfficientNet-B2; `options` are those of `EfficientNet`."""
    return _v1("b2", num_classes, **options)


@register
def efficientnet_b3(num_classes: int = 1000, **options: Any) -> EfficientNet:
    """EfficientNet-B3; `options` are those of `EfficientNet`."""
    return _v1("b3", num_classes, **options)


@register
def efficientnet_b4(num_classes: int = 1000, **options: Any) -> EfficientNet:
    """EfficientNet-B4; `options` are those of `EfficientNet`."""
    return _v1("b4", num_classes, **options)


@register
def efficientnet_b5(num_classes: int = 1000, **options: Any) -> EfficientNet:
    """EfficientNet-B5; `options` are those of `EfficientNet`."""
    return _v1("b5", num_classes, **{"norm_layer": _tensorflow_norm} | options)


@register
def efficientnet_b6(num_classes: int = 1000, **options: Any) -> EfficientNet:
    """EfficientNet-B6; `options` are those of `EfficientNet`."""
    return _v1("b6", num_classes, **{"norm_layer": _tensorflow_norm} | options)


@register
def efficientnet_b7(num_classes: int = 1000, **options: Any) -> EfficientNet:
    """EfficientNet-B7; `options` are those of `EfficientNet`."""
    return _v1("b7", num_classes, **{"norm_layer": _tensorflow_norm} | options)


@register
def efficientnet_v2_s(num_classes: int = 1000, **options: Any) -> EfficientNet:
    """EfficientNetV2-S; `options` are those of `EfficientNet`."""
    return _v2("s", num_classes, **options)


@register
def efficientnet_v2_m(num_classes: int = 1000, **options: Any) -> EfficientNet:
    """EfficientNetV2-M; `options` are those of `EfficientNet`."""
    return _v2("m", num_classes, **options)


@register
def efficientnet_v2_l(num_classes: int = 1000, **options: Any) -> EfficientNet:
    """EfficientNetV2-L; `options` are those of `EfficientNet`."""
    return _v2("l", num_classes, **options)
