"""3x3 convolutions of stride 1 by Winograd's F(2x2, 3x3) and F(4x4, 3x3).

They take 16 products where the definition takes 36, and 36 where it takes 144.
Lavin and Gray 2015, https://arxiv.org/abs/1509.09308. In one dimension, neighbouring pixels d and a kernel g of three
elements give `size` outputs y by size + 2 products: m = (B d) * (G g) and y = A m. In two dimensions the transforms are
applied along both axes, to tiles of pixels that overlap by two, and the products are summed over the input channels. So
each of the points of a transformed tile takes one matrix product, [tiles, in] @ [in, out].

The transformed tiles of an image are 4 or 2.25 times as large as the image. So the batch is processed in blocks, of
images or of strips of one image, that fit into the last-level cache. Each block is finished before the next one begins.

A transform along one axis is a sum of broadcasts, which XLA compiles as one loop. The transforms along the two axes are
kept apart, because XLA would compute the first one again for each element of the second.
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
from .unfused import unfused
from .windows import join_batch, pad_spatial, split_batch

__all__ = ["value", "weight_gradient"]

_MAX_BLOCK_BYTES = 1 << 23  # of the tiles and products of a block, which should stay in the last-level cache
_NO_PADDING = (0, 0, 0)
_POINTS = {2: (0, 1, -1), 4: (0, 0.75, -0.75, 1.5, -1.5)}  # by size; for 4, 1 and 2 would make larger rounding errors


def value(x: jax.Array, weight: jax.Array, geometry: Geometry, size: int) -> jax.Array:
    """[N, H, W, in] and [3, 3, in, out] give [N, *geometry.out, out], by tiles of `size` by `size` outputs: 2 or 4."""
    blocks, out, maps = _Blocks.of(x, weight.shape[-1], geometry, size), weight.shape[-1], _Maps.of(size)
    kernels = jnp.asarray(np.kron(maps.kernel, maps.kernel), x.dtype) @ weight.reshape(9, -1)
    kernels = kernels.reshape(-1, *weight.shape[-2:])

    def convolve(block: jax.Array) -> jax.Array:
        products = _tiles(maps.image, blocks.pad_image(block), size) @ kernels
        grid = products.reshape(size + 2, size + 2, len(block), blocks.rows, blocks.columns, out)
        return _pixels(maps.output, grid)

    images = blocks.split_images(x)
    y = convolve(images[0])[None] if len(images) == 1 else lax.map(convolve, images)
    strips = join_batch(y, x.shape[0] * blocks.strips, geometry.devices)
    whole = strips.reshape(-1, blocks.strips * blocks.height, *strips.shape[2:])
    return lax.slice(whole, (0, 0, 0, 0), (x.shape[0], *geometry.out, out))


def weight_gradient(x: jax.Array, y: jax.Array, geometry: Geometry, size: int) -> jax.Array:
    """[N, H, W, in] and [N, *geometry.out, out] give [3, 3, in, out], by tiles of `size` by `size` outputs: 2 or 4."""
    blocks, maps = _Blocks.of(x, y.shape[-1], geometry, size), _Maps.of(size)

    def products(image: jax.Array, gradient: jax.Array) -> jax.Array:
        """[points, in, out]."""
        tiles = _tiles(maps.image, blocks.pad_image(image), size)
        return tiles.swapaxes(-1, -2) @ _tiles(maps.output.T, blocks.pad_output(gradient), size)

    images, gradients = blocks.split_images(x), blocks.split_outputs(y)
    if len(images) == 1:
        total = products(images[0], gradients[0])
    else:
        zero = jnp.zeros(((size + 2) ** 2, x.shape[-1], y.shape[-1]), x.dtype)
        total, _ = lax.scan(lambda total, block: (total + products(*block), None), zero, (images, gradients))
    elements = jnp.asarray(np.kron(maps.kernel, maps.kernel).T, x.dtype) @ total.reshape(len(total), -1)
    return elements.reshape(3, 3, *total.shape[1:])


class _Maps(NamedTuple):
    """The matrices of the transforms in one dimension, for `size` outputs, by the algorithm of Toom and Cook.

    Polynomials are multiplied by way of their values at size + 1 points and at infinity.

    Attributes:
        image: [size + 2 points, size + 2 pixels], "B".
        kernel: [points, 3 elements], "G".
        output: [size pixels, points], "A".
    """

    image: np.ndarray
    kernel: np.ndarray
    output: np.ndarray

    @classmethod
    def of(cls, size: int) -> "_Maps":
        points = np.array(_POINTS[size], float)
        others = [np.delete(points, i) for i in range(len(points))]
        image = [*([*np.poly(roots)[::-1], 0] for roots in others), np.poly(points)[::-1]]
        powers = np.vander(points, size, increasing=True)
        divisors = [np.prod(p - roots) for p, roots in zip(points, others, strict=True)]
        kernel = np.vander(points, 3, increasing=True) / np.array(divisors)[:, None]
        last = np.eye(size)[:, -1]
        return cls(np.array(image), np.vstack([kernel, [0, 0, 1]]), np.column_stack([powers.T, last]))


def _transform(matrix: np.ndarray, arrays: Sequence[jax.Array], axis: int) -> jax.Array:
    """The product of a matrix with a vector of arrays; a new axis holds its entries."""
    shape = [-1 if i == axis else 1 for i in range(arrays[0].ndim + 1)]
    terms = (
        jnp.asarray(column.reshape(shape), array.dtype) * jnp.expand_dims(array, axis)
        for column, array in zip(matrix.T, arrays, strict=True)
    )
    return functools.reduce(operator.add, terms)


def _tiles(matrix: np.ndarray, image: jax.Array, size: int) -> jax.Array:
    """Tiles, `size` pixels apart, transformed along both axes: [N, H, W, channels] gives [points, tiles, channels]."""
    def along(x: jax.Array, axis: int, new_axis: int) -> jax.Array:
        end = x.shape[axis] - matrix.shape[1] + 1
        pixels = [lax.slice_in_dim(x, i, i + end, size, axis) for i in range(matrix.shape[1])]
        return _transform(matrix, pixels, new_axis)

    rows = unfused(lambda x: along(x, 1, 0))(image)
    tiles = along(rows, 3, 1)
    return tiles.reshape(len(matrix) ** 2, -1, image.shape[-1])


def _pixels(matrix: np.ndarray, products: jax.Array) -> jax.Array:
    """Outputs from points: [points, points, N, rows, columns, out] gives [N, rows * size, columns * size, out]."""
    _, _, n, rows, columns, out = products.shape
    along_rows = unfused(lambda x: _transform(matrix, list(x.swapaxes(0, 1)), 4))(products)
    lines = along_rows.reshape(-1, n, rows, columns * len(matrix) * out)
    return _transform(matrix, list(lines), 2).reshape(n, rows * len(matrix), columns * len(matrix), out)


class _Blocks(NamedTuple):
    """How the batch is split into blocks.

    Where an image fits into a block, a block has some whole images. Otherwise a block is one strip of one image.
    The padding that completes the last strip or the last block is made for all blocks at once. All other padding is
    made when its block is processed, so that the padded copy is still in the cache when the tiles are read from it.

    Attributes:
        geometry: of the convolution.
        size: rows and columns of outputs in a tile.
        rows: rows of tiles in a strip.
        columns: columns of tiles.
        strips: strips in an image.
        images: the most images, or strips, in a block.
    """

    geometry: Geometry
    size: int
    rows: int
    columns: int
    strips: int
    images: int

    @property
    def height(self) -> int:
        """Rows of outputs in a strip."""
        return self.size * self.rows

    @property
    def width(self) -> int:
        return self.size * self.columns

    @classmethod
    def of(cls, x: jax.Array, out: int, geometry: Geometry, size: int) -> "_Blocks":
        rows, columns = (-(-n // size) for n in geometry.out)
        row_bytes = (size + 2) ** 2 * columns * (x.shape[-1] + out) * x.dtype.itemsize
        if rows * row_bytes > _MAX_BLOCK_BYTES:
            strips = -(-rows // max(1, _MAX_BLOCK_BYTES // row_bytes))
            return cls(geometry, size, -(-rows // strips), columns, strips, 1)
        return cls(geometry, size, rows, columns, 1, _MAX_BLOCK_BYTES // (rows * row_bytes))

    def split_images(self, x: jax.Array) -> jax.Array:
        """[N, H, W, in] as [blocks, images, height, W, in]; neighbouring strips share two rows of pixels."""
        if self.strips == 1:
            return split_batch(x, self.images, self.geometry.devices)
        padded = pad_spatial(x, [(*self._missing(x)[0], 0), _NO_PADDING])
        starts = range(0, self.strips * self.height, self.height)
        strips = [padded[:, start : start + self.height + 2] for start in starts]
        return split_batch(jnp.stack(strips, axis=1).reshape(-1, *strips[0].shape[1:]), 1, self.geometry.devices)

    def pad_image(self, block: jax.Array) -> jax.Array:
        """[images, height, W, in] as [images, self.height + 2, self.width + 2, in]."""
        rows, columns = self._missing(block)
        return pad_spatial(block, [(*rows, 0) if self.strips == 1 else _NO_PADDING, (*columns, 0)])

    def split_outputs(self, y: jax.Array) -> jax.Array:
        """[N, *geometry.out, out] as [blocks, images, height, width, out]."""
        if self.strips == 1:
            return split_batch(y, self.images, self.geometry.devices)
        padded = pad_spatial(y, [(0, self.strips * self.height - y.shape[1], 0), _NO_PADDING])
        return split_batch(padded.reshape(-1, self.height, *y.shape[2:]), 1, self.geometry.devices)

    def pad_output(self, block: jax.Array) -> jax.Array:
        """[images, height, width, out] as [images, self.height, self.width, out]."""
        return pad_spatial(block, [(0, self.height - block.shape[1], 0), (0, self.width - block.shape[2], 0)])

    def _missing(self, x: jax.Array) -> list[tuple[int, int]]:
        """The pixels to add (before, after) along the height and the width of images; negative ones are cropped."""
        sizes = self.height * self.strips + 2, self.width + 2
        lows = (low for low, _ in self.geometry.padding)
        return [(low, size - low - n) for low, size, n in zip(lows, sizes, x.shape[1:], strict=False)]
