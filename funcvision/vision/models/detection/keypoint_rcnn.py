"""Keypoint R-CNN: Faster R-CNN with key points for every box (He et al. 2017, https://arxiv.org/abs/1703.06870)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax

from .... import functional as F
from .... import nn
from ...ops import MultiScaleRoIAlign
from .._zoo.registry import register
from .backbones import (
    RESNET,
    backbone_norm,
    resnet_fpn_backbone,
)
from .batch import Preparation
from .faster_rcnn import FasterRCNN, fan_out_weights, read_options

__all__ = ["KeypointRCNN", "KeypointRCNNHeads", "KeypointRCNNPredictor", "keypointrcnn_resnet50_fpn"]

Norm = Callable[..., nn.Module]
KEYPOINT_SIDE = 14  # bins of a box in each direction; the heat map has four times as many
WIDTH = 512
SHORTER_EDGES = (640, 672, 704, 736, 768, 800)  # pixels, one drawn for each image in training


class KeypointRCNNHeads(nn.Sequential):
    """3x3 convolutions with ReLU on pooled features.

    Args:
        in_channels: of the pooled features [n, height, width, in_channels].
        layers: channels of each convolution.
    """

    def __init__(self, in_channels: int, layers: Sequence[int]):
        blocks: list[nn.Module] = []
        for out_channels in layers:
            blocks += [nn.Conv2d(in_channels, out_channels, 3, padding=1).with_init(fan_out_weights), nn.ReLU()]
            in_channels = out_channels
        super().__init__(*blocks)


class KeypointRCNNPredictor(nn.Module):
    """A heat map for each key point, of four times the resolution.

    Args:
        in_channels: of the feature map [n, height, width, in_channels].
        num_keypoints: number of key points.
    """

    def __init__(self, in_channels: int, num_keypoints: int):
        weight = nn.init.kaiming_normal(mode="fan_out", nonlinearity="relu")
        layer = nn.ConvTranspose2d(in_channels, num_keypoints, 4, stride=2, padding=1)
        self.kps_score_lowres = layer.with_init(lambda module: {"weight": weight, "bias": nn.init.zeros})

    def forward(self, x: jax.Array) -> jax.Array:
        """Maps [n, height, width, in_channels] to [n, 4 * height, 4 * width, num_keypoints]."""
        x = self.kps_score_lowres(x)
        return F.interpolate(x, size=(2 * x.shape[1], 2 * x.shape[2]), mode="bilinear")


class KeypointRCNN(FasterRCNN):
    """Faster R-CNN with a branch for key points.

    Args:
        backbone: see `FasterRCNN`.
        num_classes: number of classes, with the background.
        num_keypoints: number of key points.
        keypoint_roi_pool: pools the features of a box for its key points; by default 14 x 14 bins.
        keypoint_head: by default `KeypointRCNNHeads`.
        keypoint_predictor: by default a `KeypointRCNNPredictor`.
        preparation: see `FasterRCNN`; by default the shorter edge is one of several lengths.
        options: those of `FasterRCNN`.
    """

    def __init__(
        self, backbone: Any, num_classes: int | None = None, *, num_keypoints: int = 17,
        keypoint_roi_pool: MultiScaleRoIAlign | None = None, keypoint_head: nn.Module | None = None,
        keypoint_predictor: nn.Module | None = None, preparation: Preparation | None = None, **options: Any,
    ):
        levels = options.get("roi_levels", ("0", "1", "2", "3"))
        branches: dict[str, nn.Module] = {
            "keypoint_roi_pool": keypoint_roi_pool or MultiScaleRoIAlign(levels, KEYPOINT_SIDE, 2),
            "keypoint_head": keypoint_head or KeypointRCNNHeads(backbone.out_channels, [WIDTH] * 8),
            "keypoint_predictor": keypoint_predictor or KeypointRCNNPredictor(WIDTH, num_keypoints),
        }
        preparation = preparation or Preparation(SHORTER_EDGES)
        super().__init__(backbone, num_classes, preparation=preparation, branches=branches, **options)


def _read_options(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    points = shapes.get("roi_heads.keypoint_predictor.kps_score_lowres.bias")
    return read_options(shapes) | ({} if points is None else {"num_keypoints": points[0]})


@register(task="detection", probed=(), read_options=_read_options, backbone=RESNET)
def keypointrcnn_resnet50_fpn(
    num_classes: int = 2, *, num_keypoints: int = 17, norm_layer: Norm | None = None, frozen_eps: float | None = None,
    **options: Any,
) -> KeypointRCNN:
    """Keypoint R-CNN on ResNet-50.

    Args:
        num_classes: number of classes, with the background.
        num_keypoints: number of key points.
        norm_layer: of the ResNet, called with a number of channels; by default `BatchNorm2d`.
        frozen_eps: the ResNet has `FrozenBatchNorm2d` with this eps, as torchvision's has with trained weights. Those
            of COCO_V1 need 0.
        options: those of `KeypointRCNN`.
    """
    backbone = resnet_fpn_backbone("resnet50", norm_layer=backbone_norm(norm_layer, frozen_eps))
    return KeypointRCNN(backbone, num_classes, num_keypoints=num_keypoints, **options)
