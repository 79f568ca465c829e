"""3x3 convolutions of stride 1 by Winograd's F(2x2, 3x3): sixteen products where the definition has thirty-six.

Lavin and Gray 2015, https://arxiv.org/abs/1509.09308. Four neighbours d of an image and a kernel g of three give two
outputs y by four products, m = (B d) * (G g) and y = A m. In two dimensions that is done along both axes, which makes
tiles of 4x4 pixels, and summed over channels: then each of the sixteen products is one of matrices, [tiles, in] with
[in, out]. Tiles are four times as large as their image, so that a block of images, or of strips of an image, is taken
through everything before the next one is begun.

Points along the rows are kept as an axis, points along the columns as a list: XLA makes one loop for each array.
"""

import functools
import operator
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..geometry import Geometry
from .windows import in_blocks, pad

__all__ = ["weight_gradient", "value"]

_BLOCK = 1 << 24  # bytes of tiles and products in a block: they should stay in the last cache

_B = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]])
_G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
_A = np.array([[1, 1, 1, 0], [0, 1, -1, -1]])


def value(x: jax.Array, weight: jax.Array, geometry: Geometry) -> jax.Array:
    """[N, H, W, in] with [3, 3, in, out] gives [N, *geometry.out, out]."""
    blocks, out = _Blocks.of(x, weight.shape[-1], geometry), weight.shape[-1]
    points = [jnp.asarray(np.kron(_G, column), x.dtype) @ weight.reshape(9, -1) for column in _G]
    kernels = [column.reshape(4, *weight.shape[-2:]) for column in points]

    def convolve(image: jax.Array) -> jax.Array:
        products = list(map(operator.matmul, _image_tiles(blocks.framed(image)), kernels))
        pixels = zip(*(_combined(_A, column) for column in _combined(_A, products)), strict=True)  # by rows
        lines = [jnp.concatenate(row, axis=-1).reshape(-1, blocks.columns * 2 * out) for row in pixels]
        return jnp.concatenate(lines, axis=-1).reshape(len(image), 2 * blocks.rows, 2 * blocks.columns, out)

    images = blocks.of_image(x)
    y = convolve(images[0]) if len(images) == 1 else lax.map(convolve, images)
    whole = y.reshape(-1, blocks.strips * 2 * blocks.rows, 2 * blocks.columns, out)
    return lax.slice(whole, (0, 0, 0, 0), (x.shape[0], *geometry.out, out))


def weight_gradient(x: jax.Array, y: jax.Array, geometry: Geometry) -> jax.Array:
    """[N, H, W, in] with [N, *geometry.out, out] gives [3, 3, in, out]."""
    blocks = _Blocks.of(x, y.shape[-1], geometry)

    def add(total: Sequence[jax.Array], block: tuple[jax.Array, jax.Array]) -> tuple[Sequence[jax.Array], None]:
        image, gradient = block
        pairs = zip(_image_tiles(blocks.framed(image)), _output_tiles(blocks.filled(gradient)), strict=True)
        return [sum_ + a.swapaxes(-1, -2) @ b for sum_, (a, b) in zip(total, pairs, strict=True)], None

    total = [jnp.zeros((4, x.shape[-1], y.shape[-1]), x.dtype)] * 4
    images, gradients = blocks.of_image(x), blocks.of_output(y)
    total, _ = add(total, (images[0], gradients[0])) if len(images) == 1 else lax.scan(add, total, (images, gradients))
    points = jnp.stack(total, axis=1).reshape(16, -1)
    return (jnp.asarray(np.kron(_G, _G).T, x.dtype) @ points).reshape(3, 3, x.shape[-1], y.shape[-1])


def _combined(matrix: np.ndarray, arrays: Sequence[jax.Array] | jax.Array) -> list[jax.Array]:
    """The matrix times a vector of arrays; its entries are 0, 1 and -1."""
    def entry(signs: np.ndarray) -> jax.Array:
        first, *others = (array if sign > 0 else -array for array, sign in zip(arrays, signs, strict=True) if sign)
        return functools.reduce(operator.add, others, first)

    return [entry(signs) for signs in matrix]


