"""Regularisation that sets residual branches or blocks of a feature map to zero in training.

Each function takes the probability `p` of dropping and, in training, a `key`. Outside of training it returns its input.
All functions raise ValueError if `p` is outside of [0, 1] or if the key is missing.
"""

import math
from collections.abc import Callable
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp

from ... import nn
from ...functional import pool
from ...functional._drop import check_probability, drop, to_zero
from ...functional._random import require_key

__all__ = ["DropBlock2d", "DropBlock3d", "StochasticDepth", "drop_block2d", "drop_block3d", "stochastic_depth"]

Mode = Literal["batch", "row"]


def stochastic_depth(
    x: jax.Array, p: float, mode: Mode, training: bool = True, *, key: jax.Array | None = None
) -> jax.Array:
    """Sets samples to 0 with probability `p` and divides the others by `1 - p`.

    It is applied to the residual branch of a block (Huang et al. 2016, https://arxiv.org/abs/1603.09382).

    Args:
        x: [batch, ...].
        p: probability to drop.
        mode: "row" decides for each sample, "batch" once for all samples.
        training: whether to drop at all.
        key: random.

    >>> y = stochastic_depth(jnp.ones((8, 2)), 0.5, "row", key=jax.random.key(0))
    >>> sorted(set(map(tuple, y.tolist())))
    [(0.0, 0.0), (2.0, 2.0)]
    """
    if mode not in ("batch", "row"):
        raise ValueError(f"mode must be 'batch' or 'row' for stochastic_depth; mode={mode!r}")
    decisions = (x.shape[0] if mode == "row" else 1, *(1,) * (x.ndim - 1))
    return drop("stochastic_depth", x, decisions, p, training, key, to_zero)


def drop_block2d(
    x: jax.Array, p: float, block_size: int, *, eps: float = 1e-6, training: bool = True, key: jax.Array | None = None
) -> jax.Array:
    """Sets squares of a feature map to 0 and scales the rest (Ghiasi et al. 2018, https://arxiv.org/abs/1810.12890).

    Args:
        x: [batch, height, width, channels].
        p: fraction of the elements to drop, approximately.
        block_size: height and width of a square; odd. It is reduced to the smallest side of the feature map.
        eps: added to the number of elements that are kept, by which the sum is divided.
        training: whether to drop at all.
        key: random.

    Raises:
        ValueError: the block size is even, or `x` has another number of axes.
    """
    return _drop_block("drop_block2d", pool.max_pool2d, 2, x, p, block_size, eps, training, key)


def drop_block3d(
    x: jax.Array, p: float, block_size: int, *, eps: float = 1e-6, training: bool = True, key: jax.Array | None = None
) -> jax.Array:
    """`drop_block2d` for [batch, depth, height, width, channels]: sets cubes to 0."""
    return _drop_block("drop_block3d", pool.max_pool3d, 3, x, p, block_size, eps, training, key)


def _drop_block(
    function: str, max_pool: Callable[..., jax.Array], axes: int, x: jax.Array, p: float, block_size: int, eps: float,
    training: bool, key: jax.Array | None,
) -> jax.Array:
    check_probability(function, p)
    if x.ndim != axes + 2:
        raise ValueError(f"{function} takes [batch, {axes} spatial axes, channels] and got an array of shape {x.shape}")
    if not training or p == 0:
        return x
    size = x.shape[1:-1]
    block = min(block_size, *size)
    if block % 2 == 0:
        raise ValueError(f"{function} needs an odd block size; block_size={block_size} on a map of {size} is {block}")
    room = [n - block + 1 for n in size]  # number of positions of the first corner of a block, along each axis
    rate = p * math.prod(size) / (block**axes * math.prod(room))
    corners = jax.random.bernoulli(require_key(key, function), min(rate, 1.0), (x.shape[0], *room, x.shape[-1]))
    around = [(0, 0), *[(block // 2, block // 2)] * axes, (0, 0)]
    dropped = max_pool(jnp.pad(corners.astype(jnp.float32), around), block, 1, block // 2)
    kept = 1 - dropped
    scale = kept.size / (eps + kept.sum())
    return x * (kept * scale).astype(x.dtype)


class StochasticDepth(nn.Module):
    """Sets samples, or the whole batch, to 0 in training; see `stochastic_depth` for the arguments."""

    def __init__(self, p: float, mode: Mode):
        check_probability("StochasticDepth", p)
        self.p = p
        self.mode: Mode = mode

    def forward(self, x: jax.Array) -> jax.Array:
        key = self.random_key() if self.training and 0 < self.p < 1 else None
        return stochastic_depth(x, self.p, self.mode, self.training, key=key)


class DropBlock2d(nn.Module):
    """Sets squares of a feature map to 0 in training; see `drop_block2d` for the arguments."""

    function: ClassVar[Callable[..., jax.Array]] = drop_block2d

    def __init__(self, p: float, block_size: int, *, eps: float = 1e-6):
        check_probability(type(self).__name__, p)
        self.p, self.block_size, self.eps = p, block_size, eps

    def forward(self, x: jax.Array) -> jax.Array:
        key = self.random_key() if self.training and self.p > 0 else None
        return type(self).function(x, self.p, self.block_size, eps=self.eps, training=self.training, key=key)


class DropBlock3d(DropBlock2d):
    """Sets cubes of a feature map to 0 in training; see `drop_block3d` for the arguments."""

    function = drop_block3d
