"""jax's gather, scatter and dynamic slices in numpy."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = ["dynamic_slice", "dynamic_update_slice", "gather", "scatter"]


def _window(starts: Sequence[np.ndarray], sizes: Sequence[int], shape: Sequence[int]) -> tuple[slice, ...]:
    """Slices of these sizes. A start is moved so that its slice is within the array."""
    firsts = [min(max(int(start), 0), length - size) for start, size, length in zip(starts, sizes, shape, strict=True)]
    return tuple(slice(first, first + size) for first, size in zip(firsts, sizes, strict=True))


def dynamic_slice(equation: Any) -> Callable[..., np.ndarray]:
    """A slice of a fixed size from a start that is computed."""
    sizes, shape = equation.params["slice_sizes"], equation.inputs[0].shape
    return lambda x, *starts: x[_window(starts, sizes, shape)]


def dynamic_update_slice(equation: Any) -> Callable[..., np.ndarray]:
    """A copy in which a slice from a start that is computed is replaced."""
    shape, sizes = equation.inputs[0].shape, equation.inputs[1].shape

    def update(x: np.ndarray, new: np.ndarray, *starts: np.ndarray) -> np.ndarray:
        result = np.array(x)
        result[_window(starts, sizes, shape)] = new
        return result

    return update


class _Windows:
    """The windows of an array that a gather reads or a scatter writes.

    Args:
        shape: the shape of the array.
        indices_shape: the shape of the indices. The last axis has the coordinates of one window.
        sizes: the size of the windows in each axis of the array.
        indexed: the axes of the array that the coordinates address.
        batched: axes of the array that run along with `indices_batched`.
        indices_batched: axes of the indices.
        dropped: the axes of size 1 that the result does not have. `batched` axes are dropped, too.
        mode: what happens to a window that is not within the array.
    """

    def __init__(
        self, shape: Sequence[int], indices_shape: Sequence[int], sizes: Sequence[int], indexed: Sequence[int],
        batched: Sequence[int], indices_batched: Sequence[int], dropped: Sequence[int], mode: Any,
    ):
        self.shape, self.sizes, self.indexed = tuple(shape), tuple(sizes), tuple(indexed)
        self.batch = tuple(indices_shape[:-1])
        self.kept = [axis for axis in range(len(self.shape)) if axis not in (*dropped, *batched)]
        self.fills = mode.name == "FILL_OR_DROP"
        ndim = len(self.batch) + len(self.kept)
        # one index array for each axis, all of which broadcast to batch + window
        self.fixed: list[Any] = [np.zeros((1,) * ndim, np.intp) for _ in self.shape]
        for place, axis in enumerate(self.kept, len(self.batch)):
            self.fixed[axis] = np.arange(sizes[axis]).reshape(tuple(-1 if i == place else 1 for i in range(ndim)))
        for axis, place in zip(batched, indices_batched, strict=True):
            along = np.arange(shape[axis])
            self.fixed[axis] = along.reshape(tuple(-1 if i == place else 1 for i in range(ndim)))
        self.spread = (*self.batch, *(1,) * len(self.kept))

    def places(self, indices: np.ndarray) -> tuple[tuple[np.ndarray, ...], np.ndarray | None]:
        """(an index for each axis of the array, which of the windows are within the array or None for all)."""
        places, inside = list(self.fixed), None
        for column, axis in enumerate(self.indexed):
            last = self.shape[axis] - self.sizes[axis]
            start = indices[..., column].astype(np.intp)
            clipped = np.minimum(np.maximum(start, 0), last)
            if self.fills and (same := clipped == start) is not None and not same.all():
                inside = same if inside is None else inside & same
            places[axis] = places[axis] + clipped.reshape(self.spread)
        return tuple(places), None if inside is None else inside.reshape(self.spread)


def gather(equation: Any) -> Callable[..., np.ndarray]:
    """Windows of an array at indices."""
    params, (operand, indices), (result,) = equation.params, equation.inputs, equation.outputs
    numbers, dtype = params["dimension_numbers"], result.dtype
    windows = _Windows(
        operand.shape, indices.shape, params["slice_sizes"], numbers.start_index_map, numbers.operand_batching_dims,
        numbers.start_indices_batching_dims, numbers.collapsed_slice_dims, params["mode"],
    )
    offsets = numbers.offset_dims
    batch_axes = [axis for axis in range(len(result.shape)) if axis not in offsets]
    order = np.argsort([*batch_axes, *offsets]).tolist()  # from batch + window to the axes of the result
    value = params["fill_value"]
    if value is None:
        value = np.nan if dtype.kind == "f" else True if dtype.kind == "b" else _beyond(dtype)
    fill = dtype.type(value)

    def gathered(x: np.ndarray, at: np.ndarray) -> np.ndarray:
        if x.size == 0:
            return np.full(result.shape, fill)
        places, inside = windows.places(at)
        found = x[places] if places else np.broadcast_to(x, windows.batch)
        if inside is not None:
            found = np.where(inside, found, fill)
        return found.transpose(order)

    return gathered


def _beyond(dtype: np.dtype) -> int:
    """The integer that jax gives for elements out of bounds."""
    return np.iinfo(dtype).min if dtype.kind == "i" else np.iinfo(dtype).max


def scatter(ufunc: Any) -> Callable[[Any], Callable[..., np.ndarray]]:
    """The rule for a scatter, which writes windows at indices. A ufunc combines them with what is there."""

    def rule(equation: Any) -> Callable[..., np.ndarray]:
        params, (operand, indices, updates) = equation.params, equation.inputs
        numbers = params["dimension_numbers"]
        dropped = (*numbers.inserted_window_dims, *numbers.operand_batching_dims)
        remaining = iter(numbers.update_window_dims)
        sizes = [1 if axis in dropped else updates.shape[next(remaining)] for axis in range(len(operand.shape))]
        windows = _Windows(
            operand.shape, indices.shape, sizes, numbers.scatter_dims_to_operand_dims, numbers.operand_batching_dims,
            numbers.scatter_indices_batching_dims, numbers.inserted_window_dims, params["mode"],
        )
        windows.fills = params["mode"].name != "CLIP"
        batch_axes = [axis for axis in range(len(updates.shape)) if axis not in numbers.update_window_dims]
        order = (*batch_axes, *numbers.update_window_dims)  # from the axes of the updates to batch + window
        shape = (*windows.batch, *(sizes[axis] for axis in windows.kept))

        def scattered(x: np.ndarray, at: np.ndarray, new: np.ndarray) -> np.ndarray:
            result = np.array(x)
            if math.prod(shape) == 0:
                return result
            places, inside = windows.places(at)
            new = new.transpose(order)
            if inside is not None:
                kept = np.broadcast_to(inside, shape)
                places, new = tuple(np.broadcast_to(place, shape)[kept] for place in places), new[kept]
            if ufunc is not None:
                ufunc.at(result, places, new)
            else:
                result[places] = new
            return result

        return scattered

    return rule
