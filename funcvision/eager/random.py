"""Random generators of the eager face, as in torch. The rest of funcvision has no hidden state.

A function that gets a `key` uses that key; one that gets a `generator` draws from it; others draw from
`default_generator`.
"""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._base import TensorBase
from ._modes import mode
from .devices import device as _device

__all__ = [
    "Generator", "default_generator", "fork_rng", "get_rng_state", "initial_seed", "key_for", "manual_seed", "next_key",
    "seed", "set_rng_state",
]  # fmt: skip

_STATE = np.dtype([("seed", "<u8"), ("count", "<u8")])  # the state of a generator, which torch stores as bytes


class Generator:
    """A source of random keys: a seed, and the number of the draws so far.

    Args:
        device: where torch would keep it. It has no meaning in jax.

    >>> generator = Generator().manual_seed(3)
    >>> generator.initial_seed()
    3
    """

    def __init__(self, device: Any = "cpu"):
        self.device = _device(device)
        self._seed, self._count = 0, 0

    def manual_seed(self, seed: int) -> "Generator":
        """Sets the seed, so that the draws that follow are the same every time. Negative seeds count from 2**64."""
        number = seed.__index__()
        if not -(2**63) <= number < 2**64:
            raise RuntimeError(f"a seed has at most 64 bits; got {number}")
        self._seed, self._count = number % 2**64, 0
        return self

    def seed(self) -> int:
        """Sets a seed that the operating system has drawn, and returns it."""
        self.manual_seed(int.from_bytes(os.urandom(8), "little"))
        return self._seed

    def initial_seed(self) -> int:
        """The seed that was set last; 0 before that."""
        return self._seed

    def get_state(self) -> TensorBase:
        """The state, as a Tensor of bytes."""
        state = np.array((self._seed, self._count), _STATE)
        return TensorBase.result.wrap(jnp.asarray(np.frombuffer(state.tobytes(), np.uint8)))

    def set_state(self, new_state: TensorBase) -> None:
        """Takes a state that `get_state` has returned."""
        given = np.asarray(new_state)
        if given.dtype != np.uint8 or given.size != _STATE.itemsize:
            raise RuntimeError(f"a state has {_STATE.itemsize} bytes; got {given.size} elements of {given.dtype}")
        self._seed, self._count = map(int, np.frombuffer(given.tobytes(), _STATE)[0])

    def clone_state(self) -> "Generator":
        """A new generator in the same state."""
        made = Generator(self.device)
        made._seed, made._count = self._seed, self._count
        return made

    def key(self) -> jax.Array:
        """A new random key."""
        count, self._count = self._count, self._count + 1
        return _key(np.uint32(self._seed & 0xFFFFFFFF), np.uint32(self._seed >> 32), np.uint32(count))


default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Resets the default generator, so that the draws that follow are the same every time.

    Functions that get no `key` and no `generator` draw from it, and each `Module` that gets no `seed` takes a key from
    it.
    """
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Gives the default generator a seed that the operating system has drawn, and returns it."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed of the default generator; 0 before `manual_seed`."""
    return default_generator.initial_seed()


def get_rng_state() -> TensorBase:
    """The state of the default generator, as a Tensor of bytes."""
    return default_generator.get_state()


def set_rng_state(new_state: TensorBase) -> None:
    """Gives the default generator a state that `get_rng_state` has returned."""
    default_generator.set_state(new_state)


@contextlib.contextmanager
def fork_rng(devices: Any = None, enabled: bool = True, device_type: str = "cuda") -> Iterator[None]:
    """Draws within the context do not change the draws after it.

    Args:
        devices: accepted as in torch. There is one generator for all devices.
        enabled: whether the context has any effect.
        device_type: accepted as in torch.
    """
    state = default_generator.clone_state()
    try:
        yield
    finally:
        if enabled:
            default_generator._seed, default_generator._count = state._seed, state._count


def next_key() -> jax.Array:
    """A new key from the default generator; in a compiled function one that differs in every call."""
    if mode.trace is not None and (key := mode.trace.next_key()) is not None:
        return key
    return default_generator.key()


def key_for(key: jax.Array | None, generator: Generator | None) -> jax.Array:
    """The key of a draw: the one that is given, or a new one from the generator or the default generator."""
    if key is not None:
        return key
    return next_key() if generator is None or generator is default_generator else generator.key()


@jax.jit
def _key(low: np.uint32, high: np.uint32, count: np.uint32) -> jax.Array:
    """A key from a seed of 64 bits, and the count of the draws from it."""
    key = jax.random.key(low)
    return jax.random.fold_in(jax.random.fold_in(key, high), count)
