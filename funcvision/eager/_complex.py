"""Complex numbers: their parts, their conjugates, and their pairs of real numbers."""

import jax
import jax.numpy as jnp
import numpy as np

from ._base import TensorBase
from ._elementwise import kind, together
from ._named import named
from ._viewing import viewing

__all__ = ["ComplexMethods", "complex", "polar", "view_as_complex", "view_as_real"]


def _is_complex(x: jax.Array) -> bool:
    return kind(x.dtype) == 3


def _conj(input: jax.Array) -> jax.Array:
    """The complex conjugate of each element."""
    return jnp.conj(input)


def _angle(input: jax.Array) -> jax.Array:
    """The angle of each complex number in the plane. That of a negative real number is pi. The angle of 0 is 0."""
    if _is_complex(input):
        zero = input == 0
        x = jnp.where(zero, 1, input)
        return jnp.where(zero, jnp.arctan2(jnp.imag(input), jnp.real(input)), jnp.arctan2(jnp.imag(x), jnp.real(x)))
    (x,) = together(input, real=True)
    return jax.lax.stop_gradient(jnp.where(jnp.isnan(x), x, jnp.where(x < 0, np.pi, 0).astype(x.dtype)))


def _real_part(x: jax.Array) -> jax.Array:
    """The real part of each element."""
    return jnp.real(x)


def _imaginary_part(x: jax.Array) -> jax.Array:
    """The imaginary part of each element.

    Raises:
        RuntimeError: the elements are real.
    """
    if not _is_complex(x):
        raise RuntimeError(f"imag takes complex numbers; got {x.dtype}")
    return jnp.imag(x)


def _view_as_real(input: jax.Array) -> jax.Array:
    """The real and the imaginary part of each element, in a new last axis.

    Raises:
        RuntimeError: the elements are real.
    """
    if not _is_complex(input):
        raise RuntimeError(f"view_as_real takes complex numbers; got {input.dtype}")
    return jnp.stack([jnp.real(input), jnp.imag(input)], -1)


def _view_as_complex(input: jax.Array) -> jax.Array:
    """Complex numbers out of a last axis of size 2, which holds their real and their imaginary part.

    Raises:
        RuntimeError: the last axis has another size, or the elements are not floating-point numbers.
    """
    if not jnp.issubdtype(input.dtype, jnp.floating):
        raise RuntimeError(f"view_as_complex takes floating-point numbers; got {input.dtype}")
    if not input.ndim or input.shape[-1] != 2:
        raise RuntimeError(f"view_as_complex takes a last axis of size 2; got shape {input.shape}")
    return jax.lax.complex(input[..., 0], input[..., 1])


def _complex(real: jax.Array, imag: jax.Array) -> jax.Array:
    """Complex numbers from their real and imaginary parts.

    Raises:
        RuntimeError: the parts are not floating-point numbers of one dtype.
    """
    _require_one_dtype("complex", real, imag)
    return jax.lax.complex(*together(real, imag))


def _polar(abs: jax.Array, angle: jax.Array) -> jax.Array:
    """Complex numbers from their absolute values and angles.

    Raises:
        RuntimeError: these are not floating-point numbers of one dtype.
    """
    _require_one_dtype("polar", abs, angle)
    size, angle = together(abs, angle)
    return jax.lax.complex(size * jnp.cos(angle), size * jnp.sin(angle))


def _require_one_dtype(function: str, x: jax.Array, y: jax.Array) -> None:
    if x.dtype != y.dtype or x.dtype not in (jnp.float32, jnp.float64):
        raise RuntimeError(f"{function} takes two arrays of float32 or float64; got {x.dtype} and {y.dtype}")


def _adjoint(input: jax.Array) -> jax.Array:
    """Matrices transposed and conjugated: the last two axes are swapped.

    Raises:
        RuntimeError: the array has just one axis.
    """
    if input.ndim == 1:
        raise RuntimeError(f"adjoint takes matrices; got shape {input.shape}")
    return jnp.conj(jnp.swapaxes(input, -1, -2)) if input.ndim else input



complex, polar = named(_complex, "complex"), named(_polar, "polar")
view_as_real = viewing(
    _view_as_real, lambda strides: (*(2 * step for step in strides), 1),
    lambda base, value: jax.lax.complex(value[..., 0], value[..., 1]), "view_as_real",
)
view_as_complex = viewing(
    _view_as_complex, lambda strides: tuple(step // 2 for step in strides[:-1]),
    lambda base, value: jnp.stack([jnp.real(value), jnp.imag(value)], -1), "view_as_complex",
)
_real = viewing(
    _real_part, lambda strides: tuple(2 * step for step in strides),
    lambda base, value: jax.lax.complex(value, jnp.imag(base)), "real",
)
_imag = viewing(
    _imaginary_part, lambda strides: tuple(2 * step for step in strides),
    lambda base, value: jax.lax.complex(jnp.real(base), value), "imag",
)


class ComplexMethods(TensorBase):
    """Functions of complex numbers as methods and properties."""

    __slots__ = ()

    conj = conj_physical = named(_conj, "conj")
    angle, adjoint = named(_angle, "angle"), named(_adjoint, "adjoint")

    def is_complex(self) -> bool:
        """Whether the elements are complex numbers."""
        return kind(self.dtype) == 3

    def resolve_conj(self):
        """The Tensor itself: conjugates are computed at once."""
        return self

    def resolve_neg(self):
        """The Tensor itself: negatives are computed at once."""
        return self

    def is_conj(self) -> bool:
        """False: conjugates are computed at once."""
        return False

    def is_neg(self) -> bool:
        """False: negatives are computed at once."""
        return False

    @property
    def real(self):
        """The real part of each element. Real numbers are returned unchanged."""
        return _real(self) if self.is_complex() else self

    @property
    def imag(self):
        """The imaginary part of each element."""
        return _imag(self)

    @property
    def H(self):  # noqa: N802
        """A matrix transposed and conjugated."""
        if self.ndim not in (0, 2):
            raise RuntimeError(f"H is for matrices; this Tensor has shape {self.shape}: use mH")
        return self.mH if self.ndim else self

    @property
    def mH(self):  # noqa: N802
        """Matrices transposed and conjugated: the last two axes are swapped."""
        return type(self).adjoint(self)
