"""The graph of recorded operations and the walk back through it. It knows arrays and cotangents, and no Tensors."""

import contextlib
import heapq
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp

__all__ = ["Edge", "Leaf", "Node", "backward", "enable_grad", "is_grad_enabled", "no_grad", "set_grad_enabled"]


class _Mode(threading.local):
    """Whether operations of this thread are recorded."""

    recording = True


_mode = _Mode()
_numbers = itertools.count()


class Leaf(Protocol):
    """What collects a gradient: a Tensor."""

    def accumulate(self, gradient: jax.Array) -> None:
        """Adds to the gradient so far."""
        ...


class Versioned(Protocol):
    """What counts the changes of its value: a Tensor."""

    version: int


class Edge(NamedTuple):
    """Where a cotangent goes: to an output of an earlier operation, or to a leaf (whose index is 0)."""

    target: "Node | Leaf"
    index: int


class Node:
    """One recorded operation.

    name: what the operation is called in errors.
    pullback: cotangents of the outputs -> cotangents of the inputs, one for each edge.
    edges: where those go.
    outputs: shape and dtype of each output.
    needed: the Tensors whose values the pullback holds, and the versions that they had.
    """

    __slots__ = ("_free", "edges", "name", "needed", "number", "outputs", "pullback", "watchers")

    def __init__(
        self, name: str, pullback: Callable[[list[jax.Array]], Iterable[jax.Array]], edges: Sequence[Edge],
        outputs: Sequence[jax.ShapeDtypeStruct], needed: Sequence[tuple[Versioned, int]], holds_arrays: bool,
    ):
        self.name, self.edges, self.outputs, self.needed = name, edges, outputs, needed
        self.pullback: Callable[[list[jax.Array]], Iterable[jax.Array]] | None = pullback
        self.watchers: dict[int, Leaf] = {}  # outputs that want their own gradient too
        self.number = next(_numbers)
        self._free = holds_arrays

    def pull(self, cotangents: Sequence[jax.Array | None], retain: bool) -> Iterable[jax.Array]:
        """The cotangents of the inputs. Unless `retain` is set, the arrays that are held for this are let go."""
        if self.pullback is None:
            raise RuntimeError(
                f"backward went a second time through {self.name!r}, whose arrays were freed after the first; "
                "call the first one as backward(retain_graph=True)"
            )
        if any(tensor.version != version for tensor, version in self.needed):
            raise RuntimeError(
                f"backward needs a value that {self.name!r} used and that was changed in place since. Call backward "
                "before the change (an optimizer's step is one), or write it as `x = x + y` in place of `x += y`"
            )
        full = [
            jnp.zeros(output.shape, output.dtype) if cotangent is None else cotangent
            for cotangent, output in zip(cotangents, self.outputs, strict=True)
        ]
        for index, watcher in self.watchers.items():
            watcher.accumulate(full[index])
        gradients = self.pullback(full)
        if self._free and not retain:
            self.pullback, self.needed = None, ()
        return gradients


def backward(roots: Sequence[tuple[Edge, jax.Array]], retain_graph: bool) -> None:
    """Sends cotangents from the roots to all leaves.

    A node comes after its inputs' nodes and so has a higher number: taking the highest first, all of a node's
    cotangents have arrived when its turn comes. Leaves get theirs at the end, so that an error leaves them untouched.
    """
    arrived: dict[Node, list[jax.Array | None]] = {}
    waiting: list[tuple[int, Node]] = []
    leaves: dict[int, tuple[Leaf, jax.Array]] = {}

    def send(edge: Edge, cotangent: jax.Array) -> None:
        target, index = edge
        if not isinstance(target, Node):
            _, sum_so_far = leaves.get(id(target), (target, None))
            leaves[id(target)] = target, cotangent if sum_so_far is None else sum_so_far + cotangent
            return
        if target not in arrived:
            arrived[target] = [None] * len(target.outputs)
            heapq.heappush(waiting, (-target.number, target))
        so_far = arrived[target][index]
        arrived[target][index] = cotangent if so_far is None else so_far + cotangent

    for edge, cotangent in roots:
        send(edge, cotangent)
    while waiting:
        node = heapq.heappop(waiting)[1]
        for edge, gradient in zip(node.edges, node.pull(arrived.pop(node), retain_graph), strict=True):
            send(edge, gradient)
    for leaf, gradient in leaves.values():
        leaf.accumulate(gradient)


def is_grad_enabled() -> bool:
    """Whether operations on Tensors that require a gradient are recorded in this thread."""
    return _mode.recording


@contextlib.contextmanager
def _recording(enabled: bool) -> Iterator[None]:
    before, _mode.recording = _mode.recording, enabled
    try:
        yield
    finally:
        _mode.recording = before


def no_grad() -> Any:
    """A context, or a decorator `@no_grad()`, in which nothing is recorded and Tensors may be changed in place."""
    return _recording(False)


def enable_grad() -> Any:
    """A context, or a decorator `@enable_grad()`, that records within a `no_grad`."""
    return _recording(True)


def set_grad_enabled(mode: bool) -> Any:
    """A context, or a decorator, that records if `mode` is set. Unlike torch's it does nothing before it is entered."""
    return _recording(mode)
