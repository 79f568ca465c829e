"""Methods that fill a Tensor with random numbers."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._base import TensorBase
from .dtypes import kind
from .random import Generator, key_for

__all__ = ["DrawingMethods"]


class DrawingMethods(TensorBase):
    """Random numbers in place. Each takes a `generator`, or a `key` of jax; else it uses the default generator."""

    __slots__ = ()

    def _draw_in(
        self, draw: Callable[..., jax.Array], generator: Generator | None, key: jax.Array | None, real: bool = True
    ) -> Any:
        """Takes the values of `draw(key, shape, dtype)`."""
        dtype = self._data.dtype
        if real and kind(dtype) < 2:
            raise NotImplementedError(f"this distribution needs a floating-point Tensor; this one has {self.dtype}")
        drawn = draw(key_for(key, generator), self._data.shape, dtype if kind(dtype) == 2 else jnp.float32)
        return self._become(self.wrap(drawn.astype(dtype)))

    def normal_(
        self, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None, key: Any = None
    ) -> Any:
        """Normal random numbers in place."""
        if std < 0:
            raise RuntimeError(f"normal_ takes a standard deviation of at least 0; got {std}")
        return self._draw_in(lambda *to: mean + std * jax.random.normal(*to), generator, key)

    def uniform_(self, a: float = 0.0, b: float = 1.0, *, generator: Generator | None = None, key: Any = None) -> Any:
        """Uniform random numbers from `a` to `b` in place."""
        if a > b:
            raise RuntimeError(f"uniform_ draws from a to b; got a={a} and b={b}")
        return self._draw_in(lambda *to: a + (b - a) * jax.random.uniform(*to), generator, key)

    def bernoulli_(self, p: Any = 0.5, *, generator: Generator | None = None, key: Any = None) -> Any:
        """1 with probability `p`, a number or a Tensor, and 0 otherwise, in place."""
        chance = p.array if isinstance(p, TensorBase) else p
        if isinstance(p, float | int) and not 0 <= p <= 1:
            raise RuntimeError(f"bernoulli_ takes a probability from 0 to 1; got {p}")
        return self._draw_in(lambda k, shape, dtype: jax.random.bernoulli(k, chance, shape), generator, key, real=False)

    def exponential_(self, lambd: float = 1.0, *, generator: Generator | None = None, key: Any = None) -> Any:
        """Exponential random numbers of rate `lambd` in place."""
        if lambd <= 0:
            raise RuntimeError(f"exponential_ takes a positive rate; got {lambd}")
        return self._draw_in(lambda *to: jax.random.exponential(*to) / lambd, generator, key)

    def log_normal_(
        self, mean: float = 1.0, std: float = 2.0, *, generator: Generator | None = None, key: Any = None
    ) -> Any:
        """Random numbers in place whose logarithms are normal, with this mean and standard deviation."""
        if std <= 0:
            raise RuntimeError(f"log_normal_ takes a positive standard deviation; got {std}")
        return self._draw_in(lambda *to: jnp.exp(mean + std * jax.random.normal(*to)), generator, key)

    def cauchy_(
        self, median: float = 0.0, sigma: float = 1.0, *, generator: Generator | None = None, key: Any = None
    ) -> Any:
        """Random numbers of a Cauchy distribution in place."""
        if sigma <= 0:
            raise RuntimeError(f"cauchy_ takes a positive scale; got {sigma}")
        return self._draw_in(lambda *to: median + sigma * jax.random.cauchy(*to), generator, key)

    def geometric_(self, p: float, *, generator: Generator | None = None, key: Any = None) -> Any:
        """The number of trials up to the first success, which has probability `p`, in place."""
        if not 0 < p < 1:
            raise RuntimeError(f"geometric_ takes a probability between 0 and 1; got {p}")
        return self._draw_in(lambda k, shape, dtype: jax.random.geometric(k, p, shape), generator, key, real=False)

    def random_(
        self, low: int = 0, high: int | None = None, *, generator: Generator | None = None, key: Any = None
    ) -> Any:
        """Random integers from `low` to `high - 1` in place. `random_(high)` starts at 0; `random_()` has no bound.

        Without a bound the integers are those that the dtype represents exactly.
        """
        if high is None:
            low, high = (0, low) if low else (0, None)
        if high is None:
            dtype = self._data.dtype
            bits = jnp.finfo(dtype).nmant + 1 if kind(dtype) == 2 else np.iinfo(dtype).bits if kind(dtype) else 1
            high = min(2**bits, 2**31 - 1)
        if low >= high:
            raise RuntimeError(f"random_ draws from low to high - 1; got low={low} and high={high}")
        return self._draw_in(lambda k, shape, _: jax.random.randint(k, shape, low, high), generator, key, real=False)
