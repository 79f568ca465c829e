"""SSD: boxes and classes from six feature maps of one network (Liu et al. 2015, https://arxiv.org/abs/1512.02325)."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from .... import functional as F
from .... import nn
from ....functional._precision import accumulation_dtype
from ....nn import init
from ...ops import box_iou, clip_boxes_to_image
from .._initial import conv_weights
from .._zoo.backbones import Backbone, numbered_stages
from .._zoo.registry import register
from ..vgg import vgg16
from ._coding import BoxCoder
from ._matching import SSDMatcher
from ._select import suppress
from .anchors import DefaultBoxGenerator
from .batch import DetectionBatch, Detector, Preparation, Targets
from .detections import Detections

__all__ = ["SSD", "SSDFeatureExtractorVGG", "SSDHead", "SSDScoringHead", "ssd300_vgg16"]

ANCHORS = DefaultBoxGenerator(
    ((2,), (2, 3), (2, 3), (2, 3), (2,), (2,)), scales=(0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05),
    steps=(8, 16, 32, 64, 100, 300),
)
"""Of SSD300, as in the paper."""
xavier = conv_weights(init.xavier_uniform())
FOURTH_POOL = 23  # index in the features of VGG-16
CODER = BoxCoder((10.0, 10.0, 5.0, 5.0))
Rule = Callable[[nn.Module], Mapping[str, init.Initializer]]


class SSDScoringHead(nn.Module):
    """A module for each feature map, which says some numbers for every default box.

    Args:
        module_list: maps each feature map [batch, height, width, channels] to its boxes' numbers.
        num_columns: how many numbers a box has.
    """

    def __init__(self, module_list: Sequence[nn.Module], num_columns: int):
        self.module_list = nn.ModuleList(list(module_list))
        self.num_columns = num_columns

    def forward(self, x: Sequence[jax.Array]) -> jax.Array:
        """Maps feature maps to [batch, boxes, num_columns]."""
        found = [module(level) for module, level in zip(self.module_list, x, strict=True)]
        return jnp.concatenate([level.reshape(level.shape[0], -1, self.num_columns) for level in found], 1)


class SSDHead(nn.Module):
    """A convolution on each feature map for the classes of its default boxes, and one for the boxes.

    Args:
        in_channels: of each feature map.
        num_anchors: default boxes of a cell, for each feature map.
        num_classes: number of classes, with the background.
        block: called with the channels of a feature map and the numbers of a cell; by default a 3x3 convolution.
    """

    def __init__(
        self, in_channels: Sequence[int], num_anchors: Sequence[int], num_classes: int, *,
        block: Callable[[int, int], nn.Module] | None = None,
    ):
        block = block or _convolution

        def head(columns: int) -> SSDScoringHead:
            pairs = zip(in_channels, num_anchors, strict=True)
            return SSDScoringHead([block(channels, columns * anchors) for channels, anchors in pairs], columns)

        self.classification_head = head(num_classes)
        self.regression_head = head(4)

    def forward(self, x: Sequence[jax.Array]) -> tuple[jax.Array, jax.Array]:
        """Maps feature maps to logits [batch, boxes, classes] and differences [batch, boxes, 4]."""
        return self.classification_head(x), self.regression_head(x)


def _convolution(in_channels: int, out_channels: int) -> nn.Module:
    return nn.Conv2d(in_channels, out_channels, 3, padding=1).with_init(xavier)


class SSD(Detector):
    """A backbone with several feature maps, and a head with default boxes on each.

    Args:
        backbone: maps images to a dict or tuple of feature maps, whose channels are its `out_channels`.
        anchor_generator: makes the default boxes.
        size: (height, width) to which images are resized.
        num_classes: number of classes, with the background.
        preparation: in place of that of `size`, with which it must agree.
        head: in place of an `SSDHead`.
        score_thresh: only classes with a greater probability are candidates.
        nms_thresh: of the IoU, in non-maximum suppression.
        detections_per_img: the size of the result.
        iou_thresh: in training, a default box with at least this IoU is matched with an object.
        topk_candidates: how many candidates of each class enter non-maximum suppression.
        positive_fraction: in training, the part of the boxes that learn classes which have an object.
    """

    def __init__(
        self, backbone: Any, anchor_generator: DefaultBoxGenerator, size: tuple[int, int], num_classes: int, *,
        preparation: Preparation | None = None, head: SSDHead | None = None, score_thresh: float = 0.01,
        nms_thresh: float = 0.45, detections_per_img: int = 200, iou_thresh: float = 0.5, topk_candidates: int = 400,
        positive_fraction: float = 0.25,
    ):
        self.preparation = preparation or Preparation(size_divisible=1, fixed_size=size)
        if self.preparation.fixed_size != tuple(size):
            raise ValueError(f"size={size}, and the preparation resizes to {self.preparation.fixed_size}")
        self.anchor_generator = anchor_generator
        self.backbone = backbone
        self.head = head or SSDHead(
            backbone.out_channels, anchor_generator.num_anchors_per_location(), num_classes
        )
        self._matcher = SSDMatcher(iou_thresh)
        self.score_thresh, self.nms_thresh = score_thresh, nms_thresh
        self.detections_per_img, self.topk_candidates = detections_per_img, topk_candidates
        self.negatives = (1.0 - positive_fraction) / positive_fraction

    def forward(self, batch: DetectionBatch) -> Any:
        """The detections of a batch; in training a dict of losses, as torchvision names them."""
        found = self.backbone(batch.images)
        levels = list(found.values()) if isinstance(found, Mapping) else list(found)
        wide = accumulation_dtype(levels[0].dtype)
        logits, differences = (output.astype(wide) for output in self.head(levels))
        grids = [(level.shape[1], level.shape[2]) for level in levels]
        anchors = jnp.concatenate([jnp.asarray(level) for level in self.anchor_generator(batch.canvas, grids, wide)])
        if not self.training:
            return jax.vmap(partial(self._detections, anchors))(logits, differences, batch.sizes)
        targets = batch.known_targets()
        wanted = Targets(jnp.asarray(targets.boxes, wide), targets.labels, targets.valid)
        boxes, classes, counts = jax.vmap(partial(self._sums, anchors))(logits, differences, wanted)
        count = jnp.maximum(counts.sum(), 1).astype(wide)
        return {"bbox_regression": boxes.sum() / count, "classification": classes.sum() / count}

    def _sums(
        self, anchors: jax.Array, logits: jax.Array, differences: jax.Array, targets: Targets
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """The sums of the two losses over one image, and how many default boxes have an object."""
        matches = self._matcher(box_iou(targets.boxes, anchors), targets.valid)
        matched = matches >= 0
        # A box without an object learns no place: it stands in for its object, so that no logarithm is infinite.
        goals = jnp.where(matched[:, None], targets.boxes[matches.clip(0)], anchors)
        regression = F.smooth_l1_loss(differences, CODER.encode(goals, anchors), reduction="none")
        labels = jnp.where(matched, targets.labels[matches.clip(0)], 0)
        losses = F.cross_entropy(logits, labels, reduction="none")
        positive = labels > 0
        hardest = jnp.argsort(jnp.where(positive, -jnp.inf, jax.lax.stop_gradient(losses)), descending=True)
        rank = jnp.zeros(len(hardest), jnp.int32).at[hardest].set(jnp.arange(len(hardest), dtype=jnp.int32))
        negatives = self.negatives * positive.sum().astype(losses.dtype)
        learned = positive | (rank.astype(losses.dtype) < negatives)
        boxes = jnp.where(matched[:, None], regression, 0).sum()
        return boxes, jnp.where(learned, losses, 0).sum(), matched.sum()

    def _detections(
        self, anchors: jax.Array, logits: jax.Array, differences: jax.Array, size: jax.Array
    ) -> Detections:
        """The detections of one image."""
        boxes = clip_boxes_to_image(CODER.decode(differences, anchors), (size[0], size[1]))
        scores = jax.nn.softmax(logits, -1)[:, 1:].T
        best, chosen = jax.lax.top_k(scores, min(self.topk_candidates, len(anchors)))
        labels = jnp.broadcast_to(jnp.arange(1, len(scores) + 1, dtype=jnp.int32)[:, None], best.shape)
        flat = boxes[chosen.reshape(-1)], best.reshape(-1), labels.reshape(-1)
        found = suppress(*flat, flat[1] > self.score_thresh, self.nms_thresh, self.detections_per_img)
        return Detections(*found, overflow=jnp.zeros((), jnp.int32))


class SSDFeatureExtractorVGG(nn.Module):
    """The six feature maps of SSD300 from VGG-16, or seven of SSD512.

    Args:
        backbone: the `features` of a VGG.
        highres: whether to add the seventh, for images of 512 pixels.

    Attributes:
        out_channels: channels of each feature map.
    """

    def __init__(self, backbone: nn.Sequential, highres: bool = False):
        layers = list(backbone)
        pools = [i for i, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d)]
        third, fourth = pools[2], pools[3]
        layers[third] = nn.MaxPool2d(2, 2, ceil_mode=True)  # so that maps have the paper's sizes
        self.scale_weight = nn.Param((512,), init.constant(20.0))
        self.features = nn.Sequential(*layers[:fourth])
        fc = nn.Sequential(
            nn.MaxPool2d(3, 1, 1), nn.Conv2d(512, 1024, 3, padding=6, dilation=6), nn.ReLU(),
            nn.Conv2d(1024, 1024, 1), nn.ReLU(),
        )
        rows = [(1024, 256, 512, 3, 2), (512, 128, 256, 3, 2), (256, 128, 256, 3, 1), (256, 128, 256, 3, 1)]
        rows += [(256, 128, 256, 4, 1)] if highres else []
        self.extra = nn.ModuleList([
            nn.Sequential(*layers[fourth:-1], fc.with_init(xavier)), *(_extra(*row).with_init(xavier) for row in rows)
        ])
        self.out_channels = (512, 1024, *(row[2] for row in rows))

    def forward(self, x: jax.Array) -> dict[str, jax.Array]:
        """Maps images [batch, height, width, 3] to feature maps by number."""
        x = self.features(x)
        found = [self.scale_weight.astype(x.dtype)[None, None, None] * F.normalize(x, dim=-1)]
        for block in self.extra:
            x = block(x)
            found.append(x)
        return {str(i): level for i, level in enumerate(found)}


def _extra(in_channels: int, width: int, out_channels: int, kernel_size: int, stride: int) -> nn.Sequential:
    padding = 1 if stride == 2 else 0
    return nn.Sequential(
        nn.Conv2d(in_channels, width, 1), nn.ReLU(),
        nn.Conv2d(width, out_channels, kernel_size, stride, padding), nn.ReLU(),
    )


def _read_options(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    logits = shapes.get("head.classification_head.module_list.0.bias")
    return {} if logits is None else {"num_classes": logits[0] // ANCHORS.num_anchors_per_location()[0]}


def _rename(name: str) -> str:
    """The name in SSD300 of an array of VGG-16, whose last block is within the second feature map."""
    parts = name.split(".")
    if parts[0] == "features" and parts[1].isdigit():
        index = int(parts[1]) - FOURTH_POOL
        parts[:2] = ["backbone.features", parts[1]] if index < 0 else ["backbone.extra.0", str(index)]
    return ".".join(parts)


@register(
    task="detection", probed=(), read_options=_read_options,
    backbone=Backbone("vgg16", _rename, numbered_stages((0, 4, 9, 16, 23), 30)),
)
def ssd300_vgg16(num_classes: int = 91, **options: Any) -> SSD:
    """SSD for images of 300 pixels on VGG-16.

    Args:
        num_classes: number of classes, with the background.
        options: those of `SSD`.
    """
    size = 300, 300
    preparation = Preparation(  # pixels from 0 to 255, without their mean
        mean=(0.48235, 0.45882, 0.40784), std=(1 / 255,) * 3, size_divisible=1, fixed_size=size
    )
    features: Any = vgg16().features
    backbone = SSDFeatureExtractorVGG(features)
    options.setdefault("preparation", preparation)
    return SSD(backbone, ANCHORS, size, num_classes, **options)
