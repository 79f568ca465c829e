"""Faster R-CNN (Ren et al. 2015, https://arxiv.org/abs/1506.01497) on feature pyramids (Lin et al. 2016).

https://arxiv.org/abs/1612.03144; version 2 follows Li et al. 2021, https://arxiv.org/abs/2111.11429.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax

from .... import functional as F
from .... import nn
from ....nn import init
from ...ops import Conv2dNormActivation, MultiScaleRoIAlign
from .._initial import conv_weights
from .._zoo.registry import register
from .anchors import AnchorGenerator
from .backbones import (
    MOBILENET,
    PYRAMID_CHANNELS,
    RESNET,
    RESNET_V2,
    backbone_norm,
    mobilenet_backbone,
    read_frozen_eps,
    resnet_fpn_backbone,
)
from .batch import DetectionBatch, Detector, Preparation
from .roi_heads import RoIHeads
from .rpn import RegionProposalNetwork, RPNHead

__all__ = [
    "FastRCNNConvFCHead", "FastRCNNPredictor", "FasterRCNN", "TwoMLPHead", "fasterrcnn_mobilenet_v3_large_320_fpn",
    "fasterrcnn_mobilenet_v3_large_fpn", "fasterrcnn_resnet50_fpn", "fasterrcnn_resnet50_fpn_v2",
]

Norm = Callable[..., nn.Module]
fan_out_weights = conv_weights(init.kaiming_normal(mode="fan_out", nonlinearity="relu"))
VECTOR = 1024  # features of a box
BOX_SIDE = 7  # bins of a box in each direction


class TwoMLPHead(nn.Module):
    """Two linear layers with ReLU on pooled features.

    Args:
        in_channels: channels times bins of the pooled features.
        representation_size: features of the result.
    """

    def __init__(self, in_channels: int, representation_size: int):
        self.flatten = nn.Flatten()
        self.fc6 = nn.Linear(in_channels, representation_size)
        self.fc7 = nn.Linear(representation_size, representation_size)

    def forward(self, x: jax.Array) -> jax.Array:
        """Maps [n, height, width, channels] to [n, representation_size]."""
        return F.relu(self.fc7(F.relu(self.fc6(self.flatten(x)))))


class FastRCNNConvFCHead(nn.Sequential):
    """Convolutions and linear layers with ReLU on pooled features.

    Args:
        input_size: (height, width, channels) of the pooled features.
        conv_layers: channels of each 3x3 convolution.
        fc_layers: features of each linear layer.
        norm_layer: of the convolutions, called with a number of channels; None for none.
    """

    def __init__(
        self, input_size: tuple[int, int, int], conv_layers: Sequence[int], fc_layers: Sequence[int],
        norm_layer: Norm | None = None,
    ):
        height, width, channels = input_size
        layers: list[nn.Module] = []
        for out_channels in conv_layers:
            block = Conv2dNormActivation(channels, out_channels, norm_layer=norm_layer)
            layers.append(block.with_init(fan_out_weights))
            channels = out_channels
        layers.append(nn.Flatten())
        features = channels * height * width
        for out_features in fc_layers:
            layers += [nn.Linear(features, out_features), nn.ReLU()]
            features = out_features
        super().__init__(*layers)


class FastRCNNPredictor(nn.Module):
    """The logits of a box, and the differences of its box for each class.

    Args:
        in_channels: features of a box.
        num_classes: number of classes, with the background.
    """

    def __init__(self, in_channels: int, num_classes: int):
        self.cls_score = nn.Linear(in_channels, num_classes)
        self.bbox_pred = nn.Linear(in_channels, num_classes * 4)

    def forward(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Maps [n, in_channels] to logits [n, classes] and differences [n, classes * 4]."""
        return self.cls_score(x), self.bbox_pred(x)


