"""Intersection over union of boxes, all pairs of two sets, and its generalised, distance and complete variants."""

import math

import jax
import jax.numpy as jnp

from ...functional._kinks import hinge
from ._rotated import rectangles, rotated_iou
from .boxes import UPRIGHT, BoxFormat, box_area, box_convert, checked, floating, wide

__all__ = ["box_iou", "complete_box_iou", "distance_box_iou", "generalized_box_iou"]


def box_iou(boxes1: jax.Array, boxes2: jax.Array, fmt: BoxFormat = "xyxy") -> jax.Array:
    """Intersection over union of every pair of two sets of boxes.

    Args:
        boxes1: [..., n, coordinates].
        boxes2: [..., m, coordinates]; leading axes broadcast.
        fmt: the format of both; see `boxes`. In the rotated formats boxes are rotated rectangles, and a rectangle
            without area has IoU 0.

    Returns:
        [..., n, m], in float32 at least. Upright boxes without area give NaN where torchvision does: 0 / 0.

    >>> box_iou(jnp.array([[0.0, 0.0, 2.0, 2.0]]), jnp.array([[0.0, 0.0, 2.0, 1.0]])).tolist()
    [[0.5]]
    """
    boxes1, boxes2 = checked("box_iou", boxes1, fmt), checked("box_iou", boxes2, fmt)
    if fmt not in UPRIGHT:
        first, second = (wide(floating(box_convert(boxes, fmt, "cxcywhr"))) for boxes in (boxes1, boxes2))
        return rotated_iou(rectangles(first[..., :, None, :]), rectangles(second[..., None, :, :]))
    intersection, union = _intersection_and_union(boxes1, boxes2, fmt)
    return intersection / union


def generalized_box_iou(boxes1: jax.Array, boxes2: jax.Array) -> jax.Array:
    """IoU minus the share of the enclosing box outside the union (Rezatofighi et al. 2019, https://arxiv.org/abs/1902.09630).

    Takes xyxy boxes [..., n, 4] and [..., m, 4]; returns [..., n, m].
    """
    boxes1, boxes2 = (wide(checked("generalized_box_iou", boxes, "xyxy")) for boxes in (boxes1, boxes2))
    intersection, union = _intersection_and_union(boxes1, boxes2, "xyxy")
    sides = _enclosing_sides(boxes1, boxes2)
    area = sides[..., 0] * sides[..., 1]
    return intersection / union - (area - union) / area


def distance_box_iou(boxes1: jax.Array, boxes2: jax.Array, eps: float = 1e-7) -> jax.Array:
    """IoU minus the squared distance of the centres over the squared diagonal of the enclosing box.

    Zheng et al. 2019, https://arxiv.org/abs/1911.08287. Takes xyxy boxes [..., n, 4] and [..., m, 4].

    Args:
        boxes1: [..., n, 4].
        boxes2: [..., m, 4].
        eps: added to the squared diagonal.

    Returns:
        [..., n, m].
    """
    boxes1, boxes2 = (wide(floating(checked("distance_box_iou", boxes, "xyxy"))) for boxes in (boxes1, boxes2))
    return _distance_and_plain_iou(boxes1, boxes2, eps)[0]


def complete_box_iou(boxes1: jax.Array, boxes2: jax.Array, eps: float = 1e-7) -> jax.Array:
    """The distance IoU minus a penalty for different aspect ratios; arguments as those of `distance_box_iou`.

    Zheng et al. 2019, https://arxiv.org/abs/1911.08287. The weight of the penalty is not differentiated.
    """
    boxes1, boxes2 = (wide(floating(checked("complete_box_iou", boxes, "xyxy"))) for boxes in (boxes1, boxes2))
    distance, iou = _distance_and_plain_iou(boxes1, boxes2, eps)
    first, second = _aspect_angle(boxes1)[..., :, None], _aspect_angle(boxes2)[..., None, :]
    difference = 4 / math.pi**2 * (first - second) ** 2
    weight = jax.lax.stop_gradient(difference / (1 - iou + difference + eps))
    return distance - weight * difference


def _aspect_angle(boxes: jax.Array) -> jax.Array:
    return jnp.arctan((boxes[..., 2] - boxes[..., 0]) / (boxes[..., 3] - boxes[..., 1]))


def _distance_and_plain_iou(boxes1: jax.Array, boxes2: jax.Array, eps: float) -> tuple[jax.Array, jax.Array]:
    intersection, union = _intersection_and_union(boxes1, boxes2, "xyxy")
    iou = intersection / union
    diagonal = jnp.sum(_enclosing_sides(boxes1, boxes2) ** 2, -1) + eps
    centres1, centres2 = ((boxes[..., :2] + boxes[..., 2:]) / 2 for boxes in (boxes1, boxes2))
    distance = jnp.sum((centres1[..., :, None, :] - centres2[..., None, :, :]) ** 2, -1)
    return iou - distance / diagonal, iou


def _intersection_and_union(boxes1: jax.Array, boxes2: jax.Array, fmt: BoxFormat) -> tuple[jax.Array, jax.Array]:
    areas1, areas2 = box_area(boxes1, fmt)[..., :, None], box_area(boxes2, fmt)[..., None, :]
    first, second = (wide(box_convert(boxes, fmt, "xyxy")) for boxes in (boxes1, boxes2))
    first, second = first[..., :, None, :], second[..., None, :, :]
    sides = hinge(jnp.minimum(first[..., 2:], second[..., 2:]) - jnp.maximum(first[..., :2], second[..., :2]))
    intersection = sides[..., 0] * sides[..., 1]
    return intersection, (areas1 + areas2).astype(intersection.dtype) - intersection


def _enclosing_sides(boxes1: jax.Array, boxes2: jax.Array) -> jax.Array:
    """[..., n, m, 2]: width and height of the smallest box around both of each pair."""
    first, second = boxes1[..., :, None, :], boxes2[..., None, :, :]
    return hinge(jnp.maximum(first[..., 2:], second[..., 2:]) - jnp.minimum(first[..., :2], second[..., :2]))
