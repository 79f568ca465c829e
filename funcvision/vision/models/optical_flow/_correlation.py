"""The similarity of the pixels of two feature maps, looked up around given places (RAFT, section 3.2)."""

import math
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from .... import functional as F

__all__ = ["OnDemand", "Volume"]


class Volume:
    """The correlation of every pixel of one map with every pixel of another, and with coarser ones.

    Args:
        first: feature map [batch, height, width, channels].
        second: another one, of the same shape.
        levels: how many levels there are; each has half the resolution of the last.
        radius: the largest distance from a place at which correlations are looked up.
    """

    def __init__(self, first: jax.Array, second: jax.Array, levels: int, radius: int):
        batch, height, width, channels = first.shape
        pairs = jnp.einsum("bhwc,byxc->bhwyx", first, second) / math.sqrt(channels)
        maps = pairs.reshape(batch * height * width, height, width, 1)
        self._levels = []
        for level in range(levels):
            if level:
                maps = F.avg_pool2d(maps, 2)
            self._levels.append(_with_margin(maps, radius))
        self._radius = radius

    def look_up(self, places: jax.Array) -> jax.Array:
        """The correlations around places [batch, height, width, 2] (x, y): [batch, height, width, levels * side**2].

        x varies slowest, as in torchvision.
        """
        flat = places.reshape(-1, 2)
        found = []
        for level, maps in enumerate(self._levels):
            corner, ahead = _corner(flat / 2**level, maps.shape[1:3], self._radius)
            found.append(_mixed(jax.vmap(partial(_patch, self._radius))(maps, corner)[..., 0], ahead))
        return jnp.concatenate(found, -1).reshape(*places.shape[:-1], -1)


class OnDemand:
    """What `Volume` gives, without the volume: only the correlations that are looked up are computed.

    The arguments are those of `Volume`.
    """

    def __init__(self, first: jax.Array, second: jax.Array, levels: int, radius: int):
        self._first = first / math.sqrt(first.shape[-1])
        self._levels = []
        for level in range(levels):
            if level:
                second = F.avg_pool2d(second, 2)
            self._levels.append(_with_margin(second, radius))
        self._radius = radius

    def look_up(self, places: jax.Array) -> jax.Array:
        """The correlations around places [batch, height, width, 2]; see `Volume.look_up`. One row after another."""

        def row(features: jax.Array, places: jax.Array) -> jax.Array:
            """Of features [batch, width, channels] at places [batch, width, 2]."""
            found = []
            for level, maps in enumerate(self._levels):
                corner, ahead = _corner(places / 2**level, maps.shape[1:3], self._radius)
                patches = jax.vmap(lambda one, corners: jax.vmap(partial(_patch, self._radius, one))(corners))
                values = jnp.einsum("bwc,bwyxc->bwyx", features, patches(maps, corner))
                found.append(_mixed(values, ahead))
            return jnp.concatenate(found, -1)

        rows = jnp.moveaxis(self._first, 1, 0), jnp.moveaxis(places, 1, 0)
        return jnp.moveaxis(lax.map(lambda one: row(*one), rows), 0, 1)


def _with_margin(maps: jax.Array, radius: int) -> jax.Array:
    """Maps [n, height, width, channels] within zeros, so wide that a patch outside of the map holds zeros only."""
    margin = _side(radius)
    return jnp.pad(maps, ((0, 0), (margin, margin), (margin, margin), (0, 0)))


def _side(radius: int) -> int:
    """The side of the patch around a place: one more than the number of distances, since two pixels are mixed."""
    return 2 * radius + 2


def _corner(places: jax.Array, size: tuple[int, ...], radius: int) -> tuple[jax.Array, jax.Array]:
    """For places [..., 2] (x, y), the first row and column of each patch in a map with margin, and the places' rest."""
    whole = jnp.floor(places)
    margin = _side(radius)
    limits = jnp.array([size[1] - margin, size[0] - margin], places.dtype)
    first = (whole - radius + margin).clip(0, limits.reshape((1,) * (places.ndim - 1) + (2,)))
    return first.astype(jnp.int32)[..., ::-1], places - whole


def _patch(radius: int, maps: jax.Array, corner: jax.Array) -> jax.Array:
    """The patch [side, side, channels] of a map [height, width, channels] at (row, column)."""
    side = _side(radius)
    start = corner[0], corner[1], jnp.zeros((), corner.dtype)
    return lax.dynamic_slice(maps, start, (side, side, maps.shape[-1]))


def _mixed(patches: jax.Array, ahead: jax.Array) -> jax.Array:
    """Patches [..., side, side] at whole distances from places whose rest is `ahead`; flat, x slowest."""
    x, y = ahead[..., 0, None, None], ahead[..., 1, None, None]
    rows = patches[..., :-1, :] * (1 - y) + patches[..., 1:, :] * y
    values = rows[..., :-1] * (1 - x) + rows[..., 1:] * x
    return values.swapaxes(-1, -2).reshape(*values.shape[:-2], -1)
