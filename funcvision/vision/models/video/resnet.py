"""Residual networks for video: R3D, MC3 and R(2+1)D (Tran et al. 2017, https://arxiv.org/abs/1711.11248)."""

from collections.abc import Callable, Sequence
from typing import Any

import jax

from .... import nn
from ....nn import init
from .._zoo.registry import register

__all__ = [
    "BasicBlock", "Bottleneck", "Conv2Plus1D", "Conv3DNoTemporal", "Conv3DSimple", "VideoResNet", "mc3_18",
    "r2plus1d_18", "r3d_18",
]

Stride = tuple[int, int, int]
Conv = Callable[[int, int, int, int], nn.Module]
WEIGHT = init.kaiming_normal(mode="fan_out", nonlinearity="relu")


def _conv(in_channels: int, out_channels: int, kernel: Stride, stride: Stride) -> nn.Conv3d:
    padding = tuple(length // 2 for length in kernel)
    return nn.Conv3d(in_channels, out_channels, kernel, stride, padding, bias=False, weight_init=WEIGHT)


class Conv3DSimple(nn.Conv3d):
    """A 3x3x3 convolution.

    Args:
        in_channels: of the clip [batch, time, height, width, in_channels].
        out_channels: of the result.
        mid_channels: not used.
        stride: in time, height and width.
    """

    def __init__(self, in_channels: int, out_channels: int, mid_channels: int, stride: int = 1):
        super().__init__(in_channels, out_channels, 3, stride, 1, bias=False, weight_init=WEIGHT)

    @staticmethod
    def downsample_stride(stride: int) -> Stride:
        """The stride of the shortcut around a block with this stride."""
        return stride, stride, stride


class Conv3DNoTemporal(nn.Conv3d):
    """A 1x3x3 convolution, of each frame by itself; the arguments are those of `Conv3DSimple`."""

    def __init__(self, in_channels: int, out_channels: int, mid_channels: int, stride: int = 1):
        options: dict[str, Any] = {"padding": (0, 1, 1), "bias": False, "weight_init": WEIGHT}
        super().__init__(in_channels, out_channels, (1, 3, 3), (1, stride, stride), **options)

    @staticmethod
    def downsample_stride(stride: int) -> Stride:
        """The stride of the shortcut around a block with this stride."""
        return 1, stride, stride


class Conv2Plus1D(nn.Sequential):
    """A 1x3x3 convolution to `mid_channels`, and a 3x1x1 one; the arguments are those of `Conv3DSimple`."""

    def __init__(self, in_channels: int, out_channels: int, mid_channels: int, stride: int = 1):
        super().__init__(
            _conv(in_channels, mid_channels, (1, 3, 3), (1, stride, stride)), nn.BatchNorm3d(mid_channels), nn.ReLU(),
            _conv(mid_channels, out_channels, (3, 1, 1), (stride, 1, 1)),
        )

    @staticmethod
    def downsample_stride(stride: int) -> Stride:
        """The stride of the shortcut around a block with this stride."""
        return stride, stride, stride


def _mid_channels(in_channels: int, channels: int) -> int:
    """As many that the two convolutions of R(2+1)D have the parameters of one 3x3x3 convolution (section 3.5)."""
    return in_channels * channels * 27 // (in_channels * 9 + 3 * channels)


class BasicBlock(nn.Module):
    """Two convolutions with a shortcut.

    Args:
        in_channels: of the clip.
        channels: of the result.
        conv: called with (in_channels, out_channels, mid_channels, stride).
        stride: of the first convolution.
        downsample: the shortcut; None for the clip itself.
        zero_init: has no effect, as in torchvision; see `Bottleneck`.
    """

    expansion = 1

    def __init__(
        self, in_channels: int, channels: int, conv: Conv, stride: int = 1, downsample: nn.Module | None = None, *,
        zero_init: bool = False,
    ):
        middle = _mid_channels(in_channels, channels)
        self.conv1 = nn.Sequential(conv(in_channels, channels, middle, stride), nn.BatchNorm3d(channels), nn.ReLU())
        self.conv2 = nn.Sequential(conv(channels, channels, middle, 1), nn.BatchNorm3d(channels))
        self.relu = nn.ReLU()
        self.downsample = downsample

    def forward(self, x: jax.Array) -> jax.Array:
        y = self.conv2(self.conv1(x))
        return self.relu(y + (self.downsample(x) if self.downsample else x))


class Bottleneck(nn.Module):
    """1x1x1, inner and 1x1x1 convolutions with a shortcut; the arguments are those of `BasicBlock`.

    With `zero_init` the weight of the last norm starts at zero, so the block is its shortcut at first.
    """

    expansion = 4

    def __init__(
        self, in_channels: int, channels: int, conv: Conv, stride: int = 1, downsample: nn.Module | None = None, *,
        zero_init: bool = False,
    ):
        middle, out_channels = _mid_channels(in_channels, channels), channels * self.expansion
        one: Stride = (1, 1, 1)
        self.conv1 = nn.Sequential(_conv(in_channels, channels, one, one), nn.BatchNorm3d(channels), nn.ReLU())
        self.conv2 = nn.Sequential(conv(channels, channels, middle, stride), nn.BatchNorm3d(channels), nn.ReLU())
        last = nn.BatchNorm3d(out_channels, weight_init=init.zeros if zero_init else init.ones)
        self.conv3 = nn.Sequential(_conv(channels, out_channels, one, one), last)
        self.relu = nn.ReLU()
        self.downsample = downsample

    def forward(self, x: jax.Array) -> jax.Array:
        y = self.conv3(self.conv2(self.conv1(x)))
        return self.relu(y + (self.downsample(x) if self.downsample else x))


def _stem(in_channels: int) -> nn.Sequential:
    return nn.Sequential(_conv(in_channels, 64, (3, 7, 7), (1, 2, 2)), nn.BatchNorm3d(64), nn.ReLU())


def _separated_stem(in_channels: int) -> nn.Sequential:
    return nn.Sequential(
        _conv(in_channels, 45, (1, 7, 7), (1, 2, 2)), nn.BatchNorm3d(45), nn.ReLU(),
        _conv(45, 64, (3, 1, 1), (1, 1, 1)), nn.BatchNorm3d(64), nn.ReLU(),
    )


class VideoResNet(nn.Module):
    """A stem, four stages of residual blocks and a linear classifier over the mean of the last feature map.

    Args:
        block: `BasicBlock` or `Bottleneck`.
        conv_makers: for each stage `Conv3DSimple`, `Conv3DNoTemporal` or `Conv2Plus1D`.
        layers: number of blocks in each stage.
        stem: called with the channels of the clip; returns 64 channels.
        num_classes: number of logits.
        zero_init_residual: whether every `Bottleneck` starts as its shortcut. `BasicBlock`s, of which all published
            models consist, do not change, as in torchvision.
        in_channels: channels of the clip.
    """

    def __init__(
        self, block: type[BasicBlock | Bottleneck], conv_makers: Sequence[Any], layers: Sequence[int],
        stem: Callable[[int], nn.Module], num_classes: int = 400, zero_init_residual: bool = False, *,
        in_channels: int = 3,
    ):
        self.stem = stem(in_channels)
        channels = 64

        def stage(conv: Any, width: int, count: int, stride: int) -> nn.Sequential:
            nonlocal channels
            blocks = []
            for i in range(count):
                by = stride if i == 0 else 1
                out_channels = width * block.expansion
                shortcut = None
                if by != 1 or channels != out_channels:
                    strides = conv.downsample_stride(by)
                    shortcut = nn.Sequential(
                        _conv(channels, out_channels, (1, 1, 1), strides), nn.BatchNorm3d(out_channels)
                    )
                blocks.append(block(channels, width, conv, by, shortcut, zero_init=zero_init_residual))
                channels = out_channels
            return nn.Sequential(*blocks)

        self.layer1 = stage(conv_makers[0], 64, layers[0], 1)
        self.layer2 = stage(conv_makers[1], 128, layers[1], 2)
        self.layer3 = stage(conv_makers[2], 256, layers[2], 2)
        self.layer4 = stage(conv_makers[3], 512, layers[3], 2)
        self.avgpool = nn.AdaptiveAvgPool3d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(channels, num_classes, weight_init=init.normal(std=0.01), bias_init=init.zeros)

    def forward(self, x: jax.Array) -> jax.Array:
        """Maps clips [batch, time, height, width, in_channels] to logits [batch, num_classes]."""
        x = self.layer4(self.layer3(self.layer2(self.layer1(self.stem(x)))))
        return self.fc(self.flatten(self.avgpool(x)))


@register(task="video")
def r3d_18(num_classes: int = 400, **options: Any) -> VideoResNet:
    """R3D-18, of 3x3x3 convolutions; `options` are those of `VideoResNet`."""
    return VideoResNet(BasicBlock, [Conv3DSimple] * 4, (2, 2, 2, 2), _stem, num_classes, **options)


@register(task="video")
def mc3_18(num_classes: int = 400, **options: Any) -> VideoResNet:
    """MC3-18, with 3x3x3 convolutions in its first stage only, then 1x3x3; `options` are those of `VideoResNet`."""
    makers = [Conv3DSimple, *[Conv3DNoTemporal] * 3]
    return VideoResNet(BasicBlock, makers, (2, 2, 2, 2), _stem, num_classes, **options)


@register(task="video")
def r2plus1d_18(num_classes: int = 400, **options: Any) -> VideoResNet:
    """R(2+1)D-18, whose convolutions are separated in space and time; `options` are those of `VideoResNet`."""
    return VideoResNet(BasicBlock, [Conv2Plus1D] * 4, (2, 2, 2, 2), _separated_stem, num_classes, **options)
