"""`Trace`: what a function of Tensors reads, writes and calls while jax traces it."""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jax.core import Tracer

from ._modes import mode

__all__ = ["Trace", "pure", "standing_in", "tracing"]

_lock = threading.RLock()  # a trace changes the arrays of Tensors until it ends, so one thread traces at a time


class Trace:
    """What happened since a trace began.

    Operations are not recorded during a trace, because jax differentiates the whole function. Where the program turned
    recording off, no gradient flows through their results.

    Attributes:
        tensors: the Tensors from outside that were read or written, by id.
        modules: the modules that were called, by id.
    """

    def __init__(self, key: jax.Array | None = None):
        self.tensors: dict[int, Any] = {}
        self.modules: dict[int, Any] = {}
        self._before: list[tuple[Any, Any, int, int]] = []
        self._key, self._draws = key, 0

    def meet(self, tensor: Any) -> None:
        """Notes a Tensor that is about to be read or written."""
        if id(tensor) not in self.tensors and not isinstance(tensor._data, Tracer):
            self.tensors[id(tensor)] = tensor
            self._before.append((tensor, tensor._data, tensor._writes[0], tensor._version[0]))

    def enter(self, module: Any) -> None:
        """Notes a module that is called."""
        self.modules[id(module)] = module

    def next_key(self) -> jax.Array | None:
        """A random key derived from the key of the trace; None if it has none."""
        if self._key is None:
            return None
        self._draws += 1
        return jax.random.fold_in(self._key, np.uint32(self._draws))

    def undo(self) -> None:
        """Gives the Tensors from outside the arrays that they had."""
        for tensor, array, writes, version in reversed(self._before):
            tensor._data, tensor._writes[0], tensor._version[0] = array, writes, version


@contextlib.contextmanager
def tracing(trace: Trace) -> Iterator[Trace]:
    """The context of a trace. At its end Tensors from outside have their arrays again."""
    with _lock:
        before, mode.trace = mode.trace, trace
        try:
            yield trace
        finally:
            mode.trace = before
            trace.undo()


@contextlib.contextmanager
def standing_in(tensors: Sequence[Any], arrays: Sequence[Any]) -> Iterator[None]:
    """Tensors have these arrays, which jax traces, within the context."""
    before = [(tensor, tensor._data, tensor._writes[0], tensor._version[0]) for tensor in tensors]
    for tensor, array in zip(tensors, arrays, strict=True):
        tensor._data = array
    try:
        yield
    finally:
        for tensor, array, writes, version in before:
            tensor._data, tensor._writes[0], tensor._version[0] = array, writes, version


def pure(function: Any) -> Any:
    """A function of Tensors as one of trees of arrays, which jax can transform. Tensors from outside are fixed."""
    from .tensor import Tensor

    def of_arrays(*args: Any, **kwargs: Any) -> Any:
        with tracing(Trace()):
            args, kwargs = jax.tree.map(lambda x: Tensor.wrap(x) if isinstance(x, jax.Array) else x, (args, kwargs))
            output = function(*args, **kwargs)
            return jax.tree.map(lambda x: x.array if isinstance(x, Tensor) else x, output)

    return of_arrays
