"""Convolutions as matrix products, of image patches or for each kernel position.

- Disjoint patches: the image only has to be reshaped.
- Overlapping patches: all of them together are as large as the image times the number of kernel positions. They are
  materialised where there are few pixels.
- One product for each kernel position: for small images and wide dilations, where most products of a convolution would
  be with the zeros of the padding.
"""

import functools
import itertools
import math
import operator

import jax
import jax.numpy as jnp

from ..geometry import Geometry
from .phases import phase_geometry
from .windows import as_matrix, depth_to_space, overlaps, pad_spatial, position_slices, subsample

__all__ = [
    "by_overlaps", "by_patches", "by_patches_of_groups", "disjoint_input_gradient", "disjoint_value",
    "disjoint_weight_gradient", "has_disjoint_patches", "input_gradient_by_position", "is_mostly_padding",
    "weight_gradient_by_patches", "weight_gradient_by_position",
]

_MIN_SHARE_WITHIN_IMAGE = 0.6  # of a convolution's products; below it, skipping the padding's products pays


def has_disjoint_patches(geometry: Geometry) -> bool:
    """Whether no pixel is in two patches: kernels of one element, and kernels as large as the stride.

    Convolutions with padding, with groups, and larger kernels with dilation are left to other methods.
    """
    if geometry.groups > 1 or any(map(any, geometry.padding)):
        return False
    one_element = math.prod(geometry.kernel) == 1
    return one_element or (geometry.kernel == geometry.strides and max(geometry.dilation) == 1)


def disjoint_value(x: jax.Array, weight: jax.Array, geometry: Geometry) -> jax.Array:
    """[N, *geometry.size, in] and [*geometry.kernel, in, out] give [N, *geometry.out, out]."""
    return _disjoint_patches(x, geometry) @ as_matrix(weight)


def disjoint_input_gradient(y: jax.Array, weight: jax.Array, geometry: Geometry) -> jax.Array:
    """[N, *geometry.out, out] and [*geometry.kernel, in, out] give [N, *geometry.size, in]."""
    return _image_from_disjoint_patches(y @ as_matrix(weight).T, geometry)


def disjoint_weight_gradient(x: jax.Array, y: jax.Array, geometry: Geometry) -> jax.Array:
    """[N, *geometry.size, in] and [N, *geometry.out, out] give [*geometry.kernel, in, out]."""
    matrix = as_matrix(_disjoint_patches(x, geometry)).T @ as_matrix(y)
    return matrix.reshape(*geometry.kernel, x.shape[-1], y.shape[-1])


def _disjoint_patches(x: jax.Array, geometry: Geometry) -> jax.Array:
    """[N, *geometry.size, in] as [N, *geometry.out, positions * in]."""
    if math.prod(geometry.kernel) == 1:
        return subsample(x, geometry)
    axes = len(geometry.size)
    ends = [(0, m * k - n, 0) for n, m, k in zip(geometry.size, geometry.out, geometry.kernel, strict=True)]
    pairs = itertools.chain.from_iterable(zip(geometry.out, geometry.kernel, strict=True))
    split = pad_spatial(x, ends).reshape(x.shape[0], *pairs, x.shape[-1])
    ordered = split.transpose(0, *range(1, 2 * axes, 2), *range(2, 2 * axes + 1, 2), 2 * axes + 1)
    return ordered.reshape(x.shape[0], *geometry.out, -1)


def _image_from_disjoint_patches(patches: jax.Array, geometry: Geometry) -> jax.Array:
    """The transpose of `_disjoint_patches`; pixels that are in no patch become zero."""
    sizes = zip(geometry.size, geometry.out, geometry.strides, strict=True)
    if math.prod(geometry.kernel) == 1:
        return pad_spatial(patches, [(0, n - (m - 1) * s - 1, s - 1) for n, m, s in sizes])
    image = depth_to_space(patches, geometry.out, geometry.strides)
    return pad_spatial(image, [(0, n - m * s, 0) for n, m, s in sizes])


def by_patches(x: jax.Array, weight: jax.Array, geometry: Geometry) -> jax.Array:
    """One product of all patches with the weight, for few pixels.

    [N, *geometry.size, in] and [*geometry.kernel, in, out] give [N, *geometry.out, out].
    """
    return jnp.concatenate(list(position_slices(x, geometry)), axis=-1) @ as_matrix(weight)


def by_patches_of_groups(x: jax.Array, weight: jax.Array, geometry: Geometry) -> jax.Array:
    """The same with groups, as one batched product.

    A convolution for each group would take longer to compile than to run.
    [N, *geometry.size, in] and [*geometry.kernel, in/groups, out] give [N, *geometry.out, out].
    """
    groups = geometry.groups
    patches = jnp.stack(list(position_slices(x, geometry)), axis=-2)
    patches = patches.reshape(*patches.shape[:-1], groups, -1)
    kernels = weight.reshape(-1, weight.shape[-2], groups, weight.shape[-1] // groups)
    y = jnp.einsum("...kgi,kigo->...go", patches, kernels)
    return y.reshape(*y.shape[:-2], -1)


def by_overlaps(x: jax.Array, weight: jax.Array, geometry: Geometry) -> jax.Array:
    """A product for each kernel position with only those pixels that it meets, and no zeros of the padding.

    [N, *geometry.size, in] and [*geometry.kernel, in, out] give [N, *geometry.out, out].
    """
    total = jnp.zeros((x.shape[0], *geometry.out, weight.shape[-1]), x.dtype)
    for overlap, matrix in zip(overlaps(geometry), weight.reshape(-1, *weight.shape[-2:]), strict=True):
        if not overlap.is_empty:
            total += overlap.place(overlap.image_slice(x) @ matrix, geometry)
    return total


def input_gradient_by_position(y: jax.Array, weight: jax.Array, geometry: Geometry) -> jax.Array:
    """A product for each kernel position, for stride 1 and few pixels.

    It reads the weight as it is in memory; `phases.input_gradient` would first write a transposed copy.
    [N, *geometry.out, out] and [*geometry.kernel, in, out] give [N, *geometry.size, in].
    """
    matrices = weight.reshape(-1, *weight.shape[-2:])[::-1]
    slices = position_slices(y, phase_geometry(geometry, geometry.kernel))
    products = (image @ matrix.T for image, matrix in zip(slices, matrices, strict=True))
    return functools.reduce(operator.add, products)


def weight_gradient_by_position(x: jax.Array, y: jax.Array, geometry: Geometry) -> jax.Array:
    """[N, *geometry.size, in] and [N, *geometry.out, out] give [*geometry.kernel, in, out]."""
    matrices = [as_matrix(image).T @ as_matrix(y) for image in position_slices(x, geometry)]
    return jnp.stack(matrices).reshape(*geometry.kernel, *matrices[0].shape)


def weight_gradient_by_patches(x: jax.Array, y: jax.Array, geometry: Geometry) -> jax.Array:
    """The same by one product, for few pixels."""
    patches = jnp.concatenate([as_matrix(image) for image in position_slices(x, geometry)], axis=-1)
    return (patches.T @ as_matrix(y)).reshape(*geometry.kernel, x.shape[-1], y.shape[-1])


def is_mostly_padding(geometry: Geometry) -> bool:
    """Whether many products would be with the padding's zeros, as for small images and widely dilated kernels."""
    within_image = sum(math.prod(map(len, overlap.outputs)) for overlap in overlaps(geometry))
    return within_image < _MIN_SHARE_WITHIN_IMAGE * math.prod(geometry.out) * math.prod(geometry.kernel)
