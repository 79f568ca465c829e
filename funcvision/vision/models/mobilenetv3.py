"""MobileNetV3: an architecture found by search, with squeeze-and-excitation and hard swish (Howard et al. 2019).

https://arxiv.org/abs/1905.02244, tables 1 (large) and 2 (small).
"""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import jax

from ... import nn
from ..ops import Conv2dNormActivation, SqueezeExcitation
from ._channels import make_divisible
from ._initial import fan_out_normal
from ._zoo.registry import register

__all__ = [
    "InvertedResidual", "InvertedResidualConfig", "MobileNetV3", "large_setting", "mobilenet_v3_large",
    "mobilenet_v3_small",
]

Layer = Callable[..., nn.Module]
Activation = Literal["RE", "HS"]
Rows = tuple[tuple[int, int, int, bool, Activation, int], ...]

# For each block: kernel size, expanded channels, output channels, squeeze-and-excitation, activation (ReLU or hard
# swish), stride.
LARGE: Rows = (
    (3, 16, 16, False, "RE", 1),
    (3, 64, 24, False, "RE", 2),
    (3, 72, 24, False, "RE", 1),
    (5, 72, 40, True, "RE", 2),
    (5, 120, 40, True, "RE", 1),
    (5, 120, 40, True, "RE", 1),
    (3, 240, 80, False, "HS", 2),
    (3, 200, 80, False, "HS", 1),
    (3, 184, 80, False, "HS", 1),
    (3, 184, 80, False, "HS", 1),
    (3, 480, 112, True, "HS", 1),
    (3, 672, 112, True, "HS", 1),
    (5, 672, 160, True, "HS", 2),
    (5, 960, 160, True, "HS", 1),
    (5, 960, 160, True, "HS", 1),
)
SMALL: Rows = (
    (3, 16, 16, True, "RE", 2),
    (3, 72, 24, False, "RE", 2),
    (3, 88, 24, False, "RE", 1),
    (5, 96, 40, True, "HS", 2),
    (5, 240, 40, True, "HS", 1),
    (5, 240, 40, True, "HS", 1),
    (5, 120, 48, True, "HS", 1),
    (5, 144, 48, True, "HS", 1),
    (5, 288, 96, True, "HS", 2),
    (5, 576, 96, True, "HS", 1),
    (5, 576, 96, True, "HS", 1),
)
STEM_CHANNELS = 16
TAIL = 3  # blocks at the lowest resolution, which `reduced_tail` and `dilated` change

_norm = partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01)
_squeeze_excitation = partial(SqueezeExcitation, scale_activation=nn.Hardsigmoid)


@dataclasses.dataclass
class InvertedResidualConfig:
    """A block: a row of the paper's tables. `width_mult` multiplies its three numbers of channels.

    >>> InvertedResidualConfig(16, 3, 64, 24, False, "RE", 2, 1, width_mult=0.5).expanded_channels
    32
    """

    input_channels: int
    kernel: int
    expanded_channels: int
    out_channels: int
    use_se: bool
    activation: Activation
    stride: int
    dilation: int
    width_mult: dataclasses.InitVar[float]

    def __post_init__(self, width_mult: float):
        if self.stride not in (1, 2) or self.activation not in ("RE", "HS"):
            raise ValueError(
                "a block of MobileNetV3 takes stride 1 or 2 and activation 'RE' or 'HS'; "
                f"stride={self.stride}, activation={self.activation!r}"
            )
        self.input_channels = make_divisible(self.input_channels * width_mult)
        self.expanded_channels = make_divisible(self.expanded_channels * width_mult)
        self.out_channels = make_divisible(self.out_channels * width_mult)


