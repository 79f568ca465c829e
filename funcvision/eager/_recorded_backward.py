"""The backward pass as operations on Tensors, for gradients of gradients (`create_graph=True`).

The pullback of a call is a function of the cotangents of its outputs, and of the arrays that it holds. If all of these
are arguments and results of the call, it is recorded as an operation on those Tensors. If it holds anything else, such
as a mask, it is recorded as a function of all arguments, from which it is computed again: `vjp(function)(arguments)`.
"""

from collections.abc import Sequence

import jax

from ._base import TensorBase
from ._graph import Call, Cotangent, Edge, Node
from ._lift import run
from ._operation import Operation, Program
from ._tiered import on_device

__all__ = ["pull_recorded"]


def pull_recorded(node: Node, cotangents: Sequence[Cotangent | None], retain: bool) -> Sequence[Cotangent | None]:
    """`Node.pull` for Tensors. The pullback is an operation that is recorded."""
    if node.call is None:
        return node.pull(cotangents, retain)
    node.checked()
    program, arrays = node.call if isinstance(node.call, Call) else (node.call, node.held or ())
    edges = dict(zip(program.chosen, node.edges, strict=True))
    edges |= {-1 - index: Edge(node, index) for index in range(len(node.outputs))}
    places = range(len(arrays)) if program.held is None else program.held
    held = [
        _tensor(on_device(array), edges[place]) if place in edges else array
        for array, place in zip(arrays, places, strict=True)
    ]
    gradients, _ = run(_pullback(program), (held, node.filled(cotangents)), {}, numbers=True)
    node.free(retain)
    return gradients


def _tensor(array: jax.Array, edge: Edge) -> TensorBase:
    """An argument or a result of a recorded call as it was then: its array and what it was computed from."""
    if isinstance(edge.target, Node):
        return TensorBase.result.wrap(array, edge.target, edge.index)
    if isinstance(edge.target, TensorBase) and edge.target.array is array:
        return edge.target
    # The leaf was changed in place after the call, which did not need its old value. The recorded pullback does.
    output = jax.ShapeDtypeStruct(array.shape, array.dtype)
    return TensorBase.result.wrap(array, Node("alias", lambda cotangents: cotangents, [edge], [output], (), False))


def _pullback(program: Program) -> Operation:
    """The pullback of a call as an operation of `(what it holds, cotangents)`, or of `(all arguments, cotangents)`."""
    operation = program.operation
    name = f"{operation.name}_backward"
    if program.held is not None:
        if program.pullback is None:
            program.pullback = Operation(
                lambda held, cotangents: program.flat_pullback(*held, *cotangents), name=name, jit=operation.jit
            )
        return program.pullback
    if not operation.jit:  # the options of the form need not be hashable
        return Operation(program.recomputed_pullback, name=name, jit=False)
    key = program.form, program.mask
    if key not in operation.pullbacks:
        operation.pullbacks[key] = Operation(program.recomputed_pullback, name=name, recompute=operation.recompute)
    return operation.pullbacks[key]
