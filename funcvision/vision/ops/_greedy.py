"""Greedy suppression of sorted boxes with static shapes and without a matrix over all pairs.

Boxes come sorted by class, then by falling score. They are taken in tiles. Each tile is first compared with the boxes
of its classes that have been kept so far, which lie in a buffer without gaps, block by block. Inside the tile the
greedy result is the fixed point of "kept if no kept box before it overlaps": iterating from "all kept" reaches it
exactly, in as many steps as the longest chain of suppressions. The work is that of the plain greedy loop, which
compares each box with the kept boxes of its class, but runs over whole tiles.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

__all__ = ["Overlap", "suppress"]

Overlap = Callable[[jax.Array, jax.Array], jax.Array]
"""Takes boxes [rows, n, 1] and [rows, 1, m], gives their IoU [n, m]."""


class _Progress(NamedTuple):
    """What has been kept after some tiles; the first `count` places of `boxes`, `classes` and `places` are filled."""

    tile: jax.Array
    count: jax.Array
    boxes: jax.Array  # [rows, n + block]; NaN where nothing is kept: NaN overlaps with nothing
    classes: jax.Array  # [n + block]
    places: jax.Array  # [n + block]: which of the sorted boxes it is
    current: jax.Array  # the class of the last box that was looked at
    start: jax.Array  # where the kept boxes of that class begin


def suppress(
    boxes: jax.Array, classes: jax.Array, count: jax.Array, threshold: jax.Array, most: int, overlap: Overlap,
    tile: int, block: int,
) -> tuple[jax.Array, jax.Array]:
    """Which boxes are kept.

    Args:
        boxes: [rows, n], sorted by class and falling score; what a row is, `overlap` knows.
        classes: int [n]; boxes of different classes do not suppress each other.
        count: how many of them are boxes; what comes behind is not looked at.
        threshold: an IoU greater than this one suppresses.
        most: stop when as many are kept.
        overlap: IoU of pairs.
        tile: boxes that are decided together.
        block: kept boxes that a tile is compared with at once.

    Returns:
        (places, kept): the first `kept` of int `places` [n + block] are the kept boxes, in order.
    """
    rows, n = boxes.shape
    boxes = jnp.pad(boxes, ((0, 0), (0, -n % tile)))
    classes = jnp.pad(classes, (0, -n % tile))
    room = boxes.shape[1] + block
    first = _Progress(
        jnp.int32(0), jnp.int32(0), jnp.full((rows, room), jnp.nan, boxes.dtype), jnp.zeros(room, classes.dtype),
        jnp.zeros(room, jnp.int32), classes[0], jnp.int32(0),
    )

    def overlapping(a: jax.Array, b: jax.Array, class_a: jax.Array, class_b: jax.Array) -> jax.Array:
        over = overlap(a[:, :, None], b[:, None, :]) > threshold
        return (over & (class_a[:, None] == class_b[None, :])).astype(jnp.float32)

    def step(at: _Progress) -> _Progress:
        places = at.tile * tile + jnp.arange(tile, dtype=jnp.int32)
        these, those = lax.dynamic_slice_in_dim(boxes, at.tile * tile, tile, 1), classes[places]

        def compare(carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            begin, alive = carry
            kept = lax.dynamic_slice_in_dim(at.boxes, begin, block, 1)
            kept_classes = lax.dynamic_slice_in_dim(at.classes, begin, block)
            over = overlapping(kept, these, kept_classes, those)
            return begin + block, alive & (jnp.ones(block, jnp.float32) @ over == 0)

        begin = jnp.where(those[0] == at.current, at.start, at.count)
        _, alive = lax.while_loop(lambda carry: carry[0] < at.count, compare, (begin, places < count))
        kept = _greedy(alive, jnp.triu(overlapping(these, these, those, those), 1))

        rank = jnp.cumsum(kept, dtype=jnp.int32)
        place = jnp.arange(tile, dtype=jnp.int32)
        source = jnp.sum(rank[:, None] <= place[None], 0, dtype=jnp.int32)  # of the kept boxes, then beyond the tile
        moved = jnp.where(place[None] < rank[-1], these[:, jnp.minimum(source, tile - 1)], jnp.nan)
        changes = those[-1] != at.current
        return _Progress(
            at.tile + 1,
            at.count + rank[-1],
            lax.dynamic_update_slice_in_dim(at.boxes, moved, at.count, 1),
            lax.dynamic_update_slice_in_dim(at.classes, those[jnp.minimum(source, tile - 1)], at.count, 0),
            lax.dynamic_update_slice_in_dim(at.places, at.tile * tile + source, at.count, 0),
            those[-1],
            jnp.where(changes, at.count + jnp.sum(kept & (those != those[-1]), dtype=jnp.int32), at.start),
        )

    end = lax.while_loop(lambda at: (at.tile * tile < count) & (at.count < most), step, first)
    return end.places, jnp.minimum(end.count, most)


def _greedy(alive: jax.Array, over: jax.Array) -> jax.Array:
    """The greedy choice among the boxes of a tile; `over` [tile, tile] is 1 where row, the earlier, overlaps column."""

    def again(carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        _, kept = carry
        return kept, alive & (kept.astype(jnp.float32) @ over == 0)

    return lax.while_loop(lambda carry: jnp.any(carry[0] != carry[1]), again, (~alive, alive))[1]
