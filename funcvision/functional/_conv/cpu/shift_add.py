"""Convolutions by sums of shifted images, where an output depends on few channels.

Depthwise ones, those of images or groups of few channels: each channel is multiplied with its row of the kernel.
"""

import functools
import math
import operator
from collections.abc import Iterable

import jax
import jax.numpy as jnp
from jax import lax

from ..geometry import Geometry
from .unfused import apart
from .windows import joined, offsets, overlaps, pad, padded, shifts, shifts_of, split, window

__all__ = ["depthwise_weight_gradient", "depthwise_value", "few_channels_value", "has_few_channels"]

_UNROLLED_ROWS = 72  # rows of the kernel, [out], that are written out (7x7 of one channel, 3x3 of eight)
_ROWS_WITHIN_BORDERS = 9  # that are added without padding; of more, or of channels for many outputs, XLA has no vectors
_FEW = 8  # channels: of so many, a product fills registers
_CACHE = 32 * 1024  # bytes, the smallest that cores have at hand
_VECTOR = 8  # channels: blocks have a multiple of so many
_AT_ONCE = 4  # sums side by side, as a single one waits for each addition to end
_SUMMED = 4  # rows that are added up at a time, in the kernel gradient


def has_few_channels(x: jax.Array, geometry: Geometry) -> bool:
    """Whether `few_channels_value` is made for them."""
    channels = x.shape[-1] // geometry.groups
    few = channels < _FEW or (channels == _FEW and geometry.groups > 1)  # a product for each group would be as narrow
    return few and math.prod(geometry.kernel) * channels <= _UNROLLED_ROWS


def few_channels_value(x: jax.Array, weight: jax.Array, geometry: Geometry) -> jax.Array:
    """[N, *geometry.size, in] with [*kernel, in/groups, out] gives [N, *geometry.out, out]."""
    each_alone = weight.shape[-1] == x.shape[-1] == geometry.groups
    if each_alone and math.prod(geometry.kernel) <= _ROWS_WITHIN_BORDERS:
        return apart(functools.partial(_sum_within_borders, geometry=geometry))(x, weight)
    blocks = _blocks(x, weight, geometry)
    if blocks > 1:
        return _sum_of_blocks(x, weight, geometry, blocks)
    return apart(functools.partial(_sum_over_padded, geometry=geometry))(padded(x, geometry), weight)


def _blocks(x: jax.Array, weight: jax.Array, geometry: Geometry) -> int:
    """How many there are, if the groups are to be summed so many at a time that a pixel's needs stay in the cache."""
    channels, out, each = x.shape[-1], weight.shape[-1], weight.shape[-2]
    if each == _FEW:  # so many terms wait for one another, not for memory
        return 1
    needed = x.dtype.itemsize * math.prod(geometry.kernel) * (channels + each * out)

    def fits(blocks: int) -> bool:
        whole = geometry.groups % blocks == channels % (blocks * _VECTOR) == out % (blocks * _VECTOR) == 0
        return whole and needed <= blocks * _CACHE

    return next(filter(fits, range(1, geometry.groups + 1)), 1)


