"""3x3 convolutions of stride 1 by Winograd's F(2x2, 3x3): 16 products where the definition takes 36.

Lavin and Gray 2015, https://arxiv.org/abs/1509.09308. In one dimension, four neighbouring pixels d and a kernel g of
three elements give two outputs y by four products: m = (B d) * (G g) and y = A m. In two dimensions the transforms
are applied along both axes, to tiles of 4x4 pixels that overlap by two, and the products are summed over the input
channels. So each of the 16 points of a transformed tile takes one matrix product, [tiles, in] @ [in, out].

The transformed tiles of an image are four times as large as the image. So the batch is processed in blocks, of images
or of strips of one image, that fit into the last-level cache. Each block is finished before the next one begins.

The four points along a tile's rows are an axis of one array, and the four along its columns are a list of such arrays:
XLA compiles one loop for each array.
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
from .windows import join_batch, pad_spatial, split_batch

__all__ = ["value", "weight_gradient"]

_MAX_BLOCK_BYTES = 1 << 24  # of the tiles and products of a block, which should stay in the last-level cache
_NO_PADDING = (0, 0, 0)

_B = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]])
_G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
_A = np.array([[1, 1, 1, 0], [0, 1, -1, -1]])


def value(x: jax.Array, weight: jax.Array, geometry: Geometry) -> jax.Array:
    """[N, H, W, in] and [3, 3, in, out] give [N, *geometry.out, out]."""
    blocks, out = _Blocks.of(x, weight.shape[-1], geometry), weight.shape[-1]
    points = [jnp.asarray(np.kron(_G, column), x.dtype) @ weight.reshape(9, -1) for column in _G]
    kernels = [column.reshape(4, *weight.shape[-2:]) for column in points]

    def convolve(block: jax.Array) -> jax.Array:
        products = list(map(operator.matmul, _image_tiles(blocks.pad_image(block)), kernels))
        pixels = zip(*(_transform(_A, column) for column in _transform(_A, products)), strict=True)  # 2x2, by rows
        rows = [jnp.concatenate(row, axis=-1).reshape(-1, blocks.columns * 2 * out) for row in pixels]
        return jnp.concatenate(rows, axis=-1).reshape(len(block), 2 * blocks.rows, 2 * blocks.columns, out)

    images = blocks.split_images(x)
    y = convolve(images[0])[None] if len(images) == 1 else lax.map(convolve, images)
    strips = join_batch(y, x.shape[0] * blocks.strips, geometry.devices)
    whole = strips.reshape(-1, blocks.strips * 2 * blocks.rows, 2 * blocks.columns, out)
    return lax.slice(whole, (0, 0, 0, 0), (x.shape[0], *geometry.out, out))


def weight_gradient(x: jax.Array, y: jax.Array, geometry: Geometry) -> jax.Array:
    """[N, H, W, in] and [N, *geometry.out, out] give [3, 3, in, out]."""
    blocks = _Blocks.of(x, y.shape[-1], geometry)

    def add(total: Sequence[jax.Array], block: tuple[jax.Array, jax.Array]) -> tuple[Sequence[jax.Array], None]:
        image, gradient = block
        pairs = zip(_image_tiles(blocks.pad_image(image)), _output_tiles(blocks.pad_output(gradient)), strict=True)
        return [sum_ + a.swapaxes(-1, -2) @ b for sum_, (a, b) in zip(total, pairs, strict=True)], None

    total = [jnp.zeros((4, x.shape[-1], y.shape[-1]), x.dtype)] * 4
    images, gradients = blocks.split_images(x), blocks.split_outputs(y)
    total, _ = add(total, (images[0], gradients[0])) if len(images) == 1 else lax.scan(add, total, (images, gradients))
    points = jnp.stack(total, axis=1).reshape(16, -1)
    return (jnp.asarray(np.kron(_G, _G).T, x.dtype) @ points).reshape(3, 3, x.shape[-1], y.shape[-1])


def _transform(matrix: np.ndarray, arrays: Sequence[jax.Array] | jax.Array) -> list[jax.Array]:
    """The product of a matrix, whose entries are 0, 1 and -1, with a vector of arrays."""
    def entry(signs: np.ndarray) -> jax.Array:
        first, *others = (array if sign > 0 else -array for array, sign in zip(arrays, signs, strict=True) if sign)
        return functools.reduce(operator.add, others, first)

    return [entry(signs) for signs in matrix]


def _image_tiles(image: jax.Array) -> list[jax.Array]:
    """The transformed tiles of a padded block.

    Args:
        image: [images, 2 * rows + 2, 2 * columns + 2, in], for a grid of rows by columns of tiles.

    Returns:
        For each of the 4 points along the columns of a tile, [4 points along its rows, tiles, in].
    """
    height, width = image.shape[1] - 2, image.shape[2] - 2
    rows = jnp.stack(_transform(_B, [image[:, i : i + height : 2] for i in range(4)]))
    return [_flatten_tiles(column) for column in _transform(_B, [rows[..., i : i + width : 2, :] for i in range(4)])]


def _output_tiles(y: jax.Array) -> list[jax.Array]:
    """The same of the output's gradient, [images, 2 * rows, 2 * columns, out], whose tiles of 2x2 do not overlap."""
    rows = jnp.stack(_transform(_A.T, [y[:, i::2] for i in range(2)]))
    return [_flatten_tiles(column) for column in _transform(_A.T, [rows[..., i::2, :] for i in range(2)])]


