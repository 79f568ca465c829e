"""A `Function` while jax traces it, within `compile` for example: its backward becomes a `jax.custom_vjp`."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from .._base import TensorBase
from .._modes import recording
from .._operation import differentiable
from .._trace import Trace, tracing
from ..tensor import Tensor
from ._returned_gradients import returned_gradients

__all__ = ["apply_traced"]


def apply_traced(
    name: str, forward: Callable[[Sequence[Any]], tuple[Any, Any]], backward: Callable[..., Any], args: Sequence[Any]
) -> Any:
    """Calls a Function on Tensors of traced arrays.

    Args:
        name: the name of the operation.
        forward: a function of the arguments that returns what `forward` returns, and the ctx.
        backward: the `backward` of the Function.
        args: the arguments.
    """
    places = [place for place, arg in enumerate(args) if isinstance(arg, TensorBase)]
    notes: dict[str, Any] = {}  # what is no array, noted while jax traces

    def called(arrays: Sequence[jax.Array]) -> tuple[list[jax.Array], list[jax.Array]]:
        """The arrays of the outputs, and those that the ctx holds."""
        given = list(args)
        for place, array in zip(places, arrays, strict=True):
            given[place] = Tensor.wrap(array)
        result, ctx = forward(given)
        leaves, structure = jax.tree.flatten(result)
        notes.update(structure=structure, leaves=leaves, ctx=ctx, dirty=_places(given, ctx._dirty))
        kept, notes["kept_structure"] = jax.tree.flatten({**vars(ctx), "_to_save": ctx._to_save, "_dirty": ()})
        notes["kept"] = [None if isinstance(leaf, TensorBase | jax.Array) else leaf for leaf in kept]
        notes["are_tensors"] = [isinstance(leaf, TensorBase) for leaf in kept]
        outputs = [
            lax.stop_gradient(leaf.array) if id(leaf) in ctx._without_gradient else leaf.array
            for leaf in leaves if isinstance(leaf, TensorBase)
        ]
        return outputs, [_array(leaf) for leaf in kept if isinstance(leaf, TensorBase | jax.Array)]

    @jax.custom_vjp
    def function(*arrays: jax.Array) -> list[jax.Array]:
        return called(arrays)[0]

    def pull(held: list[jax.Array], cotangents: list[jax.Array]) -> tuple[Any, ...]:
        remaining = iter(held)
        kept = [
            Tensor.wrap(next(remaining)) if is_tensor else next(remaining) if leaf is None else leaf
            for leaf, is_tensor in zip(notes["kept"], notes["are_tensors"], strict=True)
        ]
        ctx = notes["ctx"]
        vars(ctx).update(jax.tree.unflatten(notes["kept_structure"], kept))
        ctx._keep({})
        received = iter(cotangents)
        given = [Tensor.wrap(next(received)) if isinstance(leaf, TensorBase) else None for leaf in notes["leaves"]]
        with recording(True), tracing(Trace()):  # jax may differentiate this, too
            return _pulled(name, backward(ctx, *given), args)

    function.defvjp(lambda *arrays: called(arrays), pull)
    outputs = iter(function(*(args[place].array for place in places)))
    leaves = [Tensor.wrap(next(outputs)) if isinstance(leaf, TensorBase) else leaf for leaf in notes["leaves"]]
    for number, leaf in enumerate(notes["leaves"]):
        if id(leaf) in notes["dirty"]:
            written = args[notes["dirty"][id(leaf)]]
            written._write(leaves[number])
            leaves[number] = written
    return jax.tree.unflatten(notes["structure"], leaves)


def _array(leaf: Any) -> jax.Array:
    return leaf.array if isinstance(leaf, TensorBase) else leaf


def _places(given: Sequence[Any], dirty: Sequence[Any]) -> dict[int, int]:
    """The places of the arguments that `forward` wrote, by their ids."""
    ids = {id(tensor) for tensor in dirty}
    return {id(arg): place for place, arg in enumerate(given) if id(arg) in ids}


def _pulled(name: str, result: Any, args: Sequence[Any]) -> tuple[Any, ...]:
    """The gradients with respect to the Tensors among the arguments, as arrays; None for integers."""
    tensors = [arg if isinstance(arg, TensorBase) else None for arg in args]
    expected = [
        jax.ShapeDtypeStruct(t._data.shape, t._data.dtype) if t is not None and differentiable(t._data) else None
        for t in tensors
    ]
    gradients = iter(returned_gradients(f"{name}Backward", result, expected))
    pulled: list[Any] = []
    for tensor, like in zip(tensors, expected, strict=True):
        if tensor is not None:
            gradient = next(gradients) if like is not None else None
            zeros = None if like is None else jnp.zeros(like.shape, like.dtype)
            pulled.append(zeros if gradient is None else gradient.array)
    return tuple(pulled)