class FasterRCNN(Detector):
    """A backbone, a network that proposes boxes, and a second stage that looks at the proposals.

    Args:
        backbone: maps images to a dict of levels with `out_channels` channels, finest first.
        num_classes: number of classes, with the background; not needed with a `box_predictor`.
        preparation: how images are resized and normalised.
        rpn_anchor_generator: makes the anchors; by default one size and three ratios for each of five levels.
        rpn_head: in place of an `RPNHead`.
        rpn_pre_nms_top_n_train: see `RegionProposalNetwork`, as for the next ones.
        rpn_pre_nms_top_n_test: as above.
        rpn_post_nms_top_n_train: as above.
        rpn_post_nms_top_n_test: as above.
        rpn_nms_thresh: as above.
        rpn_fg_iou_thresh: as above.
        rpn_bg_iou_thresh: as above.
        rpn_batch_size_per_image: as above.
        rpn_positive_fraction: as above.
        rpn_score_thresh: as above.
        rpn_sampler: as above.
        box_roi_pool: see `RoIHeads`, as for the next ones; by default 7 x 7 bins.
        box_head: by default a `TwoMLPHead`.
        box_predictor: by default a `FastRCNNPredictor`.
        box_score_thresh: as above.
        box_nms_thresh: as above.
        box_detections_per_img: as above.
        box_fg_iou_thresh: as above.
        box_bg_iou_thresh: as above.
        box_batch_size_per_image: as above.
        box_positive_fraction: as above.
        bbox_reg_weights: as above.
        box_sampler: as above.
        box_candidates: as above.
        roi_levels: the levels from which boxes are pooled.
        branches: further parts of `RoIHeads`, by name.
    """

    def __init__(
        self, backbone: Any, num_classes: int | None = None, *, preparation: Preparation | None = None,
        rpn_anchor_generator: AnchorGenerator | None = None, rpn_head: nn.Module | None = None,
        rpn_pre_nms_top_n_train: int = 2000, rpn_pre_nms_top_n_test: int = 1000, rpn_post_nms_top_n_train: int = 2000,
        rpn_post_nms_top_n_test: int = 1000, rpn_nms_thresh: float = 0.7, rpn_fg_iou_thresh: float = 0.7,
        rpn_bg_iou_thresh: float = 0.3, rpn_batch_size_per_image: int = 256, rpn_positive_fraction: float = 0.5,
        rpn_score_thresh: float = 0.0, rpn_sampler: Any = None, box_roi_pool: MultiScaleRoIAlign | None = None,
        box_head: nn.Module | None = None, box_predictor: nn.Module | None = None, box_score_thresh: float = 0.05,
        box_nms_thresh: float = 0.5, box_detections_per_img: int = 100, box_fg_iou_thresh: float = 0.5,
        box_bg_iou_thresh: float = 0.5, box_batch_size_per_image: int = 512, box_positive_fraction: float = 0.25,
        bbox_reg_weights: tuple[float, float, float, float] | None = None, box_sampler: Any = None,
        box_candidates: int | None = 10_000, roi_levels: Sequence[str] = ("0", "1", "2", "3"),
        branches: Mapping[str, nn.Module] | None = None,
    ):
        if (num_classes is None) == (box_predictor is None):
            raise ValueError("FasterRCNN takes either num_classes or a box_predictor")
        self.preparation = preparation or Preparation()
        channels = backbone.out_channels
        generator = rpn_anchor_generator or default_anchor_generator()
        self.backbone = backbone
        self.rpn = RegionProposalNetwork(
            generator, rpn_head or RPNHead(channels, generator.num_anchors_per_location()[0]),
            fg_iou_thresh=rpn_fg_iou_thresh, bg_iou_thresh=rpn_bg_iou_thresh,
            batch_size_per_image=rpn_batch_size_per_image, positive_fraction=rpn_positive_fraction,
            pre_nms_top_n=(rpn_pre_nms_top_n_train, rpn_pre_nms_top_n_test),
            post_nms_top_n=(rpn_post_nms_top_n_train, rpn_post_nms_top_n_test), nms_thresh=rpn_nms_thresh,
            score_thresh=rpn_score_thresh, sampler=rpn_sampler,
        )
        pool = box_roi_pool or MultiScaleRoIAlign(roi_levels, BOX_SIDE, 2)
        bins = pool.output_size[0] * pool.output_size[1]
        self.roi_heads = RoIHeads(
            pool, box_head or TwoMLPHead(channels * bins, VECTOR),
            box_predictor or FastRCNNPredictor(VECTOR, num_classes or 0), fg_iou_thresh=box_fg_iou_thresh,
            bg_iou_thresh=box_bg_iou_thresh, batch_size_per_image=box_batch_size_per_image,
            positive_fraction=box_positive_fraction, bbox_reg_weights=bbox_reg_weights, score_thresh=box_score_thresh,
            nms_thresh=box_nms_thresh, detections_per_img=box_detections_per_img, sampler=box_sampler,
            candidates=box_candidates, **(branches or {}),
        )

    def forward(self, batch: DetectionBatch) -> Any:
        """The detections of a batch; in training a dict of losses, as torchvision names them."""
        found = self.backbone(batch.images)
        levels = found if isinstance(found, Mapping) else {"0": found}
        proposals, valid, losses = self.rpn(batch, list(levels.values()))
        result = self.roi_heads(levels, proposals, valid, batch)
        return {**result, **losses} if self.training else result


