"""The graph of recorded operations and the backward pass. It handles arrays and cotangents and knows no Tensors."""

import contextlib
import functools
import heapq
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp

__all__ = [
    "Edge", "Leaf", "Node", "backward", "enable_grad", "is_grad_enabled", "no_grad", "recording", "set_grad_enabled",
]  # fmt: skip


class _Mode(threading.local):
    """Whether operations of this thread are recorded."""

    recording = True


_mode = _Mode()
_numbers = itertools.count()


class Leaf(Protocol):
    """An object that accumulates a gradient: a Tensor."""

    def accumulate(self, gradient: jax.Array) -> None:
        """Adds to the gradient."""
        ...


class Versioned(Protocol):
    """An object that counts the changes of its value: a Tensor."""

    version: int
    _version: list[int]  # the counter, which a Tensor shares with its views


class Edge(NamedTuple):
    """The receiver of a cotangent: an output of an earlier operation, or a leaf (with index 0)."""

    target: "Node | Leaf"
    index: int


class Node:
    """One recorded operation.

    Attributes:
        name: the name of the operation in errors.
        pullback: a function from cotangents of the outputs to cotangents of the inputs, one for each edge.
        edges: the receivers of the cotangents of the inputs.
        outputs: shape and dtype of each output.
        needed: the Tensors whose values the pullback holds, and their versions at the time.
        watchers: Tensors by output number; each gets the gradient with respect to its output, though it is not a leaf.
        number: nodes are numbered in the order in which they are made.
    """

    __slots__ = ("_free", "edges", "name", "needed", "number", "outputs", "pullback", "watchers")

    def __init__(
        self, name: str, pullback: Callable[[list[jax.Array]], Iterable[jax.Array]], edges: Sequence[Edge],
        outputs: Sequence[jax.ShapeDtypeStruct], needed: Sequence[tuple[Versioned, int]], holds_arrays: bool,
    ):
        self.name, self.edges, self.outputs, self.needed = name, edges, outputs, needed
        self.pullback: Callable[[list[jax.Array]], Iterable[jax.Array]] | None = pullback
        self.watchers: dict[int, Leaf] = {}
        self.number = next(_numbers)
        self._free = holds_arrays

    def pull(self, cotangents: Sequence[jax.Array | None], retain: bool) -> Iterable[jax.Array]:
        """The cotangents of the inputs. Unless `retain` is set, the arrays that the pullback holds are freed."""
        if self.pullback is None:
            raise RuntimeError(
                f"backward ran through {self.name!r} a second time, but its arrays were freed after the first time: "
                "call backward(retain_graph=True) the first time"
            )
        if any(tensor.version != version for tensor, version in self.needed):
            raise RuntimeError(
                f"backward needs a value that {self.name!r} used and that was changed in place afterwards. Call "
                "backward before the change (an optimizer's step is one), or write `x = x + y`, not `x += y`"
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
    """Propagates cotangents from the roots to all leaves.

    A node is made after the nodes of its inputs, so it has a higher number. Nodes are processed from the highest number
    down, so all cotangents of a node have arrived before it is processed. Leaves get their gradients at the end, so
    that an error leaves them unchanged.
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
def recording(mode: bool) -> Iterator[None]:
    """Records operations within the context if `mode` is set, and not otherwise."""
    before, _mode.recording = _mode.recording, mode
    try:
        yield
    finally:
        _mode.recording = before


class _Recording:
    """A context and a decorator in which operations are recorded, or are not. It can be entered any number of times."""

    def __init__(self, enabled: bool):
        self.enabled, self.before = enabled, []

    def __enter__(self) -> None:
        self.before.append(_mode.recording)
        _mode.recording = self.enabled

    def __exit__(self, *error: Any) -> None:
        _mode.recording = self.before.pop()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def within(*args: Any, **kwargs: Any) -> Any:
            with _Recording(self.enabled):
                return function(*args, **kwargs)

        return within


class _Set(_Recording):
    """Records, or does not, from now on; as a context until its end; as a decorator in the function only."""

    def __init__(self, enabled: bool):
        super().__init__(enabled)
        self.before.append(_mode.recording)
        _mode.recording = enabled

    def __enter__(self) -> None:
        if len(self.before) > 1 or _mode.recording != self.enabled:  # it is entered later, or a second time
            super().__enter__()

    def __exit__(self, *error: Any) -> None:
        _mode.recording = self.before.pop() if self.before else _mode.recording

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        self.__exit__()
        return super().__call__(function)


def no_grad(function: Callable[..., Any] | None = None) -> Any:
    """A context, or a decorator, that does not record operations. Leaves may be changed in place in it."""
    return _Recording(False) if function is None else _Recording(False)(function)


def enable_grad(function: Callable[..., Any] | None = None) -> Any:
    """A context, or a decorator, that records operations within a `no_grad`."""
    return _Recording(True) if function is None else _Recording(True)(function)


def set_grad_enabled(mode: bool) -> Any:
    """Records operations of this thread from now on if `mode` is set; as a context or a decorator, only within it."""
    return _Set(mode)
