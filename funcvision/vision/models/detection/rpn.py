"""The region proposal network: the boxes that a second stage looks at (Ren et al. 2015).

https://arxiv.org/abs/1506.01497
"""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp

from .... import functional as F
from .... import nn
from ....functional._precision import accumulation_dtype
from ....nn import init
from ...ops import Conv2dNormActivation, batched_nms, box_iou, clip_boxes_to_image
from .._initial import conv_weights
from ._coding import BoxCoder
from ._matching import BACKGROUND, BalancedSampler, Matcher, Sampler
from .anchors import AnchorGenerator
from .batch import DetectionBatch, Targets

__all__ = ["RPNHead", "RegionProposalNetwork"]

CODER = BoxCoder()
BETA = 1 / 9  # of the smooth L1 loss of boxes
SMALLEST_SIDE = 1e-3  # pixels; proposals with a shorter side are dropped


class RPNHead(nn.Module):
    """3x3 convolutions, and for every anchor a logit that it holds an object, and the differences of its box.

    Args:
        in_channels: of every level.
        num_anchors: around each cell.
        conv_depth: number of 3x3 convolutions.
    """

    def __init__(self, in_channels: int, num_anchors: int, conv_depth: int = 1):
        blocks = [Conv2dNormActivation(in_channels, in_channels, norm_layer=None) for _ in range(conv_depth)]
        normal = {"weight_init": init.normal(std=0.01), "bias_init": init.zeros}
        self.conv = nn.Sequential(*blocks).with_init(conv_weights(normal["weight_init"]))
        self.cls_logits = nn.Conv2d(in_channels, num_anchors, 1, **normal)
        self.bbox_pred = nn.Conv2d(in_channels, num_anchors * 4, 1, **normal)

    def forward(self, x: Sequence[jax.Array]) -> tuple[list[jax.Array], list[jax.Array]]:
        """Maps levels [batch, height, width, channels] to logits and differences, one array a level.

        They have the shapes [batch, anchors] and [batch, anchors, 4].
        """
        maps = [self.conv(level) for level in x]
        logits = [self.cls_logits(level).reshape(level.shape[0], -1) for level in maps]
        return logits, [self.bbox_pred(level).reshape(level.shape[0], -1, 4) for level in maps]