def _flatten_tiles(tiles: jax.Array) -> jax.Array:
    """[4, images, rows, columns, channels] as [4, tiles, channels]."""
    return tiles.reshape(4, -1, tiles.shape[-1])


class _Blocks(NamedTuple):
    """How the batch is split into blocks.

    Where an image fits into a block, a block has some whole images. Otherwise a block is one strip of one image.
    The padding that completes the last strip or the last block is made for all blocks at once. All other padding is
    made when its block is processed, so that the padded copy is still in the cache when the tiles are read from it.

    Attributes:
        geometry: of the convolution.
        rows: rows of tiles in a strip.
        columns: columns of tiles.
        strips: strips in an image.
        images: images, or strips, in a block.
    """

    geometry: Geometry
    rows: int
    columns: int
    strips: int
    images: int

    @classmethod
    def of(cls, x: jax.Array, out: int, geometry: Geometry) -> "_Blocks":
        rows, columns = (-(-n // 2) for n in geometry.out)
        row_bytes = 16 * columns * (x.shape[-1] + out) * x.dtype.itemsize
        if rows * row_bytes > _MAX_BLOCK_BYTES:
            strips = -(-rows // max(1, _MAX_BLOCK_BYTES // row_bytes))
            return cls(geometry, -(-rows // strips), columns, strips, 1)
        blocks = -(-x.shape[0] // (_MAX_BLOCK_BYTES // (rows * row_bytes)))
        return cls(geometry, rows, columns, 1, -(-x.shape[0] // blocks))

    def split_images(self, x: jax.Array) -> jax.Array:
        """[N, H, W, in] as [blocks, images, height, W, in]; neighbouring strips share two rows of pixels."""
        if self.strips == 1:
            return split_batch(x, self.images, self.geometry.devices)
        height, padded = 2 * self.rows, pad_spatial(x, [(*self._missing(x)[0], 0), _NO_PADDING])
        strips = [padded[:, start : start + height + 2] for start in range(0, self.strips * height, height)]
        return split_batch(jnp.stack(strips, axis=1).reshape(-1, *strips[0].shape[1:]), 1, self.geometry.devices)

    def pad_image(self, block: jax.Array) -> jax.Array:
        """[images, height, W, in] as [images, 2 * rows + 2, 2 * columns + 2, in]."""
        rows, columns = self._missing(block)
        return pad_spatial(block, [(*rows, 0) if self.strips == 1 else _NO_PADDING, (*columns, 0)])

    def split_outputs(self, y: jax.Array) -> jax.Array:
        """[N, *geometry.out, out] as [blocks, images, height, width, out]."""
        if self.strips == 1:
            return split_batch(y, self.images, self.geometry.devices)
        padded = pad_spatial(y, [(0, self.strips * 2 * self.rows - y.shape[1], 0), _NO_PADDING])
        return split_batch(padded.reshape(-1, 2 * self.rows, *y.shape[2:]), 1, self.geometry.devices)

    def pad_output(self, block: jax.Array) -> jax.Array:
        """[images, height, width, out] as [images, 2 * rows, 2 * columns, out]."""
        return pad_spatial(block, [(0, 2 * self.rows - block.shape[1], 0), (0, 2 * self.columns - block.shape[2], 0)])

    def _missing(self, x: jax.Array) -> list[tuple[int, int]]:
        """The pixels to add (before, after) along the height and the width of images; negative ones are cropped."""
        sizes = 2 * self.rows * self.strips + 2, 2 * self.columns + 2
        lows = (low for low, _ in self.geometry.padding)
        return [(low, size - low - n) for low, size, n in zip(lows, sizes, x.shape[1:], strict=False)]
