"""RetinaNet: one network for boxes and classes on every level of a pyramid (Lin et al. 2017).

https://arxiv.org/abs/1708.02002; version 2 follows Zhang et al. 2019, https://arxiv.org/abs/1912.02424.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp

from .... import nn
from ....functional._precision import accumulation_dtype
from ....nn import init
from ...ops import (
    Conv2dNormActivation,
    LastLevelP6P7,
    box_iou,
    generalized_box_iou_loss,
    sigmoid_focal_loss,
)
from .._initial import conv_weights
from .._zoo.registry import register
from ._coding import BoxCoder
from ._matching import IGNORED, Matcher
from ._select import best_of_levels
from .anchors import AnchorGenerator
from .backbones import (
    PYRAMID_CHANNELS,
    RESNET,
    RESNET_V2,
    BackboneWithFPN,
    backbone_norm,
    read_frozen_eps,
    resnet_fpn_backbone,
)
from .batch import DetectionBatch, Detector, Preparation, Targets
from .detections import Detections

__all__ = ["RetinaNet", "RetinaNetHead", "retinanet_resnet50_fpn", "retinanet_resnet50_fpn_v2"]

Norm = Callable[..., nn.Module]
WEIGHT = init.normal(std=0.01)
PRIOR = 0.01  # the probability of every class before training (section 4.1)
CODER = BoxCoder()


class RetinaNetHead(nn.Module):
    """Four convolutions and a last one, twice: for the classes of every anchor and for its box.

    Args:
        in_channels: of every level.
        num_anchors: around each cell.
        num_classes: number of logits of an anchor.
        norm_layer: called with a number of channels; None for none.
        box_loss: "l1" of the differences, or "giou" of the boxes.
    """

    def __init__(
        self, in_channels: int, num_anchors: int, num_classes: int, norm_layer: Norm | None = None, *,
        box_loss: Literal["l1", "giou"] = "l1",
    ):
        logit = -math.log((1 - PRIOR) / PRIOR)
        self.classification_head = _Branch(
            in_channels, num_anchors, num_classes, norm_layer, "cls_logits", init.constant(logit)
        )
        self.regression_head = _Branch(in_channels, num_anchors, 4, norm_layer, "bbox_reg", init.zeros)
        self.box_loss = box_loss

    def forward(self, x: Sequence[jax.Array]) -> tuple[list[jax.Array], list[jax.Array]]:
        """Maps levels [batch, height, width, channels] to logits and to differences of boxes, one array a level.

        They have the shapes [batch, anchors, classes] and [batch, anchors, 4].
        """
        return self.classification_head(x), self.regression_head(x)

    def losses(
        self, logits: jax.Array, differences: jax.Array, anchors: jax.Array, matches: jax.Array, targets: Targets
    ) -> dict[str, jax.Array]:
        """The losses "classification" and "bbox_regression" of a batch, means over its images."""
        losses = jax.vmap(self._losses, (0, 0, None, 0, 0, 0))
        classification, boxes = losses(logits, differences, anchors, matches, targets.boxes, targets.labels)
        return {"classification": classification.mean(), "bbox_regression": boxes.mean()}

    def _losses(
        self, logits: jax.Array, differences: jax.Array, anchors: jax.Array, matches: jax.Array, boxes: jax.Array,
        labels: jax.Array,
    ) -> tuple[jax.Array, jax.Array]:
        matched, known = matches >= 0, matches != IGNORED
        count = jnp.maximum(matched.sum(), 1).astype(logits.dtype)
        classes = jax.nn.one_hot(labels[matches.clip(0)], logits.shape[1], dtype=logits.dtype)
        focal = sigmoid_focal_loss(logits, jnp.where(matched[:, None], classes, 0))
        # An anchor without an object learns no box. It stands in for its object, so that no logarithm is infinite.
        goals = jnp.where(matched[:, None], boxes[matches.clip(0)], anchors)
        if self.box_loss == "l1":
            regression = jnp.abs(differences - CODER.encode(goals, anchors)).sum(-1)
        else:
            regression = generalized_box_iou_loss(CODER.decode(differences, anchors), goals)
        return jnp.where(known[:, None], focal, 0).sum() / count, jnp.where(matched, regression, 0).sum() / count


class _Branch(nn.Module):
    """Four 3x3 convolutions with ReLU, and one to `outputs` numbers for each anchor; its name is torchvision's."""

    def __init__(
        self, in_channels: int, num_anchors: int, outputs: int, norm_layer: Norm | None, name: str,
        bias_init: init.Initializer,
    ):
        blocks = [Conv2dNormActivation(in_channels, in_channels, norm_layer=norm_layer) for _ in range(4)]
        self.conv = nn.Sequential(*blocks).with_init(conv_weights(WEIGHT))
        last = nn.Conv2d(in_channels, num_anchors * outputs, 3, padding=1, weight_init=WEIGHT, bias_init=bias_init)
        setattr(self, name, last)
        self._last, self._outputs = name, outputs

    def forward(self, x: Sequence[jax.Array]) -> list[jax.Array]:
        maps = [getattr(self, self._last)(self.conv(level)) for level in x]
        return [level.reshape(level.shape[0], -1, self._outputs) for level in maps]


