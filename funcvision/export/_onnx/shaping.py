"""Rules for operations that move elements: transposition, reshaping, slices, padding, concatenation, resampling.

A rule writes an operation of a program as operators of ONNX and returns True, or returns False.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .operators import (
    CHANNELS_LAST,
    add_channels_last,
    add_operator,
    channels_first,
    channels_first_shape,
    is_named,
    ordered,
    transposed,
    unsqueezed,
)
from .program import Operation, Program

__all__ = [
    "concatenation", "indexing", "padding", "resampling", "reshaped", "slicing", "splitting", "stacking",
    "transposition",
]



def transposition(program: Program, operation: Operation) -> bool:
    """Transpose. Two in a row are one, or none."""
    (x,), (output,) = operation.inputs, operation.outputs
    program.alias(output, ordered(program, x, operation.params["permutation"]))
    return True


def reshaped(program: Program, operation: Operation) -> bool:
    """Reshape, in which -1 stands for the size that depends on the batch; jax2onnx would compute the shape."""
    (x,), (output,) = operation.inputs, operation.outputs
    source, result = program.avals[x].shape, program.avals[output].shape
    shape = [size if isinstance(size, int) else -1 for size in result]
    if shape.count(-1) != 1:
        return False
    if (rows := _rows(program, x, result)) is not None:
        add_operator(program, "MatMul", rows, program.avals[output], output)
        return True
    stacked = program.producer.get(x)
    if is_named(stacked, "interleaved") and (*source[:-2], source[-2] * source[-1]) == result:
        like = channels_first_shape(program.avals[output])
        merged = add_operator(program, "Reshape", [stacked.inputs[0]], like, integers=[(-1, *like.shape[1:])])
        add_channels_last(program, merged, output)
        return True
    if is_named(program.producer.get(x), CHANNELS_LAST) and all(size == 1 for size in source[1:-1]):
        x = channels_first(program, x)  # with one pixel, both orders of the axes have the same elements in a row
    add_operator(program, "Reshape", [x], program.avals[output], output, integers=[shape])
    return True


def _rows(program: Program, product: int, shape: Sequence[Any]) -> tuple[int, int] | None:
    """The operands of a product whose rows were merged before and are split again after: MatMul takes more axes."""
    matmul = program.producer.get(product)
    if matmul is None or matmul.name != "MatMul" or program.avals[product].ndim != 2:
        return None
    merged = program.producer.get(matmul.inputs[0])
    if merged is None or merged.name != "Reshape":
        return None
    source = program.avals[merged.inputs[0]].shape
    columns = program.avals[product].shape[-1]
    is_same = shape == (*source[:-1], columns) and source[-1] == program.avals[matmul.inputs[0]].shape[-1]
    return (merged.inputs[0], matmul.inputs[1]) if is_same else None


def stacking(program: Program, operation: Operation) -> bool:
    """Concat along a new axis. A last axis that is then merged into the channels interleaves them."""
    (output,), axis = operation.outputs, operation.params["axis"]
    aval = program.avals[output]
    if axis == aval.ndim - 1 and all(is_named(program.producer.get(slot), CHANNELS_LAST) for slot in operation.inputs):
        inner = (aval.shape[0], *aval.shape[-2:], *aval.shape[1:-2])
        parts = [unsqueezed(program, channels_first(program, slot), [2]) for slot in operation.inputs]
        stacked = add_operator(program, "Concat", parts, jax.ShapeDtypeStruct(inner, aval.dtype), axis=2)
        order = (0, *range(3, aval.ndim), 1, 2)
        transposed(program, stacked, order, output, "interleaved")
    else:
        parts = [unsqueezed(program, slot, [axis]) for slot in operation.inputs]
        add_operator(program, "Concat", parts, aval, output, axis=axis)
    return True


def concatenation(program: Program, operation: Operation) -> bool:
    """Concat, of images with the channels first if all of them are."""
    (output,), axis = operation.outputs, operation.params["dimension"]
    rank = program.avals[output].ndim
    if all(is_named(program.producer.get(slot), CHANNELS_LAST) for slot in operation.inputs):
        place = (0, *range(2, rank), 1)[axis]
        first = [channels_first(program, slot) for slot in operation.inputs]
        result = add_operator(program, "Concat", first, channels_first_shape(program.avals[output]), axis=place)
        add_channels_last(program, result, output)
    else:
        add_operator(program, "Concat", operation.inputs, program.avals[output], output, axis=axis)
    return True


def padding(program: Program, operation: Operation) -> bool:
    """Pad, where nothing is put between elements."""
    (x, value), (output,) = operation.inputs, operation.outputs
    widths = operation.params["padding_config"]
    if any(between for _, _, between in widths):
        return False
    if is_named(program.producer.get(x), CHANNELS_LAST):
        widths = (widths[0], widths[-1], *widths[1:-1])
        place = channels_first(program, x), channels_first_shape(program.avals[output]), None
    else:
        place = x, program.avals[output], output
    pads = [[low for low, _, _ in widths] + [high for _, high, _ in widths]]
    result = add_operator(program, "Pad", [place[0], value], *place[1:], integers=pads)
    if place[2] is None:
        add_channels_last(program, result, output)
    return True


def slicing(program: Program, operation: Operation) -> bool:
    """Slice, along the axes that are not taken as a whole."""
    (x,), (output,), params = operation.inputs, operation.outputs, operation.params
    shape, starts, ends = program.avals[x].shape, params["start_indices"], params["limit_indices"]
    steps = params["strides"] or (1,) * len(shape)
    axes = [i for i, size in enumerate(shape) if (starts[i], ends[i], steps[i]) != (0, size, 1)]
    if not all(isinstance(bound, int) for i in axes for bound in (starts[i], ends[i])):
        return False
    _slice(program, x, output, axes, *([values[i] for i in axes] for values in (starts, ends, steps)))
    return True


def _slice(
    program: Program, x: int, output: int, axes: Sequence[int], starts: Sequence[int], ends: Sequence[int],
    steps: Sequence[int],
) -> None:
    if is_named(program.producer.get(x), CHANNELS_LAST):
        rank = program.avals[x].ndim
        places = [(0, *range(2, rank), 1)[axis] for axis in axes]
        like = channels_first_shape(program.avals[output])
        result = add_operator(
            program, "Slice", [channels_first(program, x)], like, integers=[starts, ends, places, steps])
        add_channels_last(program, result, output)
    else:
        add_operator(program, "Slice", [x], program.avals[output], output, integers=[starts, ends, axes, steps])


def indexing(program: Program, operation: Operation) -> bool:
    """Slice or Gather, for indices that are known: as in `x[:, 0]`, in `x[:, 3:9]` and in `x[:, 0::2, 1::2]`."""
    (x, index), (output,), params = operation.inputs, operation.outputs, operation.params
    if index not in program.known:
        return False
    value, numbers = program.evaluated(index), params["dimension_numbers"]
    axes, removed, shape = numbers.start_index_map, numbers.collapsed_slice_dims, program.avals[x].shape
    sizes = [params["slice_sizes"][axis] for axis in axes]
    others_are_whole = all(axis in axes or params["slice_sizes"][axis] == size for axis, size in enumerate(shape))
    if not others_are_whole or not all(isinstance(shape[axis], int) for axis in axes):
        return False
    in_order = numbers.offset_dims == tuple(range(len(shape) - len(removed)))
    if value.ndim == 1 and in_order:
        starts = [min(max(int(start), 0), shape[a] - n) for start, a, n in zip(value, axes, sizes, strict=True)]
        if not removed:
            ends = [start + size for start, size in zip(starts, sizes, strict=True)]
            _slice(program, x, output, axes, starts, ends, [1] * len(axes))
            return True
        if len(axes) == 1 and sizes == [1]:
            add_operator(
                program, "Gather", [x], program.avals[output], output, integers=starts, axis=int(axes[0]))
            return True
    where = tuple(axis for axis in range(program.avals[output].ndim) if axis not in numbers.offset_dims)
    if value.ndim != len(axes) + 1 or set(sizes) != {1} or not axes == removed == where:
        return False
    ranges = [_arithmetic(value[..., i], i, shape[axis]) for i, axis in enumerate(axes)]
    if None in ranges:
        return False
    _slice(program, x, output, axes, *zip(*ranges, strict=True))  # pyright: ignore[reportArgumentType]
    return True


def _arithmetic(index: np.ndarray, axis: int, size: int) -> tuple[int, int, int] | None:
    """Start, end and step of indices that increase evenly along one axis and are the same along all others."""
    line = np.moveaxis(index, axis, -1).reshape(-1, index.shape[axis])[0]
    step = int(line[1] - line[0]) if len(line) > 1 else 1
    expected = line[0] + step * np.arange(len(line))
    shape = [-1 if a == axis else 1 for a in range(index.ndim)]
    if step < 1 or line[0] < 0 or expected[-1] >= size or not np.array_equal(index, np.broadcast_to(
            expected.reshape(shape), index.shape)):
        return None
    return int(line[0]), int(line[-1]) + 1, step


def splitting(program: Program, operation: Operation) -> bool:
    """A Slice for each part."""
    (x,), axis, start = operation.inputs, operation.params["axis"], 0
    for output, size in zip(operation.outputs, operation.params["sizes"], strict=True):
        _slice(program, x, output, [axis], [start], [start + size], [1])
        start += size
    return True


def resampling(program: Program, operation: Operation) -> bool:
    """The product with a matrix [in, out], which is made of the taps of each output."""
    (x, index, weight, *_), (output,), axis = operation.inputs, operation.outputs, operation.params["axis"]
    size, out, rank = program.avals[x].shape[axis], program.avals[index].shape[0], program.avals[x].ndim
    if not isinstance(size, int):
        return False

    def matrix(index: Any, weight: Any) -> Any:
        return jnp.zeros((size, out), weight.dtype).at[index, jnp.arange(out)[:, None]].add(weight)

    taps = program.add("taps", matrix, [index, weight])
    order = (*(a for a in range(rank) if a != axis), axis)
    moved = ordered(program, x, order)
    like = jax.ShapeDtypeStruct((*program.avals[moved].shape[:-1], out), program.avals[x].dtype)
    product = add_operator(program, "MatMul", [moved, taps], like)
    program.alias(output, ordered(program, product, np.argsort(order).tolist()))
    return True
