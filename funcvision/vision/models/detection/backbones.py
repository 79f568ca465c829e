"""Backbones of detectors: the feature maps of a classifier, and a pyramid on them."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import jax

from .... import nn
from ...ops import FeaturePyramidNetwork, FrozenBatchNorm2d, LastLevelMaxPool
from ...ops.feature_pyramid import ExtraFPNBlock
from .._intermediate_layers import IntermediateLayers, feature_stages
from .._zoo import backbones as zoo
from .._zoo.registry import get_model
from ..mobilenetv2 import MobileNetV2
from ..mobilenetv3 import MobileNetV3
from ..resnet import ResNet

__all__ = ["BackboneWithFPN", "backbone_norm", "mobilenet_backbone", "resnet_fpn_backbone"]

PYRAMID_CHANNELS = 256
RESNET = zoo.resnet_backbone("resnet50", "backbone.body.", frozen_norms=True)
RESNET_V2 = zoo.resnet_backbone("resnet50", "backbone.body.")
MOBILENET = zoo.mobilenet_backbone("mobilenet_v3_large", "backbone.body.", (0, 2, 4, 7, 13, 16), 17, frozen_norms=True)
Norm = Callable[..., nn.Module]


def backbone_norm(norm_layer: Norm | None, frozen_eps: float | None) -> Norm:
    """The norm of a backbone: `norm_layer`, or by default `BatchNorm2d`, or `FrozenBatchNorm2d` with this eps."""
    if norm_layer is not None:
        return norm_layer
    return nn.BatchNorm2d if frozen_eps is None else partial(FrozenBatchNorm2d, eps=frozen_eps)


def read_frozen_eps(shapes: Mapping[str, Any], first_norm: str) -> dict[str, Any]:
    """The option `frozen_eps` that a checkpoint implies: frozen norms count no batches. The eps is then the usual one.

    Args:
        shapes: of the tensors by name.
        first_norm: name of a norm in the backbone, such as "backbone.body.bn1".
    """
    frozen = f"{first_norm}.running_mean" in shapes and f"{first_norm}.num_batches_tracked" not in shapes
    return {"frozen_eps": 1e-5} if frozen else {}


class BackboneWithFPN(nn.Module):
    """A feature pyramid on the feature maps of a classifier.

    Args:
        backbone: calls its children in their order.
        return_layers: from names of its children to names of the levels.
        in_channels_list: channels of these feature maps.
        out_channels: of every level of the pyramid.
        extra_blocks: makes coarser levels; by default a pooled one.
        norm_layer: of the pyramid; called with a number of channels.

    Attributes:
        out_channels: as given.
    """

    def __init__(
        self, backbone: nn.Module, return_layers: Mapping[str, str], in_channels_list: Sequence[int], out_channels: int,
        extra_blocks: ExtraFPNBlock | None = None, norm_layer: Norm | None = None,
    ):
        self.body = IntermediateLayers(backbone, return_layers)
        self.fpn = FeaturePyramidNetwork(in_channels_list, out_channels, extra_blocks or LastLevelMaxPool(), norm_layer)
        self.out_channels = out_channels

    def forward(self, x: jax.Array) -> dict[str, jax.Array]:
        """Maps images [batch, height, width, channels] to a dict of levels, finest first."""
        return self.fpn(self.body(x))


def resnet_fpn_backbone(
    backbone_name: str | ResNet, *, returned_layers: Sequence[int] = (1, 2, 3, 4),
    extra_blocks: ExtraFPNBlock | None = None, fpn_norm_layer: Norm | None = None, **options: Any,
) -> BackboneWithFPN:
    """A ResNet with a feature pyramid.

    Args:
        backbone_name: such as "resnet50"; or a `ResNet`.
        returned_layers: the stages, from 1 to 4, whose feature maps make the pyramid.
        extra_blocks: makes coarser levels; by default a pooled one.
        fpn_norm_layer: of the pyramid; called with a number of channels.
        options: of the ResNet's builder, such as `norm_layer`.

    Raises:
        ValueError: a stage that does not exist.
    """
    resnet = get_model(backbone_name, **options) if isinstance(backbone_name, str) else backbone_name
    if not isinstance(resnet, ResNet):
        raise ValueError(f"resnet_fpn_backbone takes a ResNet; got {backbone_name!r}")
    if not returned_layers or min(returned_layers) < 1 or max(returned_layers) > 4:
        raise ValueError(f"returned_layers are stages from 1 to 4; got {list(returned_layers)}")
    first = resnet.fc.in_features // 8  # channels of the first stage; each next one has twice as many
    names = {f"layer{stage}": str(i) for i, stage in enumerate(returned_layers)}
    channels = [first * 2 ** (stage - 1) for stage in returned_layers]
    return BackboneWithFPN(resnet, names, channels, PYRAMID_CHANNELS, extra_blocks, fpn_norm_layer)


def mobilenet_backbone(
    backbone_name: str | MobileNetV2 | MobileNetV3, *, fpn: bool = True, returned_layers: Sequence[int] | None = None,
    extra_blocks: ExtraFPNBlock | None = None, fpn_norm_layer: Norm | None = None, **options: Any,
) -> nn.Module:
    """A MobileNet as a backbone, with a feature pyramid or with a 1x1 convolution on its last feature map.

    Args:
        backbone_name: such as "mobilenet_v3_large"; or a MobileNet.
        fpn: whether to make a pyramid.
        returned_layers: which of the feature maps that precede a reduction of the resolution make the pyramid; by
            default the last two.
        extra_blocks: makes coarser levels; by default a pooled one.
        fpn_norm_layer: of the pyramid; called with a number of channels.
        options: of the MobileNet's builder, such as `norm_layer`.

    Raises:
        ValueError: `returned_layers` that do not exist.
    """
    model: Any = get_model(backbone_name, **options) if isinstance(backbone_name, str) else backbone_name
    if not isinstance(model, MobileNetV2 | MobileNetV3):
        raise ValueError(f"mobilenet_backbone takes a MobileNet; got {backbone_name!r}")
    features: Any = model.features
    stages = feature_stages(features)
    if not fpn:
        return SingleMap(features, features[stages[-1]].out_channels, PYRAMID_CHANNELS)
    chosen = list(range(len(stages) - 2, len(stages)) if returned_layers is None else returned_layers)
    if not chosen or min(chosen) < 0 or max(chosen) >= len(stages):
        raise ValueError(f"returned_layers are numbers from 0 to {len(stages) - 1}; got {chosen}")
    names = {str(stages[stage]): str(i) for i, stage in enumerate(chosen)}
    channels = [features[stages[stage]].out_channels for stage in chosen]
    return BackboneWithFPN(features, names, channels, PYRAMID_CHANNELS, extra_blocks, fpn_norm_layer)


class SingleMap(nn.Sequential):
    """One feature map: a model and a 1x1 convolution on its output, named "0" and "1".

    Args:
        features: maps images to a feature map.
        in_channels: its channels.
        out_channels: of the convolution.

    Attributes:
        out_channels: as given.
    """

    def __init__(self, features: nn.Module, in_channels: int, out_channels: int):
        super().__init__(features, nn.Conv2d(in_channels, out_channels, 1))
        self.out_channels = out_channels
