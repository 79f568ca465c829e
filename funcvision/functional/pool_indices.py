"""Max pools that always return the places of the largest elements, under torch's names for them."""

import jax

from ._check import Size
from .pool import (
    OutputSize,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
)

__all__ = [
    "adaptive_max_pool1d_with_indices", "adaptive_max_pool2d_with_indices", "adaptive_max_pool3d_with_indices",
    "max_pool1d_with_indices", "max_pool2d_with_indices", "max_pool3d_with_indices",
]

Pair = tuple[jax.Array, jax.Array]


def max_pool1d_with_indices(
    x: jax.Array, kernel_size: Size, stride: Size | None = None, padding: Size = 0, dilation: Size = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Pair:
    """`max_pool1d` that returns the indices whatever `return_indices` is, as in torch."""
    return max_pool1d(x, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool2d_with_indices(
    x: jax.Array, kernel_size: Size, stride: Size | None = None, padding: Size = 0, dilation: Size = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Pair:
    """`max_pool2d` that returns the indices whatever `return_indices` is, as in torch."""
    return max_pool2d(x, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool3d_with_indices(
    x: jax.Array, kernel_size: Size, stride: Size | None = None, padding: Size = 0, dilation: Size = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Pair:
    """`max_pool3d` that returns the indices whatever `return_indices` is, as in torch."""
    return max_pool3d(x, kernel_size, stride, padding, dilation, ceil_mode, True)


def adaptive_max_pool1d_with_indices(x: jax.Array, output_size: OutputSize, return_indices: bool = False) -> Pair:
    """`adaptive_max_pool1d` that returns the indices whatever `return_indices` is, as in torch."""
    return adaptive_max_pool1d(x, output_size, True)


def adaptive_max_pool2d_with_indices(x: jax.Array, output_size: OutputSize, return_indices: bool = False) -> Pair:
    """`adaptive_max_pool2d` that returns the indices whatever `return_indices` is, as in torch."""
    return adaptive_max_pool2d(x, output_size, True)


def adaptive_max_pool3d_with_indices(x: jax.Array, output_size: OutputSize, return_indices: bool = False) -> Pair:
    """`adaptive_max_pool3d` that returns the indices whatever `return_indices` is, as in torch."""
    return adaptive_max_pool3d(x, output_size, True)
