"""Operators of ONNX in a program, and where the channels are.

ONNX's convolutions and pooling have the channels first. Each is put between two transpositions, and elementwise
operations, reductions and concatenations are moved ahead of the second one. So a chain of them needs none.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeGuard

import jax
import numpy as np
from jax import lax
from jax.core import ShapedArray

from .patches import node
from .program import Operation, Program

__all__ = [
    "CHANNELS_LAST", "add_channels_last", "add_elementwise", "add_on_images", "add_operator", "channels_first",
    "channels_first_shape", "either", "is_named", "known_scalar", "ordered", "transposed", "unsqueezed",
    "without_copies",
]

CHANNELS_LAST = "channels_last"
"""The name of a transposition from [N, channels, *spatial] to [N, *spatial, channels]."""



def add_operator(
    program: Program, op: str, inputs: Sequence[int], like: Any, output: int | None = None, *,
    integers: Sequence[Sequence[int] | int] = (), **attributes: Any,
) -> int:
    """Adds one operator of ONNX and returns the slot of its result.

    Args:
        program: to add it to.
        op: its name.
        inputs: the slots of its operands.
        like: has the shape and dtype of the result.
        output: the slot of the result; a new one by default.
        integers: operands that follow the first one, such as axes.
        attributes: of the operator.
    """
    attributes = {name: value.item() if isinstance(value, np.generic) else value for name, value in attributes.items()}
    options = {
        "op": op, "attributes": tuple(attributes.items()), "aval": ShapedArray(like.shape, like.dtype),
        "integers": tuple(one if isinstance(one, int) else tuple(one) for one in integers),
    }
    return program.add(op, lambda *operands: node.bind(*operands, **options), inputs, output, attributes)


def transposed(program: Program, x: int, order: Sequence[int], output: int | None = None, name: str = "") -> int:
    order = tuple(order)
    options = {"permutation": order}
    return program.add(name or "transpose", lambda x: lax.transpose(x, order), [x], output, options)


def add_channels_last(program: Program, x: int, output: int) -> None:
    transposed(program, x, (0, *range(2, program.avals[x].ndim), 1), output, CHANNELS_LAST)


def channels_first(program: Program, x: int) -> int:
    """The slot of images with the channels first."""
    producer, rank = program.producer.get(x), program.avals[x].ndim
    if is_named(producer, CHANNELS_LAST):
        return producer.inputs[0]
    return transposed(program, x, (0, rank - 1, *range(1, rank - 1)))


def channels_first_shape(aval: Any) -> Any:
    return jax.ShapeDtypeStruct((aval.shape[0], aval.shape[-1], *aval.shape[1:-1]), aval.dtype)


def add_on_images(program: Program, op: str, inputs: Sequence[int], output: int, **attributes: Any) -> None:
    """Adds an operator whose first operand and result have the channels first, between two transpositions."""
    operands = [channels_first(program, inputs[0]), *inputs[1:]]
    result = add_operator(program, op, operands, channels_first_shape(program.avals[output]), **attributes)
    add_channels_last(program, result, output)


def add_elementwise(program: Program, add: Callable[[Sequence[int], Any, int | None], int], inputs: Sequence[int],
                 output: int) -> None:
    """Adds an elementwise operation, ahead of the transposition of its operands if they have one.

    Args:
        program: to add it to.
        add: adds the operation, given the slots of its operands, what describes its result, and the slot of the result.
        inputs: the slots of the operands. Their shapes broadcast.
        output: the slot of the result.
    """
    aval = program.avals[output]

    def is_movable(slot: int) -> bool:
        small = program.avals[slot].ndim == 0 or slot in program.known
        spatial = program.avals[slot].shape[1:-1]
        return small or is_named(program.producer.get(slot), CHANNELS_LAST) or all(size == 1 for size in spatial)

    wide = [program.producer.get(slot) for slot in inputs if program.avals[slot].shape == aval.shape]
    if not any(is_named(producer, CHANNELS_LAST) for producer in wide) or not all(map(is_movable, inputs)):
        add(inputs, aval, output)
        return
    operands = [slot if program.avals[slot].ndim == 0 else channels_first(program, slot) for slot in inputs]
    add_channels_last(program, add(operands, channels_first_shape(aval), None), output)


def is_named(operation: Operation | None, *names: str) -> TypeGuard[Operation]:
    return operation is not None and operation.name in names


def known_scalar(program: Program, slot: int) -> Any:
    """The value of a scalar that is known, otherwise None."""
    value = program.value(slot)
    return value if value is not None and np.ndim(value) == 0 else None


def either(pair: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return pair, pair[::-1]


def ordered(program: Program, x: int, order: Sequence[int]) -> int:
    if tuple(order) == tuple(range(len(order))):
        return x
    producer = program.producer.get(x)
    if is_named(producer, "transpose", "interleaved", CHANNELS_LAST):  # two transpositions in a row are one
        return ordered(program, producer.inputs[0], [producer.params["permutation"][axis] for axis in order])
    return transposed(program, x, order)


def unsqueezed(program: Program, source: int, axes: Sequence[int]) -> int:
    """The slot of an array with new axes of size 1; a scalar stays one."""
    aval = program.avals[source]
    if not axes or not aval.ndim:
        return source
    if source in program.known:
        return program.add("expand_dims", lambda x: lax.expand_dims(x, axes), [source])
    shape = list(aval.shape)
    for axis in axes:
        shape.insert(axis, 1)
    return add_operator(program, "Unsqueeze", [source], jax.ShapeDtypeStruct(tuple(shape), aval.dtype), integers=[axes])


def without_copies(program: Program, slot: int) -> int:
    """The slot of the array of which a slot is a copy along some axes, with size 1 there."""
    copies, rank = program.original.get(slot), program.avals[slot].ndim
    if copies is None or copies.name != "broadcast_in_dim":
        return slot
    axes = copies.params["broadcast_dimensions"]
    return unsqueezed(program, copies.inputs[0], [axis for axis in range(rank) if axis not in axes])
