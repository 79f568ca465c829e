"""Random numbers from an explicit key, with one interface on the host and on the device."""

import operator
from types import ModuleType
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["DeviceRandom", "HostRandom", "Random", "device_key", "random_from"]

Shape = tuple[int, ...]


class HostRandom:
    """Random numbers of numpy, from a seed or from a Generator.

    A seed always gives the same numbers. A Generator is advanced.
    """

    xp: ModuleType = np

    def __init__(self, source: np.random.SeedSequence | np.random.Generator):
        self._source = source
        self._generator = source if isinstance(source, np.random.Generator) else np.random.default_rng(source)

    def spawn(self) -> "HostRandom":
        """A source for one member of a container, independent of the others; for a Generator, the Generator itself."""
        source = self._source
        return HostRandom(source if isinstance(source, np.random.Generator) else source.spawn(1)[0])

    def uniform(self, low: float, high: float, shape: Shape = ()) -> Any:
        """Floats in [low, high)."""
        return self._generator.uniform(low, high, shape or None)

    def integer(self, high: Any) -> int:
        """One of 0, 1, ..., high - 1."""
        return int(self._generator.integers(high))

    def beta(self, a: float, b: float) -> float:
        """A number from 0 to 1 of the beta distribution."""
        return float(self._generator.beta(a, b))

    def integers(self, high: int, shape: Shape) -> np.ndarray:
        """Numbers from 0, 1, ..., high - 1."""
        return self._generator.integers(high, size=shape)

    def dirichlet(self, alpha: float, count: int) -> np.ndarray:
        """Float32 numbers whose sum is 1, of the Dirichlet distribution with all parameters `alpha`."""
        return self._generator.dirichlet([alpha] * count).astype(np.float32)

    def normal(self, shape: Shape) -> np.ndarray:
        """Float32 numbers of the standard normal distribution."""
        return self._generator.standard_normal(shape, np.float32)

    def permutation(self, count: int) -> np.ndarray:
        """The numbers 0, 1, ..., count - 1 in random order."""
        return self._generator.permutation(count)


class DeviceRandom:
    """Random numbers of jax from a key, which may be traced. It is used for one call only."""

    xp: ModuleType = jnp

    def __init__(self, key: jax.Array):
        self._key = key
        self._drawn = 0

    def spawn(self) -> "DeviceRandom":
        """A source for one member of a container, independent of the others."""
        return DeviceRandom(self._next_key())

    def uniform(self, low: float, high: float, shape: Shape = ()) -> jax.Array:
        """Float32 numbers in [low, high)."""
        return jax.random.uniform(self._next_key(), shape, jnp.float32, low, high)

    def integer(self, high: Any) -> jax.Array:
        """One of 0, 1, ..., high - 1 as int32; `high` may be traced."""
        return jax.random.randint(self._next_key(), (), 0, high, jnp.int32)

    def beta(self, a: float, b: float) -> jax.Array:
        """A float32 number from 0 to 1 of the beta distribution."""
        return jax.random.beta(self._next_key(), a, b, (), jnp.float32)

    def integers(self, high: int, shape: Shape) -> jax.Array:
        """Numbers from 0, 1, ..., high - 1 as int32."""
        return jax.random.randint(self._next_key(), shape, 0, high, jnp.int32)

    def dirichlet(self, alpha: float, count: int) -> jax.Array:
        """Float32 numbers whose sum is 1, of the Dirichlet distribution with all parameters `alpha`."""
        return jax.random.dirichlet(self._next_key(), jnp.full(count, alpha, jnp.float32))

    def normal(self, shape: Shape) -> jax.Array:
        """Float32 numbers of the standard normal distribution."""
        return jax.random.normal(self._next_key(), shape, jnp.float32)

    def permutation(self, count: int) -> jax.Array:
        """The numbers 0, 1, ..., count - 1 as int32 in random order."""
        return jax.random.permutation(self._next_key(), jnp.arange(count, dtype=jnp.int32))

    def _next_key(self) -> jax.Array:
        self._drawn += 1
        return jax.random.fold_in(self._key, self._drawn)


Random: TypeAlias = HostRandom | DeviceRandom


def random_from(key: Any, device: bool) -> Random:
    """The source of random numbers for a key, on the host or on the device.

    Args:
        key: an int or a numpy Generator on the host; a jax key on the device.
        device: whether the sample is on the device.

    Raises:
        TypeError: the key belongs to the other place, or is no key at all.
        ValueError: the key is a negative int.
    """
    if device:
        return DeviceRandom(device_key(key))
    if isinstance(key, np.random.Generator):
        return HostRandom(key)
    if isinstance(key, jax.Array) or not hasattr(key, "__index__"):
        raise TypeError(
            f"on PIL images and numpy arrays key is an int or a numpy Generator, and this is a {type(key).__name__}: "
            f"pass key=0, or key=np.random.default_rng(0)"
        )
    seed = operator.index(key)
    if seed < 0:
        raise ValueError(f"key={seed} is negative; an int key is zero or more")
    return HostRandom(np.random.SeedSequence(seed))


def device_key(key: Any) -> jax.Array:
    """The key, if it is a jax key; raises TypeError otherwise."""
    if not isinstance(key, jax.Array):
        raise TypeError(
            f"on jax arrays key is a jax key, and this is a {type(key).__name__}: pass key=jax.random.key(0)"
        )
    return key
