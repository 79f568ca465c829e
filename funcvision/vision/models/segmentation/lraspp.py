"""Lite R-ASPP: a small head for MobileNetV3 (Howard et al. 2019, https://arxiv.org/abs/1905.02244, section 6.4)."""

from collections.abc import Mapping
from typing import Any

import jax

from .... import nn
from .._intermediate_layers import IntermediateLayers, feature_stages
from .._zoo.registry import register
from ..mobilenetv3 import mobilenet_v3_large
from ._segmenter import MOBILENET, enlarged, read_options

__all__ = ["LRASPP", "LRASPPHead", "lraspp_mobilenet_v3_large"]


class LRASPPHead(nn.Module):
    """Logits of two feature maps; those of the coarse one are weighted by the means of its channels.

    Args:
        low_channels: of the fine feature map.
        high_channels: of the coarse one.
        num_classes: number of logits.
        inter_channels: between the two convolutions on the coarse map.
    """

    def __init__(self, low_channels: int, high_channels: int, num_classes: int, inter_channels: int):
        self.cbr = nn.Sequential(
            nn.Conv2d(high_channels, inter_channels, 1, bias=False), nn.BatchNorm2d(inter_channels), nn.ReLU()
        )
        self.scale = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(high_channels, inter_channels, 1, bias=False), nn.Sigmoid()
        )
        self.low_classifier = nn.Conv2d(low_channels, num_classes, 1)
        self.high_classifier = nn.Conv2d(inter_channels, num_classes, 1)

    def forward(self, x: Mapping[str, jax.Array]) -> jax.Array:
        """Maps the feature maps "low" (fine) and "high" (coarse) to logits of the size of the fine one."""
        low, high = x["low"], x["high"]
        coarse = enlarged(self.cbr(high) * self.scale(high), low)
        return self.low_classifier(low) + self.high_classifier(coarse)


class LRASPP(nn.Module):
    """A backbone with a fine and a coarse feature map, and the head for them.

    Args:
        backbone: maps images to a dict with the feature maps "low" and "high".
        low_channels: of the map "low".
        high_channels: of the map "high".
        num_classes: number of logits.
        inter_channels: see `LRASPPHead`.
    """

    def __init__(
        self, backbone: nn.Module, low_channels: int, high_channels: int, num_classes: int, inter_channels: int = 128
    ):
        self.backbone = backbone
        self.classifier = LRASPPHead(low_channels, high_channels, num_classes, inter_channels)

    def forward(self, x: jax.Array) -> dict[str, jax.Array]:
        """Maps images [batch, height, width, channels] to logits {"out": [batch, height, width, classes]}."""
        return {"out": enlarged(self.classifier(self.backbone(x)), x)}


@register(
    task="segmentation", probed=("in_channels",), read_options=read_options("classifier.low_classifier.weight"),
    backbone=MOBILENET,
)
def lraspp_mobilenet_v3_large(num_classes: int = 21, **options: Any) -> LRASPP:
    """Lite R-ASPP on MobileNetV3-Large.

    Args:
        num_classes: number of classes, with the background.
        options: those of `MobileNetV3`.
    """
    features: Any = mobilenet_v3_large(dilated=True, **options).features
    stages = feature_stages(features)
    low, high = stages[-4], stages[-1]
    backbone = IntermediateLayers(features, {str(low): "low", str(high): "high"})
    return LRASPP(backbone, features[low].out_channels, features[high].out_channels, num_classes)
