"""The graph of recorded operations and the backward pass. It handles arrays and cotangents and knows no Tensors.

A cotangent is an array. Only where the backward pass is recorded itself (`create_graph`), it is a Tensor: nothing here
depends on which of the two it is.
"""

import functools
import heapq
import itertools
import traceback
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp

from ._modes import enable_grad, is_grad_enabled, mode, no_grad, set_grad_enabled
from ._tiered import full, plus
from .utils.hooks import RemovableHandle

__all__ = [
    "AccumulateGrad", "Call", "Cotangent", "Edge", "Leaf", "Node", "backward", "enable_grad", "is_grad_enabled",
    "no_grad", "set_grad_enabled",
]  # fmt: skip

Cotangent = Any  # a jax.Array, or a Tensor
Hook = Callable[[Cotangent], Cotangent]  # gets a gradient and returns it, or another one in its place

_numbers = itertools.count()


class Leaf(Protocol):
    """An object that accumulates a gradient: a Tensor."""

    def accumulate(self, gradient: Cotangent) -> None:
        """Adds to the gradient."""
        ...

    def hooked(self, gradient: Cotangent) -> Cotangent:
        """The gradient as the hooks of the Tensor return it."""
        ...


class Versioned(Protocol):
    """An object that counts the changes of its value: a Tensor."""

    version: int
    _version: list[int]  # the counter, which a Tensor shares with its views


class Edge(NamedTuple):
    """The receiver of a cotangent: an output of an earlier operation, or a leaf (with index 0)."""

    target: "Node | Leaf"
    index: int


class Call(NamedTuple):
    """The recorded call of an operation, from which its pullback can be computed again.

    Attributes:
        program: what ran the call.
        arrays: what the pullback holds, if all of it are arrays of the call and its results; else the arrays of the
            call.
    """

    program: Any
    arrays: Sequence[Any]


class NodeHooks:
    """What is called when the backward pass comes to a node.

    Attributes:
        outputs: for the number of an output, the hooks of its Tensor.
        retaining: for the number of an output, a weak reference to the Tensor that retains its gradient.
        before: hooks of the node, which get the cotangents of all outputs.
        after: hooks of the node, which get the cotangents of its inputs and of its outputs.
        metadata: a dict for the user.
    """

    def __init__(self) -> None:
        self.outputs: dict[int, OrderedDict[int, Hook]] = {}
        self.retaining: dict[int, weakref.ref[Any]] = {}
        self.before: OrderedDict[int, Callable[..., Any]] = OrderedDict()
        self.after: OrderedDict[int, Callable[..., Any]] = OrderedDict()
        self.metadata: dict[Any, Any] = {}

    def call_before(self, cotangents: list[Cotangent | None]) -> list[Cotangent | None]:
        """The cotangents of the outputs as the hooks of Tensors, then those of the node, return them."""
        for index, hooks in self.outputs.items():
            if cotangents[index] is not None:
                for hook in list(hooks.values()):
                    cotangents[index] = hook(cotangents[index])
        for hook in list(self.before.values()):
            cotangents = hook(cotangents)
        for index, reference in self.retaining.items():
            if cotangents[index] is not None and (tensor := reference()) is not None:
                tensor.accumulate(cotangents[index])
        return cotangents

    def call_after(self, gradients: Sequence[Cotangent | None], cotangents: Sequence[Any]) -> Sequence[Any]:
        """The cotangents of the inputs as the hooks of the node return them."""
        for hook in list(self.after.values()):
            gradients = hook(gradients, cotangents)
        return gradients


