"""Grouped convolutions as one dense convolution for each group, which XLA runs fast.

Narrow groups are merged first: several share one dense convolution whose weight has zeros between them.
"""

import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jax import lax

from ..geometry import Geometry
from .windows import join_channels, split_channels

__all__ = ["merged_groups", "value", "weight_gradient"]

_MAX_MERGED_CHANNELS = 16  # of merged groups; fewer would not fill a vector register
_MAX_UNROLLED_GROUPS = 60  # more are looped over, because XLA would compile them for minutes

GroupArrays = Sequence[jax.Array] | jax.Array  # one array for each group: a list to unroll, or stacked for a loop


def value(convolve: Callable[..., jax.Array], x: jax.Array, weight: jax.Array, geometry: Geometry) -> jax.Array:
    """The grouped convolution.

    Args:
        convolve: `convolve(x, weight, geometry=geometry)`, the same operation with one group.
        x: [N, *geometry.size, in].
        weight: [*geometry.kernel, in/groups, out].
        geometry: sizes and options.

    Returns:
        [N, *geometry.out, out].
    """
    count = merged_groups(geometry, weight.shape[-2])
    convolve_group = functools.partial(convolve, geometry=geometry._replace(groups=1))
    return _join(_map_groups(convolve_group, _split(x, count), _block_diagonal(weight, geometry, count)))


def weight_gradient(gradient: Callable[..., jax.Array], x: jax.Array, y: jax.Array, geometry: Geometry) -> jax.Array:
    """The gradient with respect to the weight.

    Args:
        gradient: `gradient(x, y, geometry=geometry)`, the same operation with one group.
        x: [N, *geometry.size, in].
        y: [N, *geometry.out, out], the gradient with respect to the output.
        geometry: sizes and options.

    Returns:
        [*geometry.kernel, in/groups, out].
    """
    count = merged_groups(geometry, x.shape[-1] // geometry.groups)
    group_gradient = functools.partial(gradient, geometry=geometry._replace(groups=1))
    return _diagonal(jnp.stack(_map_groups(group_gradient, _split(x, count), _split(y, count))), geometry)


def merged_groups(geometry: Geometry, channels: int) -> int:
    """The number of groups after merging those of few `channels`; it divides the original number."""
    most = min(geometry.groups, max(1, _MAX_MERGED_CHANNELS // channels))
    return geometry.groups // next(n for n in range(most, 0, -1) if geometry.groups % n == 0)


def _map_groups(function: Callable[..., jax.Array], a: GroupArrays, b: GroupArrays) -> GroupArrays:
    if isinstance(a, jax.Array):
        return lax.map(lambda pair: function(*pair), (a, b))
    return list(map(function, a, b))


def _split(x: jax.Array, groups: int) -> GroupArrays:
    if groups <= _MAX_UNROLLED_GROUPS:
        return jnp.split(x, groups, axis=-1)
    return split_channels(x, groups)


def _join(arrays: GroupArrays) -> jax.Array:
    """The inverse of `_split`."""
    return join_channels(arrays) if isinstance(arrays, jax.Array) else jnp.concatenate(arrays, axis=-1)


def _block_diagonal(weight: jax.Array, geometry: Geometry, count: int) -> jax.Array:
    """[*kernel, in/groups, out] as `count` dense weights, with zeros between the groups that are merged in one."""
    *kernel, channels, out = weight.shape
    share = geometry.groups // count  # original groups in a merged one
    by_group = weight.reshape(*kernel, channels, count, share, out // geometry.groups)
    blocks = jnp.einsum("...igso,st->g...tiso", by_group, jnp.eye(share, dtype=weight.dtype))
    return blocks.reshape(count, *kernel, share * channels, out // count)


def _diagonal(dense: jax.Array, geometry: Geometry) -> jax.Array:
    """The transpose of `_block_diagonal`: [count, *kernel, in/count, out/count] gives [*kernel, in/groups, out]."""
    count, *kernel, channels, out = dense.shape
    share = geometry.groups // count
    blocks = dense.reshape(count, *kernel, share, channels // share, share, out // share)
    return jnp.einsum("g...siso->...igso", blocks).reshape(*kernel, channels // share, count * out)