class InvertedResidual(nn.Module):
    """A 1x1 convolution to more channels, a depthwise one, squeeze-and-excitation, and a 1x1 one to fewer channels.

    A dilated block has stride 1. The input is added if `cnf` has stride 1 and equal input and output channels.

    Attributes:
        out_channels: channels of the output.
        reduces_resolution: whether `cnf` asks for a stride; true of a dilated block too.
    """

    def __init__(self, cnf: InvertedResidualConfig, norm_layer: Layer, se_layer: Layer = _squeeze_excitation):
        self.use_res_connect = cnf.stride == 1 and cnf.input_channels == cnf.out_channels
        wide = cnf.expanded_channels
        activation_layer = nn.Hardswish if cnf.activation == "HS" else nn.ReLU
        shared: dict[str, Any] = {"norm_layer": norm_layer, "activation_layer": activation_layer}
        stride = 1 if cnf.dilation > 1 else cnf.stride
        layers: list[nn.Module] = []
        if wide != cnf.input_channels:
            layers.append(Conv2dNormActivation(cnf.input_channels, wide, 1, **shared))
        layers.append(
            Conv2dNormActivation(wide, wide, cnf.kernel, stride, groups=wide, dilation=cnf.dilation, **shared)
        )
        if cnf.use_se:
            layers.append(se_layer(wide, make_divisible(wide // 4)))
        layers.append(Conv2dNormActivation(wide, cnf.out_channels, 1, norm_layer=norm_layer, activation_layer=None))
        self.block = nn.Sequential(*layers)
        self.out_channels = cnf.out_channels
        self.reduces_resolution = cnf.stride > 1

    def forward(self, x: jax.Array) -> jax.Array:
        return x + self.block(x) if self.use_res_connect else self.block(x)


class MobileNetV3(nn.Module):
    """A stem, inverted residuals, a 1x1 convolution to more channels, and a classifier of two linear layers.

    Args:
        inverted_residual_setting: the blocks; the stem has the input channels of the first.
        last_channel: features between the two linear layers.
        num_classes: number of logits.
        in_channels: channels of the image.
        block: called with an `InvertedResidualConfig` and `norm_layer`.
        norm_layer: called with a number of channels.
        dropout: probability to drop an element before the last layer.
    """

    def __init__(
        self, inverted_residual_setting: Sequence[InvertedResidualConfig], last_channel: int,
        num_classes: int = 1000, *, in_channels: int = 3, block: Layer = InvertedResidual,
        norm_layer: Layer = _norm, dropout: float = 0.2,
    ):
        if not inverted_residual_setting:
            raise ValueError("inverted_residual_setting is empty: MobileNetV3 takes one InvertedResidualConfig or more")
        shared: dict[str, Any] = {"norm_layer": norm_layer, "activation_layer": nn.Hardswish}
        first, last = inverted_residual_setting[0].input_channels, inverted_residual_setting[-1].out_channels
        self.features = nn.Sequential(
            Conv2dNormActivation(in_channels, first, 3, 2, **shared),
            *(block(cnf, norm_layer) for cnf in inverted_residual_setting),
            Conv2dNormActivation(last, 6 * last, 1, **shared),
        ).with_init(fan_out_normal)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Sequential(
            nn.Linear(6 * last, last_channel), nn.Hardswish(), nn.Dropout(dropout), nn.Linear(last_channel, num_classes)
        ).with_init(fan_out_normal)

    def forward(self, x: jax.Array) -> jax.Array:
        """Maps images [batch, height, width, in_channels] to logits [batch, num_classes]."""
        return self.classifier(self.flatten(self.avgpool(self.features(x))))


def _setting(rows: Rows, width_mult: float, reduced_tail: bool, dilated: bool) -> list[InvertedResidualConfig]:
    """The blocks of a table; the last ones can have half the channels (the paper's section 6.3) or a dilation (6.4)."""
    setting, channels = [], STEM_CHANNELS
    for left, (kernel, expanded, out, use_se, activation, stride) in zip(range(len(rows), 0, -1), rows, strict=True):
        if reduced_tail and left <= TAIL:
            out //= 2
            expanded //= 2 if left < TAIL else 1  # the first one's input is not halved
        dilation = 2 if dilated and left <= TAIL else 1
        setting.append(
            InvertedResidualConfig(channels, kernel, expanded, out, use_se, activation, stride, dilation, width_mult)
        )
        channels = out
    return setting


def _mobilenet_v3(
    rows: Rows, last_channel: int, num_classes: int, width_mult: float, reduced_tail: bool, dilated: bool,
    options: dict[str, Any],
) -> MobileNetV3:
    last_channel = _last_channel(last_channel, width_mult, reduced_tail)
    return MobileNetV3(_setting(rows, width_mult, reduced_tail, dilated), last_channel, num_classes, **options)


def _last_channel(last_channel: int, width_mult: float, reduced_tail: bool) -> int:
    return make_divisible(last_channel // (2 if reduced_tail else 1) * width_mult)


def large_setting(width_mult: float, reduced_tail: bool, dilated: bool) -> tuple[list[InvertedResidualConfig], int]:
    """The first two arguments of `MobileNetV3` for MobileNetV3-Large; see `mobilenet_v3_large`."""
    return _setting(LARGE, width_mult, reduced_tail, dilated), _last_channel(1280, width_mult, reduced_tail)


@register
def mobilenet_v3_large(
    num_classes: int = 1000, *, width_mult: float = 1.0, reduced_tail: bool = False, dilated: bool = False,
    **options: Any,
) -> MobileNetV3:
    """MobileNetV3-Large.

    Args:
        num_classes: number of logits.
        width_mult: multiplies the number of channels of every layer.
        reduced_tail: halve the channels of the last blocks, for detection and segmentation.
        dilated: dilate the last blocks and keep their resolution, for segmentation.
        options: those of `MobileNetV3`.
    """
    return _mobilenet_v3(LARGE, 1280, num_classes, width_mult, reduced_tail, dilated, options)


@register
def mobilenet_v3_small(
    num_classes: int = 1000, *, width_mult: float = 1.0, reduced_tail: bool = False, dilated: bool = False,
    **options: Any,
) -> MobileNetV3:
    """MobileNetV3-Small; the arguments are those of `mobilenet_v3_large`."""
    return _mobilenet_v3(SMALL, 1024, num_classes, width_mult, reduced_tail, dilated, options)
