"""RegNet: residual networks whose widths follow a quantised linear function (Radosavovic et al. 2020).

https://arxiv.org/abs/2003.13678. RegNetY has squeeze-and-excitation in its blocks, RegNetX has not. The parameters of
Y-128GF are not from the paper but from torchvision, for the SWAG weights (Singh et al. 2022,
https://arxiv.org/abs/2201.08371).
"""

import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax

from ... import nn
from ...nn import init
from ...nn.init import Initializer
from ..ops import Conv2dNormActivation, SqueezeExcitation
from ._channels import make_divisible
from ._zoo.registry import register

__all__ = [
    "BlockParams", "RegNet", "ResBottleneckBlock", "SimpleStemIN", "regnet_x_16gf", "regnet_x_1_6gf", "regnet_x_32gf",
    "regnet_x_3_2gf", "regnet_x_400mf", "regnet_x_800mf", "regnet_x_8gf", "regnet_y_128gf", "regnet_y_16gf",
    "regnet_y_1_6gf", "regnet_y_32gf", "regnet_y_3_2gf", "regnet_y_400mf", "regnet_y_800mf", "regnet_y_8gf",
]

Layer = Callable[..., nn.Module]

# For each variant: depth, w_0, w_a, w_m and group_width; see `BlockParams.from_init_params`.
X = {
    "400MF": (22, 24, 24.48, 2.54, 16),
    "800MF": (16, 56, 35.73, 2.28, 16),
    "1.6GF": (18, 80, 34.01, 2.25, 24),
    "3.2GF": (25, 88, 26.31, 2.25, 48),
    "8GF": (23, 80, 49.56, 2.88, 120),
    "16GF": (22, 216, 55.59, 2.1, 128),
    "32GF": (23, 320, 69.86, 2.0, 168),
}
Y = {
    "400MF": (16, 48, 27.89, 2.09, 8),
    "800MF": (14, 56, 38.84, 2.4, 16),
    "1.6GF": (27, 48, 20.71, 2.65, 24),
    "3.2GF": (21, 80, 42.63, 2.66, 24),
    "8GF": (17, 192, 76.82, 2.19, 56),
    "16GF": (18, 200, 106.23, 2.48, 112),
    "32GF": (20, 232, 115.89, 2.53, 232),
    "128GF": (27, 456, 160.83, 2.52, 264),
}
SE_RATIO = 0.25  # of RegNetY


@dataclasses.dataclass(frozen=True)
class BlockParams:
    """The stages of a RegNet; every sequence has one element for each stage.

    Attributes:
        depths: number of blocks.
        widths: output channels of the blocks.
        group_widths: channels of each group of the 3x3 convolutions.
        bottleneck_multipliers: channels of the 3x3 convolutions divided by the output channels.
        strides: stride of the first block.
        se_ratio: channels inside squeeze-and-excitation divided by the input channels of the block; None for blocks
            without it.
    """

    depths: Sequence[int]
    widths: Sequence[int]
    group_widths: Sequence[int]
    bottleneck_multipliers: Sequence[float]
    strides: Sequence[int]
    se_ratio: float | None = None

    @classmethod
    def from_init_params(
        cls, depth: int, w_0: int, w_a: float, w_m: float, group_width: int, bottleneck_multiplier: float = 1.0,
        se_ratio: float | None = None,
    ) -> "BlockParams":
        """The stages for the parameters of the paper (section 3.3).

        The width of block j is w_0 + w_a * j. It is rounded to the nearest w_0 * w_m**k, in logarithms, and then to a
        multiple of 8. The blocks of one width are a stage, whose width is finally rounded to a multiple of
        `group_width`.

        Args:
            depth: number of blocks of all stages together.
            w_0: the first width, a multiple of 8.
            w_a: the slope of the widths, 0 or more.
            w_m: the quotient of two quantised widths is a power of this; greater than 1.
            group_width: channels of a group, in all stages whose width is not less.
            bottleneck_multiplier: see `bottleneck_multipliers`; the same in all stages.
            se_ratio: see the class.

        Raises:
            ValueError: `w_a`, `w_0` or `w_m` is out of its range.

        >>> BlockParams.from_init_params(18, 80, 34.01, 2.25, 24).widths
        (72, 168, 408, 912)
        """
        if w_a < 0 or w_0 <= 0 or w_m <= 1 or w_0 % 8:
            raise ValueError(f"RegNet takes w_a >= 0, w_0 > 0 a multiple of 8, and w_m > 1; {w_a=}, {w_0=}, {w_m=}")
        powers = [round(math.log(1 + w_a * j / w_0) / math.log(w_m)) for j in range(depth)]
        # Widths do not decrease, and Counter keeps their order.
        stages = Counter(8 * round(w_0 * w_m**power / 8) for power in powers)
        inside = [int(width * bottleneck_multiplier) for width in stages]
        group_widths = [min(group_width, width) for width in inside]
        inside = [make_divisible(width, group) for width, group in zip(inside, group_widths, strict=True)]
        return cls(
            depths=tuple(stages.values()),
            widths=tuple(int(width / bottleneck_multiplier) for width in inside),
            group_widths=tuple(group_widths),
            bottleneck_multipliers=(bottleneck_multiplier,) * len(stages),
            strides=(2,) * len(stages),
            se_ratio=se_ratio,
        )


