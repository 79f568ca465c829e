"""The second stage of the R-CNNs: classes, boxes, masks and key points of proposals."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from .... import functional as F
from .... import nn
from ....functional._precision import accumulation_dtype
from ...ops import box_iou, clip_boxes_to_image
from ._coding import BoxCoder
from ._keypoints import keypoint_loss, keypoints_of_heatmaps
from ._masks import mask_loss, mask_probabilities
from ._matching import BACKGROUND, BalancedSampler, Matcher, Sampler, members
from ._select import suppress
from .batch import DetectionBatch, Targets
from .detections import Detections

__all__ = ["RoIHeads"]

BETA = 1 / 9  # of the smooth L1 loss of boxes
SMALLEST_SIDE = 1e-2  # pixels; detections with a shorter side are dropped

Levels = Mapping[str, jax.Array]


class _Samples(NamedTuple):
    """Proposals of a batch that are sampled for the losses: arrays [batch, n, ...].

    Attributes:
        boxes: the proposals.
        labels: the class of each; 0 is background.
        matches: the object of each.
        valid: which of them exist.
    """

    boxes: jax.Array
    labels: jax.Array
    matches: jax.Array
    valid: jax.Array


class RoIHeads(nn.Module):
    """Pools the features of proposals, and finds their classes and boxes, and their masks and key points if asked.

    Args:
        box_roi_pool: pools the features of a box, such as a `MultiScaleRoIAlign`.
        box_head: maps them to a vector.
        box_predictor: maps the vector to (logits [n, classes], differences [n, 4 * classes]).
        fg_iou_thresh: in training, a proposal with at least this IoU has the class of its object.
        bg_iou_thresh: one with a smaller IoU is background; those between the two are not sampled.
        batch_size_per_image: how many proposals of an image are sampled for the losses.
        positive_fraction: the largest part of them with an object.
        bbox_reg_weights: of `BoxCoder`.
        score_thresh: only classes with a greater probability are candidates.
        nms_thresh: of the IoU, in non-maximum suppression.
        detections_per_img: the size of the result.
        mask_roi_pool: pools features for masks; None for no masks.
        mask_head: maps them to a feature map.
        mask_predictor: maps it to logits [n, m, m, classes].
        keypoint_roi_pool: pools features for key points; None for no key points.
        keypoint_head: maps them to a feature map.
        keypoint_predictor: maps it to heat maps [n, m, m, points].
        sampler: in place of a `BalancedSampler`; see there.
        candidates: how many pairs of proposal and class enter non-maximum suppression. torchvision has no such bound;
            what it drops is counted in `Detections.overflow`. None for no bound, which takes far more time.
    """

    def __init__(
        self, box_roi_pool: nn.Module, box_head: nn.Module, box_predictor: nn.Module, *, fg_iou_thresh: float = 0.5,
        bg_iou_thresh: float = 0.5, batch_size_per_image: int = 512, positive_fraction: float = 0.25,
        bbox_reg_weights: tuple[float, float, float, float] | None = None, score_thresh: float = 0.05,
        nms_thresh: float = 0.5, detections_per_img: int = 100, mask_roi_pool: nn.Module | None = None,
        mask_head: nn.Module | None = None, mask_predictor: nn.Module | None = None,
        keypoint_roi_pool: nn.Module | None = None, keypoint_head: nn.Module | None = None,
        keypoint_predictor: nn.Module | None = None, sampler: Sampler | None = None, candidates: int | None = None,
    ):
        self.box_roi_pool, self.box_head, self.box_predictor = box_roi_pool, box_head, box_predictor
        self.mask_roi_pool, self.mask_head, self.mask_predictor = mask_roi_pool, mask_head, mask_predictor
        self.keypoint_roi_pool, self.keypoint_head = keypoint_roi_pool, keypoint_head
        self.keypoint_predictor = keypoint_predictor
        self._matcher = Matcher(fg_iou_thresh, bg_iou_thresh)
        self._sampler = sampler or BalancedSampler(batch_size_per_image, positive_fraction)
        self.batch_size_per_image, self.positive_fraction = batch_size_per_image, positive_fraction
        self._coder = BoxCoder(bbox_reg_weights or (10.0, 10.0, 5.0, 5.0))
        self.score_thresh, self.nms_thresh = score_thresh, nms_thresh
        self.detections_per_img, self.candidates = detections_per_img, candidates

    def forward(self, levels: Levels, proposals: jax.Array, valid: jax.Array, batch: DetectionBatch) -> Any:
        """The detections of a batch; in training a dict of losses.

        Args:
            levels: feature maps [batch, height, width, channels] by name, finest first.
            proposals: [batch, n, 4], in pixels of the canvas.
            valid: bool [batch, n], which proposals exist.
            batch: the images, and in training the targets.
        """
        if self.training:
            return self._losses(levels, proposals, valid, batch)
        logits, differences = self._classes(levels, proposals, batch)
        found = jax.vmap(self._detections)(logits, differences, proposals, valid, batch.sizes)
        boxes, scores, labels, there, overflow = found
        more: dict[str, Any] = {}
        if self.mask_predictor is not None:
            masks = self._branch("mask", levels, boxes, batch)
            more["masks"] = jnp.where(there[..., None, None], jax.vmap(mask_probabilities)(masks, labels), 0)
        if self.keypoint_predictor is not None:
            heatmaps = self._branch("keypoint", levels, boxes, batch)
            points, heat = jax.vmap(keypoints_of_heatmaps)(heatmaps, boxes)
            more["keypoints"] = jnp.where(there[..., None, None], points, 0)
            more["keypoints_scores"] = jnp.where(there[..., None], heat, 0)
        return Detections(boxes, scores, labels, there, **more, overflow=overflow)

    def _classes(self, levels: Levels, boxes: jax.Array, batch: DetectionBatch) -> tuple[jax.Array, jax.Array]:
        """Logits [batch, n, classes] and differences [batch, n, classes, 4] of boxes [batch, n, 4]."""
        logits, differences = self.box_predictor(self.box_head(_pooled(self.box_roi_pool, levels, boxes, batch)))
        wide = accumulation_dtype(logits.dtype)
        shape = (*boxes.shape[:2], logits.shape[-1])
        return logits.reshape(shape).astype(wide), differences.reshape(*shape, 4).astype(wide)

    def _branch(self, name: str, levels: Levels, boxes: jax.Array, batch: DetectionBatch) -> jax.Array:
        """What the branch for masks or key points says of boxes [batch, n, 4]: [batch, n, m, m, channels]."""
        pool, head, predictor = (getattr(self, f"{name}_{part}") for part in ("roi_pool", "head", "predictor"))
        maps = predictor(head(_pooled(pool, levels, boxes, batch)))
        return maps.reshape(*boxes.shape[:2], *maps.shape[1:]).astype(accumulation_dtype(maps.dtype))

    def _detections(
        self, logits: jax.Array, differences: jax.Array, proposals: jax.Array, valid: jax.Array, size: jax.Array
    ) -> tuple[jax.Array, ...]:
        """The detections of one image, and how many candidates the bound dropped."""
        scores = jax.nn.softmax(logits, -1)[:, 1:]
        boxes = self._coder.decode(differences[:, 1:], proposals[:, None])
        boxes = clip_boxes_to_image(boxes.reshape(-1, 4), (size[0], size[1]))
        classes = scores.shape[1]
        there = jnp.repeat(valid, classes) & (scores.reshape(-1) > self.score_thresh)
        there &= (boxes[:, 2:] - boxes[:, :2] >= SMALLEST_SIDE).all(1)
        count = there.size if self.candidates is None else min(self.candidates, there.size)
        best, chosen = jax.lax.top_k(jnp.where(there, scores.reshape(-1), -1), count)
        labels = (chosen % classes + 1).astype(jnp.int32)
        kept = suppress(boxes[chosen], best, labels, there[chosen], self.nms_thresh, self.detections_per_img)
        return *kept, jnp.maximum(there.sum() - count, 0).astype(jnp.int32)

    def _losses(
        self, levels: Levels, proposals: jax.Array, valid: jax.Array, batch: DetectionBatch
    ) -> dict[str, jax.Array]:
        targets = batch.known_targets()
        samples = self._samples(proposals, valid, targets)
        logits, differences = self._classes(levels, samples.boxes, batch)
        losses = self._box_losses(logits, differences, samples, targets)
        if self.mask_predictor is None and self.keypoint_predictor is None:
            return losses
        positive = self._positive(samples)
        if self.mask_predictor is not None:
            if targets.masks is None:
                raise ValueError("the model learns masks: each target needs them under 'masks'")
            masks = self._branch("mask", levels, positive.boxes, batch)
            sums = jax.vmap(mask_loss)(
                masks, positive.labels, positive.boxes, positive.matches, positive.valid, targets.masks
            )
            losses["loss_mask"] = _mean(*sums)
        if self.keypoint_predictor is not None:
            if targets.keypoints is None:
                raise ValueError("the model learns key points: each target needs them under 'keypoints'")
            heatmaps = self._branch("keypoint", levels, positive.boxes, batch)
            points = jax.vmap(lambda points, matches: points[matches])(targets.keypoints, positive.matches)
            sums = jax.vmap(keypoint_loss)(heatmaps, positive.boxes, points.astype(heatmaps.dtype), positive.valid)
            losses["loss_keypoint"] = _mean(*sums)
        return losses

    def _samples(self, proposals: jax.Array, valid: jax.Array, targets: Targets) -> _Samples:
        """Samples from the proposals and the objects themselves."""
        objects = jnp.asarray(targets.boxes, proposals.dtype)
        boxes = jnp.concatenate([proposals, objects], 1)
        valid = jnp.concatenate([valid, targets.valid], 1)
        keys = jax.random.split(self.random_key(), len(boxes))
        arrays = keys, boxes, valid, objects, targets.labels, targets.valid
        return jax.lax.stop_gradient(jax.vmap(self._samples_of_image)(*arrays))

    def _samples_of_image(
        self, key: jax.Array, boxes: jax.Array, valid: jax.Array, objects: jax.Array, labels: jax.Array,
        there: jax.Array,
    ) -> _Samples:
        matches = self._matcher(box_iou(objects, boxes), there)
        own = jnp.where(matches >= 0, labels[matches.clip(0)], jnp.where(matches == BACKGROUND, 0, -1))
        own = jnp.where(valid, own, -1).astype(jnp.int32)
        positive, negative = self._sampler(key, own)
        chosen, exist = members(positive | negative, min(self.batch_size_per_image, len(boxes)))
        return _Samples(boxes[chosen], jnp.where(exist, own[chosen], 0), matches[chosen].clip(0), exist)

    def _positive(self, samples: _Samples) -> _Samples:
        """Those of the samples that have an object."""
        count = min(int(self.batch_size_per_image * self.positive_fraction), samples.labels.shape[1])

        def of_image(samples: _Samples) -> _Samples:
            chosen, exist = members(samples.valid & (samples.labels > 0), count)
            return _Samples(samples.boxes[chosen], samples.labels[chosen], samples.matches[chosen], exist)

        return jax.vmap(of_image)(samples)

    def _box_losses(
        self, logits: jax.Array, differences: jax.Array, samples: _Samples, targets: Targets
    ) -> dict[str, jax.Array]:
        labels, valid = samples.labels, samples.valid
        losses = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), labels.reshape(-1), reduction="none")
        own = jnp.take_along_axis(differences, labels[..., None, None], 2)[:, :, 0]
        objects = jnp.asarray(targets.boxes, samples.boxes.dtype)
        positive = (valid & (labels > 0))[..., None]
        matched = jnp.take_along_axis(objects, samples.matches[..., None], 1)
        # Neither background nor an empty place learns a box: a box that stands in gives no infinite logarithm.
        unit = jnp.array([0, 0, 1, 1], samples.boxes.dtype)
        references = jnp.where(positive, samples.boxes, unit)
        goals = self._coder.encode(jnp.where(positive, matched, unit), references)
        boxes = jnp.where(positive, F.smooth_l1_loss(own, goals, reduction="none", beta=BETA), 0)
        return {
            "loss_classifier": _mean(jnp.where(valid.reshape(-1), losses, 0), valid),
            "loss_box_reg": _mean(boxes, valid),
        }


def _pooled(pool: nn.Module, levels: Levels, boxes: jax.Array, batch: DetectionBatch) -> jax.Array:
    """The pooled features of boxes [batch, n, 4]: [batch * n, height, width, channels]."""
    images = jnp.broadcast_to(jnp.arange(len(boxes), dtype=boxes.dtype)[:, None, None], (*boxes.shape[:2], 1))
    regions = jnp.concatenate([images, boxes], -1).reshape(-1, 5)
    return pool(levels, regions, [batch.canvas])


def _mean(sums: jax.Array, counts: jax.Array) -> jax.Array:
    """The sum of all losses over how many there are; zero if there are none."""
    return sums.sum() / jnp.maximum(counts.sum(), 1).astype(sums.dtype)
