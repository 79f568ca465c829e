"""ResNet, ResNeXt and Wide ResNet.

He et al. 2015, https://arxiv.org/abs/1512.03385; Xie et al. 2016, https://arxiv.org/abs/1611.05431; Zagoruyko and
Komodakis 2016, https://arxiv.org/abs/1605.07146. As in torchvision, the 3x3 convolution of a bottleneck has the
stride ("ResNet v1.5", https://ngc.nvidia.com/catalog/resources/nvidia:resnet_50_v1_5_for_pytorch).
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax

from ... import nn
from ...nn import init
from ._zoo.registry import register

__all__ = [
    "BasicBlock", "Bottleneck", "ResNet", "resnet101", "resnet152", "resnet18", "resnet34", "resnet50",
    "resnext101_32x8d", "resnext101_64x4d", "resnext50_32x4d", "wide_resnet101_2", "wide_resnet50_2",
]

Norm = Callable[..., nn.Module]


def _conv(in_channels: int, out_channels: int, kernel_size: int, **options: Any) -> nn.Conv2d:
    weight_init = init.kaiming_normal(mode="fan_out", nonlinearity="relu")
    return nn.Conv2d(in_channels, out_channels, kernel_size, bias=False, weight_init=weight_init, **options)


def _last_norm(norm_layer: Norm, channels: int, zero_init: bool) -> nn.Module:
    """The norm before the addition. With weights of zero each block is initially the identity (Goyal et al. 2017)."""
    return norm_layer(channels, weight_init=init.zeros) if zero_init else norm_layer(channels)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut."""

    expansion = 1

    def __init__(
        self, in_channels: int, channels: int, *, stride: int = 1, dilation: int = 1, groups: int = 1,
        base_width: int = 64, norm_layer: Norm = nn.BatchNorm2d, zero_init: bool = False,
    ):
        if groups != 1 or base_width != 64 or dilation != 1:
            raise ValueError("BasicBlock takes only groups=1, width_per_group=64 and no dilation; Bottleneck takes all")
        self.conv1 = _conv(in_channels, channels, 3, stride=stride, padding=1)
        self.bn1 = norm_layer(channels)
        self.conv2 = _conv(channels, channels, 3, padding=1)
        self.bn2 = _last_norm(norm_layer, channels, zero_init)
        self.relu = nn.ReLU()
        self.downsample = _shortcut(in_channels, channels, stride, norm_layer)

    def forward(self, x: jax.Array) -> jax.Array:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.relu(y + (self.downsample(x) if self.downsample else x))


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions with a shortcut; the 3x3 one has a quarter of the output channels."""

    expansion = 4

    def __init__(
        self, in_channels: int, channels: int, *, stride: int = 1, dilation: int = 1, groups: int = 1,
        base_width: int = 64, norm_layer: Norm = nn.BatchNorm2d, zero_init: bool = False,
    ):
        width = channels * base_width // 64 * groups
        out_channels = channels * self.expansion
        self.conv1 = _conv(in_channels, width, 1)
        self.bn1 = norm_layer(width)
        self.conv2 = _conv(width, width, 3, stride=stride, padding=dilation, dilation=dilation, groups=groups)
        self.bn2 = norm_layer(width)
        self.conv3 = _conv(width, out_channels, 1)
        self.bn3 = _last_norm(norm_layer, out_channels, zero_init)
        self.relu = nn.ReLU()
        self.downsample = _shortcut(in_channels, out_channels, stride, norm_layer)

    def forward(self, x: jax.Array) -> jax.Array:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return self.relu(y + (self.downsample(x) if self.downsample else x))


def _shortcut(in_channels: int, out_channels: int, stride: int, norm_layer: Norm) -> nn.Module | None:
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Sequential(_conv(in_channels, out_channels, 1, stride=stride), norm_layer(out_channels))


class ResNet(nn.Module):
    """A stem, four stages of residual blocks and a linear classifier over the mean of the last feature map.

    Args:
        block: `BasicBlock` or `Bottleneck`.
        layers: number of blocks in each stage.
        num_classes: number of logits.
        in_channels: channels of the image.
        zero_init_residual: initialise every block as the identity; `norm_layer` must then accept `weight_init`.
        groups: number of groups of the 3x3 convolutions in bottlenecks.
        width_per_group: channels of each of these groups in the first stage.
        replace_stride_with_dilation: for each of stages 2 to 4, whether it keeps the resolution and dilates its
            convolutions instead.
        norm_layer: called with a number of channels.
    """

    def __init__(
        self, block: type[BasicBlock | Bottleneck], layers: Sequence[int], num_classes: int = 1000, *,
        in_channels: int = 3, zero_init_residual: bool = False, groups: int = 1, width_per_group: int = 64,
        replace_stride_with_dilation: Sequence[bool] = (False, False, False), norm_layer: Norm = nn.BatchNorm2d,
    ):
        if len(replace_stride_with_dilation) != 3:
            raise ValueError(f"replace_stride_with_dilation takes three values; got {replace_stride_with_dilation}")
        self.conv1 = _conv(in_channels, 64, 7, stride=2, padding=3)
        self.bn1 = norm_layer(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)

        shared: dict[str, Any] = {
            "groups": groups, "base_width": width_per_group, "norm_layer": norm_layer, "zero_init": zero_init_residual,
        }
        channels, dilation = 64, 1

        def stage(width: int, count: int, stride: int, dilate: bool) -> nn.Sequential:
            nonlocal channels, dilation
            first = {"stride": 1 if dilate else stride, "dilation": dilation}
            if dilate:  # applies from the second block of the stage on
                dilation *= stride
            blocks = []
            for i in range(count):
                spacing = first if i == 0 else {"dilation": dilation}
                blocks.append(block(channels, width, **spacing, **shared))
                channels = width * block.expansion
            return nn.Sequential(*blocks)

        self.layer1 = stage(64, layers[0], 1, False)
        self.layer2 = stage(128, layers[1], 2, replace_stride_with_dilation[0])
        self.layer3 = stage(256, layers[2], 2, replace_stride_with_dilation[1])
        self.layer4 = stage(512, layers[3], 2, replace_stride_with_dilation[2])
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x: jax.Array) -> jax.Array:
        """Maps images [batch, height, width, in_channels] to logits [batch, num_classes]."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.flatten(self.avgpool(x)))