def default_anchor_generator() -> AnchorGenerator:
    """One size in each octave."""
    return AnchorGenerator((32, 64, 128, 256, 512), (0.5, 1.0, 2.0))


def read_options(shapes: Mapping[str, tuple[int, ...]], first_norm: str = "backbone.body.bn1") -> dict[str, Any]:
    """The options of an R-CNN that the shapes in a checkpoint imply."""
    scores = shapes.get("roi_heads.box_predictor.cls_score.bias")
    return ({} if scores is None else {"num_classes": scores[0]}) | read_frozen_eps(shapes, first_norm)


def version_2(options: dict[str, Any]) -> dict[str, Any]:
    """The options of the second version's heads, and those given."""
    generator = options.get("rpn_anchor_generator") or default_anchor_generator()
    heads = {
        "rpn_head": RPNHead(PYRAMID_CHANNELS, generator.num_anchors_per_location()[0], conv_depth=2),
        "box_head": FastRCNNConvFCHead(
            (BOX_SIDE, BOX_SIDE, PYRAMID_CHANNELS), [PYRAMID_CHANNELS] * 4, [VECTOR], nn.BatchNorm2d
        ),
    }
    return heads | options


@register(task="detection", probed=(), read_options=read_options, backbone=RESNET)
def fasterrcnn_resnet50_fpn(
    num_classes: int = 91, *, norm_layer: Norm | None = None, frozen_eps: float | None = None, **options: Any
) -> FasterRCNN:
    """Faster R-CNN on ResNet-50.

    Args:
        num_classes: number of classes, with the background.
        norm_layer: of the ResNet, called with a number of channels; by default `BatchNorm2d`.
        frozen_eps: the ResNet has `FrozenBatchNorm2d` with this eps, as torchvision's has with trained weights. Those
            of COCO_V1 need 0.
        options: those of `FasterRCNN`.
    """
    backbone = resnet_fpn_backbone("resnet50", norm_layer=backbone_norm(norm_layer, frozen_eps))
    return FasterRCNN(backbone, num_classes, **options)


@register(task="detection", probed=(), read_options=read_options, backbone=RESNET_V2)
def fasterrcnn_resnet50_fpn_v2(
    num_classes: int = 91, *, norm_layer: Norm | None = None, frozen_eps: float | None = None, **options: Any
) -> FasterRCNN:
    """Faster R-CNN on ResNet-50 with deeper heads and norms in pyramid and head; the arguments are the same."""
    backbone = resnet_fpn_backbone(
        "resnet50", norm_layer=backbone_norm(norm_layer, frozen_eps), fpn_norm_layer=nn.BatchNorm2d
    )
    return FasterRCNN(backbone, num_classes, **version_2(options))


@register(
    task="detection", probed=(), read_options=lambda shapes: read_options(shapes, "backbone.body.0.1"),
    backbone=MOBILENET,
)
def fasterrcnn_mobilenet_v3_large_fpn(
    num_classes: int = 91, *, norm_layer: Norm | None = None, frozen_eps: float | None = None, **options: Any
) -> FasterRCNN:
    """Faster R-CNN on MobileNetV3-Large; the arguments are those of `fasterrcnn_resnet50_fpn`."""
    backbone = mobilenet_backbone("mobilenet_v3_large", norm_layer=backbone_norm(norm_layer, frozen_eps))
    generator = AnchorGenerator(((32, 64, 128, 256, 512),) * 3, (0.5, 1.0, 2.0))
    defaults = {"rpn_anchor_generator": generator, "rpn_score_thresh": 0.05, "roi_levels": ("0", "1")}
    return FasterRCNN(backbone, num_classes, **(defaults | options))


@register(
    task="detection", probed=(), read_options=lambda shapes: read_options(shapes, "backbone.body.0.1"),
    backbone=MOBILENET,
)
def fasterrcnn_mobilenet_v3_large_320_fpn(num_classes: int = 91, **options: Any) -> FasterRCNN:
    """`fasterrcnn_mobilenet_v3_large_fpn` for images of 320 to 640 pixels and fewer proposals."""
    defaults = {
        "preparation": Preparation(320, 640), "rpn_pre_nms_top_n_test": 150, "rpn_post_nms_top_n_test": 150,
    }
    return fasterrcnn_mobilenet_v3_large_fpn(num_classes, **(defaults | options))
