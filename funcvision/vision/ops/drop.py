"""Regularisation that drops residual branches or blocks of a feature map in training.

Each function takes the probability `p` to drop, and in training a `key`; outside it returns its input. All raise
ValueError for a `p` outside [0, 1] and for a missing key.
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

    What is dropped is the residual branch of a block (Huang et al. 2016, https://arxiv.org/abs/1603.09382).

    Args:
        x: [batch, ...].
        p: the probability to drop.
        mode: "row" decides for each sample, "batch" once for all.
        training: whether anything is dropped.
        key: random.

    >>> y = stochastic_depth(jnp.ones((8, 2)), 0.5, "row", key=jax.random.key(0))
    >>> sorted(set(map(tuple, y.tolist())))
    [(0.0, 0.0), (2.0, 2.0)]
    """
    if mode not in ("batch", "row"):
        raise ValueError(f"stochastic_depth drops by 'batch' or by 'row'; mode={mode!r}")
    decisions = (x.shape[0] if mode == "row" else 1, *(1,) * (x.ndim - 1))
    return drop("stochastic_depth", x, decisions, p, training, key, to_zero)


def drop_block2d(
    x: jax.Array, p: float, block_size: int, *, eps: float = 1e-6, training: bool = True, key: jax.Array | None = None
) -> jax.Array:
    """Sets squares of a feature map to 0 and scales the rest up (Ghiasi et al. 2018, https://arxiv.org/abs/1810.12890).

    Args:
        x: [batch, height, width, channels].
        p: the share of elements to drop, about.
        block_size: side of a square, odd; no more than that of the image is used.
        eps: added to the number of elements that are kept.
        training: whether anything is dropped.
        key: random.

    Raises:
        ValueError: an even block, or another number of axes.
    """
    return _drop_block("drop_block2d", pool.max_pool2d, 2, x, p, block_size, eps, training, key)


def drop_block3d(
    x: jax.Array, p: float, block_size: int, *, eps: float = 1e-6, training: bool = True, key: jax.Array | None = None
) -> jax.Array:
    """`drop_block2d` with cubes, of [batch, depth, height, width, channels]."""
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
        raise ValueError(f"{function} drops blocks of odd size; block_size={block_size} on {size} makes it {block}")
    room = [n - block + 1 for n in size]  # where the corner of a block can lie
    rate = p * math.prod(size) / (block**axes * math.prod(room))
    corners = jax.random.bernoulli(require_key(key, function), min(rate, 1.0), (x.shape[0], *room, x.shape[-1]))
    around = [(0, 0), *[(block // 2, block // 2)] * axes, (0, 0)]
    dropped = max_pool(jnp.pad(corners.astype(jnp.float32), around), block, 1, block // 2)
    kept = 1 - dropped
    scale = kept.size / (eps + kept.sum())
    return x * (kept * scale).astype(x.dtype)


class StochasticDepth(nn.Module):
    """Drops samples, or the whole batch, in training; see `stochastic_depth`."""

    def __init__(self, p: float, mode: Mode):
        check_probability("StochasticDepth", p)
        self.p = p
        self.mode: Mode = mode

    def forward(self, x: jax.Array) -> jax.Array:
        key = self.random_key() if self.training and 0 < self.p < 1 else None
        return stochastic_depth(x, self.p, self.mode, self.training, key=key)


class DropBlock2d(nn.Module):
    """Drops squares of a feature map in training; see `drop_block2d`."""

    function: ClassVar[Callable[..., jax.Array]] = drop_block2d

    def __init__(self, p: float, block_size: int, *, eps: float = 1e-6):
        check_probability(type(self).__name__, p)
        self.p, self.block_size, self.eps = p, block_size, eps

    def forward(self, x: jax.Array) -> jax.Array:
        key = self.random_key() if self.training and self.p > 0 else None
        return type(self).function(x, self.p, self.block_size, eps=self.eps, training=self.training, key=key)


class DropBlock3d(DropBlock2d):
    """Drops cubes of a feature map in training; see `drop_block3d`."""

    function = drop_block3d
