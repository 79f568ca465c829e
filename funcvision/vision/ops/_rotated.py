"""The intersection of rotated rectangles with static shapes.

In the frame of the second rectangle, which is upright there, the intersection is the part of the first one inside
x in [-w/2, w/2] and y in [-h/2, h/2]. Its area is a sum over the four edges of the first: each adds the signed
area between the lower side of the second and the edge, where the edge is clamped to the rectangle. The sum has no
vertices to sort and no special case for parallel or shared edges, and its rounding error stays in proportion to the
areas.
"""

import math

import jax
import jax.numpy as jnp

__all__ = ["rotated_iou"]

SMALLEST_AREA = 1e-14  # torchvision gives IoU 0 to a rectangle whose area is below it


def rotated_iou(boxes1: jax.Array, boxes2: jax.Array) -> jax.Array:
    """IoU of rotated rectangles cxcywhr [..., 5], elementwise with broadcasting of the leading axes."""
    area1, area2 = (boxes[..., 2] * boxes[..., 3] for boxes in (boxes1, boxes2))
    degenerate = (area1 < SMALLEST_AREA) | (area2 < SMALLEST_AREA)
    intersection = _intersection(boxes1, boxes2)
    union = jnp.where(degenerate, 1, area1 + area2 - intersection)
    return jnp.where(degenerate, 0, intersection / union)


def _intersection(boxes1: jax.Array, boxes2: jax.Array) -> jax.Array:
    to_radians = math.pi / 180
    angle2 = boxes2[..., 4] * to_radians
    cos2, sin2 = jnp.cos(angle2), jnp.sin(angle2)
    dx, dy = boxes1[..., 0] - boxes2[..., 0], boxes1[..., 1] - boxes2[..., 1]
    x, y = dx * cos2 - dy * sin2, dx * sin2 + dy * cos2  # the centre of the first in the frame of the second
    angle = (boxes1[..., 4] - boxes2[..., 4]) * to_radians
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    half_w, half_h = boxes1[..., 2] / 2, boxes1[..., 3] / 2
    wx, wy = half_w * cos, -half_w * sin
    hx, hy = half_h * sin, half_h * cos
    right, bottom = boxes2[..., 2] / 2, boxes2[..., 3] / 2
    corners = [
        (x - wx - hx, y - wy - hy), (x + wx - hx, y + wy - hy), (x + wx + hx, y + wy + hy), (x - wx + hx, y - wy + hy),
    ]
    below = sum(
        _area_below(start, end, right, bottom) for start, end in zip(corners, corners[1:] + corners[:1], strict=True)
    )
    return jnp.abs(below)


def _area_below(
    start: tuple[jax.Array, jax.Array], end: tuple[jax.Array, jax.Array], right: jax.Array, bottom: jax.Array
) -> jax.Array:
    """The signed area between the side y = -bottom of a rectangle around 0 and an edge that is clamped to it."""
    (x0, y0), (x1, y1) = start, end
    from_x, to_x = jnp.clip(x0, -right, right), jnp.clip(x1, -right, right)
    length = x1 - x0
    slope = jnp.where(length == 0, 0, (y1 - y0) / jnp.where(length == 0, 1, length))
    # measured from the nearer end: a long edge loses no digits
    from_y, to_y = y0 + (from_x - x0) * slope, y1 + (to_x - x1) * slope
    return (to_x - from_x) * _mean_clamped(from_y + bottom, to_y + bottom, 2 * bottom)


def _mean_clamped(a: jax.Array, b: jax.Array, top: jax.Array) -> jax.Array:
    """The mean of clip(t, 0, top) for t uniform between `a` and `b`."""
    low, high = jnp.minimum(a, b), jnp.maximum(a, b)
    span = high - low
    inner_low, inner_high = jnp.clip(low, 0, top), jnp.clip(high, 0, top)
    inside = (inner_low + inner_high) / 2 * (inner_high - inner_low)
    above = top * (jnp.maximum(high, top) - jnp.maximum(low, top))
    flat = span <= 0
    return jnp.where(flat, jnp.clip(low, 0, top), (inside + above) / jnp.where(flat, 1, span))