@register
def resnet18(num_classes: int = 1000, **options: Any) -> ResNet:
    """ResNet-18; `options` are those of `ResNet`."""
    return ResNet(BasicBlock, (2, 2, 2, 2), num_classes, **options)


@register
def resnet34(num_classes: int = 1000, **options: Any) -> ResNet:
    """ResNet-34; `options` are those of `ResNet`."""
    return ResNet(BasicBlock, (3, 4, 6, 3), num_classes, **options)


@register
def resnet50(num_classes: int = 1000, **options: Any) -> ResNet:
    """ResNet-50; `options` are those of `ResNet`."""
    return ResNet(Bottleneck, (3, 4, 6, 3), num_classes, **options)


@register
def resnet101(num_classes: int = 1000, **options: Any) -> ResNet:
    """ResNet-101; `options` are those of `ResNet`."""
    return ResNet(Bottleneck, (3, 4, 23, 3), num_classes, **options)


@register
def resnet152(num_classes: int = 1000, **options: Any) -> ResNet:
    """ResNet-152; `options` are those of `ResNet`."""
    return ResNet(Bottleneck, (3, 8, 36, 3), num_classes, **options)


@register
def resnext50_32x4d(num_classes: int = 1000, **options: Any) -> ResNet:
    """ResNeXt-50, 32 groups of 4 channels; `options` are those of `ResNet`."""
    return ResNet(Bottleneck, (3, 4, 6, 3), num_classes, groups=32, width_per_group=4, **options)


@register
def resnext101_32x8d(num_classes: int = 1000, **options: Any) -> ResNet:
    """ResNeXt-101, 32 groups of 8 channels; `options` are those of `ResNet`."""
    return ResNet(Bottleneck, (3, 4, 23, 3), num_classes, groups=32, width_per_group=8, **options)


@register
def resnext101_64x4d(num_classes: int = 1000, **options: Any) -> ResNet:
    """ResNeXt-101, 64 groups of 4 channels; `options` are those of `ResNet`."""
    return ResNet(Bottleneck, (3, 4, 23, 3), num_classes, groups=64, width_per_group=4, **options)


@register
def wide_resnet50_2(num_classes: int = 1000, **options: Any) -> ResNet:
    """ResNet-50 with 3x3 convolutions twice as wide; `options` are those of `ResNet`."""
    return ResNet(Bottleneck, (3, 4, 6, 3), num_classes, width_per_group=128, **options)


@register
def wide_resnet101_2(num_classes: int = 1000, **options: Any) -> ResNet:
    """ResNet-101 with 3x3 convolutions twice as wide; `options` are those of `ResNet`."""
    return ResNet(Bottleneck, (3, 4, 23, 3), num_classes, width_per_group=128, **options)