class RetinaNet(Detector):
    """A backbone with a pyramid, and a head that is applied to every level.

    Args:
        backbone: maps images to a dict or a tuple of levels with `out_channels` channels, finest first.
        num_classes: number of classes; the background is one of them in torchvision's weights.
        preparation: how images are resized and normalised.
        anchor_generator: makes the anchors; by default three sizes and three ratios for each of five levels.
        head: in place of a `RetinaNetHead`.
        score_thresh: only classes with a greater score are candidates.
        nms_thresh: of the IoU, in non-maximum suppression.
        detections_per_img: the size of the result.
        fg_iou_thresh: in training, an anchor with at least this IoU is matched with an object.
        bg_iou_thresh: an anchor with a smaller IoU is background; one between the two is ignored.
        topk_candidates: how many candidates of each level enter non-maximum suppression.
    """

    def __init__(
        self, backbone: Any, num_classes: int, *, preparation: Preparation | None = None,
        anchor_generator: AnchorGenerator | None = None, head: RetinaNetHead | None = None, score_thresh: float = 0.05,
        nms_thresh: float = 0.5, detections_per_img: int = 300, fg_iou_thresh: float = 0.5, bg_iou_thresh: float = 0.4,
        topk_candidates: int = 1000,
    ):
        self.preparation = preparation or Preparation()
        self.anchor_generator = anchor_generator or _anchor_generator()
        self.backbone = backbone
        anchors = self.anchor_generator.num_anchors_per_location()[0]
        self.head = head or RetinaNetHead(backbone.out_channels, anchors, num_classes)
        self._matcher = Matcher(fg_iou_thresh, bg_iou_thresh, allow_low_quality_matches=True)
        self.score_thresh, self.nms_thresh = score_thresh, nms_thresh
        self.detections_per_img, self.topk_candidates = detections_per_img, topk_candidates

    def forward(self, batch: DetectionBatch) -> Any:
        """The detections of a batch; in training a dict of losses, as torchvision names them."""
        found = self.backbone(batch.images)
        levels = list(found.values()) if isinstance(found, dict) else list(found)
        logits, differences = self.head(levels)
        wide = accumulation_dtype(levels[0].dtype)
        logits, differences = ([level.astype(wide) for level in output] for output in (logits, differences))
        anchors = self.anchor_generator(batch.canvas, [(level.shape[1], level.shape[2]) for level in levels], wide)
        if self.training:
            return self._losses(logits, differences, jnp.concatenate(anchors), batch.known_targets())
        return jax.vmap(partial(self._detections, anchors))(logits, differences, batch.sizes)

    def _losses(
        self, logits: list[jax.Array], differences: list[jax.Array], anchors: jax.Array, targets: Targets
    ) -> dict[str, jax.Array]:
        matches = jax.vmap(lambda boxes, valid: self._matcher(box_iou(boxes, anchors), valid))
        targets = dataclasses.replace(targets, boxes=jnp.asarray(targets.boxes, anchors.dtype))
        matched = matches(targets.boxes, targets.valid)
        return self.head.losses(jnp.concatenate(logits, 1), jnp.concatenate(differences, 1), anchors, matched, targets)

    def _detections(
        self, anchors: Sequence[Any], logits: Sequence[jax.Array], differences: Sequence[jax.Array], size: jax.Array
    ) -> Detections:
        """The detections of one image."""
        decode = [
            lambda chosen, level=level, own=own: CODER.decode(level[chosen], jnp.asarray(own)[chosen])
            for level, own in zip(differences, anchors, strict=True)
        ]
        return best_of_levels(
            [jax.nn.sigmoid(level) for level in logits], decode, size, score_thresh=self.score_thresh,
            topk_candidates=self.topk_candidates, nms_thresh=self.nms_thresh,
            detections_per_img=self.detections_per_img,
        )


