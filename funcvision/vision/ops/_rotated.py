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

__all__ = ["rectangles", "rotated_iou"]

Rectangles = tuple[jax.Array, ...]
SMALLEST_AREA = 1e-14  # torchvision gives IoU 0 to a rectangle whose area is below it


def rectangles(boxes: jax.Array) -> Rectangles:
    """Boxes cxcywhr [..., 5] as what `rotated_iou` takes: x, y, width, height, cosine and sine of the angle."""
    angle = boxes[..., 4] * (math.pi / 180)
    return *(boxes[..., i] for i in range(4)), jnp.cos(angle), jnp.sin(angle)


def rotated_iou(first: Rectangles, second: Rectangles) -> jax.Array:
    """IoU of rotated rectangles, elementwise with broadcasting."""
    area1, area2 = first[2] * first[3], second[2] * second[3]
    degenerate = (area1 < SMALLEST_AREA) | (area2 < SMALLEST_AREA)
    intersection = _intersection(first, second)
    union = jnp.where(degenerate, 1, area1 + area2 - intersection)
    return jnp.where(degenerate, 0, intersection / union)


def _intersection(first: Rectangles, second: Rectangles) -> jax.Array:
    x1, y1, width1, height1, cos1, sin1 = first
    x2, y2, width2, height2, cos2, sin2 = second
    dx, dy = x1 - x2, y1 - y2
    x, y = dx * cos2 - dy * sin2, dx * sin2 + dy * cos2  # the centre of the first in the frame of the second
    cos, sin = cos1 * cos2 + sin1 * sin2, sin1 * cos2 - cos1 * sin2
    wx, wy = width1 / 2 * cos, -width1 / 2 * sin
    hx, hy = height1 / 2 * sin, height1 / 2 * cos
    right, bottom = width2 / 2, height2 / 2
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
