"""Rules for convolutions, products of matrices, elementwise operations, reductions, pooling and normalisation.

A rule writes an operation of a program as operators of ONNX and returns True, or returns False.
"""

import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from .operators import (
    CHANNELS_LAST,
    add_channels_last,
    add_elementwise,
    add_on_images,
    add_operator,
    channels_first,
    either,
    is_named,
    known_scalar,
    ordered,
    transposed,
    without_copies,
)
from .program import Operation, Program

__all__ = [
    "broadcast", "clip", "convolution", "gemm", "layer_normalisation", "max_pooling", "mean", "mean_pooling", "product",
    "relu", "scale", "shift", "softmax", "unary", "where",
]


# Convolutions


def convolution(program: Program, operation: Operation) -> bool:
    """Conv. Its weight has the axes [out, in/groups, *kernel]. Its bias is 0 until `scale` or `shift` changes it."""
    (x, weight), geometry = operation.inputs, operation.params["geometry"]
    rank, channels = program.avals[weight].ndim, program.avals[weight].shape[-1]
    moved = transposed(program, weight, (rank - 1, rank - 2, *range(rank - 2)))
    bias = program.constant(np.zeros(channels, program.avals[weight].dtype))
    if weight in program.names:
        program.names[moved] = program.names[weight]
        program.names[bias] = program.names[weight].removesuffix("weight") + "bias"
    low, high = zip(*geometry.padding, strict=True)
    add_on_images(
        program, "Conv", [x, moved, bias], operation.outputs[0], strides=geometry.strides, group=geometry.groups,
        dilations=geometry.dilation, pads=(*low, *high), kernel_shape=geometry.kernel,
    )
    return True


def scale(program: Program, operation: Operation) -> bool:
    """Merges the product of a convolution and an array [channels] into the weight and the bias."""
    return _merge(program, operation, lambda w, s: w * s.reshape(-1, *[1] * (w.ndim - 1)), lambda b, s: b * s)


def shift(program: Program, operation: Operation) -> bool:
    """Merges the sum of a convolution and an array [channels] into the bias."""
    return _merge(program, operation, None, lambda b, s: b + s)


def _merge(program: Program, operation: Operation, on_weight: Any, on_bias: Any) -> bool:
    for y, other in either(operation.inputs):
        transposition, vector = program.producer.get(y), _of_channels(program, other)
        conv = program.producer.get(transposition.inputs[0]) if transposition is not None else None
        if conv is None or not is_named(transposition, CHANNELS_LAST) or not is_named(conv, "Conv") or vector is None:
            continue
        x, weight, bias = conv.inputs
        if program.uses[y] != 1 or not program.known.issuperset((weight, bias)):
            continue
        if on_weight is not None:
            weight = _named_as(program, weight, program.add("scaled", on_weight, [weight, vector]))
        bias = _named_as(program, bias, program.add("shifted", on_bias, [bias, vector]))
        merged = add_operator(program, "Conv", [x, weight, bias], program.avals[conv.outputs[0]], **conv.params)
        add_channels_last(program, merged, operation.outputs[0])
        return True
    return False


def _named_as(program: Program, slot: int, changed: int) -> int:
    if slot in program.names:
        program.names[changed] = program.names[slot]
    return changed


def _of_channels(program: Program, slot: int) -> int | None:
    """The slot of the known array [channels] of which `slot` is a copy for each pixel; None if it is no such copy."""
    producer = program.producer.get(slot)
    if producer is None or producer.name != "broadcast_in_dim" or not program.known.issuperset(producer.inputs):
        return None
    source, aval = producer.inputs[0], program.avals[slot]
    is_last = producer.params["broadcast_dimensions"] == (aval.ndim - 1,)
    return source if is_last and program.avals[source].shape == aval.shape[-1:] else None


# Products of matrices


def product(program: Program, operation: Operation) -> bool:
    """MatMul, where one axis is contracted."""
    (lhs, rhs), (output,) = operation.inputs, operation.outputs
    (over_lhs, over_rhs), (batch_lhs, batch_rhs) = operation.params["dimension_numbers"]
    free_lhs, free_rhs = (
        [axis for axis in range(program.avals[slot].ndim) if axis not in (*over, *batch)]
        for slot, over, batch in ((lhs, over_lhs, batch_lhs), (rhs, over_rhs, batch_rhs))
    )
    dtypes = {program.avals[slot].dtype for slot in (lhs, rhs, output)}
    if len(over_lhs) != 1 or len(free_rhs) != 1 or (batch_lhs and len(free_lhs) != 1) or len(dtypes) != 1:
        return False
    lhs = ordered(program, lhs, (*batch_lhs, *free_lhs, *over_lhs))
    rhs = ordered(program, rhs, (*batch_rhs, *over_rhs, *free_rhs))
    add_operator(program, "MatMul", [lhs, rhs], program.avals[output], output)
    return True


