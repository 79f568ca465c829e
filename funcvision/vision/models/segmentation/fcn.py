"""Fully convolutional networks (Long et al. 2014, https://arxiv.org/abs/1411.4038), as in torchvision on ResNets."""

from typing import Any

from .... import nn
from .._zoo.registry import register
from ._segmenter import RESNET50, RESNET101, Segmenter, dilated_resnet, read_options

__all__ = ["FCN", "FCNHead", "fcn_resnet101", "fcn_resnet50"]

LAST, BEFORE_LAST = 2048, 1024  # channels of the last two stages of a ResNet with bottlenecks


class FCNHead(nn.Sequential):
    """A 3x3 convolution to a quarter of the channels, a norm, ReLU, dropout, and a 1x1 convolution to the logits.

    Args:
        in_channels: of the feature map [batch, height, width, in_channels].
        channels: number of logits.
    """

    def __init__(self, in_channels: int, channels: int):
        width = in_channels // 4
        super().__init__(
            nn.Conv2d(in_channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(), nn.Dropout(0.1),
            nn.Conv2d(width, channels, 1),
        )


class FCN(Segmenter):
    """A `Segmenter` whose head is an `FCNHead`."""


_read = read_options("classifier.4.weight")


@register(task="segmentation", probed=("in_channels",), read_options=_read, backbone=RESNET50)
def fcn_resnet50(num_classes: int = 21, *, aux_loss: bool = False, **options: Any) -> FCN:
    """FCN on ResNet-50.

    Args:
        num_classes: number of classes, with the background.
        aux_loss: whether there is a second head, for training.
        options: those of `ResNet`.
    """
    return _fcn("resnet50", num_classes, aux_loss, options)


@register(task="segmentation", probed=("in_channels",), read_options=_read, backbone=RESNET101)
def fcn_resnet101(num_classes: int = 21, *, aux_loss: bool = False, **options: Any) -> FCN:
    """FCN on ResNet-101; the arguments are those of `fcn_resnet50`."""
    return _fcn("resnet101", num_classes, aux_loss, options)


def _fcn(name: str, num_classes: int, aux_loss: bool, options: dict[str, Any]) -> FCN:
    aux = FCNHead(BEFORE_LAST, num_classes) if aux_loss else None
    return FCN(dilated_resnet(name, aux_loss, **options), FCNHead(LAST, num_classes), aux)
