"""Attention within shifted windows, for both versions of Swin Transformer."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ... import functional as F
from ... import nn
from ...functional._attention import attend
from ...functional._check import Size, per_axis
from ...nn import init
from ._windows import (
    from_windows,
    join_heads,
    relative_position_bias,
    relative_position_index,
    split_heads,
    to_windows,
)

__all__ = ["ShiftedWindowAttention", "ShiftedWindowAttentionV2", "in_shifted_windows"]


def in_shifted_windows(
    x: jax.Array, window: Sequence[int], shift: Sequence[int],
    attention: Callable[[jax.Array, np.ndarray | None], jax.Array],
) -> jax.Array:
    """Applies attention to the windows of a feature map that is rolled by `shift`, and rolls the result back.

    The feature map is first padded with zeros to whole windows. An axis with a single window is not rolled.

    Args:
        x: [batch, height, width, channels], or a clip [batch, time, height, width, channels].
        window: sides of a window.
        shift: by how much each axis is rolled.
        attention: called with windows [batch, windows, tokens, channels], and with a mask [windows, 1, tokens, tokens]
            to add to the logits, or None if nothing is rolled.
    """
    given = tuple(slice(length) for length in x.shape[:-1])
    margins = [(0, -length % side) for length, side in zip(x.shape[1:-1], window, strict=True)]
    x = jnp.pad(x, ((0, 0), *margins, (0, 0)))
    size = x.shape[1:-1]
    shift = [by if extent > side else 0 for by, extent, side in zip(shift, size, window, strict=True)]
    if not any(shift):
        return from_windows(attention(to_windows(x, window), None), window, size)[given]
    axes = tuple(range(1, x.ndim - 1))
    x = jnp.roll(x, [-by for by in shift], axes)
    x = from_windows(attention(to_windows(x, window), _edge_mask(size, window, shift)), window, size)
    return jnp.roll(x, shift, axes)[given]


def _edge_mask(size: Sequence[int], window: Sequence[int], shift: Sequence[int]) -> np.ndarray:
    """The mask [windows, 1, tokens, tokens] of a rolled map: -100 between tokens from opposite edges, otherwise 0."""
    piece = np.zeros((), int)
    for place, extent, by in zip(np.ogrid[tuple(map(slice, size))], size, shift, strict=True):
        piece = 2 * piece + (place >= extent - by)
    piece = to_windows(piece[None, ..., None], window)[0, :, :, 0]
    return np.where(piece[:, None, :, None] == piece[:, None, None, :], 0.0, -100.0)


class _WindowAttention(nn.Module):
    """What both versions share."""

    def __init__(
        self, dim: int, window_size: Size, shift_size: Size, num_heads: int, qkv_bias: bool = True,
        proj_bias: bool = True, attention_dropout: float = 0.0, dropout: float = 0.0,
    ):
        if dim % num_heads:
            raise ValueError(f"dim={dim} must be a multiple of num_heads={num_heads}")
        self.window_size = height, width = per_axis(window_size, 2, "window_size")
        self.shift_size = per_axis(shift_size, 2, "shift_size")
        self.num_heads, self.attention_dropout = num_heads, attention_dropout
        index = relative_position_index((height, width))
        self.relative_position_index = nn.Buffer(((height * width) ** 2,), index, dtype=jnp.int32)
        self.qkv = nn.Linear(dim, 3 * dim, qkv_bias)
        self.proj = nn.Linear(dim, dim, proj_bias)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: jax.Array) -> jax.Array:
        """Maps [batch, height, width, dim] to the same shape; the map is padded with zeros to whole windows."""
        return in_shifted_windows(x, self.window_size, self.shift_size, self._attend)

    def _attend(self, x: jax.Array, mask: np.ndarray | None) -> jax.Array:
        query, key, value = self._project(x)
        bias = self._position_bias()
        if mask is not None:
            bias = bias[None] + jnp.asarray(mask, bias.dtype)
        p = self.attention_dropout if self.training else 0.0
        heads, _ = attend(query, key, value, bias, 1.0, p, self.random_key() if 0 < p < 1 else None)
        return self.dropout(self.proj(join_heads(heads)))

    def _project(self, x: jax.Array) -> Sequence[jax.Array]:
        """Query, key and value of each head, with the scale of attention multiplied into the query."""
        raise NotImplementedError

    def _position_bias(self) -> jax.Array:
        """The bias of the logits, [heads, tokens, tokens]."""
        raise NotImplementedError


class ShiftedWindowAttention(_WindowAttention):
    """Multi-head attention within windows, with a learned bias for each head and relative position.

    Args:
        dim: channels of a token.
        window_size: height and width of a window.
        shift_size: by how many tokens the map is rolled up and left before it is cut into windows.
        num_heads: number of heads; a divisor of `dim`.
        qkv_bias: whether the projection to query, key and value has a bias.
        proj_bias: whether the projection of the output has one.
        attention_dropout: probability to drop a weight of attention.
        dropout: probability to drop an element of the output.
    """

    def __init__(self, dim: int, window_size: Size, shift_size: Size, num_heads: int, *args: Any, **options: Any):
        super().__init__(dim, window_size, shift_size, num_heads, *args, **options)
        offsets = math.prod(2 * side - 1 for side in self.window_size)
        self.relative_position_bias_table = nn.Param((offsets, num_heads), init.trunc_normal(std=0.02))

    def _project(self, x: jax.Array) -> Sequence[jax.Array]:
        query, key, value = split_heads(self.qkv(x), self.num_heads)
        return query * query.shape[-1] ** -0.5, key, value

    def _position_bias(self) -> jax.Array:
        return relative_position_bias(self.relative_position_bias_table, self.relative_position_index)


class ShiftedWindowAttentionV2(_WindowAttention):
    """Version 2: cosine similarity with a learned scale for each head; a network computes the relative position bias.

    The arguments are those of `ShiftedWindowAttention`. As in torchvision, the bias of the key is replaced by zero,
    although the parameters contain one.
    """

    def __init__(self, dim: int, window_size: Size, shift_size: Size, num_heads: int, *args: Any, **options: Any):
        height, width = per_axis(window_size, 2, "window_size")
        offsets = (1, 2 * height - 1, 2 * width - 1, 2)
        # This buffer comes before the index, which is the order of torchvision's state dict.
        self.relative_coords_table = nn.Buffer(offsets, _log_spaced_offsets())
        super().__init__(dim, window_size, shift_size, num_heads, *args, **options)
        self.logit_scale = nn.Param((num_heads, 1, 1), init.constant(math.log(10)))
        self.cpb_mlp = nn.Sequential(nn.Linear(2, 512), nn.ReLU(), nn.Linear(512, num_heads, bias=False))

    def _project(self, x: jax.Array) -> Sequence[jax.Array]:
        bias = self.qkv.bias
        if bias is not None:
            dim = x.shape[-1]
            bias = bias.at[dim : 2 * dim].set(0)
        query, key, value = split_heads(F.linear(x, self.qkv.weight, bias), self.num_heads)
        scale = jnp.exp(jnp.minimum(self.logit_scale, math.log(100))).astype(x.dtype)
        scale = jnp.expand_dims(scale, tuple(range(query.ndim - 3)))
        return F.normalize(query) * scale, F.normalize(key), value

    def _position_bias(self) -> jax.Array:
        table = self.cpb_mlp(self.relative_coords_table).reshape(-1, self.num_heads)
        return 16 * jax.nn.sigmoid(relative_position_bias(table, self.relative_position_index))


@dataclasses.dataclass(frozen=True)
class _log_spaced_offsets:
    """An initialiser: relative positions [1, rows, columns, 2] from -1 to 1, on a logarithmic scale (equation 4)."""

    def __call__(self, key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
        rows, columns = (np.linspace(-8, 8, count) for count in shape[1:3])
        offsets = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1)
        return jnp.asarray(np.sign(offsets) * np.log2(1 + abs(offsets)) / 3, dtype).reshape(shape)