def gemm(program: Program, operation: Operation) -> bool:
    """A product of two matrices plus an array [columns] is Gemm."""
    for y, other in either(operation.inputs):
        product, vector = program.producer.get(y), _of_channels(program, other)
        if product is None or not is_named(product, "MatMul") or program.uses[y] != 1 or vector is None:
            continue
        if all(program.avals[slot].ndim == 2 for slot in product.inputs):
            (output,) = operation.outputs
            add_operator(program, "Gemm", [*product.inputs, vector], program.avals[output], output)
            return True
    return False


# Elementwise operations


def relu(program: Program, operation: Operation) -> bool:
    """`max(x, 0)` is Relu."""
    for x, other in either(operation.inputs):
        value = known_scalar(program, other)
        if value is not None and value == 0 and jnp.issubdtype(program.avals[x].dtype, jnp.floating):
            add_elementwise(program, lambda *where: add_operator(program, "Relu", *where), [x], operation.outputs[0])
            return True
    return False


def clip(program: Program, operation: Operation) -> bool:
    """Clip is `min(max(x, low), high)`, and also `where((x > low) & (x < high), x, min(max(x, low), high))`."""
    found = _clipped(program, operation) if operation.name == "min" else _clipped_outside(program, operation)
    if found is None:
        return False
    add_elementwise(program, lambda *where: add_operator(program, "Clip", *where), found, operation.outputs[0])
    return True


def _clipped(program: Program, operation: Operation | None) -> tuple[int, int, int] | None:
    """The slots of x, low and high in `min(max(x, low), high)`."""
    if operation is None or operation.name != "min":
        return None
    for lower, high in either(operation.inputs):
        inner = program.original.get(lower)
        if inner is None or inner.name != "max" or known_scalar(program, high) is None:
            continue
        for x, low in either(inner.inputs):
            if known_scalar(program, low) is not None:
                return x, low, high
    return None


def _clipped_outside(program: Program, operation: Operation) -> tuple[int, int, int] | None:
    """The slots of x, low and high in `where((x > low) & (x < high), x, min(max(x, low), high))`."""
    which, outside, x = operation.inputs
    found, inside = _clipped(program, program.original.get(outside)), program.original.get(which)
    if found is None or found[0] != x or inside is None or inside.name != "and":
        return None
    for slot, name, bound in zip(inside.inputs, ("gt", "lt"), found[1:], strict=True):
        side = program.original.get(slot)
        if side is None or side.name != name or side.inputs[0] != x:
            return None
        value = known_scalar(program, side.inputs[1])
        if value is None or value != known_scalar(program, bound):
            return None
    return found


def broadcast(program: Program, operation: Operation) -> bool:
    """An elementwise operation of two operands, of which one may be smaller: ONNX's operators broadcast."""
    (output,), operands = operation.outputs, list(operation.inputs)
    aval = program.avals[output]
    if operation.name in ("and", "or") and aval.dtype != jnp.bool_:
        return False  # ONNX's And is one of truth values, not of bits
    for place, slot in enumerate(operands):
        if program.avals[operands[1 - place]].shape == aval.shape and slot != (less := without_copies(program, slot)):
            operands[place] = less
            break
    name = _OPERATORS[operation.name]
    add_elementwise(program, lambda *where: add_operator(program, name, *where), operands, output)
    return True


_OPERATORS = {
    "add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "max": "Max", "min": "Min", "eq": "Equal",
    "gt": "Greater", "lt": "Less", "and": "And", "or": "Or",
}


def where(program: Program, operation: Operation) -> bool:
    """Where, of a condition that may be smaller than the choices, as the choices may be."""
    if len(operation.inputs) != 3 or program.avals[operation.inputs[0]].dtype != jnp.bool_:
        return False
    (output,), shape = operation.outputs, program.avals[operation.outputs[0]].shape
    which, otherwise, chosen = (without_copies(program, slot) for slot in operation.inputs)
    if not any(program.avals[slot].shape == shape for slot in (which, otherwise, chosen)):
        return False
    add_operator(program, "Where", [which, chosen, otherwise], program.avals[output], output)
    return True


def unary(program: Program, operation: Operation) -> bool:
    """An elementwise operation that jax2onnx converts, ahead of the transposition of its operand."""
    (x,), (output,) = operation.inputs, operation.outputs

    def add(inputs: Sequence[int], like: Any, output: int | None) -> int:
        return program.add(operation.name, lambda x: operation.function(x)[0], inputs, output)

    add_elementwise(program, add, [x], output)
    return True


