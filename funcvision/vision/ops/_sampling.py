"""Weighted sums of the pixels of feature maps, at places and with weights that are computed: a sparse product.

Every region has a grid of bins [height, width]. A bin adds up samples [samples, samples]; a sample is a weighted sum
of four pixels, two rows by two neighbouring columns. Places and weights of rows and of columns are independent, so
they are small arrays. The feature maps are the rows of one array [pixels, channels]: levels of a pyramid, images and
groups of channels are laid end to end, and a place is the sum of a row's and a column's.

On a CPU regions are taken one after another: their sums stay in the cache, XLA adds up the gradient in place, and
each region takes only the samples that it needs. Elsewhere all regions are taken at once.
"""

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax import lax
from jax.core import Tracer

__all__ = ["Places", "Weights", "computed_once", "slots", "weighted_sums"]

T = TypeVar("T")
PAIRS_OF_PIXELS = lax.ScatterDimensionNumbers((1, 2), (), (0,))  # updates [pairs, 2, channels]
BINS_AT_ONCE = 128  # on a CPU; their values and the terms of their gradients fit the second-level cache


class Places(NamedTuple):
    """Where the samples lie, as indices into [pixels, channels]."""

    rows: jax.Array  # int32 [regions, height, samples, 2]: the two rows of a sample
    columns: jax.Array  # int32 [regions, width, samples]: the first of its two columns
    counts: jax.Array | None = None  # int32 [regions, 2]: samples that are used in height and width; None means all


class Weights(NamedTuple):
    """What the pixels of a sample are multiplied by: the products of one of each."""

    rows: jax.Array  # [regions, height, samples, 2]
    columns: jax.Array  # [regions, width, samples, 2]


def computed_once(x: jax.Array) -> jax.Array:
    """`x` as one array for all its users, without a gradient.

    XLA may compute a value anew in each fusion that uses it, and round differently: it joins a product and a sum in
    one of them only. A number that is then rounded to an integer can differ by one between its users, such as the
    place of a pixel and its weight. The result of a loop is not computed anew. The loop runs once, or twice where the
    first element is the lowest number, which XLA cannot know; an optimization barrier is gone before XLA fuses.
    """
    x = lax.stop_gradient(x)
    if x.size == 0 or not isinstance(x, Tracer):
        return x
    lowest = -jnp.inf if jnp.issubdtype(x.dtype, jnp.floating) else jnp.iinfo(x.dtype).min
    times = jnp.where(x.ravel()[0] == lowest, 2, 1).astype(jnp.int32)
    return lax.fori_loop(0, times, lambda _, copy: x, jnp.zeros_like(x))


