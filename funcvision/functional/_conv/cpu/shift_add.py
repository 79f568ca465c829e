"""Convolutions as sums of shifted images, where each output depends on few input channels.

These are depthwise convolutions, and convolutions of images or groups of few channels.

A tap is the vector [out] of the weight for one kernel position and one input channel of a group. Each input channel,
shifted to a kernel position, is multiplied by its tap, and all these terms are added up.
"""

import functools
import math
import operator
from collections.abc import Iterable

import jax
import jax.numpy as jnp
from jax import lax

from ..geometry import Geometry
from .unfused import unfused
from .windows import (
    join_channels,
    overlaps,
    pad_image,
    pad_spatial,
    position_offsets,
    position_slice_at,
    position_slices,
    position_slices_of_padded,
    split_batch,
    split_channels,
)

__all__ = ["depthwise_value", "depthwise_weight_gradient", "few_channels_value", "has_few_channels"]

_MAX_UNROLLED_TAPS = 72  # terms of a sum that is written out: 7x7 positions of one channel, 3x3 of eight
# Up to this many kernel positions are added without padding the image. Beyond it, or with several outputs per channel,
# XLA does not vectorise such a sum.
_MAX_TAPS_WITHOUT_PADDING = 9
_MIN_CHANNELS_FOR_MATMUL = 8  # of the image; with as many, a matrix product fills the vector registers
_CACHE_BYTES = 32 * 1024  # of the first-level data cache, the smallest that is common
_VECTOR_CHANNELS = 8  # chunks of channels are a multiple of this
_PARTIAL_SUMS = 4  # independent sums, because in a single one each addition waits for the one before
_IMAGE_ROWS_PER_STEP = 4  # that the gradient with respect to the weight adds up at a time


def has_few_channels(x: jax.Array, geometry: Geometry) -> bool:
    """Whether `few_channels_value` is the method for images like `x`."""
    channels = x.shape[-1] // geometry.groups
    # Groups of exactly eight channels are included: the matrix product of such a group would be just as narrow.
    few = channels < _MIN_CHANNELS_FOR_MATMUL or (channels == _MIN_CHANNELS_FOR_MATMUL and geometry.groups > 1)
    return few and math.prod(geometry.kernel) * channels <= _MAX_UNROLLED_TAPS


def few_channels_value(x: jax.Array, weight: jax.Array, geometry: Geometry) -> jax.Array:
    """[N, *geometry.size, in] and [*geometry.kernel, in/groups, out] give [N, *geometry.out, out]."""
    one_output_per_channel = weight.shape[-1] == x.shape[-1] == geometry.groups
    if one_output_per_channel and math.prod(geometry.kernel) <= _MAX_TAPS_WITHOUT_PADDING:
        return unfused(functools.partial(_sum_of_overlaps, geometry=geometry))(x, weight)
    chunks = _number_of_chunks(x, weight, geometry)
    if chunks > 1:
        return _chunkwise_sum(x, weight, geometry, chunks)
    return unfused(functools.partial(_sum_over_padded, geometry=geometry))(pad_image(x, geometry), weight)


def _number_of_chunks(x: jax.Array, weight: jax.Array, geometry: Geometry) -> int:
    """In how many chunks of groups to sum, so that all that one pixel needs fits into the cache.

    Each chunk has whole groups and whole vectors of channels. If no number of chunks allows this, it is 1.
    """
    channels, out, group_channels = x.shape[-1], weight.shape[-1], weight.shape[-2]
    if group_channels == _MIN_CHANNELS_FOR_MATMUL:  # with so many terms arithmetic is the bottleneck, not memory
        return 1
    needed = x.dtype.itemsize * math.prod(geometry.kernel) * (channels + group_channels * out)

    def fits(chunks: int) -> bool:
        vectors = chunks * _VECTOR_CHANNELS
        is_whole = geometry.groups % chunks == channels % vectors == out % vectors == 0
        return is_whole and needed <= chunks * _CACHE_BYTES

    return next(filter(fits, range(1, geometry.groups + 1)), 1)


