"""The threefry generator of jax in numpy. A key is an array of two uint32 in its last axis."""

import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

__all__ = ["KEY", "is_supported", "key_data", "random_bits", "random_fold_in", "random_split"]

KEY = "key<fry>"  # the name of the dtype of keys of this generator
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


def key_data(key: Any) -> np.ndarray:
    """A key of jax as an array."""
    return np.asarray(jax.random.key_data(key))


def _threefry(key: np.ndarray, high: np.ndarray, low: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Random bits for each counter of 64 bits."""
    first, second = np.uint32(key[0]), np.uint32(key[1])
    parts = (first, second, first ^ second ^ np.uint32(0x1BD11BDA))
    x, y = high + parts[0], low + parts[1]
    for turn in range(5):
        for distance in _ROTATIONS[turn % 2]:
            x = x + y
            y = ((y << np.uint32(distance)) | (y >> np.uint32(32 - distance))) ^ x
        x, y = x + parts[(turn + 1) % 3], y + parts[(turn + 2) % 3] + np.uint32(turn + 1)
    return x, y


def _counted(key: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Random bits for the counters 0, 1, ... in an array of this shape."""
    low = np.arange(math.prod(shape), dtype=np.uint32).reshape(shape)
    return _threefry(key, np.zeros_like(low), low)


def is_supported(equation: Any) -> bool:
    """Whether an equation has one key, and jax counts the numbers as this file does."""
    is_partitionable = jax.config.jax_threefry_partitionable  # pyright: ignore[reportAttributeAccessIssue]
    return equation.inputs[0].shape == () and is_partitionable


def random_bits(equation: Any) -> Callable[..., np.ndarray]:
    """Unsigned integers with random bits."""
    shape, width, dtype = equation.params["shape"], equation.params["bit_width"], equation.outputs[0].dtype

    def bits(key: np.ndarray) -> np.ndarray:
        high, low = _counted(key, shape)
        if width == 64:
            return (high.astype(np.uint64) << np.uint64(32)) | low.astype(np.uint64)
        return (high ^ low).astype(dtype)

    return bits


def random_split(equation: Any) -> Callable[..., np.ndarray]:
    """New keys from one."""
    shape = equation.params["shape"]
    return lambda key: np.stack(_counted(key, shape), -1)


def random_fold_in(equation: Any) -> Callable[..., np.ndarray]:
    """A new key from a key and a number."""

    def fold_in(key: np.ndarray, data: np.ndarray) -> np.ndarray:
        low = np.asarray(data).astype(np.uint32).reshape(1)
        return np.concatenate(_threefry(key, np.zeros_like(low), low))

    return fold_in