class SimpleStemIN(Conv2dNormActivation):
    """A 3x3 convolution of stride 2, a norm and an activation."""

    def __init__(self, width_in: int, width_out: int, norm_layer: Layer, activation_layer: Layer):
        super().__init__(width_in, width_out, 3, 2, norm_layer=norm_layer, activation_layer=activation_layer)


class ResBottleneckBlock(nn.Module):
    """1x1, 3x3 and 1x1 convolutions with a shortcut; RegNetY has squeeze-and-excitation before the last one."""

    def __init__(
        self, width_in: int, width_out: int, stride: int, norm_layer: Layer, activation_layer: Layer,
        group_width: int = 1, bottleneck_multiplier: float = 1.0, se_ratio: float | None = None,
    ):
        linear: dict[str, Any] = {"norm_layer": norm_layer, "activation_layer": None}
        active: dict[str, Any] = linear | {"activation_layer": activation_layer}
        keeps_shape = width_in == width_out and stride == 1
        self.proj = None if keeps_shape else Conv2dNormActivation(width_in, width_out, 1, stride, **linear)
        inside = round(width_out * bottleneck_multiplier)
        layers: dict[str, nn.Module] = {
            "a": Conv2dNormActivation(width_in, inside, 1, **active),
            "b": Conv2dNormActivation(inside, inside, 3, stride, groups=inside // group_width, **active),
        }
        if se_ratio:
            layers["se"] = SqueezeExcitation(inside, round(se_ratio * width_in), activation=activation_layer)
        layers["c"] = Conv2dNormActivation(inside, width_out, 1, **linear)
        self.f = nn.Sequential(layers)
        self.activation = activation_layer()

    def forward(self, x: jax.Array) -> jax.Array:
        return self.activation((self.proj(x) if self.proj else x) + self.f(x))


class RegNet(nn.Module):
    """A stem, stages of residual bottlenecks, and a linear classifier of the channel means of the last feature map.

    Args:
        block_params: the stages.
        num_classes: number of logits.
        in_channels: channels of the image.
        stem_width: output channels of the stem.
        stem_type: called with the arguments of `SimpleStemIN`.
        block_type: called with the arguments of `ResBottleneckBlock`.
        norm_layer: called with a number of channels.
        activation: called without arguments.
    """

    def __init__(
        self, block_params: BlockParams, num_classes: int = 1000, *, in_channels: int = 3, stem_width: int = 32,
        stem_type: Layer = SimpleStemIN, block_type: Layer = ResBottleneckBlock, norm_layer: Layer = nn.BatchNorm2d,
        activation: Layer = nn.ReLU,
    ):
        stages = zip(
            block_params.depths, block_params.widths, block_params.strides, block_params.group_widths,
            block_params.bottleneck_multipliers, strict=True,
        )
        trunk: dict[str, nn.Module] = {}
        channels = stem_width
        for number, (depth, width, stride, group_width, multiplier) in enumerate(stages, 1):
            blocks: dict[str, nn.Module] = {}
            for i in range(depth):
                blocks[f"block{number}-{i}"] = block_type(
                    channels, width, stride if i == 0 else 1, norm_layer, activation, group_width, multiplier,
                    block_params.se_ratio,
                )
                channels = width
            trunk[f"block{number}"] = nn.Sequential(blocks)
        self.stem = stem_type(in_channels, stem_width, norm_layer, activation).with_init(_kaiming)
        self.trunk_output = nn.Sequential(trunk).with_init(_kaiming)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(channels, num_classes, weight_init=init.normal(std=0.01), bias_init=init.zeros)

    def forward(self, x: jax.Array) -> jax.Array:
        """Maps images [batch, height, width, in_channels] to logits [batch, num_classes]."""
        return self.fc(self.flatten(self.avgpool(self.trunk_output(self.stem(x)))))


def _kaiming(layer: nn.Module) -> Mapping[str, Initializer]:
    """Kaiming normal for convolutions; the biases of squeeze-and-excitation keep torch's initial values."""
    return {"weight": init.kaiming_normal(mode="fan_out")} if isinstance(layer, nn.Conv2d) else {}


def _regnet_x(variant: str, num_classes: int, options: dict[str, Any]) -> RegNet:
    return RegNet(BlockParams.from_init_params(*X[variant]), num_classes, **options)


def _regnet_y(variant: str, num_classes: int, options: dict[str, Any]) -> RegNet:
    return RegNet(BlockParams.from_init_params(*Y[variant], se_ratio=SE_RATIO), num_classes, **options)


@register
def regnet_x_400mf(num_classes: int = 1000, **options: Any) -> RegNet:
    """RegNetX-400MF; `options` are those of `RegNet`."""
    return _regnet_x("400MF", num_classes, options)


@register
def regnet_x_800mf(num_classes: int = 1000, **options: Any) -> RegNet:
    """RegNetX-800MF; `options` are those of `RegNet`."""
    return _regnet_x("800MF", num_classes, options)


@register
def regnet_x_1_6gf(num_classes: int = 1000, **options: Any) -> RegNet:
    """RegNetX-1.6GF; `options` are those of `RegNet`."""
    return _regnet_x("1.6GF", num_classes, options)


@register
def regnet_x_3_2gf(num_classes: int = 1000, **options: Any) -> RegNet:
    """RegNetX-3.2GF; `options` are those of `RegNet`."""
    return _regnet_x("3.2GF", num_classes, options)


@register
def regnet_x_8gf(num_classes: int = 1000, **options: Any) -> RegNet:
    """RegNetX-8GF; `options` are those of `RegNet`."""
    return _regnet_x("8GF", num_classes, options)


@register
def regnet_x_16gf(num_classes: int = 1000, **options: Any) -> RegNet:
    """RegNetX-16GF; `options` are those of `RegNet`."""
    return _regnet_x("16GF", num_classes, options)


@register
def regnet_x_32gf(num_classes: int = 1000, **options: Any) -> RegNet:
    """RegNetX-32GF; `options` are those of `RegNet`."""
    return _regnet_x("32GF", num_classes, options)


@register
def regnet_y_400mf(num_classes: int = 1000, **options: Any) -> RegNet:
    """RegNetY-400MF; `options` are those of `RegNet`."""
    return _regnet_y("400MF", num_classes, options)


@register
def regnet_y_800mf(num_classes: int = 1000, **options: Any) -> RegNet:
    """RegNetY-800MF; `options` are those of `RegNet`."""
    return _regnet_y("800MF", num_classes, options)


@register
def regnet_y_1_6gf(num_classes: int = 1000, **options: Any) -> RegNet:
    """RegNetY-1.6GF; `options` are those of `RegNet`."""
    return _regnet_y("1.6GF", num_classes, options)


@register
def regnet_y_3_2gf(num_classes: int = 1000, **options: Any) -> RegNet:
    """RegNetY-3.2GF; `options` are those of `RegNet`."""
    return _regnet_y("3.2GF", num_classes, options)


@register
def regnet_y_8gf(num_classes: int = 1000, **options: Any) -> RegNet:
    """RegNetY-8GF; `options` are those of `RegNet`."""
    return _regnet_y("8GF", num_classes, options)


@register
def regnet_y_16gf(num_classes: int = 1000, **options: Any) -> RegNet:
    """RegNetY-16GF; `options` are those of `RegNet`."""
    return _regnet_y("16GF", num_classes, options)


@register
def regnet_y_32gf(num_classes: int = 1000, **options: Any) -> RegNet:
    """RegNetY-32GF; `options` are those of `RegNet`."""
    return _regnet_y("32GF", num_classes, options)


@register
def regnet_y_128gf(num_classes: int = 1000, **options: Any) -> RegNet:
    """RegNetY-128GF; `options` are those of `RegNet`."""
    return _regnet_y("128GF", num_classes, options)