class Node:
    """One recorded operation, and the `grad_fn` of its results.

    Attributes:
        operation: the name of the operation.
        pullback: a function from cotangents of the outputs to cotangents of the inputs, one for each edge. If the node
            holds arrays in `held`, these are its first argument.
        held: the arrays that the pullback needs, or None if it knows them itself.
        edges: the receivers of the cotangents of the inputs.
        outputs: shape and dtype of each output.
        needed: the Tensors whose values the pullback holds, and their versions at the time.
        call: the call, for the recorded backward pass, or its program alone if the arrays of the call are those in
            `held`; None if the pullback itself works on Tensors.
        number: nodes are numbered in the order in which they are made.
        hooks: None until there are hooks.
        made_at: where the operation was called, if anomaly detection is on.
        to_tensor: makes a Tensor of a cotangent. The module that knows Tensors sets it.
        like: makes of a Tensor a cotangent of the kind of the first argument: an array, or a Tensor.
    """

    to_tensor: Callable[[Cotangent], Any]
    like: Callable[[Cotangent, Any], Cotangent]

    __slots__ = (
        "__weakref__", "_free", "call", "edges", "held", "hooks", "made_at", "needed", "number", "operation", "outputs",
        "pullback",
    )  # fmt: skip

    def __init__(
        self, operation: str, pullback: Callable[..., Iterable[Any]], edges: Sequence[Edge],
        outputs: Sequence[jax.ShapeDtypeStruct], needed: Sequence[tuple[Versioned, int]], holds_arrays: bool,
        call: Any = None, held: Sequence[Any] | None = None,
    ):
        self.operation, self.edges, self.outputs, self.needed, self.call = operation, edges, outputs, needed, call
        self.pullback: Callable[..., Iterable[Any]] | None = pullback
        self.held = held
        self.number = next(_numbers)
        self.hooks: NodeHooks | None = None
        self.made_at = None if mode.anomalies is None else "".join(traceback.format_stack()[:-3])
        self._free = holds_arrays

    def pull(self, cotangents: Sequence[Cotangent | None], retain: bool) -> Sequence[Cotangent | None]:
        """The cotangents of the inputs. Unless `retain` is set, the arrays that the pullback holds are freed."""
        gradients = self.checked()(self.filled(cotangents))
        self.free(retain)
        return gradients  # pyright: ignore[reportReturnType]

    def checked(self) -> Callable[[list[Any]], Iterable[Any]]:
        """The pullback.

        Raises:
            RuntimeError: its arrays were freed, or one of its values was changed in place.
        """
        if self.pullback is None:
            raise RuntimeError(
                f"Trying to backward through the graph a second time: backward ran through {self.operation!r} a second "
                "time, but its arrays were freed after the first time: call backward(retain_graph=True) the first time"
            )
        if self.needed and any(tensor.version != version for tensor, version in self.needed):
            raise RuntimeError(
                f"backward needs a value that {self.operation!r} used and that was changed in place afterwards: it has "
                "been modified by an inplace operation. Call backward before the change (an optimizer's step is one), "
                "or write `x = x + y`, not `x += y`"
            )
        return self.pullback if self.held is None else functools.partial(self.pullback, self.held)

    def filled(self, cotangents: Sequence[Cotangent | None]) -> list[Cotangent]:
        """The cotangents with zeros for outputs that received none."""
        return [
            full(output.shape, 0, output.dtype) if cotangent is None else cotangent
            for cotangent, output in zip(cotangents, self.outputs, strict=True)
        ]

    def free(self, retain: bool) -> None:
        """Frees the arrays that the pullback holds, unless `retain` is set."""
        if self._free and not retain:
            self.pullback, self.needed, self.call, self.held = None, (), None, None

    # What scripts ask a grad_fn for

    def name(self) -> str:
        """The name in torch's form, such as "MulBackward0"."""
        words = self.operation.strip("_").split("_")
        return "".join(word[:1].upper() + word[1:] for word in words) + "Backward0"

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """For each input that requires a gradient: the node that made it and the number of the output there."""
        return tuple(
            (edge.target if isinstance(edge.target, Node) else AccumulateGrad(edge.target), edge.index)
            for edge in self.edges
        )

    @property
    def metadata(self) -> dict[Any, Any]:
        """A dict in which a program may note something about the node."""
        return self.hooked().metadata

    def register_prehook(self, fn: Callable[..., Any]) -> RemovableHandle:
        """Adds a function of the gradients with respect to the outputs, which returns None or others for them."""
        return self.add_hook("before", lambda cotangents: self._changed(fn, cotangents))

    def register_hook(self, fn: Callable[..., Any]) -> RemovableHandle:
        """Adds a function `fn(grad_inputs, grad_outputs)`, which returns None or other gradients of the inputs."""
        return self.add_hook("after", lambda gradients, cotangents: self._changed(fn, gradients, cotangents))

    def _changed(self, fn: Callable[..., Any], *cotangents: Sequence[Any]) -> Sequence[Any]:
        """The first of the lists of cotangents, as a function of Tensors returns it."""
        results = fn(*(tuple(None if c is None else self.to_tensor(c) for c in group) for group in cotangents))
        if results is None:
            return cotangents[0]
        results = results if isinstance(results, tuple | list) else (results,)
        return [
            result if result is None else self.like(before, result)
            for before, result in zip(cotangents[0], results, strict=True)
        ]

    def hooked(self) -> NodeHooks:
        """The hooks of the node."""
        if self.hooks is None:
            self.hooks = NodeHooks()
        return self.hooks

    def add_hook(self, kind: str, hook: Callable[..., Any], index: int | None = None) -> RemovableHandle:
        """Adds a hook that handles cotangents: to "before" or "after", or to the output number `index`."""
        hooks = self.hooked()
        where = getattr(hooks, kind) if index is None else hooks.outputs.setdefault(index, OrderedDict())
        handle = RemovableHandle(where)
        where[handle.id] = hook
        return handle

    def __repr__(self) -> str:
        return f"<{self.name()} object at {id(self):#x}>"


