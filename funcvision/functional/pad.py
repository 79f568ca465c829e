"""Padding and cropping of the spatial axes of channels-last arrays, with torch's modes."""

from collections.abc import Sequence
from typing import Literal

import jax
import jax.numpy as jnp
from jax import lax

from ._check import shape

__all__ = ["pad"]

Mode = Literal["constant", "reflect", "replicate", "circular"]
_NUMPY_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def pad(x: jax.Array, pad: Sequence[int], mode: Mode = "constant", value: float = 0.0) -> jax.Array:
    """Pads or crops the spatial axes, which are those before the channels.

    Args:
        x: [..., *spatial, channels].
        pad: pixels to add, integers as pairs in torch's order, which begins with the last spatial axis: (left, right,
            top, bottom, front, back), or the first one or two of these pairs. Negative numbers crop.
        mode: "constant" fills with `value`; "reflect" mirrors the image at its border pixel, which is not repeated;
            "replicate" repeats the border pixel; "circular" continues with the pixels of the other end.
        value: for "constant" only.

    Returns:
        The padded array in the dtype of `x`, equal to torch's `pad` of the same image with its channels first.

    Raises:
        ValueError: the mode is unknown, `pad` has an odd length or too many pairs, "reflect" or "circular" adds more
            pixels than the image has for it, "replicate" has no pixel to repeat, or a crop removes more than there is.

    >>> pad(jnp.arange(3).reshape(1, 3, 1), (2, 1), mode="reflect").ravel()
    Array([2, 1, 0, 1, 2, 1], dtype=int32)
    """
    pairs = _pairs_per_axis(x, pad, mode, value)
    _check_sizes(x, pairs, mode)
    if mode == "constant":
        return lax.pad(x, jnp.asarray(value, x.dtype), [(low, high, 0) for low, high in pairs])
    if mode == "circular":  # torch crops before it wraps around, but after it reflects or replicates
        x = _crop(x, pairs)
    widths = [(max(low, 0), max(high, 0)) for low, high in pairs]
    if any(pairs[0]):
        x = jnp.pad(x, widths, mode=_NUMPY_MODES[mode])
    else:  # `jnp.pad` slices even the axes that it does not pad, and the batch may be sharded
        x = jax.vmap(lambda x: jnp.pad(x, widths[1:], mode=_NUMPY_MODES[mode]))(x)
    return x if mode == "circular" else _crop(x, pairs)


def _crop(x: jax.Array, pairs: Sequence[tuple[int, int]]) -> jax.Array:
    """Crops by the numbers that are negative."""
    return x[tuple(slice(max(-low, 0), n + min(high, 0)) for n, (low, high) in zip(x.shape, pairs, strict=True))]


def _pairs_per_axis(x: jax.Array, pad: Sequence[int], mode: str, value: float) -> list[tuple[int, int]]:
    """A (before, after) pair for every axis of `x`."""
    pad = shape(pad, "pad: pad", low=None)
    if mode not in ("constant", *_NUMPY_MODES):
        raise ValueError(f'pad: mode={mode!r} is unknown; give "constant", "reflect", "replicate" or "circular"')
    if mode != "constant" and value != 0:
        raise ValueError(f'pad: value={value} has no meaning for mode="{mode}": leave it out')
    if len(pad) % 2:
        raise ValueError(f"pad: {pad} has {len(pad)} numbers; give two for each axis, the last axis first")
    axes = len(pad) // 2
    if axes > x.ndim - 1:
        raise ValueError(f"pad: {pad} pads {axes} axes, and {x.shape} has only {x.ndim - 1} before its channels")
    spatial = list(zip(pad[::2], pad[1::2], strict=True))[::-1]
    return [(0, 0)] * (x.ndim - 1 - axes) + spatial + [(0, 0)]


def _check_sizes(x: jax.Array, pairs: Sequence[tuple[int, int]], mode: str) -> None:
    for axis, (n, (low, high)) in enumerate(zip(x.shape, pairs, strict=True)):
        where = f"pad: ({low}, {high}) at axis {axis} of shape {x.shape}"
        kept = n + min(low, 0) + min(high, 0)
        if (kept if mode in ("constant", "circular") else n + low + high) < 0:
            raise ValueError(f"{where} crops more than there is")
        if mode == "reflect" and max(low, high) > max(n - 1, 0):
            raise ValueError(f"{where}: a reflection adds at most {max(n - 1, 0)} pixels at an end of {n}")
        if mode == "circular" and max(low, high) > kept:
            raise ValueError(f'{where}: "circular" adds at most {kept} pixels at an end of {kept}')
        if mode == "replicate" and n == 0 and low + high > 0:
            raise ValueError(f"{where}: there is no pixel to repeat")
