"""Mask R-CNN: Faster R-CNN with a mask for every box (He et al. 2017, https://arxiv.org/abs/1703.06870)."""

from collections.abc import Callable, Sequence
from typing import Any

from .... import nn
from ...ops import Conv2dNormActivation, MultiScaleRoIAlign
from .._zoo.registry import register
from .backbones import (
    PYRAMID_CHANNELS,
    RESNET,
    RESNET_V2,
    backbone_norm,
    resnet_fpn_backbone,
)
from .faster_rcnn import FasterRCNN, fan_out_weights, read_options, version_2

__all__ = ["MaskRCNN", "MaskRCNNHeads", "MaskRCNNPredictor", "maskrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn_v2"]

Norm = Callable[..., nn.Module]
MASK_SIDE = 14  # bins of a box in each direction; the mask has twice as many


class MaskRCNNHeads(nn.Sequential):
    """3x3 convolutions with ReLU on pooled features.

    Args:
        in_channels: of the pooled features [n, height, width, in_channels].
        layers: channels of each convolution.
        dilation: of each convolution.
        norm_layer: called with a number of channels; None for none.
    """

    def __init__(self, in_channels: int, layers: Sequence[int], dilation: int = 1, norm_layer: Norm | None = None):
        blocks = []
        for out_channels in layers:
            block = Conv2dNormActivation(in_channels, out_channels, dilation=dilation, norm_layer=norm_layer)
            blocks.append(block.with_init(fan_out_weights))
            in_channels = out_channels
        super().__init__(*blocks)


class MaskRCNNPredictor(nn.Sequential):
    """Twice the resolution by a transposed convolution, ReLU, and the logits of every class.

    Args:
        in_channels: of the feature map [n, height, width, in_channels].
        dim_reduced: channels between the two convolutions.
        num_classes: number of classes, with the background.
    """

    def __init__(self, in_channels: int, dim_reduced: int, num_classes: int):
        layers = {
            "conv5_mask": nn.ConvTranspose2d(in_channels, dim_reduced, 2, 2), "relu": nn.ReLU(),
            "mask_fcn_logits": nn.Conv2d(dim_reduced, num_classes, 1),
        }
        super().__init__({name: layer.with_init(_fan_out) for name, layer in layers.items()})


def _fan_out(module: nn.Module) -> dict[str, Any]:
    """The initial weights; biases are torch's default."""
    convolution = isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
    return {"weight": nn.init.kaiming_normal(mode="fan_out", nonlinearity="relu")} if convolution else {}


class MaskRCNN(FasterRCNN):
    """Faster R-CNN with a branch for masks.

    Args:
        backbone: see `FasterRCNN`.
        num_classes: number of classes, with the background.
        mask_roi_pool: pools the features of a box for its mask; by default 14 x 14 bins.
        mask_head: by default `MaskRCNNHeads`.
        mask_predictor: by default a `MaskRCNNPredictor`.
        options: those of `FasterRCNN`.
    """

    def __init__(
        self, backbone: Any, num_classes: int | None = None, *, mask_roi_pool: MultiScaleRoIAlign | None = None,
        mask_head: nn.Module | None = None, mask_predictor: nn.Module | None = None, **options: Any,
    ):
        if num_classes is not None and mask_predictor is not None:
            raise ValueError("MaskRCNN takes either num_classes or a mask_predictor")
        width = PYRAMID_CHANNELS
        levels = options.get("roi_levels", ("0", "1", "2", "3"))
        branches: dict[str, nn.Module] = {
            "mask_roi_pool": mask_roi_pool or MultiScaleRoIAlign(levels, MASK_SIDE, 2),
            "mask_head": mask_head or MaskRCNNHeads(backbone.out_channels, [width] * 4),
            "mask_predictor": mask_predictor or MaskRCNNPredictor(width, width, num_classes or 0),
        }
        super().__init__(backbone, num_classes, branches=branches, **options)


@register(task="detection", probed=(), read_options=read_options, backbone=RESNET)
def maskrcnn_resnet50_fpn(
    num_classes: int = 91, *, norm_layer: Norm | None = None, frozen_eps: float | None = None, **options: Any
) -> MaskRCNN:
    """Mask R-CNN on ResNet-50.

    Args:
        num_classes: number of classes, with the background.
        norm_layer: of the ResNet, called with a number of channels; by default `BatchNorm2d`.
        frozen_eps: the ResNet has `FrozenBatchNorm2d` with this eps, as torchvision's has with trained weights. Those
            of COCO_V1 need 0.
        options: those of `MaskRCNN`.
    """
    backbone = resnet_fpn_backbone("resnet50", norm_layer=backbone_norm(norm_layer, frozen_eps))
    return MaskRCNN(backbone, num_classes, **options)


@register(task="detection", probed=(), read_options=read_options, backbone=RESNET_V2)
def maskrcnn_resnet50_fpn_v2(
    num_classes: int = 91, *, norm_layer: Norm | None = None, frozen_eps: float | None = None, **options: Any
) -> MaskRCNN:
    """Mask R-CNN on ResNet-50 with deeper heads and norms in pyramid and heads; the arguments are the same."""
    backbone = resnet_fpn_backbone(
        "resnet50", norm_layer=backbone_norm(norm_layer, frozen_eps), fpn_norm_layer=nn.BatchNorm2d
    )
    head = MaskRCNNHeads(PYRAMID_CHANNELS, [PYRAMID_CHANNELS] * 4, norm_layer=nn.BatchNorm2d)
    heads: dict[str, Any] = {"mask_head": head, **version_2(options)}
    return MaskRCNN(backbone, num_classes, **heads)