def _sum_of_blocks(x: jax.Array, weight: jax.Array, geometry: Geometry, blocks: int) -> jax.Array:
    """One after the other, each of images whose pixels lie side by side."""
    each = geometry._replace(groups=geometry.groups // blocks)
    whole = jax.vmap(functools.partial(padded, geometry=each))(split(x, blocks))
    sums = jax.vmap(functools.partial(_sum_over_padded, geometry=each))
    return apart(joined)(apart(sums)(whole, split(weight, blocks)))


def _sum_within_borders(x: jax.Array, weight: jax.Array, geometry: Geometry) -> jax.Array:
    """Without a padded copy of the image, for channels that each have an output of their own."""
    pairs = zip(overlaps(geometry), _rows(weight), strict=True)
    terms = [
        overlap.placed(overlap.met(x) * row, geometry)
        for overlap, row in pairs if not overlap.is_empty
    ]
    return _sum(terms) if terms else jnp.zeros((x.shape[0], *geometry.out, weight.shape[-1]), x.dtype)


def _sum_over_padded(whole: jax.Array, weight: jax.Array, geometry: Geometry) -> jax.Array:
    pixel = *(1,) * (whole.ndim - 1), geometry.groups, weight.shape[-1] // geometry.groups
    pairs = zip(shifts_of(whole, geometry), weight.reshape(-1, weight.shape[-2], *pixel), strict=True)
    return _sum(term for image, rows in pairs for term in _products(image, rows))


def _products(image: jax.Array, rows: jax.Array) -> list[jax.Array]:
    """Each channel of the groups of an image times its row of the kernel, [1, ..., groups, out/groups]: [..., out]."""
    by_groups = image.reshape(*image.shape[:-1], rows.shape[-2], -1)
    return [(by_groups[..., i : i + 1] * row).reshape(*image.shape[:-1], -1) for i, row in enumerate(rows)]


def depthwise_value(x: jax.Array, weight: jax.Array, geometry: Geometry) -> jax.Array:
    """[N, *geometry.size, in] with [*kernel, 1, out] gives [N, *geometry.out, out], in a loop over the kernel."""
    rows, whole = _rows(weight), padded(_repeated(x, weight.shape[-1]), geometry)
    positions = jnp.asarray(list(offsets(geometry)))

    def add(i: jax.Array, total: jax.Array) -> jax.Array:
        return total + window(whole, positions[i], geometry) * lax.dynamic_index_in_dim(rows, i, 0, keepdims=False)

    return lax.fori_loop(1, len(rows), add, add(jnp.asarray(0), jnp.zeros((), x.dtype)))


def depthwise_weight_gradient(x: jax.Array, y: jax.Array, geometry: Geometry) -> jax.Array:
    """[N, *geometry.size, in] with [N, *geometry.out, out] gives [*geometry.kernel, 1, out]."""
    repeated = _repeated(x, y.shape[-1])
    if math.prod(geometry.kernel) <= _UNROLLED_ROWS:
        rows = _sums_over_rows(repeated, y, geometry)
    else:
        whole, axes = padded(repeated, geometry), tuple(range(x.ndim - 1))
        rows = lax.map(lambda at: (window(whole, at, geometry) * y).sum(axes), jnp.asarray(list(offsets(geometry))))
    return rows.reshape(*geometry.kernel, 1, -1)


def _sums_over_rows(x: jax.Array, y: jax.Array, geometry: Geometry) -> jax.Array:
    """[kernel positions, out], with one sum for each column and each fourth row of an image until the end.

    XLA has no vectors for sums over pixels, and has them for sums of arrays. An image gets a row of zeros at least:
    arrays that are padded are written before they are read, others looked up in the whole batch at every element.
    """
    missing = _SUMMED - geometry.out[0] % _SUMMED
    (low, high), *others = geometry.padding
    taller = geometry._replace(padding=((low, high + missing * geometry.strides[0]), *others))

    def products(image: jax.Array, gradient: jax.Array) -> list[jax.Array]:
        below = pad(gradient[None], [(0, missing, 0), *[(0, 0, 0)] * len(others)])
        rows = [slice(i, None, _SUMMED) for i in range(_SUMMED)]
        positions = shifts(image[None], taller)
        return [functools.reduce(operator.add, [met[:, row] * below[:, row] for row in rows]) for met in positions]

    def add(totals: list[jax.Array], pair: tuple[jax.Array, jax.Array]) -> tuple[list[jax.Array], None]:
        return list(map(operator.add, totals, products(*pair))), None

    zeros = [jnp.zeros(one.shape, one.dtype) for one in jax.eval_shape(products, x[0], y[0])]
    totals, _ = lax.scan(add, zeros, (x, y))
    return jnp.stack([total.sum(tuple(range(total.ndim - 1))) for total in totals])


def _rows(weight: jax.Array) -> jax.Array:
    """Of a depthwise kernel, each of the rank of an image: [positions, 1, ..., 1, out]."""
    return weight.reshape(-1, *(1,) * (weight.ndim - 1), weight.shape[-1])


def _sum(terms: Iterable[jax.Array]) -> jax.Array:
    listed = list(terms)
    parts = (listed[i::_AT_ONCE] for i in range(min(_AT_ONCE, len(listed))))
    return functools.reduce(operator.add, (functools.reduce(operator.add, part) for part in parts))


def _repeated(x: jax.Array, out: int) -> jax.Array:
    """Every channel once for each of its outputs."""
    return jnp.repeat(x, out // x.shape[-1], axis=-1) if out > x.shape[-1] else x