def _image_tiles(image: jax.Array) -> list[jax.Array]:
    """[images, 2 * rows + 2, 2 * columns + 2, in] gives, for each column of a tile, [its rows, tiles, in]."""
    height, width = image.shape[1] - 2, image.shape[2] - 2
    rows = jnp.stack(_combined(_B, [image[:, i : i + height : 2] for i in range(4)]))
    return [_flat(column) for column in _combined(_B, [rows[..., i : i + width : 2, :] for i in range(4)])]


def _output_tiles(y: jax.Array) -> list[jax.Array]:
    """[images, 2 * rows, 2 * columns, out] gives the same for the output's gradient."""
    rows = jnp.stack(_combined(_A.T, [y[:, i::2] for i in range(2)]))
    return [_flat(column) for column in _combined(_A.T, [rows[..., i::2, :] for i in range(2)])]


def _flat(tiles: jax.Array) -> jax.Array:
    return tiles.reshape(4, -1, tiles.shape[-1])


class _Blocks(NamedTuple):
    """How tiles are dealt out: an image has `strips` of `rows` by `columns` tiles, a block `images` strips.

    Rows of strips and missing images are made for all blocks, everything else when a block's turn comes: what is
    written then is still in the cache when its tiles are read from it.
    """

    geometry: Geometry
    rows: int
    columns: int
    strips: int
    images: int

    @classmethod
    def of(cls, x: jax.Array, out: int, geometry: Geometry) -> "_Blocks":
        rows, columns = (-(-n // 2) for n in geometry.out)
        row = 16 * columns * (x.shape[-1] + out) * x.dtype.itemsize  # bytes
        if rows * row > _BLOCK:
            strips = -(-rows // max(1, _BLOCK // row))
            return cls(geometry, -(-rows // strips), columns, strips, 1)
        blocks = -(-x.shape[0] // (_BLOCK // (rows * row)))
        return cls(geometry, rows, columns, 1, -(-x.shape[0] // blocks))

    def of_image(self, x: jax.Array) -> jax.Array:
        """[blocks, images, height, W, in]; neighbouring strips share two rows of pixels."""
        if self.strips == 1:
            return in_blocks(x, self.images)
        high, padded = 2 * self.rows, pad(x, [(*self._frame(x)[0], 0), _NONE])
        strips = [padded[:, start : start + high + 2] for start in range(0, self.strips * high, high)]
        return jnp.stack(strips, axis=1).reshape(-1, 1, *strips[0].shape[1:])

    def framed(self, block: jax.Array) -> jax.Array:
        """[images, 2 * rows + 2, 2 * columns + 2, in]."""
        rows, columns = self._frame(block)
        return pad(block, [(*rows, 0) if self.strips == 1 else _NONE, (*columns, 0)])

    def of_output(self, y: jax.Array) -> jax.Array:
        """[blocks, images, height, width, out]."""
        if self.strips == 1:
            return in_blocks(y, self.images)
        padded = pad(y, [(0, self.strips * 2 * self.rows - y.shape[1], 0), _NONE])
        return padded.reshape(-1, 1, 2 * self.rows, *y.shape[2:])

    def filled(self, block: jax.Array) -> jax.Array:
        """[images, 2 * rows, 2 * columns, out]."""
        return pad(block, [(0, 2 * self.rows - block.shape[1], 0), (0, 2 * self.columns - block.shape[2], 0)])

    def _frame(self, x: jax.Array) -> list[tuple[int, int]]:
        """What is missing before and after the rows and the columns of an image."""
        sizes = 2 * self.rows * self.strips + 2, 2 * self.columns + 2
        lows = (low for low, _ in self.geometry.padding)
        return [(low, size - low - n) for low, size, n in zip(lows, sizes, x.shape[1:], strict=False)]


_NONE = (0, 0, 0)
