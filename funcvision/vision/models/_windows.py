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

    Windows and tokens are in row-major order. Height and width are multiples of those of the window.

    >>> to_windows(jnp.arange(8).reshape(1, 2, 4, 1), (2, 2))[0, :, :, 0].tolist()
    [[0, 1, 4, 5], [2, 3, 6, 7]]
    """
    batch, height, width, channels = x.shape
    rows, columns = height // window[0], width // window[1]
    x = reshape(x, (batch, rows, window[0], columns, window[1], channels))
    return reshape(x.transpose(0, 1, 3, 2, 4, 5), (batch, rows * columns, window[0] * window[1], channels))


def from_windows(x: jax.Array, window: Sequence[int], size: Sequence[int]) -> jax.Array:
    """The inverse of `to_windows`: a feature map of the given height and width."""
    batch, _, _, channels = x.shape
    rows, columns = size[0] // window[0], size[1] // window[1]
    x = reshape(x, (batch, rows, columns, window[0], window[1], channels))
    return reshape(x.transpose(0, 1, 3, 2, 4, 5), (batch, *size, channels))


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

    window: tuple[int, int]

    def __call__(self, key: jax.Array | None, shape: tuple[int, ...], dtype: Any = jnp.int32) -> jax.Array:
        height, width = self.window
        row, column = np.divmod(np.arange(height * width), width)
        down = row[:, None] - row[None] + height - 1
        right = column[:, None] - column[None] + width - 1
        return jnp.asarray(down * (2 * width - 1) + right, dtype).reshape(shape)
