"""SSDlite: SSD with separable convolutions on MobileNetV3 (Howard et al. 2019, https://arxiv.org/abs/1905.02244).

After Sandler et al. 2018, https://arxiv.org/abs/1801.04381, section 6.2.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax

from .... import nn
from ....nn import init
from ...ops import Conv2dNormActivation
from .._initial import conv_weights
from .._intermediate_layers import feature_stages
from .._zoo.backbones import Backbone, numbered_stages
from .._zoo.registry import register
from ..mobilenetv3 import mobilenet_v3_large
from .anchors import DefaultBoxGenerator
from .batch import Preparation
from .ssd import SSD, SSDHead

__all__ = ["SSDLiteFeatureExtractorMobileNet", "SSDLiteHead", "ssdlite320_mobilenet_v3_large"]

Norm = Callable[..., nn.Module]
MIDDLE = 13  # the last block of MobileNetV3-Large that reduces the resolution
REDUCED_CHANNELS = 480  # of the last feature map of MobileNetV3-Large with a reduced tail; otherwise 960
_normal = conv_weights(init.normal(std=0.03))
EXTRA_CHANNELS = (512, 256, 256, 128)
ANCHORS = DefaultBoxGenerator(((2, 3),) * 6, min_ratio=0.2, max_ratio=0.95)


class SSDLiteHead(SSDHead):
    """An `SSDHead` with separable convolutions.

    Args:
        in_channels: of each feature map.
        num_anchors: default boxes of a cell, for each feature map.
        num_classes: number of classes, with the background.
        norm_layer: called with a number of channels.
    """

    def __init__(self, in_channels: Any, num_anchors: Any, num_classes: int, norm_layer: Norm):
        super().__init__(in_channels, num_anchors, num_classes, block=partial(_separable, norm_layer))


def _separable(norm_layer: Norm, in_channels: int, out_channels: int) -> nn.Module:
    depthwise = Conv2dNormActivation(
        in_channels, in_channels, 3, groups=in_channels, norm_layer=norm_layer, activation_layer=nn.ReLU6
    )
    return nn.Sequential(depthwise, nn.Conv2d(in_channels, out_channels, 1)).with_init(_normal)


class SSDLiteFeatureExtractorMobileNet(nn.Module):
    """Six feature maps from MobileNetV3: within the last block that reduces the resolution, the last, and four more.

    Args:
        backbone: the `features` of a MobileNetV3.
        norm_layer: called with a number of channels.
        width_mult: multiplies the channels of the four.
        min_depth: the fewest channels of the four.

    Attributes:
        out_channels: channels of each feature map.
    """

    def __init__(self, backbone: nn.Sequential, norm_layer: Norm, width_mult: float = 1.0, min_depth: int = 16):
        layers: list[Any] = list(backbone)
        middle = feature_stages(backbone)[-2]
        block = layers[middle].block
        self.features = nn.Sequential(
            nn.Sequential(*layers[:middle], block[0]), nn.Sequential(block[1:], *layers[middle + 1 :])
        )
        widths = [max(min_depth, int(width * width_mult)) for width in EXTRA_CHANNELS]
        last = layers[-1].out_channels
        pairs = zip([last, *widths], widths, strict=False)
        self.extra = nn.ModuleList([_extra(*pair, norm_layer).with_init(_normal) for pair in pairs])
        self.out_channels = (block[0].out_channels, last, *widths)

    def forward(self, x: jax.Array) -> dict[str, jax.Array]:
        """Maps images [batch, height, width, 3] to feature maps by number."""
        found = []
        for block in (*self.features, *self.extra):
            x = block(x)
            found.append(x)
        return {str(i): level for i, level in enumerate(found)}


def _extra(in_channels: int, out_channels: int, norm_layer: Norm) -> nn.Sequential:
    """Half the resolution: a 1x1 convolution to half the channels, a depthwise one, and a 1x1 one."""
    half = out_channels // 2
    layer = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.ReLU6)
    return nn.Sequential(
        layer(in_channels, half, 1), layer(half, half, 3, 2, groups=half), layer(half, out_channels, 1)
    )


def _read_options(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    logits = shapes.get("head.classification_head.module_list.0.1.bias")
    options: dict[str, Any] = (
        {} if logits is None else {"num_classes": logits[0] // ANCHORS.num_anchors_per_location()[0]}
    )
    last = shapes.get("backbone.extra.0.0.0.weight")
    return options | ({} if last is None else {"reduced_tail": last[1] == REDUCED_CHANNELS})


def _rename(name: str) -> str:
    """The name in SSDlite of an array of MobileNetV3-Large, whose block `MIDDLE` is cut after its first layer."""
    parts = name.split(".")
    if parts[0] != "features":
        return name
    index = int(parts[1])
    if index < MIDDLE:
        start = ["0", str(index)]
    elif index > MIDDLE:
        start = ["1", str(index - MIDDLE)]
    else:
        layer, *parts[2:] = parts[3:]
        start = ["0", str(MIDDLE)] if layer == "0" else ["1", "0", layer]
    return ".".join(["backbone.features", *start, *parts[2:]])


@register(
    task="detection", probed=(), read_options=_read_options,
    backbone=Backbone(
        "mobilenet_v3_large", _rename, numbered_stages((0, 2, 4, 7, 13, 16), 17), {"reduced_tail": False}
    ),
)
def ssdlite320_mobilenet_v3_large(
    num_classes: int = 91, *, norm_layer: Norm | None = None, reduced_tail: bool = True, **options: Any
) -> SSD:
    """SSDlite for images of 320 pixels on MobileNetV3-Large.

    Args:
        num_classes: number of classes, with the background.
        norm_layer: called with a number of channels; by default `BatchNorm2d` with the paper's eps and momentum.
        reduced_tail: whether the last blocks have half the channels (table 6), as in the published weights. A
            backbone that was trained on ImageNet has all of them.
        options: those of `SSD`.
    """
    size = 320, 320
    norm_layer = norm_layer or partial(nn.BatchNorm2d, eps=0.001, momentum=0.03)
    features: Any = mobilenet_v3_large(norm_layer=norm_layer, reduced_tail=reduced_tail).features
    backbone = SSDLiteFeatureExtractorMobileNet(features.with_init(_normal), norm_layer)
    defaults: dict[str, Any] = {
        "score_thresh": 0.001, "nms_thresh": 0.55, "detections_per_img": 300, "topk_candidates": 300,
        "preparation": Preparation(mean=(0.5,) * 3, std=(0.5,) * 3, size_divisible=1, fixed_size=size),
        "head": SSDLiteHead(backbone.out_channels, ANCHORS.num_anchors_per_location(), num_classes, norm_layer),
    }
    return SSD(backbone, ANCHORS, size, num_classes, **(defaults | options))
