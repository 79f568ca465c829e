"""Losses of detectors: focal loss of scores, and losses of boxes by their overlap."""

import math

import jax
import jax.numpy as jnp

from ...functional._loss_terms import reduce
from ...functional._precision import accumulation_dtype
from ...functional.loss import binary_cross_entropy_with_logits
from .boxes import checked

__all__ = ["complete_box_iou_loss", "distance_box_iou_loss", "generalized_box_iou_loss", "sigmoid_focal_loss"]


def sigmoid_focal_loss(
    inputs: jax.Array, targets: jax.Array, alpha: float = 0.25, gamma: float = 2, reduction: str = "none"
) -> jax.Array:
    """Binary cross-entropy in which well classified elements weigh less (Lin et al. 2017, https://arxiv.org/abs/1708.02002).

    Args:
        inputs: logits of any shape.
        targets: 0 or 1 for each, of the same shape and dtype.
        alpha: the weight of positive elements, 1 - alpha of negative ones; -1 for no weights.
        gamma: the exponent of 1 - p, where p is the probability of the true class.
        reduction: "none", "mean" or "sum".

    Raises:
        ValueError: `alpha` is neither -1 nor in [0, 1], or the shapes differ.
    """
    if alpha != -1 and not 0 <= alpha <= 1:
        raise ValueError(f"sigmoid_focal_loss: alpha={alpha}; it is in [0, 1], or -1 for no weights")
    cross_entropy = binary_cross_entropy_with_logits(inputs, targets, reduction="none")
    targets = targets.astype(inputs.dtype)
    p = jax.nn.sigmoid(inputs)
    p_true = p * targets + (1 - p) * (1 - targets)
    loss = cross_entropy * (1 - p_true) ** gamma
    if alpha >= 0:
        loss = (alpha * targets + (1 - alpha) * (1 - targets)) * loss
    return reduce(loss, reduction)


def generalized_box_iou_loss(
    boxes1: jax.Array, boxes2: jax.Array, reduction: str = "none", eps: float = 1e-7
) -> jax.Array:
    """1 minus the generalised IoU of each box with its partner (Rezatofighi et al. 2019, https://arxiv.org/abs/1902.09630).

    Args:
        boxes1: xyxy boxes [..., 4].
        boxes2: their partners, of the same shape.
        reduction: "none", "mean" or "sum"; the mean of no boxes is 0.
        eps: added to denominators.

    Returns:
        [...] or a scalar, in float32 at least.
    """
    boxes1, boxes2 = _pair("generalized_box_iou_loss", boxes1, boxes2)
    intersection, union = _intersection_and_union(boxes1, boxes2)
    width, height = _enclosing(boxes1, boxes2)
    area = width * height
    return _reduce(1 - (intersection / (union + eps) - (area - union) / (area + eps)), reduction)


def distance_box_iou_loss(
    boxes1: jax.Array, boxes2: jax.Array, reduction: str = "none", eps: float = 1e-7
) -> jax.Array:
    """1 minus IoU plus the squared distance of the centres over the squared diagonal of the enclosing box.

    Zheng et al. 2019, https://arxiv.org/abs/1911.08287. Arguments as those of `generalized_box_iou_loss`.
    """
    boxes1, boxes2 = _pair("distance_box_iou_loss", boxes1, boxes2)
    return _reduce(_distance_loss(boxes1, boxes2, eps)[0], reduction)


def complete_box_iou_loss(
    boxes1: jax.Array, boxes2: jax.Array, reduction: str = "none", eps: float = 1e-7
) -> jax.Array:
    """The distance IoU loss plus a penalty for different aspect ratios, whose weight is not differentiated.

    Zheng et al. 2019, https://arxiv.org/abs/1911.08287. Arguments as those of `generalized_box_iou_loss`. As in
    torchvision `eps` is that of the weight; the distance loss inside keeps 1e-7.
    """
    boxes1, boxes2 = _pair("complete_box_iou_loss", boxes1, boxes2)
    loss, iou = _distance_loss(boxes1, boxes2, 1e-7)
    width1, height1 = _sides(boxes1)
    width2, height2 = _sides(boxes2)
    difference = 4 / math.pi**2 * (jnp.arctan(width2 / height2) - jnp.arctan(width1 / height1)) ** 2
    weight = jax.lax.stop_gradient(difference / (1 - iou + difference + eps))
    return _reduce(loss + weight * difference, reduction)


def _pair(function: str, boxes1: jax.Array, boxes2: jax.Array) -> tuple[jax.Array, jax.Array]:
    boxes1, boxes2 = checked(function, boxes1, "xyxy"), checked(function, boxes2, "xyxy")
    if boxes1.shape != boxes2.shape:
        raise ValueError(f"{function} compares box by box and got {boxes1.shape} and {boxes2.shape}")
    floating = jnp.issubdtype(boxes1.dtype, jnp.floating)
    dtype = accumulation_dtype(boxes1.dtype if floating else jnp.float32)
    return boxes1.astype(dtype), boxes2.astype(dtype)


def _sides(boxes: jax.Array) -> tuple[jax.Array, jax.Array]:
    return boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]


def _intersection_and_union(boxes1: jax.Array, boxes2: jax.Array) -> tuple[jax.Array, jax.Array]:
    low, high = jnp.maximum(boxes1[..., :2], boxes2[..., :2]), jnp.minimum(boxes1[..., 2:], boxes2[..., 2:])
    overlap = jnp.all(high > low, -1)
    sides = high - low
    intersection = jnp.where(overlap, sides[..., 0] * sides[..., 1], 0)
    (width1, height1), (width2, height2) = _sides(boxes1), _sides(boxes2)
    return intersection, width1 * height1 + width2 * height2 - intersection


def _enclosing(boxes1: jax.Array, boxes2: jax.Array) -> tuple[jax.Array, jax.Array]:
    low, high = jnp.minimum(boxes1[..., :2], boxes2[..., :2]), jnp.maximum(boxes1[..., 2:], boxes2[..., 2:])
    return high[..., 0] - low[..., 0], high[..., 1] - low[..., 1]


def _distance_loss(boxes1: jax.Array, boxes2: jax.Array, eps: float) -> tuple[jax.Array, jax.Array]:
    """The distance IoU loss and the IoU."""
    intersection, union = _intersection_and_union(boxes1, boxes2)
    iou = intersection / (union + eps)
    width, height = _enclosing(boxes1, boxes2)
    diagonal = width**2 + height**2 + eps
    centres1, centres2 = ((boxes[..., :2] + boxes[..., 2:]) / 2 for boxes in (boxes1, boxes2))
    return 1 - iou + jnp.sum((centres1 - centres2) ** 2, -1) / diagonal, iou


def _reduce(loss: jax.Array, reduction: str) -> jax.Array:
    return reduce(loss, "sum" if reduction == "mean" and loss.size == 0 else reduction)
