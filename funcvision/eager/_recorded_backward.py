"""The backward pass as operations on Tensors, for gradients of gradients (`create_graph=True`).

The pullback of a recorded call is a function of the arrays of the call and of the cotangents of its outputs. Here it is
computed from them again, by an operation of its own, which is recorded: `vjp(function)(arrays)(cotangents)`.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import ShapedArray

from ._base import TensorBase
from ._graph import Call, Cotangent, Edge, Node
from ._lift import run
from ._operation import Form, Operation, conjugated, differentiable

__all__ = ["pull_recorded"]


def pull_recorded(node: Node, cotangents: Sequence[Cotangent | None], retain: bool) -> Sequence[Cotangent | None]:
    """`Node.pull` for Tensors. The pullback is an operation that is recorded."""
    call = node.call
    if call is None:
        return node.pull(cotangents, retain)
    node.checked()
    received = iter(node.edges)
    inputs = [
        _tensor(array, next(received)) if pick else array
        for array, pick in zip(call.arrays, call.chosen, strict=True)
    ]
    gradients, _ = run(_operation(call), (inputs, node.filled(cotangents)), {}, numbers=True)
    node.free(retain)
    return gradients


def _tensor(array: Any, edge: Edge) -> Any:
    """An input of a recorded call as it was then: its array and what it was computed from."""
    if isinstance(array, ShapedArray):
        return array
    if isinstance(edge.target, Node):
        return TensorBase.result.wrap(array, edge.target, edge.index)
    if getattr(edge.target, "array", None) is array:
        return edge.target
    # The leaf was changed in place after the call, which did not need its old value. The recorded pullback does.
    output = jax.ShapeDtypeStruct(array.shape, array.dtype)
    return TensorBase.result.wrap(array, Node("alias", lambda cotangents: cotangents, [edge], [output], (), False))


def _operation(call: Call) -> Operation:
    """The pullback of a call as an operation of `(arrays, cotangents)`. It is made once for each form of call."""
    operation, key = call.operation, (call.form, call.chosen)
    if not operation.jit:  # the options of the form need not be hashable
        return _pullback(operation, *key)
    if key not in operation.pullbacks:
        operation.pullbacks[key] = _pullback(operation, *key)
    return operation.pullbacks[key]


def _pullback(operation: Operation, form: Form, chosen: tuple[bool, ...]) -> Operation:
    places = [place for place, pick in enumerate(chosen) if pick]

    def pullback(arrays: Sequence[Any], cotangents: list[jax.Array]) -> Sequence[jax.Array]:
        arrays = [jnp.zeros(x.shape, x.dtype) if isinstance(x, ShapedArray) else x for x in arrays]

        def outputs(*picked: jax.Array) -> list[jax.Array]:
            given = dict(zip(places, picked, strict=True))
            output, _ = form.call(operation.function, [given.get(place, x) for place, x in enumerate(arrays)])
            return [leaf for leaf in map(jnp.asarray, jax.tree.leaves(output)) if differentiable(leaf)]

        return conjugated(jax.vjp(outputs, *(arrays[place] for place in places))[1](conjugated(cotangents)))

    name = f"{operation.name}_backward"
    return Operation(pullback, name=name, jit=operation.jit, recompute=operation.recompute)
