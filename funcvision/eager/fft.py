"""`torch.fft`: Fourier transforms over one, two or several axes, over `jax.numpy.fft`."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._base import TensorBase
from ._elementwise import canonical, together
from ._named import named
from ._shapes import axis_of

__all__ = [
    "fft", "fft2", "fftfreq", "fftn", "fftshift", "hfft", "hfft2", "hfftn", "ifft", "ifft2", "ifftn", "ifftshift",
    "ihfft", "ihfft2", "ihfftn", "irfft", "irfft2", "irfftn", "rfft", "rfft2", "rfftfreq", "rfftn",
]  # fmt: skip

OPPOSITE = {"forward": "backward", "backward": "forward", "ortho": "ortho"}


def _floats(input: jax.Array) -> jax.Array:
    """The array as float32, float64 or complex numbers.

    Raises:
        RuntimeError: it has half precision.
    """
    (x,) = together(input, real=True)
    if x.dtype in (jnp.float16, jnp.bfloat16):
        raise RuntimeError(f"Fourier transforms take float32, float64 and complex numbers; got {x.dtype}")
    return x


def _line(function: str, x: jax.Array, n: int | None, dim: int) -> tuple[int | None, int]:
    """The size and the axis of a transform.

    Raises:
        IndexError: there is no such axis.
        RuntimeError: there are no elements.
    """
    if not x.ndim:
        raise IndexError(f"{function} takes an array with axes; got a number")
    axis = axis_of(x, dim)
    if (x.shape[axis] if n is None else n) < 1:
        raise RuntimeError(f"{function} of {x.shape[axis] if n is None else n} elements is not defined")
    return n, axis


def _require_real(function: str, x: jax.Array) -> None:
    if jnp.issubdtype(x.dtype, jnp.complexfloating):
        raise RuntimeError(f"{function} takes real numbers; got {x.dtype}")


def _axes(x: jax.Array, s: Sequence[int] | None, dim: Sequence[int] | int | None) -> tuple[Any, Any]:
    """The sizes of the transform, if given, and its axes.

    Raises:
        RuntimeError: there are more sizes than axes, or an axis occurs twice.
    """
    sizes = (s,) if isinstance(s, int) else s
    if dim is None:
        count = x.ndim if sizes is None else len(sizes)
        axes = tuple(range(x.ndim - count, x.ndim))
    else:
        axes = (dim,) if isinstance(dim, int) else tuple(dim)
    axes = tuple(axis_of(x, axis) for axis in axes)
    if sizes is not None and len(sizes) != len(axes):
        raise RuntimeError(f"the transform has {len(sizes)} sizes for {len(axes)} axes")
    if len(set(axes)) < len(axes):
        raise RuntimeError(f"the axes of a transform are distinct; got {axes} of shape {x.shape}")
    if not all(x.shape[axis] for axis in axes):
        raise RuntimeError(f"a Fourier transform of no elements is not defined: shape {x.shape}")
    whole = None if sizes is None else tuple(x.shape[axis] if n == -1 else n for n, axis in zip(sizes, axes))
    return whole, axes


def _fft(input: jax.Array, n: int | None = None, dim: int = -1, norm: str | None = None) -> jax.Array:
    """The discrete Fourier transform along an axis, which is cut or filled with zeros to `n` elements."""
    return jnp.fft.fft(_floats(input), *_line("fft", input, n, dim), norm)


def _ifft(input: jax.Array, n: int | None = None, dim: int = -1, norm: str | None = None) -> jax.Array:
    """The inverse of `fft`."""
    return jnp.fft.ifft(_floats(input), *_line("ifft", input, n, dim), norm)


def _rfft(input: jax.Array, n: int | None = None, dim: int = -1, norm: str | None = None) -> jax.Array:
    """The half of `fft` of real numbers that determines the other one."""
    _require_real("rfft", input)
    return jnp.fft.rfft(_floats(input), *_line("rfft", input, n, dim), norm)


def _irfft(input: jax.Array, n: int | None = None, dim: int = -1, norm: str | None = None) -> jax.Array:
    """The inverse of `rfft`, with `n` real elements: by default an even number."""
    return jnp.fft.irfft(_as_complex(input), *_line("irfft", input, n, dim), norm)


def _as_complex(input: jax.Array) -> jax.Array:
    x = _floats(input)
    return x if jnp.issubdtype(x.dtype, jnp.complexfloating) else jax.lax.complex(x, jnp.zeros_like(x))


def _hfft(input: jax.Array, n: int | None = None, dim: int = -1, norm: str | None = None) -> jax.Array:
    """The real transform of the first half of a signal whose other half is its conjugate in reverse."""
    return jnp.fft.irfft(jnp.conj(_as_complex(input)), *_line("hfft", input, n, dim), OPPOSITE[norm or "backward"])


def _ihfft(input: jax.Array, n: int | None = None, dim: int = -1, norm: str | None = None) -> jax.Array:
    """The inverse of `hfft`."""
    _require_real("ihfft", input)
    return jnp.conj(jnp.fft.rfft(_floats(input), *_line("ihfft", input, n, dim), OPPOSITE[norm or "backward"]))


def _fftn(input: jax.Array, s: Any = None, dim: Any = None, norm: str | None = None) -> jax.Array:
    """The discrete Fourier transform over several axes, by default all, which are cut or filled to the sizes `s`."""
    x = _floats(input)
    sizes, axes = _axes(x, s, dim)
    x = x if axes else _as_complex(x)
    for place, axis in enumerate(axes):
        x = jnp.fft.fft(x, sizes and sizes[place], axis, norm)
    return x


def _ifftn(input: jax.Array, s: Any = None, dim: Any = None, norm: str | None = None) -> jax.Array:
    """The inverse of `fftn`."""
    x = _floats(input)
    sizes, axes = _axes(x, s, dim)
    x = x if axes else _as_complex(x)
    for place, axis in enumerate(axes):
        x = jnp.fft.ifft(x, sizes and sizes[place], axis, norm)
    return x


def _rfftn(input: jax.Array, s: Any = None, dim: Any = None, norm: str | None = None) -> jax.Array:
    """The half of `fftn` of real numbers, in the last axis of the transform, that determines the other one."""
    _require_real("rfftn", input)
    if not input.ndim:
        raise RuntimeError("rfftn takes an array with axes; got a number")
    sizes, axes = _axes(input, s, dim)
    x = jnp.fft.rfft(_floats(input), sizes and sizes[-1], axes[-1], norm)
    return _fftn(x, sizes and sizes[:-1], axes[:-1], norm) if len(axes) > 1 else x


def _irfftn(input: jax.Array, s: Any = None, dim: Any = None, norm: str | None = None) -> jax.Array:
    """The inverse of `rfftn`. The last size of `s` is by default an even number."""
    sizes, axes = _axes(input, s, dim)
    x = _as_complex(input)
    x = _ifftn(x, sizes and sizes[:-1], axes[:-1], norm) if len(axes) > 1 else x
    return jnp.fft.irfft(x, sizes and sizes[-1], axes[-1], norm)


def _hfftn(input: jax.Array, s: Any = None, dim: Any = None, norm: str | None = None) -> jax.Array:
    """`hfft` over the last axis of the transform, after `fft` over the others."""
    sizes, axes = _axes(input, s, dim)
    x = _as_complex(input)
    x = _fftn(x, sizes and sizes[:-1], axes[:-1], norm) if len(axes) > 1 else x
    return _hfft(x, sizes and sizes[-1], axes[-1], norm)


def _ihfftn(input: jax.Array, s: Any = None, dim: Any = None, norm: str | None = None) -> jax.Array:
    """The inverse of `hfftn`."""
    sizes, axes = _axes(input, s, dim)
    x = _ihfft(input, sizes and sizes[-1], axes[-1], norm)
    return _ifftn(x, sizes and sizes[:-1], axes[:-1], norm) if len(axes) > 1 else x


def _of_two_axes(function: Callable[..., jax.Array], name: str) -> Callable[..., Any]:
    def of(input: jax.Array, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> jax.Array:
        return function(input, s, dim, norm)

    of.__doc__ = f"`{name.replace('2', 'n')}` over two axes, by default the last."
    return named(of, name)


def _fftshift(input: jax.Array, dim: Any = None) -> jax.Array:
    """The elements of axes, by default all, rolled so that the frequency 0 is in the middle."""
    return jnp.fft.fftshift(input, dim if dim is None or isinstance(dim, int) else tuple(dim))


def _ifftshift(input: jax.Array, dim: Any = None) -> jax.Array:
    """The inverse of `fftshift`."""
    return jnp.fft.ifftshift(input, dim if dim is None or isinstance(dim, int) else tuple(dim))



fft, ifft, rfft, irfft = named(_fft, "fft"), named(_ifft, "ifft"), named(_rfft, "rfft"), named(_irfft, "irfft")
hfft, ihfft = named(_hfft, "hfft"), named(_ihfft, "ihfft")
fft2, ifft2, rfft2 = _of_two_axes(_fftn, "fft2"), _of_two_axes(_ifftn, "ifft2"), _of_two_axes(_rfftn, "rfft2")
irfft2, hfft2, ihfft2 = _of_two_axes(_irfftn, "irfft2"), _of_two_axes(_hfftn, "hfft2"), _of_two_axes(_ihfftn, "ihfft2")
fftn, ifftn, rfftn = named(_fftn, "fftn"), named(_ifftn, "ifftn"), named(_rfftn, "rfftn")
irfftn, hfftn, ihfftn = named(_irfftn, "irfftn"), named(_hfftn, "hfftn"), named(_ihfftn, "ihfftn")
fftshift, ifftshift = named(_fftshift, "fftshift"), named(_ifftshift, "ifftshift")


def _frequencies(values: np.ndarray, dtype: Any, requires_grad: bool) -> Any:
    made = TensorBase.result.wrap(jnp.asarray(values, canonical(dtype or float)))
    return made.requires_grad_(requires_grad)


def fftfreq(n: int, d: float = 1.0, *, dtype: Any = None, requires_grad: bool = False) -> Any:
    """The frequencies of `fft` with `n` elements at distance `d`."""
    return _frequencies(np.fft.fftfreq(n, d), dtype, requires_grad)


def rfftfreq(n: int, d: float = 1.0, *, dtype: Any = None, requires_grad: bool = False) -> Any:
    """The frequencies of `rfft` with `n` elements at distance `d`."""
    return _frequencies(np.fft.rfftfreq(n, d), dtype, requires_grad)
