"""The key points of a second stage: the cells of a heat map that they learn, and the points that a heat map says."""

import jax
import jax.numpy as jnp

from .... import functional as F
from ....functional._resample import FILTERS

__all__ = ["keypoint_loss", "keypoints_of_heatmaps"]

_TILE = (32, 128)  # rows and columns of an enlarged heat map that are computed at a time


def keypoint_loss(
    logits: jax.Array, boxes: jax.Array, keypoints: jax.Array, valid: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The cross-entropy over the cells of heat maps, of an image's positive boxes: the sum, and how many points count.

    Args:
        logits: [n, m, m, points].
        boxes: [n, 4], in pixels of the canvas.
        keypoints: [n, points, 3], those of each box's object: x and y in pixels of the canvas, and visibility.
        valid: bool [n], which boxes exist.
    """
    side = logits.shape[1]
    cells, counts = _cells(keypoints, boxes, side)
    counts = counts & valid[:, None]
    flat = jnp.moveaxis(logits, -1, 1).reshape(*cells.shape, side * side)
    losses = F.cross_entropy(flat.reshape(-1, side * side), cells.reshape(-1), reduction="none")
    return jnp.where(counts.reshape(-1), losses, 0).sum(), counts.sum()


def _cells(keypoints: jax.Array, boxes: jax.Array, side: int) -> tuple[jax.Array, jax.Array]:
    """The cell [n, points] of each point in the heat map of its box, and whether it is visible and lies in the box."""
    corner, far = boxes[:, None, :2], boxes[:, None, 2:]
    points = keypoints[..., :2]
    extent = jnp.where(far > corner, far - corner, 1)
    place = jnp.floor((points - corner) * (side / extent)).astype(jnp.int32)
    place = jnp.where(points == far, side - 1, place)  # on the edge
    there = ((place >= 0) & (place < side)).all(-1) & (keypoints[..., 2] > 0)
    return jnp.where(there, place[..., 1] * side + place[..., 0], 0), there


def keypoints_of_heatmaps(heatmaps: jax.Array, boxes: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The points where heat maps, enlarged to their boxes, are highest.

    A heat map is enlarged by bicubic interpolation to the whole pixels of its box, as in torchvision, one tile after
    another, so that only tiles inside the box cost time.

    Args:
        heatmaps: [n, m, m, points], of one image.
        boxes: [n, 4], in pixels.

    Returns:
        Points [n, points, 3], x, y and 1, in pixels; and the heat at each, [n, points].
    """
    return jax.lax.map(lambda one: _highest(*one), (heatmaps, boxes))


def _highest(heatmap: jax.Array, box: jax.Array) -> tuple[jax.Array, jax.Array]:
    side, count = heatmap.shape[0], heatmap.shape[-1]
    extent = jnp.maximum(box[2:] - box[:2], 1)
    width, height = jnp.ceil(extent).astype(jnp.int32)
    rows, columns = _TILE
    across = -(-width // columns)

    def look(tile: jax.Array, best: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array, jax.Array]:
        heat, best_y, best_x = best
        y = tile // across * rows + jnp.arange(rows, dtype=jnp.int32)
        x = tile % across * columns + jnp.arange(columns, dtype=jnp.int32)
        part = jnp.einsum("xw,hwp->hxp", _weights(x, width, side, heatmap.dtype), heatmap)
        part = jnp.einsum("yh,hxp->yxp", _weights(y, height, side, heatmap.dtype), part)
        inside = (y < height)[:, None, None] & (x < width)[None, :, None]
        part = jnp.where(inside, part, -jnp.inf).reshape(rows * columns, count)
        place, highest = part.argmax(0).astype(jnp.int32), part.max(0)
        new_y, new_x = y[0] + place // columns, x[0] + place % columns
        # Of equal values the first in the order of rows is taken, and tiles are not in that order.
        earlier = (new_y < best_y) | ((new_y == best_y) & (new_x < best_x))
        better = (highest > heat) | ((highest == heat) & earlier)
        return jnp.where(better, highest, heat), jnp.where(better, new_y, best_y), jnp.where(better, new_x, best_x)

    none = jnp.zeros(count, jnp.int32)
    start = jnp.full(count, -jnp.inf, heatmap.dtype), none, none
    heat, y, x = jax.lax.fori_loop(0, -(-height // rows) * across, look, start)
    scale = (extent / jnp.stack([width, height]).astype(extent.dtype))[None]
    points = (jnp.stack([x, y], -1).astype(extent.dtype) + 0.5) * scale + box[None, :2]
    return jnp.concatenate([points, jnp.ones_like(points[:, :1])], 1), heat


def _weights(places: jax.Array, length: jax.Array, side: int, dtype: jnp.dtype) -> jax.Array:
    """Bicubic weights [places, side] of the pixels of a row of `side` in one of `length` pixels, at some places."""
    centre = (places.astype(dtype) + 0.5) * (side / length.astype(dtype)) - 0.5
    first = jnp.floor(centre).astype(jnp.int32) - 1
    weights = jnp.zeros((len(places), side), dtype)
    for tap in range(4):
        index = first + tap
        weight = FILTERS["cubic"].weight(jnp, index.astype(dtype) - centre)
        weights += weight[:, None] * jax.nn.one_hot(index.clip(0, side - 1), side, dtype=dtype)
    return weights