def _chunkwise_sum(x: jax.Array, weight: jax.Array, geometry: Geometry, chunks: int) -> jax.Array:
    """One chunk of groups after another, each copied first so that its pixels are contiguous in memory."""
    chunk_geometry = geometry._replace(groups=geometry.groups // chunks)
    padded = jax.vmap(functools.partial(pad_image, geometry=chunk_geometry))(split_channels(x, chunks))
    sums = jax.vmap(functools.partial(_sum_over_padded, geometry=chunk_geometry))
    return unfused(join_channels)(unfused(sums)(padded, split_channels(weight, chunks)))


def _sum_of_overlaps(x: jax.Array, weight: jax.Array, geometry: Geometry) -> jax.Array:
    """Without a padded copy of the image, for one output per channel."""
    pairs = zip(overlaps(geometry), _depthwise_taps(weight), strict=True)
    terms = [
        overlap.place(overlap.image_slice(x) * tap, geometry)
        for overlap, tap in pairs if not overlap.is_empty
    ]
    return _sum(terms) if terms else jnp.zeros((x.shape[0], *geometry.out, weight.shape[-1]), x.dtype)


def _sum_over_padded(padded: jax.Array, weight: jax.Array, geometry: Geometry) -> jax.Array:
    tap_shape = *(1,) * (padded.ndim - 1), geometry.groups, weight.shape[-1] // geometry.groups
    taps = weight.reshape(-1, weight.shape[-2], *tap_shape)
    pairs = zip(position_slices_of_padded(padded, geometry), taps, strict=True)
    return _sum(term for image, position_taps in pairs for term in _position_terms(image, position_taps))


def _position_terms(image: jax.Array, taps: jax.Array) -> list[jax.Array]:
    """The terms [..., out] of one kernel position, one for each input channel of a group.

    Args:
        image: the slice of the position, [..., in].
        taps: [in/groups, 1, ..., groups, out/groups].
    """
    by_group = image.reshape(*image.shape[:-1], taps.shape[-2], -1)
    # Not by indexing, which makes a gather of an array with a symbolic batch.
    channels = [lax.slice_in_dim(by_group, i, i + 1, axis=-1) for i in range(by_group.shape[-1])]
    return [(one * tap).reshape(*image.shape[:-1], -1) for one, tap in zip(channels, taps, strict=True)]


def depthwise_value(x: jax.Array, weight: jax.Array, geometry: Geometry) -> jax.Array:
    """A loop over the kernel positions, for kernels that are too large to be unrolled.

    [N, *geometry.size, in] and [*geometry.kernel, 1, out] give [N, *geometry.out, out].
    """
    taps, padded = _depthwise_taps(weight), pad_image(_repeat_channels(x, weight.shape[-1]), geometry)
    offsets = jnp.asarray(list(position_offsets(geometry)))

    def add(i: jax.Array, total: jax.Array) -> jax.Array:
        pixels = position_slice_at(padded, offsets[i], geometry)
        return total + pixels * lax.dynamic_index_in_dim(taps, i, 0, keepdims=False)

    return lax.fori_loop(1, len(taps), add, add(jnp.asarray(0), jnp.zeros((), x.dtype)))


def depthwise_weight_gradient(x: jax.Array, y: jax.Array, geometry: Geometry) -> jax.Array:
    """[N, *geometry.size, in] and [N, *geometry.out, out] give [*geometry.kernel, 1, out]."""
    repeated = _repeat_channels(x, y.shape[-1])
    if math.prod(geometry.kernel) <= _MAX_UNROLLED_TAPS:
        taps = _tap_gradients_by_image_rows(repeated, y, geometry)
    else:
        padded, axes = pad_image(repeated, geometry), tuple(range(x.ndim - 1))
        offsets = jnp.asarray(list(position_offsets(geometry)))
        taps = lax.map(lambda offset: (position_slice_at(padded, offset, geometry) * y).sum(axes), offsets)
    return taps.reshape(*geometry.kernel, 1, -1)


def _tap_gradients_by_image_rows(x: jax.Array, y: jax.Array, geometry: Geometry) -> jax.Array:
    """[kernel positions, out], from sums over the images and over groups of rows first, and over pixels at the end.

    XLA does not vectorise a sum over pixels, but it does vectorise a sum of arrays. At least one row of zeros is
    appended to each image: XLA materialises a padded array before reading it, whereas without padding it would index
    into the whole batch for every element.
    """
    step = _IMAGE_ROWS_PER_STEP
    missing = step - geometry.out[0] % step
    (low, high), *others = geometry.padding
    taller = geometry._replace(padding=((low, high + missing * geometry.strides[0]), *others))

    def products(image: jax.Array, gradient: jax.Array) -> list[jax.Array]:
        """The gradients of all taps from one image, or from one image of each device, before their last sum."""
        if geometry.devices == 1:
            image, gradient = image[None], gradient[None]
        extended = pad_spatial(gradient, [(0, missing, 0), *[(0, 0, 0)] * len(others)])
        rows = [slice(i, None, step) for i in range(step)]
        slices = position_slices(image, taller)
        return [functools.reduce(operator.add, [one[:, row] * extended[:, row] for row in rows]) for one in slices]

    def add(totals: list[jax.Array], pair: tuple[jax.Array, jax.Array]) -> tuple[list[jax.Array], None]:
        return list(map(operator.add, totals, products(*pair))), None

    if geometry.devices == 1:  # with an axis of blocks before the image, XLA would copy the batch
        blocks = x, y
    else:
        blocks = split_batch(x, 1, geometry.devices), split_batch(y, 1, geometry.devices)
    zeros = [jnp.zeros(one.shape, one.dtype) for one in jax.eval_shape(products, blocks[0][0], blocks[1][0])]
    totals, _ = lax.scan(add, zeros, blocks)
    return jnp.stack([total.sum(tuple(range(total.ndim - 1))) for total in totals])


def _depthwise_taps(weight: jax.Array) -> jax.Array:
    """[*kernel, 1, out] as [positions, 1, ..., 1, out]; each tap has the rank of an image."""
    return weight.reshape(-1, *(1,) * (weight.ndim - 1), weight.shape[-1])


def _sum(terms: Iterable[jax.Array]) -> jax.Array:
    listed = list(terms)
    parts = (listed[i::_PARTIAL_SUMS] for i in range(min(_PARTIAL_SUMS, len(listed))))
    return functools.reduce(operator.add, (functools.reduce(operator.add, part) for part in parts))


def _repeat_channels(x: jax.Array, out: int) -> jax.Array:
    """Each channel once for each of its outputs."""
    return jnp.repeat(x, out // x.shape[-1], axis=-1) if out > x.shape[-1] else x
