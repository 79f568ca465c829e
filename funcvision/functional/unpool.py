"""Max unpooling of channels-last arrays: the partial inverse of max pooling, which needs its indices."""

import functools
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from ._check import Size, channels_last, integers, shape

__all__ = ["max_unpool1d", "max_unpool2d", "max_unpool3d"]


def max_unpool1d(
    x: jax.Array, indices: jax.Array, kernel_size: Size, stride: Size | None = None, padding: Size = 0,
    output_size: Size | None = None,
) -> jax.Array:
    """Puts the maxima of [..., length, channels] back in their places. Otherwise like `max_unpool2d`."""
    return _max_unpool(1, x, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    x: jax.Array, indices: jax.Array, kernel_size: Size, stride: Size | None = None, padding: Size = 0,
    output_size: Size | None = None,
) -> jax.Array:
    """Puts the maxima of `max_pool2d` back in their places, with zeros elsewhere (Zeiler and Fergus 2013).

    See https://arxiv.org/abs/1311.2901.

    Args:
        x: [..., height, width, channels].
        indices: as returned by `max_pool2d` with `return_indices`, of the shape of `x`.
        kernel_size: of the pooling, 1 or more; one integer, or one per axis, as for the next two options.
        stride: of the pooling, 1 or more; by default the window's size.
        padding: of the pooling, 0 or more.
        output_size: the size of the image before pooling: one integer per spatial axis, or its whole shape. By default
            (height - 1) * stride - 2 * padding + kernel_size; it can differ from that by less than the stride.

    Returns:
        [..., *output_size, channels] in the dtype of `x`. An index outside the output is left out, because traced
        values cannot be checked; torch raises. Where windows overlap and share a place, one of them writes it, and all
        get its gradient, as in torch.

    Raises:
        ValueError: the shapes differ, or the options do not fit together.
        TypeError: an option or the indices are not integers.
    """
    return _max_unpool(2, x, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    x: jax.Array, indices: jax.Array, kernel_size: Size, stride: Size | None = None, padding: Size = 0,
    output_size: Size | None = None,
) -> jax.Array:
    """Puts the maxima of [..., depth, height, width, channels] back in their places. Otherwise like `max_unpool2d`."""
    return _max_unpool(3, x, indices, kernel_size, stride, padding, output_size)


def _max_unpool(
    axes: int, x: jax.Array, indices: jax.Array, kernel_size: Size, stride: Size | None, padding: Size,
    output_size: Size | None,
) -> jax.Array:
    name = f"max_unpool{axes}d"
    channels_last(x, axes, x.shape[-1], name)
    if not jnp.issubdtype(indices.dtype, jnp.integer):
        raise TypeError(f"{name} takes integer indices and got {indices.dtype}")
    if indices.shape != x.shape:
        raise ValueError(f"{name} takes one index for each element; got {x.shape} and indices of shape {indices.shape}")
    kernel = integers(kernel_size, axes, f"{name}: kernel_size", 1)
    strides = kernel if stride is None else integers(stride, axes, f"{name}: stride", 1)
    pads = integers(padding, axes, f"{name}: padding", 0)
    sizes = _sizes(name, x, kernel, strides, pads, output_size)
    *leading, channels = *x.shape[: -axes - 1], x.shape[-1]
    flat, places = (a.reshape(math.prod(leading), -1, channels) for a in (x, indices))
    return _placed(flat, places, math.prod(sizes)).reshape(*leading, *sizes, channels)


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def _placed(x: jax.Array, places: jax.Array, size: int) -> jax.Array:
    """`x` [batch, n, channels] at the places of the same shape, in an array [batch, size, channels] of zeros."""
    return _zeros_at(x, places, size).set(x, mode="drop")


@_placed.defjvp
def _(size: int, primals: tuple[jax.Array, jax.Array], tangents: tuple[jax.Array, Any]) -> tuple[jax.Array, jax.Array]:
    """The tangents of elements that share a place are added, so that each of them gets the gradient of the place."""
    (x, places), (dx, _) = primals, tangents
    return _placed(x, places, size), _zeros_at(dx, places, size).add(dx, mode="drop")


def _zeros_at(x: jax.Array, places: jax.Array, size: int) -> Any:
    batch, channel = (jnp.arange(n, dtype=places.dtype) for n in (x.shape[0], x.shape[2]))
    return jnp.zeros((x.shape[0], size, x.shape[2]), x.dtype).at[batch[:, None, None], places, channel[None, None]]


def _sizes(
    name: str, x: jax.Array, kernel: Sequence[int], strides: Sequence[int], pads: Sequence[int],
    output_size: Size | None,
) -> tuple[int, ...]:
    axes = len(kernel)
    size = x.shape[x.ndim - 1 - axes : -1]
    default = tuple((n - 1) * s - 2 * p + k for n, s, p, k in zip(size, strides, pads, kernel, strict=True))
    if output_size is None:
        return default
    given = shape(output_size, f"{name}: output_size", 1)
    wanted = given[-axes - 1 : -1] if len(given) == x.ndim else given
    if len(wanted) != axes or any(abs(n - d) >= s for n, d, s in zip(wanted, default, strides, strict=True)):
        raise ValueError(
            f"{name}: output_size={output_size} for an input of shape {x.shape} must have {axes} sizes that differ "
            f"from {default} by less than the stride {tuple(strides)}"
        )
    return wanted
