"""DeepLabV3: dilated convolutions of several rates side by side (Chen et al. 2017, https://arxiv.org/abs/1706.05587)."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from .... import nn
from .._intermediate_layers import IntermediateLayers, feature_stages
from .._zoo.registry import register
from ..mobilenetv3 import mobilenet_v3_large
from ._segmenter import MOBILENET, RESNET50, RESNET101, Segmenter, dilated_resnet, read_options
from .fcn import BEFORE_LAST, LAST, FCNHead

__all__ = [
    "DeepLabHead", "DeepLabV3", "deeplabv3_mobilenet_v3_large", "deeplabv3_resnet101", "deeplabv3_resnet50",
]

WIDTH = 256


def _conv(in_channels: int, out_channels: int, kernel_size: int = 1, dilation: int = 1) -> list[nn.Module]:
    padding = dilation * (kernel_size // 2)
    conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=padding, dilation=dilation, bias=False)
    return [conv, nn.BatchNorm2d(out_channels), nn.ReLU()]


class ASPPPooling(nn.Sequential):
    """The mean of the whole feature map through a 1x1 convolution, spread over the map again.

    Args:
        in_channels: of the feature map.
        out_channels: of the result.
    """

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__(nn.AdaptiveAvgPool2d(1), *_conv(in_channels, out_channels))
        self.out_channels = out_channels

    def forward(self, x: jax.Array) -> jax.Array:
        return jnp.broadcast_to(super().forward(x), (*x.shape[:3], self.out_channels))


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: branches of several rates on one feature map, side by side (section 3.3).

    Args:
        in_channels: of the feature map [batch, height, width, in_channels].
        atrous_rates: the dilation of each 3x3 convolution.
        out_channels: of each branch, and of the result.
    """

    def __init__(self, in_channels: int, atrous_rates: Sequence[int], out_channels: int = WIDTH):
        self.convs = nn.ModuleList([
            nn.Sequential(*_conv(in_channels, out_channels)),
            *(nn.Sequential(*_conv(in_channels, out_channels, 3, rate)) for rate in atrous_rates),
            ASPPPooling(in_channels, out_channels),
        ])
        self.project = nn.Sequential(*_conv(len(self.convs) * out_channels, out_channels), nn.Dropout(0.5))

    def forward(self, x: jax.Array) -> jax.Array:
        return self.project(jnp.concatenate([branch(x) for branch in self.convs], -1))


class DeepLabHead(nn.Sequential):
    """`ASPP`, a 3x3 convolution, a norm, ReLU, and a 1x1 convolution to the logits.

    Args:
        in_channels: of the feature map.
        num_classes: number of logits.
        atrous_rates: see `ASPP`.
    """

    def __init__(self, in_channels: int, num_classes: int, atrous_rates: Sequence[int] = (12, 24, 36)):
        super().__init__(ASPP(in_channels, atrous_rates), *_conv(WIDTH, WIDTH, 3), nn.Conv2d(WIDTH, num_classes, 1))


class DeepLabV3(Segmenter):
    """A `Segmenter` whose head is a `DeepLabHead`."""


_read = read_options("classifier.4.weight")


@register(task="segmentation", probed=("in_channels",), read_options=_read, backbone=RESNET50)
def deeplabv3_resnet50(num_classes: int = 21, *, aux_loss: bool = False, **options: Any) -> DeepLabV3:
    """DeepLabV3 on ResNet-50.

    Args:
        num_classes: number of classes, with the background.
        aux_loss: whether there is a second head, for training.
        options: those of `ResNet`.
    """
    return _on_resnet("resnet50", num_classes, aux_loss, options)


@register(task="segmentation", probed=("in_channels",), read_options=_read, backbone=RESNET101)
def deeplabv3_resnet101(num_classes: int = 21, *, aux_loss: bool = False, **options: Any) -> DeepLabV3:
    """DeepLabV3 on ResNet-101; the arguments are those of `deeplabv3_resnet50`."""
    return _on_resnet("resnet101", num_classes, aux_loss, options)


@register(task="segmentation", probed=("in_channels",), read_options=_read, backbone=MOBILENET)
def deeplabv3_mobilenet_v3_large(num_classes: int = 21, *, aux_loss: bool = False, **options: Any) -> DeepLabV3:
    """DeepLabV3 on MobileNetV3-Large.

    Args:
        num_classes: number of classes, with the background.
        aux_loss: whether there is a second head, for training.
        options: those of `MobileNetV3`.
    """
    features: Any = mobilenet_v3_large(dilated=True, **options).features
    stages = feature_stages(features)
    aux, out = stages[-4], stages[-1]
    layers = {str(aux): "aux", str(out): "out"} if aux_loss else {str(out): "out"}
    second = FCNHead(features[aux].out_channels, num_classes) if aux_loss else None
    head = DeepLabHead(features[out].out_channels, num_classes)
    return DeepLabV3(IntermediateLayers(features, layers), head, second)


def _on_resnet(name: str, num_classes: int, aux_loss: bool, options: dict[str, Any]) -> DeepLabV3:
    aux = FCNHead(BEFORE_LAST, num_classes) if aux_loss else None
    return DeepLabV3(dilated_resnet(name, aux_loss, **options), DeepLabHead(LAST, num_classes), aux)