class AccumulateGrad:
    """What stands for a leaf in `next_functions`. Two of the same leaf are equal.

    Attributes:
        variable: the leaf.
    """

    def __init__(self, leaf: Leaf):
        self.variable = leaf

    next_functions: tuple[Any, ...] = ()

    def name(self) -> str:
        """The name in torch's form."""
        return "torch::autograd::AccumulateGrad"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AccumulateGrad) and other.variable is self.variable

    def __hash__(self) -> int:
        return hash((AccumulateGrad, id(self.variable)))

    def __repr__(self) -> str:
        return f"<AccumulateGrad object at {id(self.variable):#x}>"


Pull = Callable[[Node, Sequence[Cotangent | None], bool], Sequence[Cotangent | None]]


def backward(
    roots: Sequence[tuple[Edge, Cotangent]], retain_graph: bool, *, pull: Pull | None = None,
    inputs: Sequence[Edge] | None = None,
) -> list[Cotangent | None]:
    """Propagates cotangents from the roots to all leaves, or to some inputs only.

    A node is made after the nodes of its inputs, so it has a higher number. Nodes are processed from the highest number
    down, so all cotangents of a node have arrived before it is processed. Leaves get their gradients at the end, so
    that an error leaves them unchanged.

    Args:
        roots: outputs and their cotangents.
        retain_graph: whether nodes keep their arrays.
        pull: computes the cotangents of the inputs of a node instead of `node.pull`, for the recorded backward pass.
        inputs: leaves and outputs of nodes. Only their gradients are computed, and no leaf accumulates.

    Returns:
        The gradient of each of the inputs, or None where no output depends on it.
    """
    wanted = {(id(edge.target), edge.index): edge for edge in inputs or ()}
    useful = None if inputs is None else _leading_to(wanted, [edge.target for edge, _ in roots])
    found: dict[tuple[int, int], Cotangent] = {}
    arrived: dict[Node, list[Cotangent | None]] = {}
    waiting: list[tuple[int, Node]] = []
    leaves: dict[int, tuple[Leaf, Cotangent]] = {}

    def send(edge: Edge, cotangent: Cotangent) -> None:
        target, index = edge
        if not isinstance(target, Node):
            _, sum_so_far = leaves.pop(id(target), (target, None))  # hooks run in the order of the last arrivals
            leaves[id(target)] = target, cotangent if sum_so_far is None else plus(sum_so_far, cotangent)
            return
        if target not in arrived:
            arrived[target] = [None] * len(target.outputs)
            heapq.heappush(waiting, (-target.number, target))
        so_far = arrived[target][index]
        arrived[target][index] = cotangent if so_far is None else plus(so_far, cotangent)

    for edge, cotangent in roots:
        send(edge, cotangent)
    while waiting:
        node = heapq.heappop(waiting)[1]
        cotangents = arrived.pop(node)
        if node.hooks is not None:
            cotangents = node.hooks.call_before(cotangents)
        if useful is not None:
            for index, cotangent in enumerate(cotangents):
                if (id(node), index) in wanted:
                    found[id(node), index] = cotangent
            if node not in useful:
                continue
        gradients = node.pull(cotangents, retain_graph) if pull is None else pull(node, cotangents, retain_graph)
        if node.hooks is not None and node.hooks.after:
            gradients = node.hooks.call_after(gradients, cotangents)
        if mode.anomalies:
            _refuse_nan(node, gradients)
        for edge, gradient in zip(node.edges, gradients, strict=True):
            if gradient is not None:
                send(edge, gradient)
    for leaf, gradient in leaves.values():
        if useful is None:
            leaf.accumulate(leaf.hooked(gradient))
        elif (id(leaf), 0) in wanted:
            found[id(leaf), 0] = leaf.hooked(gradient)
    return [found.get((id(edge.target), edge.index)) for edge in inputs or ()]


def _leading_to(wanted: Iterable[tuple[int, int]], roots: Iterable[Node | Leaf]) -> set[Node]:
    """The nodes before the roots from which an edge leads to one of the wanted inputs, directly or not."""
    reachable: set[Node] = set()
    waiting = [root for root in roots if isinstance(root, Node)]
    while waiting:
        node = waiting.pop()
        if node not in reachable:
            reachable.add(node)
            waiting += [edge.target for edge in node.edges if isinstance(edge.target, Node)]
    goals, useful = set(wanted), set()
    for node in sorted(reachable, key=lambda node: node.number):
        if any(edge.target in useful or (id(edge.target), edge.index) in goals for edge in node.edges):
            useful.add(node)
    return useful


def _refuse_nan(node: Node, gradients: Iterable[Cotangent | None]) -> None:
    """Raises RuntimeError if a cotangent of an input has a NaN."""
    for number, gradient in enumerate(gradients):
        if gradient is not None and bool(jnp.isnan(getattr(gradient, "array", gradient)).any()):
            made_at = node.made_at or "unknown, because anomaly detection was off in the forward pass\n"
            raise RuntimeError(
                f"Function {node.name()!r} returned nan values in its {number}th output. The operation "
                f"{node.operation!r} was called here:\n{made_at}"
            )
