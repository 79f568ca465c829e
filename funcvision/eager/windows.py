"""Windows, by which signals are multiplied before a Fourier transform."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from .creation import creates, made
from .dtypes import canonical, default_dtype, kind
from .tensor import Tensor

__all__ = ["bartlett_window", "blackman_window", "hamming_window", "hann_window", "kaiser_window"]


def _window(
    of: Callable[[int], np.ndarray], length: int, periodic: bool, dtype: Any, device: Any, requires_grad: bool
) -> Tensor:
    """A window of this length. A periodic one is a symmetric one that is longer by one element, without the last."""
    wanted = canonical(dtype or default_dtype())
    if length < 0 or kind(wanted) != 2:
        raise RuntimeError(f"a window has a length of at least 0 and floats; got {length} and {wanted}")
    values = of(length + 1)[:-1] if periodic and length > 1 else of(length)
    return made(jnp.asarray(values.astype(wanted)), device, requires_grad)


@creates
def bartlett_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A triangle that is 0 at the ends."""
    return _window(np.bartlett, window_length, periodic, dtype, device, requires_grad)


@creates
def blackman_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """The window 0.42 - 0.5 cos(x) + 0.08 cos(2 x)."""
    return _window(np.blackman, window_length, periodic, dtype, device, requires_grad)


@creates
def hamming_window(
    window_length: int, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46, *, dtype: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:
    """The window alpha - beta cos(x)."""

    def of(length: int) -> np.ndarray:
        angles = 2 * np.pi * np.arange(length) / max(length - 1, 1)
        return alpha - beta * np.cos(angles) if length > 1 else np.ones(length)

    return _window(of, window_length, periodic, dtype, device, requires_grad)


@creates
def hann_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """The window 0.5 - 0.5 cos(x)."""
    return _window(np.hanning, window_length, periodic, dtype, device, requires_grad)


@creates
def kaiser_window(
    window_length: int, periodic: bool = True, beta: float = 12.0, *, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A window of Bessel functions, which falls off the more steeply the larger `beta` is."""
    return _window(lambda length: np.kaiser(length, beta), window_length, periodic, dtype, device, requires_grad)
