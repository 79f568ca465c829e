"""Grouped convolutions: a dense one for each group, of which XLA has fast code."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from ._conv_geometry import Geometry

__all__ = ["kernel_gradient", "merged", "value"]

_MERGED = 16  # channels of a group; narrower ones are merged, with zeros between them: less would not fill a register
_UNROLLED_GROUPS = 60  # more groups than these are looped over, some at a time: XLA would compile them for minutes
_AT_A_TIME = 8


def value(convolve: Callable[..., jax.Array], x: jax.Array, weight: jax.Array, geometry: Geometry) -> jax.Array:
    """`convolve(x, kernel, geometry=geometry)` is a dense one."""
    count = merged(geometry, weight.shape[-2])
    one, kernels = geometry._replace(groups=1), _block_diagonal(weight, geometry, count)
    parts = _of_groups(lambda i: convolve(_part(x, i, count), kernels[i], geometry=one), count)
    together = jnp.moveaxis(parts, 0, -2)
    return together.reshape(*together.shape[:-2], -1)


def kernel_gradient(gradient: Callable[..., jax.Array], x: jax.Array, y: jax.Array, geometry: Geometry) -> jax.Array:
    """`gradient(x, y, geometry=geometry)` is that of a dense one."""
    count, one = merged(geometry, x.shape[-1] // geometry.groups), geometry._replace(groups=1)
    parts = _of_groups(lambda i: gradient(_part(x, i, count), _part(y, i, count), geometry=one), count)
    return _diagonal(parts, geometry)


def _of_groups(function: Callable[[jax.Array], jax.Array], count: int) -> jax.Array:
    """[count, ...]."""
    unroll = count if count <= _UNROLLED_GROUPS else _AT_A_TIME
    _, parts = lax.scan(lambda _, i: (None, function(i)), None, jnp.arange(count), unroll=unroll)
    return parts


def _part(x: jax.Array, i: jax.Array, count: int) -> jax.Array:
    """The channels of a group."""
    channels = x.shape[-1] // count
    return lax.dynamic_slice_in_dim(x, i * channels, channels, axis=-1)


def merged(geometry: Geometry, channels: int) -> int:
    """How many groups are left when narrow ones are merged to `_MERGED` channels."""
    most = min(geometry.groups, max(1, _MERGED // channels))
    return geometry.groups // next(n for n in range(most, 0, -1) if geometry.groups % n == 0)


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
