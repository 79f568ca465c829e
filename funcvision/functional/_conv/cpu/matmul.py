"""Convolutions as products of matrices: with patches of the image, or for each kernel position with what it meets.

Patches that do not overlap are a reshaped image. All patches together are as large as the image times the kernel: they
are made where there are few pixels. Positions one by one are for images so small, or dilations so wide, that many
products would be with the zeros of the padding.
"""

import functools
import itertools
import math
import operator

import jax
import jax.numpy as jnp

from ..geometry import Geometry
from .phases import canonical
from .windows import as_matrix, interleaved, overlaps, pad, shifts, strided

__all__ = [
    "by_overlaps", "by_patches", "by_patches_of_groups", "disjoint_input_gradient", "disjoint_weight_gradient",
    "disjoint_value", "input_gradient_by_position", "is_disjoint", "is_mostly_padding", "weight_gradient_by_position",
]

_MET = 0.6  # of the products of a convolution: if more are with the padding, the rest is worth being picked out


def is_disjoint(geometry: Geometry) -> bool:
    """Whether the patches are: kernels of one element, and kernels as large as the stride."""
    if geometry.groups > 1 or any(map(any, geometry.padding)):
        return False
    one = math.prod(geometry.kernel) == 1
    return one or (geometry.kernel == geometry.strides and max(geometry.dilation) == 1)


def disjoint_value(x: jax.Array, weight: jax.Array, geometry: Geometry) -> jax.Array:
    return _patches(x, geometry) @ as_matrix(weight)


def disjoint_input_gradient(y: jax.Array, weight: jax.Array, geometry: Geometry) -> jax.Array:
    return _from_patches(y @ as_matrix(weight).T, geometry)


def disjoint_weight_gradient(x: jax.Array, y: jax.Array, geometry: Geometry) -> jax.Array:
    matrix = as_matrix(_patches(x, geometry)).T @ as_matrix(y)
    return matrix.reshape(*geometry.kernel, x.shape[-1], y.shape[-1])


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
    return pad(interleaved(patches, geometry.out, geometry.strides), [(0, n - m * s, 0) for n, m, s in sizes])


def by_patches(x: jax.Array, weight: jax.Array, geometry: Geometry) -> jax.Array:
    return jnp.concatenate(list(shifts(x, geometry)), axis=-1) @ as_matrix(weight)


def by_patches_of_groups(x: jax.Array, weight: jax.Array, geometry: Geometry) -> jax.Array:
    """One batched product, where a dense convolution for each group would take longer to compile than to run."""
    groups = geometry.groups
    patches = jnp.stack(list(shifts(x, geometry)), axis=-2)
    patches = patches.reshape(*patches.shape[:-1], groups, -1)
    kernels = weight.reshape(-1, weight.shape[-2], groups, weight.shape[-1] // groups)
    y = jnp.einsum("...kgi,kigo->...go", patches, kernels)
    return y.reshape(*y.shape[:-2], -1)


def by_overlaps(x: jax.Array, weight: jax.Array, geometry: Geometry) -> jax.Array:
    """A product for each kernel position, of the pixels that it meets: none with the zeros of the padding."""
    total = jnp.zeros((x.shape[0], *geometry.out, weight.shape[-1]), x.dtype)
    for overlap, matrix in zip(overlaps(geometry), weight.reshape(-1, *weight.shape[-2:]), strict=True):
        if not overlap.is_empty:
            total += overlap.placed(overlap.met(x) @ matrix, geometry)
    return total


def input_gradient_by_position(y: jax.Array, weight: jax.Array, geometry: Geometry) -> jax.Array:
    """With stride 1. Each matrix is read as it lies, where `turned` would write another kernel first."""
    matrices = weight.reshape(-1, *weight.shape[-2:])[::-1]
    shifted = shifts(y, canonical(geometry, geometry.kernel))
    products = (image @ matrix.T for image, matrix in zip(shifted, matrices, strict=True))
    return functools.reduce(operator.add, products)


def weight_gradient_by_position(x: jax.Array, y: jax.Array, geometry: Geometry) -> jax.Array:
    matrices = [as_matrix(shifted).T @ as_matrix(y) for shifted in shifts(x, geometry)]
    return jnp.stack(matrices).reshape(*geometry.kernel, *matrices[0].shape)


def is_mostly_padding(geometry: Geometry) -> bool:
    """Whether many products would be with its zeros, as in small images and widely dilated kernels."""
    met = sum(math.prod(map(len, overlap.outputs)) for overlap in overlaps(geometry))
    return met < _MET * math.prod(geometry.out) * math.prod(geometry.kernel)