def softmax(program: Program, operation: Operation) -> bool:
    """`exp(x - m) / sum(exp(x - m))` is Softmax of x, for any m that is constant along the axis of the sum."""
    powers, total = operation.inputs
    exponential, summed = program.original.get(powers), _reduced(program, total, "reduce_sum")
    if exponential is None or exponential.name != "exp" or summed is None or summed.inputs[0] != powers:
        return False
    difference = program.original.get(exponential.inputs[0])
    if difference is None or difference.name != "sub":
        return False
    x, constant = difference.inputs
    copies, axes = program.original.get(constant), summed.params["axes"]
    if copies is None or copies.name != "broadcast_in_dim" or len(axes) != 1:
        return False
    kept = dict(zip(copies.params["broadcast_dimensions"], program.avals[copies.inputs[0]].shape, strict=True))
    if kept.get(axes[0], 1) != 1 or not _is_copied_along(program, total, summed):
        return False
    add_operator(program, "Softmax", [x], program.avals[operation.outputs[0]], operation.outputs[0], axis=axes[0])
    return True


def _reduced(program: Program, slot: int, name: str) -> Operation | None:
    """The reduction of which a slot is the result, perhaps copied along the reduced axes."""
    operation = program.original.get(slot)
    while operation is not None and operation.name in ("broadcast_in_dim", "reshape"):
        operation = program.original.get(operation.inputs[0])
    return operation if operation is not None and operation.name == name else None


def _is_copied_along(program: Program, slot: int, summed: Operation) -> bool:
    """Whether each sum is copied along the axis of its own summands, not along another one of the same size."""
    rank = program.avals[summed.inputs[0]].ndim
    places = [place for place in range(rank) if place not in summed.params["axes"]]
    operation = program.original[slot]
    while operation is not summed:
        source, result = program.avals[operation.inputs[0]].shape, program.avals[operation.outputs[0]].shape
        if len(result) > len(source):
            if operation.name == "reshape":
                return len(result) == rank and [result[place] for place in places] == list(source)
            return list(operation.params["broadcast_dimensions"]) == places
        operation = program.original[operation.inputs[0]]
    return False


# Reductions, pooling, normalisation


def mean(program: Program, operation: Operation) -> bool:
    """The sum over some axes, divided by the number of its elements, is ReduceMean."""
    total, count = operation.inputs
    summed, divisor = program.original.get(total), known_scalar(program, count)
    copies = summed if summed is not None and summed.name == "broadcast_in_dim" else None
    summed = program.original.get(copies.inputs[0]) if copies is not None else summed
    if summed is None or summed.name != "reduce_sum" or divisor is None:
        return False
    (x,), axes = summed.inputs, summed.params["axes"]
    shape = program.avals[x].shape
    sizes = [shape[axis] for axis in axes]
    if not all(isinstance(size, int) for size in sizes) or divisor != math.prod(sizes):
        return False
    if copies is not None:
        remaining = tuple(axis for axis in range(len(shape)) if axis not in axes)
        expected = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
        if copies.params["broadcast_dimensions"] != remaining or program.avals[total].shape != expected:
            return False
    (output,), keepdims = operation.outputs, int(copies is not None)
    if axes == tuple(range(1, len(shape) - 1)) and is_named(program.producer.get(x), CHANNELS_LAST):
        over_pixels = tuple(range(2, len(shape)))
        if keepdims:
            add_on_images(program, "ReduceMean", [x], output, integers=[over_pixels], keepdims=1)
            return True
        x, axes = channels_first(program, x), over_pixels
    add_operator(program, "ReduceMean", [x], program.avals[output], output, integers=[axes], keepdims=keepdims)
    return True


def max_pooling(program: Program, operation: Operation) -> bool:
    """MaxPool."""
    windows = operation.params["windows"]
    dilations = tuple(window.dilation for window in windows)
    add_on_images(program, "MaxPool", operation.inputs, operation.outputs[0], dilations=dilations, **_windows(windows))
    return True


def mean_pooling(program: Program, operation: Operation) -> bool:
    """AveragePool, or GlobalAveragePool if there is one window."""
    (x,), (output,), params = operation.inputs, operation.outputs, operation.params
    windows = params["windows"]
    sizes = program.avals[x].shape[1:-1]
    if all(one.count == 1 and one.size == size and one.low == 0 for one, size in zip(windows, sizes, strict=True)):
        add_on_images(program, "GlobalAveragePool", [x], output)
    else:
        include = params["count_include_pad"]
        add_on_images(program, "AveragePool", [x], output, count_include_pad=include, **_windows(windows))
    return True


def _windows(windows: Any) -> dict[str, Any]:
    return {
        "kernel_shape": tuple(window.size for window in windows),
        "strides": tuple(window.stride for window in windows),
        "pads": (*(window.low for window in windows), *(window.high for window in windows)),
    }


def layer_normalisation(program: Program, operation: Operation) -> bool:
    """LayerNormalization."""
    (output,), options = operation.outputs, {"axis": operation.params["axis"], "epsilon": operation.params["eps"]}
    add_operator(program, "LayerNormalization", operation.inputs, program.avals[output], output, **options)
    return True