def _anchor_generator() -> AnchorGenerator:
    """Three sizes in each octave (section 4)."""
    sizes = [tuple(int(size * 2 ** (step / 3)) for step in range(3)) for size in (32, 64, 128, 256, 512)]
    return AnchorGenerator(sizes, (0.5, 1.0, 2.0))


def _read_options(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    logits = shapes.get("head.classification_head.cls_logits.bias")
    classes = {} if logits is None else {"num_classes": logits[0] // _anchor_generator().num_anchors_per_location()[0]}
    return classes | read_frozen_eps(shapes, "backbone.body.bn1")


@register(task="detection", probed=(), read_options=_read_options, backbone=RESNET)
def retinanet_resnet50_fpn(
    num_classes: int = 91, *, norm_layer: Norm | None = None, frozen_eps: float | None = None, **options: Any
) -> RetinaNet:
    """RetinaNet on ResNet-50.

    Args:
        num_classes: number of classes, with the background.
        norm_layer: of the ResNet, called with a number of channels; by default `BatchNorm2d`.
        frozen_eps: the ResNet has `FrozenBatchNorm2d` with this eps, as torchvision's has with trained weights. Those
            of COCO_V1 need 0.
        options: those of `RetinaNet`.
    """
    return RetinaNet(_backbone(256, norm_layer, frozen_eps), num_classes, **options)


@register(task="detection", probed=(), read_options=_read_options, backbone=RESNET_V2)
def retinanet_resnet50_fpn_v2(
    num_classes: int = 91, *, norm_layer: Norm | None = None, frozen_eps: float | None = None, **options: Any
) -> RetinaNet:
    """RetinaNet on ResNet-50 with group norm in the head and the generalised IoU loss; the arguments are the same."""
    generator = options.pop("anchor_generator", None) or _anchor_generator()
    head = RetinaNetHead(
        PYRAMID_CHANNELS, generator.num_anchors_per_location()[0], num_classes, partial(nn.GroupNorm, 32),
        box_loss="giou",
    )
    backbone = _backbone(2048, norm_layer, frozen_eps)
    return RetinaNet(backbone, num_classes, **({"anchor_generator": generator, "head": head} | options))


def _backbone(p6_channels: int, norm_layer: Norm | None, frozen_eps: float | None) -> BackboneWithFPN:
    """ResNet-50 with a pyramid from its second stage on: the first would give too many anchors (section 4)."""
    return resnet_fpn_backbone(
        "resnet50", norm_layer=backbone_norm(norm_layer, frozen_eps), returned_layers=(2, 3, 4),
        extra_blocks=LastLevelP6P7(p6_channels, PYRAMID_CHANNELS),
    )
