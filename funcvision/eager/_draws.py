"""Methods that fill a Tensor with random numbers."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ._base import TensorBase
from ._lift import lift
from .dtypes import canonical, kind
from .random import Generator, key_for

__all__ = ["DrawingMethods", "within_bounds"]


def within_bounds(function: str, probabilities: Any) -> None:
    """Raises RuntimeError if a probability is not in [0, 1]. Values that are traced are not checked."""
    if isinstance(probabilities, Tracer):
        return
    values = np.asarray(probabilities)
    if not np.all((values >= 0) & (values <= 1)):
        raise RuntimeError(f"{function} takes probabilities from 0 to 1; got {values.min()} to {values.max()}")


@lift
def _normal(key: jax.Array, shape: tuple[int, ...], dtype: Any, mean: Any, std: Any) -> jax.Array:
    return mean + std * jax.random.normal(key, shape, dtype)


@lift
def _uniform(key: jax.Array, shape: tuple[int, ...], dtype: Any, low: Any, high: Any) -> jax.Array:
    return low + (high - low) * jax.random.uniform(key, shape, dtype)


class DrawingMethods(TensorBase):
    """Random numbers in place, and draws with the probabilities of a Tensor.

    Each method takes a `generator`, or a `key` of jax; else it uses the default generator.
    """

    __slots__ = ()

    def _draw_in(
        self: Any, draw: Callable[..., jax.Array], generator: Generator | None, key: jax.Array | None, real: bool = True
    ) -> Any:
        """Takes the values of `draw(key, shape, dtype)`."""
        dtype = self._data.dtype
        if real and kind(dtype) < 2:
            raise NotImplementedError(f"this distribution needs a floating-point Tensor; this one has {self.dtype}")
        drawn = draw(key_for(key, generator), self._data.shape, dtype if kind(dtype) == 2 else jnp.float32)
        return self._become(self.wrap(drawn.astype(dtype)))

    def _scaled(
        self: Any, draw: Callable[..., Any], generator: Generator | None, key: jax.Array | None, *numbers: float
    ) -> Any:
        """Takes the values of a lifted `draw(key, shape, dtype, *numbers)`, which is not compiled for each number."""
        arrays = [np.asarray(number, self._data.dtype) for number in numbers]
        return self._draw_in(lambda *to: draw(*to, *arrays).array, generator, key)

    def normal_(
        self, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None, key: Any = None
    ) -> Any:
        """Normal random numbers in place."""
        if std < 0:
            raise RuntimeError(f"normal_ takes a standard deviation of at least 0; got {std}")
        return self._scaled(_normal, generator, key, mean, std)

    def uniform_(self, a: float = 0.0, b: float = 1.0, *, generator: Generator | None = None, key: Any = None) -> Any:
        """Uniform random numbers from `a` to `b` in place."""
        if a > b:
            raise RuntimeError(f"uniform_ draws from a to b; got a={a} and b={b}")
        return self._scaled(_uniform, generator, key, a, b)

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

    def bernoulli(
        self, p: float | None = None, *, key: jax.Array | None = None, generator: Generator | None = None
    ) -> Any:
        """1 with the probabilities in this Tensor, or with probability `p` for each element; 0 otherwise.

        Raises:
            RuntimeError: a probability is not in [0, 1].
        """
        chance = self.array if p is None else jnp.full(self._data.shape, p, jnp.float32)
        within_bounds("bernoulli", chance)
        drawn = jax.random.bernoulli(key_for(key, generator), chance, self._data.shape)
        return self.result.wrap(drawn.astype(self._data.dtype))

    def multinomial(
        self, num_samples: int, replacement: bool = False, *, key: jax.Array | None = None,
        generator: Generator | None = None,
    ) -> Any:
        """Random indices [..., num_samples] in the last axis, with probabilities in proportion to the values.

        Args:
            num_samples: how many indices to draw from each row. The Tensor is [n] or [rows, n] and not negative.
            replacement: whether an index can be drawn more than once.
            key: a key of jax.
            generator: a generator.

        Raises:
            RuntimeError: the shape or a value is not as described, or there are too few indices to draw from.
        """
        weights = self.array
        if weights.ndim not in (1, 2) or kind(weights.dtype) != 2:
            raise RuntimeError(f"multinomial takes floats of shape [n] or [rows, n]; got {self.dtype}, {weights.shape}")
        if not isinstance(weights, Tracer):
            values = np.asarray(weights, np.float32)
            if not np.all(np.isfinite(values) & (values >= 0)) or not np.all(values.sum(-1) > 0):
                raise RuntimeError("multinomial takes finite values of at least 0, and rows that have a positive sum")
        size = weights.shape[-1]
        if num_samples <= 0 or (not replacement and num_samples > size):
            raise RuntimeError(f"multinomial cannot draw {num_samples} of {size} indices without replacement")
        logits = jnp.log(weights.astype(jnp.promote_types(weights.dtype, jnp.float32)))
        drawn = key_for(key, generator)
        if replacement:
            indices = jax.random.categorical(drawn, logits, shape=(num_samples, *weights.shape[:-1]))
            return self.result.wrap(jnp.moveaxis(indices, 0, -1).astype(canonical(int)))
        noisy = logits + jax.random.gumbel(drawn, logits.shape, logits.dtype)  # its largest: draws without repeats
        return self.result.wrap(jax.lax.top_k(noisy, num_samples)[1].astype(canonical(int)))
