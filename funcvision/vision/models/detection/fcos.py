"""FCOS: every place inside an object says how far its edges are (Tian et al. 2019, https://arxiv.org/abs/1904.01355).

With center sampling, the generalised IoU loss and centerness beside the boxes, of https://arxiv.org/abs/2006.09214.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from .... import functional as F
from .... import nn
from ....functional._precision import accumulation_dtype
from ....nn import init
from ...ops import LastLevelP6P7, generalized_box_iou_loss, sigmoid_focal_loss
from .._zoo.registry import register
from ._coding import BoxLinearCoder
from ._matching import BACKGROUND
from ._select import best_of_levels
from .anchors import AnchorGenerator
from .backbones import (
    PYRAMID_CHANNELS,
    RESNET,
    backbone_norm,
    read_frozen_eps,
    resnet_fpn_backbone,
)
from .batch import DetectionBatch, Detector, Preparation, Targets
from .detections import Detections

__all__ = ["FCOS", "FCOSHead", "fcos_resnet50_fpn"]

Norm = Callable[..., nn.Module]
CODER = BoxLinearCoder()
PRIOR = 0.01  # the probability of every class before training
LARGEST_AREA = 1e8  # square pixels, more than any object has
NORMAL: dict[str, Any] = {"weight_init": init.normal(std=0.01), "bias_init": init.zeros}


class FCOSHead(nn.Module):
    """Convolutions with norms, twice: for the classes of every place, and for its box and centerness.

    Args:
        in_channels: of every level.
        num_anchors: around each cell.
        num_classes: number of logits of a place.
        num_convs: 3x3 convolutions before each last one.
        norm_layer: called with a number of channels; by default group norm of 32 groups.
    """

    def __init__(
        self, in_channels: int, num_anchors: int, num_classes: int, num_convs: int = 4, *,
        norm_layer: Norm | None = None,
    ):
        branch = partial(_Branch, in_channels, num_convs, norm_layer or partial(nn.GroupNorm, 32))
        logit = -math.log((1 - PRIOR) / PRIOR)
        self.classification_head = branch({"cls_logits": (num_anchors, num_classes, init.constant(logit))})
        self.regression_head = branch(
            {"bbox_reg": (num_anchors, 4, init.zeros), "bbox_ctrness": (num_anchors, 1, init.zeros)}
        )

    def forward(self, x: Sequence[jax.Array]) -> tuple[list[jax.Array], list[jax.Array], list[jax.Array]]:
        """Maps levels [batch, height, width, channels] to logits, distances of edges and centerness, one array a level.

        They have the shapes [batch, places, classes], [batch, places, 4] and [batch, places, 1].
        """
        (logits,) = self.classification_head(x)
        distances, centerness = self.regression_head(x)
        return logits, [F.relu(level) for level in distances], centerness


class _Branch(nn.Module):
    """3x3 convolutions with norm and ReLU, and last ones side by side.

    Args:
        in_channels: of every level.
        num_convs: convolutions before the last ones.
        norm_layer: called with a number of channels.
        last: for each last convolution, by name, (anchors, numbers of an anchor, initialiser of the bias).
    """

    def __init__(
        self, in_channels: int, num_convs: int, norm_layer: Norm, last: Mapping[str, tuple[int, int, init.Initializer]]
    ):
        layers: list[nn.Module] = []
        for _ in range(num_convs):
            layers += [nn.Conv2d(in_channels, in_channels, 3, padding=1, **NORMAL), norm_layer(in_channels), nn.ReLU()]
        self.conv = nn.Sequential(*layers)
        for name, (anchors, numbers, bias_init) in last.items():
            last_conv = nn.Conv2d(
                in_channels, anchors * numbers, 3, padding=1, weight_init=NORMAL["weight_init"], bias_init=bias_init
            )
            setattr(self, name, last_conv)
        self._numbers = {name: numbers for name, (_, numbers, _) in last.items()}

    def forward(self, x: Sequence[jax.Array]) -> list[list[jax.Array]]:
        maps = [self.conv(level) for level in x]
        return [
            [getattr(self, name)(level).reshape(level.shape[0], -1, numbers) for level in maps]
            for name, numbers in self._numbers.items()
        ]


class FCOS(Detector):
    """A backbone with a pyramid, and a head that is applied to every level.

    Args:
        backbone: maps images to a dict or a tuple of levels with `out_channels` channels, finest first.
        num_classes: number of classes; the background is one of them in torchvision's weights.
        preparation: how images are resized and normalised.
        anchor_generator: makes one square for each cell, as wide as the level's stride.
        head: in place of an `FCOSHead`.
        center_sampling_radius: in training, a place learns an object if it is nearer to its middle than this many
            strides.
        score_thresh: only classes with a greater score are candidates.
        nms_thresh: of the IoU, in non-maximum suppression.
        detections_per_img: the size of the result.
        topk_candidates: how many candidates of each level enter non-maximum suppression.

    Raises:
        ValueError: the anchor generator makes more than one anchor for a cell.
    """

    def __init__(
        self, backbone: Any, num_classes: int, *, preparation: Preparation | None = None,
        anchor_generator: AnchorGenerator | None = None, head: FCOSHead | None = None,
        center_sampling_radius: float = 1.5, score_thresh: float = 0.2, nms_thresh: float = 0.6,
        detections_per_img: int = 100, topk_candidates: int = 1000,
    ):
        self.preparation = preparation or Preparation()
        self.anchor_generator = anchor_generator or AnchorGenerator((8, 16, 32, 64, 128), (1.0,))
        if set(self.anchor_generator.num_anchors_per_location()) != {1}:
            counts = self.anchor_generator.num_anchors_per_location()
            raise ValueError(f"FCOS has one anchor a cell; this generator makes {counts}, by level")
        self.backbone = backbone
        self.head = head or FCOSHead(backbone.out_channels, 1, num_classes)
        self.center_sampling_radius = center_sampling_radius
        self.score_thresh, self.nms_thresh = score_thresh, nms_thresh
        self.detections_per_img, self.topk_candidates = detections_per_img, topk_candidates

    def forward(self, batch: DetectionBatch) -> Any:
        """The detections of a batch; in training a dict of losses, as torchvision names them."""
        found = self.backbone(batch.images)
        levels = list(found.values()) if isinstance(found, Mapping) else list(found)
        wide = accumulation_dtype(levels[0].dtype)
        logits, distances, centerness = ([level.astype(wide) for level in output] for output in self.head(levels))
        grids = [(level.shape[1], level.shape[2]) for level in levels]
        anchors = [jnp.asarray(level) for level in self.anchor_generator(batch.canvas, grids, wide)]
        if not self.training:
            return jax.vmap(partial(self._detections, anchors))(logits, distances, centerness, batch.sizes)
        targets = batch.known_targets()
        wanted = Targets(jnp.asarray(targets.boxes, wide), targets.labels, targets.valid)
        *sums, counts = jax.vmap(partial(self._sums, anchors))(
            jnp.concatenate(logits, 1), jnp.concatenate(distances, 1), jnp.concatenate(centerness, 1), wanted
        )
        count = jnp.maximum(counts.sum(), 1).astype(wide)
        names = "classification", "bbox_regression", "bbox_ctrness"
        return {name: one.sum() / count for name, one in zip(names, sums, strict=True)}

    def _sums(
        self, anchors: Sequence[jax.Array], logits: jax.Array, distances: jax.Array, centerness: jax.Array,
        targets: Targets,
    ) -> tuple[jax.Array, ...]:
        """The sums of the three losses over one image, and how many places have an object."""
        places = jnp.concatenate(anchors)
        matches = self._matches(anchors, targets)
        matched = matches >= 0
        classes = jax.nn.one_hot(targets.labels[matches.clip(0)], logits.shape[1], dtype=logits.dtype)
        focal = sigmoid_focal_loss(logits, jnp.where(matched[:, None], classes, 0))
        # A place without an object learns no box: its own square stands in, so that no loss is NaN.
        goals = jnp.where(matched[:, None], targets.boxes[matches.clip(0)], places)
        regression = generalized_box_iou_loss(CODER.decode(distances, places), goals)
        left, top, right, bottom = jnp.moveaxis(CODER.encode(goals, places), -1, 0)
        across = jnp.minimum(left, right) / jnp.maximum(left, right)
        down = jnp.minimum(top, bottom) / jnp.maximum(top, bottom)
        central = F.binary_cross_entropy_with_logits(centerness[:, 0], jnp.sqrt(across * down), reduction="none")
        return focal.sum(), jnp.where(matched, regression, 0).sum(), jnp.where(matched, central, 0).sum(), matched.sum()

    def _matches(self, anchors: Sequence[jax.Array], targets: Targets) -> jax.Array:
        """For each place the smallest object that it lies in the middle of and that fits its level, or `BACKGROUND`."""
        places, boxes = jnp.concatenate(anchors), targets.boxes
        stride = (places[:, 2] - places[:, 0])[:, None]
        centre = ((places[:, :2] + places[:, 2:]) / 2)[:, None]
        offset = jnp.abs(centre - ((boxes[:, :2] + boxes[:, 2:]) / 2)[None]).max(-1)
        edges = jnp.concatenate([centre - boxes[None, :, :2], boxes[None, :, 2:] - centre], -1)
        farthest = edges.max(-1)
        first, last = len(anchors[0]), len(anchors[-1])
        lower = (4 * stride).at[:first].set(0)
        upper = (8 * stride).at[len(places) - last :].set(jnp.inf)
        fits = (offset < self.center_sampling_radius * stride) & (edges.min(-1) > 0)
        fits &= (farthest > lower) & (farthest < upper) & targets.valid[None]
        area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        worth = jnp.where(fits, LARGEST_AREA - area[None], 0)
        return jnp.where(worth.max(1) < 1e-5, BACKGROUND, worth.argmax(1).astype(jnp.int32))

    def _detections(
        self, anchors: Sequence[jax.Array], logits: Sequence[jax.Array], distances: Sequence[jax.Array],
        centerness: Sequence[jax.Array], size: jax.Array,
    ) -> Detections:
        """The detections of one image."""
        scores = [
            jnp.sqrt(jax.nn.sigmoid(level) * jax.nn.sigmoid(central))
            for level, central in zip(logits, centerness, strict=True)
        ]
        decode = [
            lambda chosen, level=level, own=own: CODER.decode(level[chosen], own[chosen])
            for level, own in zip(distances, anchors, strict=True)
        ]
        return best_of_levels(
            scores, decode, size, score_thresh=self.score_thresh, topk_candidates=self.topk_candidates,
            nms_thresh=self.nms_thresh, detections_per_img=self.detections_per_img,
        )


def _read_options(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    logits = shapes.get("head.classification_head.cls_logits.bias")
    return ({} if logits is None else {"num_classes": logits[0]}) | read_frozen_eps(shapes, "backbone.body.bn1")


@register(task="detection", probed=(), read_options=_read_options, backbone=RESNET)
def fcos_resnet50_fpn(
    num_classes: int = 91, *, norm_layer: Norm | None = None, frozen_eps: float | None = None, **options: Any
) -> FCOS:
    """FCOS on ResNet-50.

    Args:
        num_classes: number of classes, with the background.
        norm_layer: of the ResNet, called with a number of channels; by default `BatchNorm2d`.
        frozen_eps: the ResNet has `FrozenBatchNorm2d` with this eps, as torchvision's has with trained weights.
        options: those of `FCOS`.
    """
    backbone = resnet_fpn_backbone(
        "resnet50", norm_layer=backbone_norm(norm_layer, frozen_eps), returned_layers=(2, 3, 4),
        extra_blocks=LastLevelP6P7(PYRAMID_CHANNELS, PYRAMID_CHANNELS),
    )
    return FCOS(backbone, num_classes, **options)
