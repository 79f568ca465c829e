"""`Tiered`: a function of arrays that runs in numpy at first, and is compiled when it has been called often."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from ._interpreter import LARGEST, Plan, UnsupportedError

__all__ = ["Tiered", "is_small", "on_device"]

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
        is_final: `call` will not be replaced any more.
    """

    __slots__ = ("_calls", "_compile", "_function", "_plan", "call", "interprets", "is_final", "refused")

    def __init__(self, function: Callable[..., list[Any]], name: str, interpret: bool):
        self._function = function
        self._compile = functools.partial(_compiled, function, name)
        self._plan: Plan | None = None
        self._calls = 0
        self.interprets, self.refused, self.is_final = interpret, False, not interpret
        self.call: Callable[..., Sequence[Any]] = self._interpreted if interpret else self._compile()

    def _interpreted(self, *arrays: Any) -> Sequence[Any]:
        if any(isinstance(array, jax.Array) and array.committed for array in arrays):
            return self._compile_now(arrays)  # the results must be where the arguments are
        if self._plan is None:
            try:
                self._plan = Plan(jax.make_jaxpr(self._function)(*arrays))
            except UnsupportedError:
                self.refused = True
            places = self._plan.forwards if self._plan else None
            if places is not None and all(isinstance(array, jax.Array) for array in arrays):
                self._plan, self.is_final = None, True
                self.call = lambda *arrays: [arrays[place] for place in places]
                return self.call(*arrays)
        self._calls += 1
        if self._plan is None or self._calls > INTERPRETED_CALLS:
            return self._compile_now(arrays)
        return self._plan(arrays)

    def _compile_now(self, arrays: Sequence[Any]) -> Sequence[Any]:
        self._plan, self.is_final = None, True
        self.call = self._compile()
        return self.call(*arrays)


def _compiled(function: Callable[..., list[Any]], name: str) -> Callable[..., list[Any]]:
    def compiled(*arrays: Any) -> list[Any]:
        return function(*arrays)

    compiled.__name__ = compiled.__qualname__ = name
    return jax.jit(compiled)


def is_small(arrays: Sequence[Any]) -> bool:
    """Whether arrays are small enough for the interpreter, and jax runs on the CPU."""
    if any(isinstance(array, jax.Array) and array.size > LARGEST for array in arrays):
        return False
    return _backend() == "cpu" and not jax.config.jax_debug_nans


@functools.cache
def _backend() -> str:
    return jax.default_backend()


def on_device(array: Any) -> jax.Array:
    """A result as a jax array."""
    return jax.numpy.asarray(array) if type(array) is np.ndarray else array
