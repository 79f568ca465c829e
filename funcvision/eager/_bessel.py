"""Bessel functions of orders 0 and 1, by quadrature of their integrals and, far from 0, by Hankel's expansion.

The trapezoidal rule converges exponentially for these integrals, because they are periodic or decay at both ends
(Trefethen and Weideman 2014, https://doi.org/10.1137/130932132).
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._math import of_floats
from ._named import named

__all__ = [
    "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "modified_bessel_k0", "modified_bessel_k1",
    "scaled_modified_bessel_k0", "scaled_modified_bessel_k1",
]  # fmt: skip

_FAR = 25.0  # from here on Hankel's expansion is exact in float64
_NEAR = 1e-9  # up to here the modified functions have their limits at 0
_GAMMA = 0.5772156649015329  # Euler's constant
_ANGLES = np.pi * np.arange(128) / 128
_SERIES = sum((-1) ** k * np.cos(2 * k * _ANGLES) / k for k in range(1, 41))  # of Neumann, for functions of 2nd kind
_STEPS = np.arange(0, 27, 0.125)


def _mean(values: jax.Array) -> jax.Array:
    return jnp.mean(values, -1)


def _near(x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """J0, J1, Y0 and Y1 of numbers from 0 to `_FAR`."""
    sines, series = (
        jnp.asarray(table, x.dtype).reshape((1,) * x.ndim + (-1,)) for table in (np.sin(_ANGLES), np.asarray(_SERIES))
    )
    even, odd = jnp.cos(x[..., None] * sines), sines * jnp.sin(x[..., None] * sines)
    j0, j1, logarithm = _mean(even), _mean(odd), jnp.log(x / 2) + _GAMMA
    y0 = 2 / math.pi * logarithm * j0 - 4 / math.pi * _mean(series * even)
    y1 = 2 / math.pi * (logarithm * j1 - j0 / x) - 4 / math.pi * _mean(series * odd)
    return j0, j1, y0, y1


def _hankel_terms(x: jax.Array, order: int) -> list[jax.Array]:
    """The terms of Hankel's expansion."""
    terms, factor = [jnp.ones_like(x)], 1.0
    for k in range(1, 14):
        factor *= (4 * order**2 - (2 * k - 1) ** 2) / (8 * k)
        terms.append(factor * x**-k)
    return terms


def _far(x: jax.Array, order: int) -> tuple[jax.Array, jax.Array]:
    """J and Y of an order, of large numbers."""
    terms = [(-1) ** (k // 2) * term for k, term in enumerate(_hankel_terms(x, order))]
    even, odd = sum(terms[2::2], terms[0]), sum(terms[3::2], terms[1])
    angle = x - (order / 2 + 0.25) * math.pi
    scale = jnp.sqrt(2 / (math.pi * x))
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    return scale * (even * cos - odd * sin), scale * (even * sin + odd * cos)


def _bessel(x: jax.Array, order: int, is_second: bool) -> jax.Array:
    size = jnp.abs(x)
    near = _near(jnp.where(size < _FAR, size, 1))[order + 2 * is_second]
    far = _far(jnp.where(size < _FAR, _FAR, jnp.where(jnp.isinf(size), _FAR, size)), order)[is_second]
    result = jnp.where(jnp.isinf(size), jnp.nan, jnp.where(size < _FAR, near, far))  # NaN at infinity, as in torch
    if is_second:
        return jnp.where(x < 0, jnp.nan, jnp.where(x == 0, -jnp.inf, result))
    return jnp.where(jnp.isnan(x), x, jnp.where(x < 0, -result, result) if order else result)


def _scaled_k(x: jax.Array, order: int) -> jax.Array:
    """`exp(x)` times the modified function of the second kind."""
    safe = jnp.where((x > _NEAR) & (x < _FAR), x, 1)
    cosines = jnp.asarray(np.cosh(_STEPS), x.dtype).reshape((1,) * x.ndim + (-1,))
    weights = np.full(len(_STEPS), 0.125)
    weights[0] /= 2
    integrand = jnp.exp(-safe[..., None] * (cosines - 1)) * jnp.asarray(weights, x.dtype).reshape(cosines.shape)
    result = jnp.sum(integrand * cosines if order else integrand, -1)
    limit = 1 / x if order else -jnp.log(x / 2) - _GAMMA
    large = jnp.where(x < _FAR, _FAR, x)
    far = jnp.sqrt(math.pi / (2 * large)) * sum(_hankel_terms(large, order))
    result = jnp.where(x > _NEAR, jnp.where(x < _FAR, result, far), limit)
    return jnp.where((x < 0) | jnp.isnan(x), jnp.nan, result)


def _function(name: str, function: Callable[[jax.Array], jax.Array]) -> Callable[..., Any]:
    return named(of_floats(name, function), name)


bessel_j0 = _function("bessel_j0", lambda x: _bessel(x, 0, False))
bessel_j1 = _function("bessel_j1", lambda x: _bessel(x, 1, False))
bessel_y0 = _function("bessel_y0", lambda x: _bessel(x, 0, True))
bessel_y1 = _function("bessel_y1", lambda x: _bessel(x, 1, True))
scaled_modified_bessel_k0 = _function("scaled_modified_bessel_k0", lambda x: _scaled_k(x, 0))
scaled_modified_bessel_k1 = _function("scaled_modified_bessel_k1", lambda x: _scaled_k(x, 1))
modified_bessel_k0 = _function("modified_bessel_k0", lambda x: _scaled_k(x, 0) * jnp.exp(-x))
modified_bessel_k1 = _function("modified_bessel_k1", lambda x: _scaled_k(x, 1) * jnp.exp(-x))
