"""Fractional max pooling of channels-last images (Graham 2014, https://arxiv.org/abs/1412.6071)."""

import functools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from ._check import Size, channels_last, integers, per_axis
from ._pool_lowering import Candidates, first_max, flat_indices
from ._precision import at_least_float32
from ._random import require_key
from .pool import ValuesAndIndices

__all__ = [
    "fractional_max_pool2d", "fractional_max_pool2d_with_indices",
    "fractional_max_pool3d", "fractional_max_pool3d_with_indices",
]

Ratio = float | Sequence[float]


def fractional_max_pool2d(
    x: jax.Array, kernel_size: Size, output_size: Size | None = None, output_ratio: Ratio | None = None,
    return_indices: bool = False, _random_samples: jax.Array | None = None, *, key: jax.Array | None = None,
) -> ValuesAndIndices:
    """The largest element of each window, where the distances between windows are random.

    Along each axis, neighbouring windows are a or a + 1 pixels apart, so that they cover the image. The sequences are
    drawn for each image and channel.

    Args:
        x: images [..., height, width, channels].
        kernel_size: elements of the window, 1 or more; one integer, or one per axis.
        output_size: the number of windows, 1 or more; one integer, or one per axis.
        output_ratio: the number of windows divided by that of pixels, between 0 and 1, in place of `output_size`.
        return_indices: return the places of the largest elements, too, as `max_pool2d` does.
        _random_samples: numbers from 0 to 1, [..., channels, 2], from which the places of the windows follow: the first
            for the width, the second for the height. They are drawn by default.
        key: random key, needed unless `_random_samples` are given; also in evaluation.

    Returns:
        [..., height', width', channels] in the dtype of `x`, and with `return_indices` also the indices, int32.

    Raises:
        ValueError: both or none of `output_size` and `output_ratio` are given, the windows do not fit the image, or
            the key is missing.
        TypeError: a size is not an integer.

    >>> fractional_max_pool2d(jnp.ones((8, 50, 32, 3)), 3, (13, 12), key=jax.random.key(0)).shape
    (8, 13, 12, 3)
    """
    both = _fractional_max_pool(2, x, kernel_size, output_size, output_ratio, return_indices, _random_samples, key)
    return both if return_indices else both[0]


def fractional_max_pool3d(
    x: jax.Array, kernel_size: Size, output_size: Size | None = None, output_ratio: Ratio | None = None,
    return_indices: bool = False, _random_samples: jax.Array | None = None, *, key: jax.Array | None = None,
) -> ValuesAndIndices:
    """The largest element of each window of [..., depth, height, width, channels]. Like `fractional_max_pool2d`.

    `_random_samples` is [..., channels, 3], for depth, height and width.
    """
    both = _fractional_max_pool(3, x, kernel_size, output_size, output_ratio, return_indices, _random_samples, key)
    return both if return_indices else both[0]


def fractional_max_pool2d_with_indices(
    x: jax.Array, kernel_size: Size, output_size: Size | None = None, output_ratio: Ratio | None = None,
    return_indices: bool = False, _random_samples: jax.Array | None = None, *, key: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array]:
    """`fractional_max_pool2d` that returns the indices whatever `return_indices` is, as in torch."""
    values, indices = _fractional_max_pool(
        2, x, kernel_size, output_size, output_ratio, True, _random_samples, key
    )
    return values, indices


def fractional_max_pool3d_with_indices(
    x: jax.Array, kernel_size: Size, output_size: Size | None = None, output_ratio: Ratio | None = None,
    return_indices: bool = False, _random_samples: jax.Array | None = None, *, key: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array]:
    """`fractional_max_pool3d` that returns the indices whatever `return_indices` is, as in torch."""
    values, indices = _fractional_max_pool(
        3, x, kernel_size, output_size, output_ratio, True, _random_samples, key
    )
    return values, indices


