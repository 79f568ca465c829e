"""`Tiered`: a function of arrays that runs in numpy at first, and is compiled when it has been called often."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.core import Tracer

from ._interpreter import LARGEST, Plan, UnsupportedError

__all__ = ["INTERPRETED_CALLS", "Tiered", "full", "is_committed", "is_small", "on_device", "plus"]

# Compiling takes tens of milliseconds, and an interpreted call some tens of microseconds more than a compiled one.
INTERPRETED_CALLS = 100


class Tiered:
    """A pure function that is always called with the same shapes and dtypes.

    The first calls are interpreted in numpy, which needs no compilation. So a shape that is seldom used, such as the
    length of a sentence, costs no compilation. If an equation cannot be interpreted, the function is compiled at once.

    Args:
        function: takes arrays and returns a list of arrays.
        name: its name in the logs of jax.
        interpret: whether to interpret the first calls.

    Attributes:
        call: calls the function; the results are jax arrays or numpy arrays.
        interprets: whether the first calls are interpreted.
        refused: an equation could not be interpreted.
        refuses_all_shapes: it could not be interpreted for arrays of another shape or dtype, either.
        is_final: `call` will not be replaced any more.
    """

    __slots__ = (
        "_calls", "_compile", "_function", "_plan", "call", "interprets", "is_final", "refused", "refuses_all_shapes",
    )  # fmt: skip

    def __init__(self, function: Callable[..., list[Any]], name: str, interpret: bool):
        self._function = function
        self._compile = functools.partial(_compiled, function, name)
        self._plan: Plan | None = None
        self._calls = 0
        self.interprets, self.is_final = interpret, not interpret
        self.refused = self.refuses_all_shapes = False
        self.call: Callable[..., Sequence[Any]] = self._interpreted if interpret else self._compile()

    def _interpreted(self, *arrays: Any) -> Sequence[Any]:
        if is_committed(arrays):
            return self._compile_now(arrays)  # the results must be where the arguments are
        if self._plan is None:
            try:
                self._plan = Plan(jax.make_jaxpr(self._function)(*arrays))
            except UnsupportedError as error:
                self.refused, self.refuses_all_shapes = True, error.for_all_shapes
            places = self._plan.forwards if self._plan else None
            if places is not None and all(isinstance(array, jax.Array) for array in arrays):
                self._plan, self.is_final = None, True
                self.call = lambda *arrays: [arrays[place] for place in places]
                return self.call(*arrays)
        self._calls += 1
        if self._plan is None or self._calls > INTERPRETED_CALLS:
            return self._compile_now(arrays)
        try:
            return self._plan(arrays)
        except UnsupportedError:
            self.refused = True
            return self._compile_now(arrays)

    def _compile_now(self, arrays: Sequence[Any]) -> Sequence[Any]:
        self._plan, self.is_final = None, True
        self.call = self._compile()
        return self.call(*arrays)


def _compiled(function: Callable[..., list[Any]], name: str) -> Callable[..., list[Any]]:
    def compiled(*arrays: Any) -> list[Any]:
        return function(*arrays)

    compiled.__name__ = compiled.__qualname__ = name
    return jax.jit(compiled)


def is_committed(arrays: Sequence[Any]) -> bool:
    """Whether an array must stay on the device that the user has chosen for it."""
    return any(isinstance(array, jax.Array) and array.committed for array in arrays)


def is_small(arrays: Sequence[Any]) -> bool:
    """Whether arrays are small enough for the interpreter, and jax runs on the CPU."""
    if any(isinstance(array, jax.Array) and array.size > LARGEST for array in arrays):
        return False
    return _backend() == "cpu" and not jax.config.jax_debug_nans  # pyright: ignore[reportAttributeAccessIssue]


@functools.cache
def _backend() -> str:
    return jax.default_backend()


_sums: dict[tuple[tuple[int, ...], np.dtype], int] = {}


def plus(x: Any, y: Any) -> Any:
    """`x + y`, for cotangents: arrays of one shape and dtype, or Tensors."""
    if not isinstance(x, jax.Array) or isinstance(x, Tracer) or isinstance(y, Tracer):
        return x + y
    key = x.shape, x.dtype
    _sums[key] = count = _sums.get(key, 0) + 1
    if count <= INTERPRETED_CALLS and is_small((x, y)) and not is_committed((x, y)):
        return on_device(np.asarray(np.asarray(x) + np.asarray(y)))
    return _sum(x, y)


@jax.jit
def _sum(x: Any, y: Any) -> Any:
    return x + y


def full(shape: tuple[int, ...], value: float, dtype: Any) -> jax.Array:
    """An array filled with a number. `jax.numpy.full` would compile a program for each new shape."""
    if math.prod(shape) > LARGEST or _backend() != "cpu":
        return jax.numpy.full(shape, value, dtype)
    return on_device(np.full(shape, value, dtype))


_uses: dict[tuple[tuple[int, ...], np.dtype], int] = {}


def on_device(array: Any) -> jax.Array:
    """A result as a jax array. A numpy array must not be changed afterwards.

    `jax.device_put` compiles nothing, but is slow. For shapes that occur often, a compiled identity takes its place.
    """
    if type(array) is not np.ndarray:
        return array
    key = array.shape, array.dtype
    _uses[key] = uses = _uses.get(key, 0) + 1
    return jax.device_put(array) if uses <= INTERPRETED_CALLS else _identity(array)


@jax.jit
def _identity(array: Any) -> jax.Array:
    return array
