"""Grouped convolutions: a dense one for each group, of which XLA has fast code."""

import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jax import lax

from ..geometry import Geometry
from .windows import joined, split

__all__ = ["weight_gradient", "merged", "value"]

_MERGED = 16  # channels of a group; narrower ones are merged, with zeros between them: less would not fill a register
_UNROLLED_GROUPS = 60  # more groups than these are looped over: XLA would compile them for minutes

Parts = Sequence[jax.Array] | jax.Array  # a group each: some that are written out, or many in one array for a loop


def value(convolve: Callable[..., jax.Array], x: jax.Array, weight: jax.Array, geometry: Geometry) -> jax.Array:
    """`convolve(x, kernel, geometry=geometry)` is a dense one."""
    count = merged(geometry, weight.shape[-2])
    each = functools.partial(convolve, geometry=geometry._replace(groups=1))
    return _joined(_by_groups(each, _split(x, count), _block_diagonal(weight, geometry, count)))


def weight_gradient(gradient: Callable[..., jax.Array], x: jax.Array, y: jax.Array, geometry: Geometry) -> jax.Array:
    """`gradient(x, y, geometry=geometry)` is that of a dense one."""
    count = merged(geometry, x.shape[-1] // geometry.groups)
    each = functools.partial(gradient, geometry=geometry._replace(groups=1))
    return _diagonal(jnp.stack(_by_groups(each, _split(x, count), _split(y, count))), geometry)


def merged(geometry: Geometry, channels: int) -> int:
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
    return split(x, groups)


def _joined(parts: Parts) -> jax.Array:
    """What `_split` split."""
    return joined(parts) if isinstance(parts, jax.Array) else jnp.concatenate(parts, axis=-1)


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
