"""The base class of transforms."""

from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np

from .._elementwise import sign as elementwise_sign
from . import constraints
from ._lifted import Lifted, either

__all__ = ["Transform", "sign_of"]

_sign = either(elementwise_sign)


def sign_of(x: Any) -> Any:
    """The sign of a number as an int, or of a Tensor or an array."""
    return int(np.sign(x)) if isinstance(x, int | float) else _sign(x)


class Transform(Lifted):
    """The base class of transforms y = f(x) whose Jacobian determinant is known.

    A subclass defines `_call`, `_inverse` and, if it is bijective, `log_abs_det_jacobian`.

    Args:
        cache_size: 0, or 1 to remember the last pair of input and output, so that the inverse of that output is that
            input.

    Attributes:
        domain: the constraint of inputs.
        codomain: the constraint of outputs.
        bijective: whether `inv` undoes the transform, and the transform undoes `inv`.
        sign: 1 where the transform is increasing, -1 where it is decreasing.
    """

    leaves: ClassVar[tuple[str, ...]] = ()
    bijective: Any = False
    domain: Any = constraints.dependent
    codomain: Any = constraints.dependent
    _cache_size = 0
    _inv: Any = None
    _cached_x_y: tuple[Any, Any] = (None, None)

    def __init__(self, cache_size: int = 0):
        if cache_size not in (0, 1):
            raise ValueError("cache_size must be 0 or 1")
        self._cache_size = cache_size
        super().__init__()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_inv": None, "_cached_x_y": (None, None)}

    @property
    def is_opaque(self) -> bool:
        return bool(self._cache_size) or super().is_opaque

    @property
    def event_dim(self) -> int:
        """The number of axes of an event, if it is the same for inputs and outputs."""
        if self.domain.event_dim == self.codomain.event_dim:
            return self.domain.event_dim
        raise ValueError("Please use either .domain.event_dim or .codomain.event_dim")

    @property
    def inv(self) -> Any:
        """The inverse transform; its `inv` is this transform."""
        if self._inv is None:
            self._inv = _InverseTransform(self)
        return self._inv

    @property
    def sign(self) -> Any:
        """The sign of the derivative, for a transform of numbers."""
        raise NotImplementedError(f"{type(self).__name__} does not implement sign")

    def with_cache(self, cache_size: int = 1) -> Any:
        """The transform with another size of the cache."""
        if self._cache_size == cache_size:
            return self
        if not self.leaves and not self.options:
            return type(self)(cache_size=cache_size)
        raise NotImplementedError(f"{type(self).__name__}.with_cache is not implemented")

    def __eq__(self, other: object) -> bool:
        return self is other or (not self.leaves and type(self).library_class is not Transform and self._is_like(other))

    __hash__ = Lifted.__hash__

    def _is_like(self, other: Any) -> bool:
        return type(self) is type(other) and all(
            getattr(self, name) == getattr(other, name) for name in self.options
        )

    def __call__(self, x: Any) -> Any:
        """The transform of `x`."""
        if not self._cache_size:
            return self._call(x)
        x_old, y_old = self._cached_x_y
        if x is x_old:
            return y_old
        y = self._call(x)
        self._cached_x_y = x, y
        return y

    def _inv_call(self, y: Any) -> Any:
        if not self._cache_size:
            return self._inverse(y)
        x_old, y_old = self._cached_x_y
        if y is y_old:
            return x_old
        x = self._inverse(y)
        self._cached_x_y = x, y
        return x

    def _call(self, x: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not implement _call")

    def _inverse(self, y: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not implement _inverse")

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """The logarithm of the absolute value of the determinant of dy/dx, from input and output."""
        raise NotImplementedError(f"{type(self).__name__} does not implement log_abs_det_jacobian")

    def forward_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the output for a shape of the input."""
        return shape

    def inverse_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the input for a shape of the output."""
        return shape

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


_negative = either(jnp.negative)


class _InverseTransform(Transform):
    """The inverse of a transform, which does the work and has the cache."""

    leaves = ("_inv",)

    def __init__(self, transform: Transform):
        super().__init__(transform._cache_size)
        self._inv = transform
        self.is_pure = transform.is_pure

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__

    @constraints.dependent_property(is_discrete=False)
    def domain(self) -> Any:
        return self._inv.codomain

    @constraints.dependent_property(is_discrete=False)
    def codomain(self) -> Any:
        return self._inv.domain

    @property
    def bijective(self) -> bool:
        return self._inv.bijective

    @property
    def sign(self) -> Any:
        return self._inv.sign

    @property
    def inv(self) -> Any:
        return self._inv

    def with_cache(self, cache_size: int = 1) -> Any:
        return self._inv.with_cache(cache_size).inv

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _InverseTransform) and self._inv == other._inv

    __hash__ = Transform.__hash__

    def __call__(self, x: Any) -> Any:
        return self._inv._inv_call(x)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return _negative(self._inv.log_abs_det_jacobian(y, x))

    def forward_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return self._inv.inverse_shape(shape)

    def inverse_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return self._inv.forward_shape(shape)

    def __repr__(self) -> str:
        return f"_InverseTransform({self._inv!r})"