class RegionProposalNetwork(nn.Module):
    """Proposals for a second stage, and in training the losses of the proposals.

    Args:
        anchor_generator: makes the anchors.
        head: such as an `RPNHead`.
        fg_iou_thresh: in training, an anchor with at least this IoU is an object.
        bg_iou_thresh: an anchor with a smaller IoU is background; those between the two are ignored.
        batch_size_per_image: how many anchors of an image are sampled for the losses.
        positive_fraction: the largest part of them that are objects.
        pre_nms_top_n: how many anchors of each level enter non-maximum suppression, in training and in evaluation.
        post_nms_top_n: how many proposals of an image are left, in training and in evaluation.
        nms_thresh: of the IoU, in non-maximum suppression.
        score_thresh: proposals with a smaller score are dropped.
        sampler: in place of a `BalancedSampler`; see there.
    """

    def __init__(
        self, anchor_generator: AnchorGenerator, head: nn.Module, *, fg_iou_thresh: float, bg_iou_thresh: float,
        batch_size_per_image: int, positive_fraction: float, pre_nms_top_n: tuple[int, int],
        post_nms_top_n: tuple[int, int], nms_thresh: float, score_thresh: float = 0.0, sampler: Sampler | None = None,
    ):
        self.anchor_generator, self.head = anchor_generator, head
        self._matcher = Matcher(fg_iou_thresh, bg_iou_thresh, allow_low_quality_matches=True)
        self._sampler = sampler or BalancedSampler(batch_size_per_image, positive_fraction)
        self.pre_nms_top_n, self.post_nms_top_n = pre_nms_top_n, post_nms_top_n
        self.nms_thresh, self.score_thresh = nms_thresh, score_thresh

    def forward(
        self, batch: DetectionBatch, levels: Sequence[jax.Array]
    ) -> tuple[jax.Array, jax.Array, dict[str, jax.Array]]:
        """Finds proposals.

        Args:
            batch: the images.
            levels: feature maps [batch, height, width, channels], finest first.

        Returns:
            Proposals [batch, n, 4]; which of them exist, bool [batch, n]; and the losses "loss_objectness" and
            "loss_rpn_box_reg", in training. No gradient flows through the proposals.
        """
        wide = accumulation_dtype(levels[0].dtype)
        logits, differences = ([level.astype(wide) for level in output] for output in self.head(levels))
        grids = [(level.shape[1], level.shape[2]) for level in levels]
        anchors = [jnp.asarray(level) for level in self.anchor_generator(batch.canvas, grids, wide)]
        found = jax.vmap(partial(self._proposals, anchors))
        proposals, valid = found(*jax.lax.stop_gradient((logits, differences)), batch.sizes)
        losses = {}
        if self.training:
            whole = jnp.concatenate(logits, 1), jnp.concatenate(differences, 1), jnp.concatenate(anchors)
            losses = self._losses(*whole, batch.known_targets())
        return proposals, valid, losses

    def _proposals(
        self, anchors: Sequence[jax.Array], logits: Sequence[jax.Array], differences: Sequence[jax.Array],
        size: jax.Array,
    ) -> tuple[jax.Array, jax.Array]:
        """The proposals of one image, and which of them exist."""
        before, after = (counts[0 if self.training else 1] for counts in (self.pre_nms_top_n, self.post_nms_top_n))
        boxes, scores, levels = [], [], []
        for i, (level_anchors, level_logits, level_differences) in enumerate(
            zip(anchors, logits, differences, strict=True)
        ):
            best, chosen = jax.lax.top_k(level_logits, min(before, level_logits.size))
            boxes.append(CODER.decode(level_differences[chosen], level_anchors[chosen]))
            scores.append(jax.nn.sigmoid(best))
            levels.append(jnp.full(best.shape, i, jnp.int32))
        candidates = clip_boxes_to_image(jnp.concatenate(boxes), (size[0], size[1]))
        score = jnp.concatenate(scores)
        there = (candidates[:, 2:] - candidates[:, :2] >= SMALLEST_SIDE).all(1) & (score >= self.score_thresh)
        kept, valid = batched_nms(candidates, score, jnp.concatenate(levels), self.nms_thresh, after, there)
        return jnp.where(valid[:, None], candidates[kept], 0), valid

    def _losses(
        self, logits: jax.Array, differences: jax.Array, anchors: jax.Array, targets: Targets
    ) -> dict[str, jax.Array]:
        boxes = jnp.asarray(targets.boxes, anchors.dtype)
        matches = jax.vmap(lambda boxes, valid: self._matcher(box_iou(boxes, anchors), valid))(boxes, targets.valid)
        labels = jnp.where(matches >= 0, 1, jnp.where(matches == BACKGROUND, 0, -1)).astype(jnp.int32)
        keys = jax.random.split(self.random_key(), len(labels))
        positive, negative = jax.vmap(self._sampler)(keys, labels)
        count = jnp.maximum((positive | negative).sum(), 1).astype(logits.dtype)
        matched = jnp.take_along_axis(boxes, matches.clip(0)[..., None], 1)
        # An anchor that learns no box stands in for its object, so that no logarithm is infinite.
        goals = jnp.where(positive[..., None], matched, anchors[None])
        box_loss = F.smooth_l1_loss(differences, CODER.encode(goals, anchors[None]), reduction="none", beta=BETA)
        wanted = (labels == 1).astype(logits.dtype)
        objectness = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
        return {
            "loss_objectness": jnp.where(positive | negative, objectness, 0).sum() / count,
            "loss_rpn_box_reg": jnp.where(positive[..., None], box_loss, 0).sum() / count,
        }