def slots(x: jax.Array, size: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The two neighbouring pixels that a position lies between, and their weights in linear interpolation.

    Pixels outside the image have weight 0. The derivative at a whole number is the one to its right, as in torch.

    Args:
        x: [...].
        size: int32, broadcasts to [...]; the pixels are 0 to size - 1.

    Returns:
        (first, weights): int32 [...], the first pixel, which has a right neighbour if `size` > 1; and [..., 2].
    """
    floor = computed_once(jnp.floor(x))
    right = x - floor
    low = jnp.clip(floor, -2, size.astype(x.dtype)).astype(jnp.int32)
    first = jnp.clip(low, 0, jnp.maximum(size - 2, 0))

    def weight(pixel: jax.Array) -> jax.Array:
        inside = jnp.where(pixel == low, 1 - right, jnp.where(pixel == low + 1, right, 0))
        return jnp.where(pixel < size, inside, 0)

    return first, jnp.stack([weight(first), weight(first + 1)], -1)


@jax.custom_vjp
def weighted_sums(pixels: jax.Array, places: Places, weights: Weights) -> jax.Array:
    """The sums of the samples of each bin, in the dtype of the weights.

    Args:
        pixels: [pixels, channels].
        places: the right neighbour of every first column must exist, even where its weight is 0.
        weights: in the precision of the sums.

    Returns:
        [regions, height, width, channels]. Gradients with respect to pixels and weights are computed where needed.
    """
    return _sums(pixels, places, weights)


def _sums(pixels: jax.Array, places: Places, weights: Weights) -> jax.Array:
    def one_by_one(pixels: jax.Array, places: Places, weights: Weights) -> jax.Array:
        groups = _groups((places, weights), weights)
        sums = lax.map(lambda group: _group_sums(pixels, *group), groups)
        return sums.reshape(-1, *sums.shape[2:])[: weights.rows.shape[0]]

    return lax.platform_dependent(pixels, places, weights, cpu=one_by_one, default=_group_sums)


def _group_sums(pixels: jax.Array, places: Places, weights: Weights) -> jax.Array:
    """`_sums` of regions that are taken at once."""

    def add(block: _Block, total: jax.Array) -> jax.Array:
        rows, columns, _ = block.places
        of_rows, of_columns = block.weights
        for sample_y, side_y, sample_x, side_x in itertools.product(
            range(rows.shape[2]), range(2), range(columns.shape[2]), range(2)
        ):
            place = rows[:, :, None, sample_y, side_y] + columns[:, None, :, sample_x] + side_x
            weight = of_rows[:, :, None, sample_y, side_y] * of_columns[:, None, :, sample_x, side_x]
            total += weight[..., None] * jnp.take(pixels, place, axis=0, mode="clip").astype(total.dtype)
        return total

    shape = (*weights.rows.shape[:2], weights.columns.shape[1], pixels.shape[-1])
    return _for_each_block(places, weights, add, jnp.zeros(shape, weights.rows.dtype))


def _forward(pixels: Any, places: Any, weights: Any) -> tuple[jax.Array, tuple[Any, ...]]:
    wanted: dict[str, None] = {}  # by its keys, which are static
    if pixels.perturbed:
        wanted["pixels"] = None
    if any(weight.perturbed for weight in weights):
        wanted["weights"] = None
    arrays = jax.tree.map(
        lambda primal: primal.value, (pixels, places, weights), is_leaf=lambda x: hasattr(x, "perturbed")
    )
    return _sums(*arrays), (*arrays, wanted)


def _backward(residuals: tuple[Any, ...], gradient: jax.Array) -> tuple[Any, None, Any]:
    pixels, places, weights, wanted = residuals

    def zeros(pixels: jax.Array) -> jax.Array | None:
        return jnp.zeros(pixels.shape, gradient.dtype) if "pixels" in wanted else None

    def one_by_one(pixels: jax.Array, gradient: jax.Array, places: Places, weights: Weights) -> Any:
        def step(total: jax.Array | None, group: Any) -> Any:
            gradient, places, weights = group
            return _group_gradients(total, pixels, gradient, places, weights, wanted)

        total, slopes = lax.scan(step, zeros(pixels), _groups((gradient, places, weights), weights))
        return total, jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[: gradient.shape[0]], slopes)

    def at_once(pixels: jax.Array, gradient: jax.Array, places: Places, weights: Weights) -> Any:
        return _group_gradients(zeros(pixels), pixels, gradient, places, weights, wanted)

    total, slopes = lax.platform_dependent(pixels, gradient, places, weights, cpu=one_by_one, default=at_once)
    return None if total is None else total.astype(pixels.dtype), None, slopes


weighted_sums.defvjp(_forward, _backward, symbolic_zeros=True)


def _group_gradients(
    total: jax.Array | None, pixels: jax.Array, gradient: jax.Array, places: Places, weights: Weights,
    wanted: dict[str, None],
) -> tuple[jax.Array | None, Weights | None]:
    """Of regions that are taken at once: adds the gradient with respect to the pixels to `total`.

    The gradient with respect to the weights comes second. What is not wanted is None.
    """
    spread = gradient.astype(weights.rows.dtype)[:, :, :, None, None, None, None]

    def add(block: _Block, sums: tuple[jax.Array | None, Weights | None]) -> tuple[jax.Array | None, Weights | None]:
        total, slopes = sums
        of_rows = block.weights.rows[:, :, None, :, :, None, None]
        of_columns = block.weights.columns[:, None, :, None, None]
        place = block.places.rows[:, :, None, :, :, None] + block.places.columns[:, None, :, None, None]
        if total is not None:
            terms = (of_rows * of_columns)[..., None] * spread
            total = lax.scatter_add(
                total, place.reshape(-1, 1), terms.reshape(-1, 2, terms.shape[-1]), PAIRS_OF_PIXELS, mode="clip"
            )
        if slopes is not None:
            seen = jnp.stack([jnp.take(pixels, place + side, axis=0, mode="clip") for side in range(2)], -2)
            slope = jnp.sum(seen.astype(spread.dtype) * spread, -1)
            slopes = Weights(
                _add_at(slopes.rows, block.sample_y, jnp.sum(slope * of_columns, (2, 5, 6))),
                _add_at(slopes.columns, block.sample_x, jnp.sum(slope * of_rows, (1, 3, 4))),
            )
        return total, slopes

    zeros = jax.tree.map(jnp.zeros_like, weights) if "weights" in wanted else None
    return _for_each_block(places, weights, add, (total, zeros))


def _add_at(total: jax.Array, sample: int | jax.Array, terms: jax.Array) -> jax.Array:
    """Adds terms to the samples of axis 2 from `sample` on."""
    if terms.shape == total.shape:
        return total + terms
    old = lax.dynamic_slice_in_dim(total, sample, terms.shape[2], 2)
    return lax.dynamic_update_slice_in_dim(total, old + terms, sample, 2)


class _Block(NamedTuple):
    """Some samples in height and width, and where they begin."""

    sample_y: int | jax.Array
    sample_x: int | jax.Array
    places: Places
    weights: Weights


def _for_each_block(places: Places, weights: Weights, add: Callable[[_Block, T], T], start: T) -> T:
    """Calls `add(block, carry)` for blocks of two samples by two (or one, if their number is odd) that are used."""
    samples = places.columns.shape[2]
    size = 1 if samples % 2 else 2
    if samples <= size:
        return add(_Block(0, 0, places, weights), start)
    most = jnp.full(2, samples) if places.counts is None else jnp.max(places.counts, 0)
    blocks_y, blocks_x = (-(-most // size)).astype(jnp.int32)

    def step(i: jax.Array, carry: T) -> T:
        y, x = i // blocks_x * size, i % blocks_x * size
        rows, of_rows = (lax.dynamic_slice_in_dim(a, y, size, 2) for a in (places.rows, weights.rows))
        columns, of_columns = (lax.dynamic_slice_in_dim(a, x, size, 2) for a in (places.columns, weights.columns))
        return add(_Block(y, x, Places(rows, columns), Weights(of_rows, of_columns)), carry)

    return lax.fori_loop(0, blocks_y * blocks_x, step, start)


def _groups(arrays: T, weights: Weights) -> T:
    """Splits the first axis of every array into groups of some `BINS_AT_ONCE` bins, filled up with zeros."""
    regions, height, width = *weights.rows.shape[:2], weights.columns.shape[1]
    size = max(1, min(regions, BINS_AT_ONCE // (height * width)))

    def split(x: jax.Array) -> jax.Array:
        padded = jnp.pad(x, [(0, -regions % size)] + [(0, 0)] * (x.ndim - 1))
        return padded.reshape(-1, size, *x.shape[1:])

    return jax.tree.map(split, arrays)
