"""A convolution and its gradients on a CPU: lowerings that keep out of XLA's slow loops.

The functions are those of `_conv_lax`, by way of what XLA runs fast there: products of matrices, dense convolutions of
one stride whose kernel fits into the image, and sums of shifted images. `benchmarks/conv_sweep.py` measures the choice.
"""

import functools
import itertools
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from . import _conv_cost as cost
from . import _conv_lax as plain
from . import _conv_rows as rows
from . import _conv_sums as sums
from . import _conv_winograd as winograd
from ._conv_geometry import Geometry, Shape
from ._conv_shifts import as_matrix, offsets, pad, shifts, strided
from ._precision import at_least_float32

__all__ = ["image_gradient", "kernel_gradient", "value"]

_MERGED = 16  # channels of a group; narrower ones are merged, with zeros between them: less would not fill a register
_MET = 0.6  # of the products of a convolution: if more are with the padding, the rest is worth being picked out
_NARROW = 32  # channels: of fewer, as in merged groups, lax makes the kernel gradient as fast
_UNROLLED_GROUPS = 64  # more groups than these, as vmap makes them, are looped over


def value(x: jax.Array, weight: jax.Array, *, geometry: Geometry, precision: Any = None) -> jax.Array:
    fallback = functools.partial(plain.value, geometry=geometry, precision=precision)
    if not _is_known(x, weight):
        return fallback(x, weight)
    if _is_depthwise(x, geometry):
        return sums.depthwise_value(at_least_float32(x), at_least_float32(weight), geometry).astype(x.dtype)
    if geometry.groups > 1:
        count = _merged_groups(geometry, weight.shape[-2])
        if _is_small(x, weight.shape[-1] // count, geometry) or _is_larger_than_image(geometry):
            return _by_patches_of_groups(at_least_float32(x), at_least_float32(weight), geometry).astype(x.dtype)
        each = functools.partial(value, geometry=geometry._replace(groups=1), precision=precision)
        return _joined(_by_groups(each, _split(x, count), _block_diagonal(weight, geometry, count)))
    if _is_disjoint(geometry):
        return (_patches(at_least_float32(x), geometry) @ as_matrix(at_least_float32(weight))).astype(x.dtype)
    if _is_small(x, weight.shape[-1], geometry):
        return _by_patches(at_least_float32(x), at_least_float32(weight), geometry).astype(x.dtype)
    if sums.has_few_channels(x, geometry):
        return sums.few_channels_value(at_least_float32(x), at_least_float32(weight), geometry).astype(x.dtype)
    if _is_larger_than_image(geometry) or _is_mostly_padding(geometry):
        return _by_overlaps(at_least_float32(x), at_least_float32(weight), geometry).astype(x.dtype)
    if _is_winograd(geometry) and cost.VALUE.prefer_winograd(x.shape[0], x.shape[-1], weight.shape[-1], geometry):
        return winograd.value(at_least_float32(x), at_least_float32(weight), geometry).astype(x.dtype)
    return fallback(x, weight)


def image_gradient(y: jax.Array, weight: jax.Array, *, geometry: Geometry, precision: Any = None) -> jax.Array:
    if not _is_known(y, weight):
        return plain.image_gradient(y, weight, geometry=geometry, precision=precision)
    if _is_disjoint(geometry):
        return _from_patches(at_least_float32(y) @ as_matrix(at_least_float32(weight)).T, geometry).astype(y.dtype)
    if geometry.groups == max(geometry.strides) == 1 and _is_small(y, weight.shape[-2], geometry):
        return _dense_image_gradient(at_least_float32(y), at_least_float32(weight), geometry).astype(y.dtype)
    if weight.shape[-2] == 1 < max(geometry.strides) and sums.are_large(y, math.prod(geometry.size) * geometry.groups):
        each = functools.partial(image_gradient, weight=weight, geometry=geometry, precision=precision)
        return lax.map(lambda one: each(one[None])[0], y)
    if max(geometry.strides) > 1 and max(geometry.dilation) > 1:
        return plain.image_gradient(y, weight, geometry=geometry, precision=precision)
    return _by_phases(functools.partial(value, precision=precision), y, _turned(weight, geometry.groups), geometry)


def kernel_gradient(x: jax.Array, y: jax.Array, *, geometry: Geometry, precision: Any = None) -> jax.Array:
    fallback = functools.partial(plain.kernel_gradient, geometry=geometry, precision=precision)
    if not _is_known(x, y):
        return fallback(x, y)
    if _is_depthwise(x, geometry):
        return sums.depthwise_kernel_gradient(at_least_float32(x), at_least_float32(y), geometry).astype(x.dtype)
    if geometry.groups > 1:
        count = _merged_groups(geometry, x.shape[-1] // geometry.groups)
        each = functools.partial(kernel_gradient, geometry=geometry._replace(groups=1), precision=precision)
        return _diagonal(jnp.stack(_by_groups(each, _split(x, count), _split(y, count))), geometry)
    if _is_disjoint(geometry):
        matrix = as_matrix(_patches(at_least_float32(x), geometry)).T @ as_matrix(at_least_float32(y))
        return matrix.reshape(*geometry.kernel, x.shape[-1], y.shape[-1]).astype(x.dtype)
    if any(out > n for out, n in zip(geometry.out, geometry.size, strict=True)):
        return _dense_gradient(at_least_float32(x), at_least_float32(y), geometry).astype(x.dtype)
    if _is_winograd(geometry) and cost.KERNEL_GRADIENT.prefer_winograd(x.shape[0], x.shape[-1], y.shape[-1], geometry):
        return winograd.kernel_gradient(at_least_float32(x), at_least_float32(y), geometry).astype(x.dtype)
    if set(geometry.strides) == {1} and max(x.shape[-1], y.shape[-1]) < _NARROW:
        return fallback(x, y)
    return rows.kernel_gradient(at_least_float32(x), at_least_float32(y), geometry).astype(x.dtype)


def _is_depthwise(x: jax.Array, geometry: Geometry) -> bool:
    return geometry.groups == x.shape[-1] > 1


def _is_winograd(geometry: Geometry) -> bool:
    ones = {geometry.groups, *geometry.strides, *geometry.dilation}
    return geometry.kernel == (3, 3) and ones == {1}


def _is_known(a: jax.Array, b: jax.Array) -> bool:
    """In floating point, with sizes that are known (an export may have symbols) and none of them 0."""
    return all(isinstance(n, int) and n > 0 for n in a.shape + b.shape) and jnp.issubdtype(a.dtype, jnp.floating)


# Kernels of one element or as large as the stride, whose patches do not overlap: matrix products.


def _is_disjoint(geometry: Geometry) -> bool:
    if geometry.groups > 1 or any(map(any, geometry.padding)):
        return False
    one = math.prod(geometry.kernel) == 1
    return one or (geometry.kernel == geometry.strides and max(geometry.dilation) == 1)


def _patches(x: jax.Array, geometry: Geometry) -> jax.Array:
    """[N, *size, in] as [N, *out, kernel * in]."""
    if math.prod(geometry.kernel) == 1:
        return strided(x, geometry)
    axes = len(geometry.size)
    covered = pad(x, [(0, m * k - n, 0) for n, m, k in zip(geometry.size, geometry.out, geometry.kernel, strict=True)])
    pairs = itertools.chain.from_iterable(zip(geometry.out, geometry.kernel, strict=True))
    apart = covered.reshape(x.shape[0], *pairs, x.shape[-1])
    ordered = apart.transpose(0, *range(1, 2 * axes, 2), *range(2, 2 * axes + 1, 2), 2 * axes + 1)
    return ordered.reshape(x.shape[0], *geometry.out, -1)


def _from_patches(patches: jax.Array, geometry: Geometry) -> jax.Array:
    """The transpose of `_patches`: pixels that belong to none are zero."""
    sizes = zip(geometry.size, geometry.out, geometry.strides, strict=True)
    if math.prod(geometry.kernel) == 1:
        return pad(patches, [(0, n - (m - 1) * s - 1, s - 1) for n, m, s in sizes])
    return pad(_interleaved(patches, geometry.out, geometry.strides), [(0, n - m * s, 0) for n, m, s in sizes])


def _interleaved(apart: jax.Array, counts: Shape, strides: Shape) -> jax.Array:
    """[N, *counts, strides * channels] as the pixels of one image, [N, *(counts * strides), channels]."""
    axes = len(counts)
    pairs = itertools.chain.from_iterable((1 + i, 1 + axes + i) for i in range(axes))
    ordered = apart.reshape(apart.shape[0], *counts, *strides, -1).transpose(0, *pairs, 1 + 2 * axes)
    return ordered.reshape(apart.shape[0], *map(operator.mul, counts, strides), ordered.shape[-1])


# Kernels larger than the image, where XLA exchanges the two and has no fast code for the result, or for the most part
# over its padding, and small images of many channels, where XLA spends its time on the kernel: sums over its positions.


def _is_small(x: jax.Array, out: int, geometry: Geometry) -> bool:
    """Whether all patches together are no larger than the kernel."""
    return x.shape[0] * math.prod(geometry.out) <= out and math.prod(geometry.kernel) > 1


def _is_larger_than_image(geometry: Geometry) -> bool:
    """Whether the kernel is, along some axis."""
    return any(k > n for k, n in zip(geometry.kernel, geometry.size, strict=True))


def _by_patches(x: jax.Array, weight: jax.Array, geometry: Geometry) -> jax.Array:
    return jnp.concatenate(list(shifts(x, geometry)), axis=-1) @ as_matrix(weight)


def _by_patches_of_groups(x: jax.Array, weight: jax.Array, geometry: Geometry) -> jax.Array:
    """One batched product, where a dense convolution for each group would take longer to compile than to run."""
    groups = geometry.groups
    patches = jnp.stack(list(shifts(x, geometry)), axis=-2)
    patches = patches.reshape(*patches.shape[:-1], groups, -1)
    kernels = weight.reshape(-1, weight.shape[-2], groups, weight.shape[-1] // groups)
    y = jnp.einsum("...kgi,kigo->...go", patches, kernels)
    return y.reshape(*y.shape[:-2], -1)


def _by_overlaps(x: jax.Array, weight: jax.Array, geometry: Geometry) -> jax.Array:
    """A product for each kernel position, of the pixels that it meets: none with the zeros of the padding."""
    total = jnp.zeros((x.shape[0], *geometry.out, weight.shape[-1]), x.dtype)
    for overlap, matrix in zip(_overlaps(geometry), weight.reshape(-1, *weight.shape[-2:]), strict=True):
        pixels, outputs = zip(*overlap, strict=True)
        if all(outputs):
            product = x[:, *(slice(one.start, one.stop, one.step) for one in pixels)] @ matrix
            around = zip(outputs, geometry.out, strict=True)
            total += pad(product, [(one.start, n - one.stop, 0) for one, n in around])
    return total


def _overlaps(geometry: Geometry) -> Iterator[tuple[tuple[range, range], ...]]:
    """For each kernel position, by axis, the pixels that it meets and the outputs that these are part of."""

    def along(axis: int, at: int) -> tuple[range, range]:
        start, stride = at - geometry.padding[axis][0], geometry.strides[axis]  # the pixel that the first output meets
        first = max(0, -(start // stride))
        end = max(first, min(geometry.out[axis], (geometry.size[axis] - 1 - start) // stride + 1))
        return range(first * stride + start, end * stride + start, stride), range(first, end)

    return (tuple(itertools.starmap(along, enumerate(at))) for at in offsets(geometry))


def _is_mostly_padding(geometry: Geometry) -> bool:
    """Whether many products would be with its zeros, as in small images and widely dilated kernels."""
    met = sum(math.prod(len(outputs) for _, outputs in overlap) for overlap in _overlaps(geometry))
    return met < _MET * math.prod(geometry.out) * math.prod(geometry.kernel)


def _dense_image_gradient(y: jax.Array, weight: jax.Array, geometry: Geometry) -> jax.Array:
    """With stride 1. Each matrix is read as it lies, where `_turned` would write another kernel first."""
    matrices = weight.reshape(-1, *weight.shape[-2:])[::-1]
    shifted = shifts(y, _canonical(geometry, geometry.kernel))
    products = (image @ matrix.T for image, matrix in zip(shifted, matrices, strict=True))
    return functools.reduce(operator.add, products)


def _dense_gradient(x: jax.Array, y: jax.Array, geometry: Geometry) -> jax.Array:
    matrices = [as_matrix(shifted).T @ as_matrix(y) for shifted in shifts(x, geometry)]
    return jnp.stack(matrices).reshape(*geometry.kernel, *matrices[0].shape)


# Image gradients: convolutions of the output with the turned kernel, one for each phase of the strides.


def _turned(weight: jax.Array, groups: int) -> jax.Array:
    """[*kernel, in/groups, out] as [*kernel, out/groups, in]."""
    *kernel, channels, out = weight.shape
    each = weight.reshape(*kernel, channels, groups, out // groups)
    return each.swapaxes(-1, -3).reshape(*kernel, out // groups, groups * channels)


def _phase_extent(geometry: Geometry) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The first pixel of a phase, counted from the edge of the padding in strides, and the number of its pixels."""
    axes = list(zip(geometry.size, geometry.padding, geometry.strides, strict=True))
    firsts = tuple(low // s for _, (low, _), s in axes)
    return firsts, tuple(-(-(n + low) // s) - first for (n, (low, _), s), first in zip(axes, firsts, strict=True))


def _canonical(geometry: Geometry, kernel: Shape) -> Geometry:
    """The convolution, of stride 1, that makes a phase of the image gradient with the positions it meets."""
    one = geometry._replace(size=geometry.out, kernel=kernel, strides=(1,) * len(kernel))
    pads = zip(one.reach, *_phase_extent(geometry), geometry.out, strict=True)
    return one._replace(padding=tuple((reach - first, first + n - out) for reach, first, n, out in pads))


def _by_phases(
    convolve: Callable[..., jax.Array], y: jax.Array, turned: jax.Array, geometry: Geometry
) -> jax.Array:
    """A pixel meets every `stride`-th position of the kernel; which these are, its phase, repeats after `stride`.

    Phases of few channels, as those of a colour image, are made together, as channels of one convolution.
    """
    firsts, counts = _phase_extent(geometry)

    def kernel(whole: jax.Array, at: tuple[int, ...]) -> jax.Array:
        positions = tuple(slice(a, None, s) for a, s in zip(at, geometry.strides, strict=True))
        return lax.rev(whole[positions], range(len(at)))

    def phases(kernel: jax.Array) -> jax.Array:
        if 0 in kernel.shape:
            return jnp.zeros((y.shape[0], *counts, kernel.shape[-1]), y.dtype)
        return convolve(y, kernel, geometry=_canonical(geometry, kernel.shape[:-2]))

    starts = list(itertools.product(*map(range, geometry.strides)))
    if len(starts) == 1:
        return phases(kernel(turned, starts[0]))
    if geometry.groups == 1 and turned.shape[-1] < _MERGED:
        missing = [(0, -k % s, 0) for k, s in zip(geometry.kernel, geometry.strides, strict=True)]
        whole = lax.pad(turned, jnp.zeros((), turned.dtype), [*missing, (0, 0, 0), (0, 0, 0)])
        apart = phases(jnp.concatenate([kernel(whole, at) for at in starts], axis=-1))
    else:
        apart = jnp.concatenate([phases(kernel(turned, at)) for at in starts], axis=-1)
    together = _interleaved(apart, counts, geometry.strides)
    lows = (low for low, _ in geometry.padding)
    offsets = tuple(low - s * first for low, s, first in zip(lows, geometry.strides, firsts, strict=True))
    limits = map(operator.add, offsets, geometry.size)
    return lax.slice(together, (0, *offsets, 0), (y.shape[0], *limits, together.shape[-1]))


# Groups: a dense convolution for each, of which XLA has fast code.

Parts = Sequence[jax.Array] | jax.Array  # a group each: some that are written out, or many in one array for a loop


def _merged_groups(geometry: Geometry, channels: int) -> int:
    """How many groups are left when narrow ones are merged to `_MERGED` channels."""
    most = min(geometry.groups, max(1, _MERGED // channels))
    return geometry.groups // next(n for n in range(most, 0, -1) if geometry.groups % n == 0)


def _by_groups(function: Callable[..., jax.Array], a: Parts, b: Parts) -> Parts:
    if isinstance(a, jax.Array):
        return lax.map(lambda pair: function(*pair), (a, b))
    return list(map(function, a, b))


def _split(x: jax.Array, groups: int) -> Parts:
    if groups <= _UNROLLED_GROUPS:
        return jnp.split(x, groups, axis=-1)
    return jnp.moveaxis(x.reshape(*x.shape[:-1], groups, -1), -2, 0)


def _joined(parts: Parts) -> jax.Array:
    """What `_split` split."""
    if not isinstance(parts, jax.Array):
        return jnp.concatenate(parts, axis=-1)
    together = jnp.moveaxis(parts, 0, -2)
    return together.reshape(*together.shape[:-2], -1)


def _block_diagonal(weight: jax.Array, geometry: Geometry, count: int) -> jax.Array:
    """[*kernel, in/groups, out] as `count` dense kernels, with zeros between the groups that share one."""
    *kernel, channels, out = weight.shape
    share = geometry.groups // count
    apart = weight.reshape(*kernel, channels, count, share, out // geometry.groups)
    blocks = jnp.einsum("...igso,st->g...tiso", apart, jnp.eye(share, dtype=weight.dtype))
    return blocks.reshape(count, *kernel, share * channels, out // count)


def _diagonal(dense: jax.Array, geometry: Geometry) -> jax.Array:
    """What `_block_diagonal` put on the diagonal, out of [count, *kernel, in/count, out/count]."""
    count, *kernel, channels, out = dense.shape
    share = geometry.groups // count
    blocks = dense.reshape(count, *kernel, share, channels // share, share, out // share)
    return jnp.einsum("g...siso->...igso", blocks).reshape(*kernel, channels // share, count * out)
