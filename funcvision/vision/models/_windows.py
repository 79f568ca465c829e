"""Attention within windows of a feature map, for Swin and MaxViT: windows, heads and relative positions."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from ... import functional as F
from ...functional._mesh import reshape

__all__ = [
    "from_windows", "join_heads", "relative_position_bias", "relative_position_index", "split_heads", "to_windows",
]

Array = TypeVar("Array", jax.Array, np.ndarray)


def to_windows(x: Array, window: Sequence[int]) -> Array:
    """Cuts [batch, height, width, channels] into windows: [batch, windows, tokens of a window, channels].

    Windows and tokens are in row-major order. Height and width are multiples of those of the window. A clip
    [batch, time, height, width, channels] is cut in the same way.

    >>> to_windows(jnp.arange(8).reshape(1, 2, 4, 1), (2, 2))[0, :, :, 0].tolist()
    [[0, 1, 4, 5], [2, 3, 6, 7]]
    """
    batch, *size, channels = x.shape
    counts = [length // side for length, side in zip(size, window, strict=True)]
    x = reshape(x, (batch, *(n for pair in zip(counts, window, strict=True) for n in pair), channels))
    return reshape(x.transpose(_windows_first(len(window))), (batch, math.prod(counts), math.prod(window), channels))


def from_windows(x: jax.Array, window: Sequence[int], size: Sequence[int]) -> jax.Array:
    """The inverse of `to_windows`: a feature map of the given height and width, or a clip."""
    batch, _, _, channels = x.shape
    counts = [length // side for length, side in zip(size, window, strict=True)]
    x = reshape(x, (batch, *counts, *window, channels))
    return reshape(x.transpose(np.argsort(_windows_first(len(window))).tolist()), (batch, *size, channels))


def _windows_first(axes: int) -> list[int]:
    """The order of axes that puts the numbers of windows before the places in a window."""
    return [0, *range(1, 2 * axes, 2), *range(2, 2 * axes + 1, 2), 2 * axes + 1]


def split_heads(qkv: jax.Array, heads: int) -> list[jax.Array]:
    """Splits [..., tokens, 3 * heads * features] into query, key and value, each [..., heads, tokens, features]."""
    parts = jnp.split(qkv, 3, axis=-1)
    return [part.reshape(*part.shape[:-1], heads, part.shape[-1] // heads).swapaxes(-2, -3) for part in parts]


def join_heads(x: jax.Array) -> jax.Array:
    """Concatenates heads: [..., heads, tokens, features] to [..., tokens, heads * features]."""
    x = x.swapaxes(-2, -3)
    return x.reshape(*x.shape[:-2], x.shape[-2] * x.shape[-1])


def relative_position_bias(table: jax.Array, index: jax.Array) -> jax.Array:
    """The bias of each pair of tokens, to be added to the logits of attention: [heads, tokens, tokens].

    Args:
        table: [relative positions, heads], the bias of each relative position.
        index: for each pair of query and key the row of `table`; integers, in any shape.
    """
    tokens = math.isqrt(index.size)
    return F.embedding(index.reshape(tokens, tokens), table).transpose(2, 0, 1)


@dataclasses.dataclass(frozen=True)
class relative_position_index:
    """An initialiser: an index for the position of one token relative to another, for each pair of tokens of a window.

    Relative positions are counted in row-major order, starting with the one farthest up and left.

    >>> relative_position_index((1, 3))(None, (3, 3), jnp.int32).tolist()
    [[2, 1, 0], [3, 2, 1], [4, 3, 2]]
    """

    window: tuple[int, ...]

    def __call__(self, key: jax.Array | None, shape: tuple[int, ...], dtype: Any = jnp.int32) -> jax.Array:
        index = 0
        for place, side in zip(np.indices(self.window), self.window, strict=True):
            place = place.reshape(-1)
            index = index * (2 * side - 1) + place[:, None] - place[None] + side - 1
        return jnp.asarray(index, dtype).reshape(shape)
