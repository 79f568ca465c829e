"""Orthogonal polynomials, by their recurrences."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._base import TensorBase, as_array
from ._elementwise import together
from ._lift import lift

__all__ = [
    "chebyshev_polynomial_t", "chebyshev_polynomial_u", "chebyshev_polynomial_v", "chebyshev_polynomial_w",
    "hermite_polynomial_h", "hermite_polynomial_he", "laguerre_polynomial_l", "legendre_polynomial_p",
    "shifted_chebyshev_polynomial_t", "shifted_chebyshev_polynomial_u", "shifted_chebyshev_polynomial_v",
    "shifted_chebyshev_polynomial_w",
]  # fmt: skip

Step = Callable[[int, Any, Any, Any], Any]


def _polynomial(name: str, first: Callable[[Any], Any], step: Step) -> Callable[..., Any]:
    """A function of (input, n).

    Args:
        name: its name.
        first: the polynomial of degree 1, of x. That of degree 0 is 1.
        step: the polynomial of degree k + 1, from k, x and the polynomials of degrees k and k - 1.
    """

    def of(x: jax.Array, n: Any, most: int) -> jax.Array:
        x, degree = together(x, n, real=True)
        before, last = jnp.ones_like(x), first(x)
        result = jnp.where(degree < 0, 0, jnp.where(degree < 1, before, last))
        for k in range(1, most):
            before, last = last, step(k, x, last, before)
            result = jnp.where(degree >= k + 1, last, result)
        return result

    of.__name__ = of.__qualname__ = name
    lifted = lift(of)

    def polynomial(input: Any, n: Any) -> Any:
        degrees = np.asarray(as_array(n)) if isinstance(n, TensorBase) else np.asarray(n)
        return lifted(input, n, int(degrees.max()) if degrees.size else 0)

    polynomial.__name__ = polynomial.__qualname__ = name
    polynomial.__doc__ = f"The polynomial `{name}` of degree `n` of each element; 0 if `n` is negative."
    return polynomial


def _chebyshev(k: int, x: Any, last: Any, before: Any) -> Any:
    return 2 * x * last - before


def _shifted(k: int, x: Any, last: Any, before: Any) -> Any:
    return 2 * (2 * x - 1) * last - before


chebyshev_polynomial_t = _polynomial("chebyshev_polynomial_t", lambda x: x, _chebyshev)
chebyshev_polynomial_u = _polynomial("chebyshev_polynomial_u", lambda x: 2 * x, _chebyshev)
chebyshev_polynomial_v = _polynomial("chebyshev_polynomial_v", lambda x: 2 * x - 1, _chebyshev)
chebyshev_polynomial_w = _polynomial("chebyshev_polynomial_w", lambda x: 2 * x + 1, _chebyshev)
shifted_chebyshev_polynomial_t = _polynomial("shifted_chebyshev_polynomial_t", lambda x: 2 * x - 1, _shifted)
shifted_chebyshev_polynomial_u = _polynomial("shifted_chebyshev_polynomial_u", lambda x: 2 * (2 * x - 1), _shifted)
shifted_chebyshev_polynomial_v = _polynomial("shifted_chebyshev_polynomial_v", lambda x: 2 * (2 * x - 1) - 1, _shifted)
shifted_chebyshev_polynomial_w = _polynomial("shifted_chebyshev_polynomial_w", lambda x: 2 * (2 * x - 1) + 1, _shifted)
hermite_polynomial_h = _polynomial("hermite_polynomial_h", lambda x: 2 * x, lambda k, x, p, q: 2 * x * p - 2 * k * q)
hermite_polynomial_he = _polynomial("hermite_polynomial_he", lambda x: x, lambda k, x, p, q: x * p - k * q)
laguerre_polynomial_l = _polynomial(
    "laguerre_polynomial_l", lambda x: 1 - x, lambda k, x, p, q: ((2 * k + 1 - x) * p - k * q) / (k + 1)
)
legendre_polynomial_p = _polynomial(
    "legendre_polynomial_p", lambda x: x, lambda k, x, p, q: ((2 * k + 1) * x * p - k * q) / (k + 1)
)
