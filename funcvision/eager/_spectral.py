"""The short-time Fourier transform and its inverse, with torch's options."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._base import TensorBase
from ._elementwise import kind
from ._lift import lift

__all__ = ["SpectralMethods"]


def _window(window: jax.Array | None, win_length: int | None, n_fft: int, dtype: Any) -> jax.Array:
    """The window, filled up with zeros on both sides to `n_fft` elements.

    Raises:
        RuntimeError: it has another length than `win_length`, or is longer than `n_fft`.
    """
    length = n_fft if win_length is None else win_length
    if not 0 < length <= n_fft or (window is not None and window.shape != (length,)):
        raise RuntimeError(f"the window has win_length={length} elements, from 1 to n_fft={n_fft}; got {window}")
    given = jnp.ones(length, dtype) if window is None else window
    left = (n_fft - length) // 2
    return jnp.pad(given, (left, n_fft - length - left))


def stft(
    input: jax.Array, n_fft: int, hop_length: int | None = None, win_length: int | None = None,
    window: jax.Array | None = None, center: bool = True, pad_mode: str = "reflect", normalized: bool = False,
    onesided: bool | None = None, return_complex: bool | None = None, align_to_window: bool | None = None,
) -> jax.Array:
    """The Fourier transforms of overlapping parts of signals.

    Args:
        input: [samples] or [batch, samples].
        n_fft: the number of samples of a part.
        hop_length: the distance of two parts; by default a quarter of `n_fft`.
        win_length: the length of the window; by default `n_fft`.
        window: [win_length], multiplies each part; by default ones.
        center: whether the first part has the first sample in its middle. The signal is then padded.
        pad_mode: how it is padded: "reflect", "constant", "replicate" or "circular".
        normalized: whether to divide by the square root of `n_fft`.
        onesided: whether to give only the frequencies from 0 on; by default for real signals.
        return_complex: must be True for real signals. torch gives pairs of real numbers otherwise.
        align_to_window: is accepted as None or False.

    Returns:
        [batch, frequencies, parts], without the batch for one signal.

    Raises:
        RuntimeError: an argument does not fit.
    """
    is_complex = kind(input.dtype) == 3 or (window is not None and kind(window.dtype) == 3)
    if return_complex is None and not is_complex:
        raise RuntimeError("stft of a real signal requires return_complex=True (or False, for pairs of real numbers)")
    if align_to_window:
        raise RuntimeError("stft takes align_to_window=None; align the signal by padding it")
    if input.ndim not in (1, 2):
        raise RuntimeError(f"stft takes [samples] or [batch, samples]; got shape {input.shape}")
    hop = n_fft // 4 if hop_length is None else hop_length
    x = input if input.ndim == 2 else input[None]
    if center:
        mode = {"reflect": "reflect", "constant": "constant", "replicate": "edge", "circular": "wrap"}[pad_mode]
        x = jnp.pad(x, ((0, 0), (n_fft // 2, n_fft // 2)), mode)
    if not 0 < n_fft <= x.shape[-1] or hop <= 0:
        raise RuntimeError(f"stft takes n_fft from 1 to {x.shape[-1]} and a positive hop_length; got {n_fft} and {hop}")
    places = np.arange(0, x.shape[-1] - n_fft + 1, hop)[:, None] + np.arange(n_fft)
    parts = x[:, places]
    factors = _window(window, win_length, n_fft, jnp.finfo(x.dtype).dtype)
    dtype = parts.dtype if kind(parts.dtype) >= kind(factors.dtype) else factors.dtype
    parts = parts.astype(dtype) * factors.astype(dtype)[None, None]
    half = not is_complex if onesided is None else onesided
    result = (jnp.fft.rfft if half else jnp.fft.fft)(parts, norm="ortho" if normalized else None)
    result = jnp.swapaxes(result, -1, -2)
    result = result if input.ndim == 2 else result[0]
    return jnp.stack([jnp.real(result), jnp.imag(result)], -1) if return_complex is False else result


def istft(
    input: jax.Array, n_fft: int, hop_length: int | None = None, win_length: int | None = None,
    window: jax.Array | None = None, center: bool = True, normalized: bool = False, onesided: bool | None = None,
    length: int | None = None, return_complex: bool = False,
) -> jax.Array:
    """The signals of short-time Fourier transforms: the inverse of `stft`, with the same options.

    Args:
        input: complex [frequencies, parts] or [batch, frequencies, parts].
        n_fft: the number of samples of a part.
        hop_length: the distance of two parts.
        win_length: the length of the window.
        window: [win_length].
        center: whether the signal was padded.
        normalized: whether `stft` has divided by the square root of `n_fft`.
        onesided: whether only the frequencies from 0 on are given; by default if there are `n_fft // 2 + 1`.
        length: the number of samples of the result.
        return_complex: whether the signal is complex.

    Returns:
        [samples] or [batch, samples].

    Raises:
        RuntimeError: an argument does not fit.
    """
    if kind(input.dtype) != 3 or input.ndim not in (2, 3):
        raise RuntimeError(f"istft takes complex [batch, frequencies, parts]; got {input.dtype} of shape {input.shape}")
    hop = n_fft // 4 if hop_length is None else hop_length
    x = jnp.swapaxes(input if input.ndim == 3 else input[None], -1, -2)
    norm = "ortho" if normalized else None
    half = n_fft != x.shape[-1] if onesided is None else onesided
    parts = jnp.fft.irfft(x, n_fft, norm=norm) if half else jnp.fft.ifft(x, n_fft, norm=norm)
    parts = parts if return_complex or half else jnp.real(parts)
    factors = _window(window, win_length, n_fft, jnp.finfo(input.dtype).dtype)
    count = n_fft + hop * (x.shape[1] - 1)
    places = np.arange(x.shape[1])[:, None] * hop + np.arange(n_fft)
    signal = jnp.zeros((len(x), count), parts.dtype).at[:, places].add(parts * factors.astype(parts.dtype)[None, None])
    squares = jnp.broadcast_to(jnp.square(factors)[None], places.shape)
    weights = jnp.zeros(count, factors.dtype).at[places].add(squares)
    start = n_fft // 2 if center else 0
    end = start + length if length is not None else count - n_fft // 2 if center else count
    kept = signal[:, start:end] / weights[start:end][None].astype(signal.dtype)
    if length is not None and kept.shape[1] < length:
        kept = jnp.pad(kept, ((0, 0), (0, length - kept.shape[1])))
    return kept if input.ndim == 3 else kept[0]


class SpectralMethods(TensorBase):
    """Short-time Fourier transforms as methods."""

    __slots__ = ()

    stft, istft = lift(stft), lift(istft)