def _fractional_max_pool(
    axes: int, x: jax.Array, kernel_size: Size, output_size: Size | None, output_ratio: Ratio | None,
    with_indices: bool, samples: jax.Array | None, key: jax.Array | None,
) -> Candidates:
    name = f"fractional_max_pool{axes}d"
    channels_last(x, axes, x.shape[-1], name)
    *lead, channels = *x.shape[: -axes - 1], x.shape[-1]
    sizes = x.shape[-axes - 1 : -1]
    kernel = integers(kernel_size, axes, f"{name}: kernel_size", 1)
    counts = _output_size(name, sizes, kernel, output_size, output_ratio)
    wanted = (*lead, channels, axes)
    if samples is None:
        samples = jax.random.uniform(require_key(key, name), wanted, at_least_float32(x).dtype)
    elif math.prod(samples.shape) != math.prod(wanted) or samples.shape[-2:] != wanted[-2:]:
        raise ValueError(f"{name} takes _random_samples of shape {wanted} for an input {x.shape}; got {samples.shape}")
    samples = samples.reshape(-1, channels, axes)
    if axes == 2:  # torch's order is width, height
        samples = samples[..., ::-1]
    candidates = (x, flat_indices(x, axes)) if with_indices else (x,)
    candidates = tuple(array.reshape(-1, *array.shape[-axes - 1 :]) for array in candidates)
    for i in reversed(range(axes)):  # the last axis first: then the first in row-major order gets the gradient
        starts = _starts(samples[..., i], sizes[i], counts[i], kernel[i])
        candidates = _axis_max(candidates, i + 1, starts, kernel[i])
    return tuple(array.reshape(*lead, *counts, channels) for array in candidates)


def _output_size(
    name: str, sizes: Sequence[int], kernel: Sequence[int], output_size: Size | None, output_ratio: Ratio | None
) -> tuple[int, ...]:
    if (output_size is None) == (output_ratio is None):
        raise ValueError(
            f"{name} takes output_size or output_ratio, one of them; got {output_size=} and {output_ratio=}"
        )
    if output_ratio is not None:
        ratios = per_axis(output_ratio, len(sizes), f"{name}: output_ratio")
        if not all(0 < ratio < 1 for ratio in ratios):
            raise ValueError(f"{name}: output_ratio={output_ratio} must be between 0 and 1")
        output_size = tuple(int(n * ratio) for n, ratio in zip(sizes, ratios, strict=True))
    counts = integers(output_size, len(sizes), f"{name}: output_size", 1)  # pyright: ignore[reportArgumentType]
    if any(m + k - 1 > n for n, m, k in zip(sizes, counts, kernel, strict=True)):
        raise ValueError(
            f"{name}: {counts} windows of kernel_size={tuple(kernel)} do not fit an image of {tuple(sizes)} pixels"
        )
    return counts


def _starts(samples: jax.Array, size: int, count: int, kernel: int) -> jax.Array:
    """Where the windows start along an axis, [batch, count, channels], for samples [batch, channels]."""
    samples = samples[:, None]
    starts = [jnp.full(samples.shape, size - kernel, jnp.int32)]  # of the last window
    if count > 1:
        step = (size - kernel) / (count - 1)
        index = jnp.arange(count - 1, dtype=samples.dtype)[None, :, None]
        starts.insert(0, ((index + samples) * step).astype(jnp.int32) - (samples * step).astype(jnp.int32))
    return jnp.concatenate(starts, 1)


def _axis_max(candidates: Candidates, axis: int, starts: jax.Array, kernel: int) -> Candidates:
    """The largest element of each window along an axis. The first of equal elements gets the gradient."""
    axes = candidates[0].ndim - 2
    index = starts.reshape(len(starts), *(1,) * (axis - 1), starts.shape[1], *(1,) * (axes - axis), starts.shape[2])
    elements = (
        tuple(jnp.take_along_axis(x, index + i, axis, mode="clip") for x in candidates) for i in range(kernel)
    )
    return functools.reduce(first_max, elements)
