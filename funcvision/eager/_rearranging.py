"""Functions that view, join, split and repeat arrays, with torch's options."""

import operator
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._base import TensorBase
from ._lift import lift
from ._named import named
from ._scattering import _diagonal  # pyright: ignore[reportPrivateUsage]
from ._shapes import as_shape, axis_of, cat, split
from ._viewing import viewing

__all__ = [
    "RearrangingMethods", "atleast_1d", "atleast_2d", "atleast_3d", "block_diag", "broadcast_tensors",
    "column_stack", "dstack", "hstack", "meshgrid", "row_stack", "vstack",
]  # fmt: skip
Strides = tuple[int, ...]


# Views


def diagonal(input: jax.Array, offset: int = 0, dim1: int = 0, dim2: int = 1) -> jax.Array:
    """The diagonal in the axes `dim1` and `dim2`, as the last axis of the result."""
    _require_axis("diagonal", input, dim1, dim2)
    if dim1 % input.ndim == dim2 % input.ndim:
        raise RuntimeError(f"diagonal takes two different axes; got {dim1} and {dim2}")
    return jnp.diagonal(input, offset, dim1, dim2)


def _require_axis(function: str, x: jax.Array, *axes: int) -> None:
    for axis in axes:
        if not -max(x.ndim, 1) <= axis < max(x.ndim, 1):
            raise IndexError(f"{function}: axis {axis} is out of range for an array of shape {x.shape}")


def unfold(input: jax.Array, dimension: int, size: int, step: int) -> jax.Array:
    """Windows of `size` elements along an axis, one every `step` elements. They are a new last axis.

    Raises:
        RuntimeError: the windows are larger than the axis, or the step is not positive.
    """
    _require_axis("unfold", input, dimension)
    x = input if input.ndim else input.reshape(1)
    length = x.shape[dimension]
    if not 0 <= size <= length or step <= 0:
        raise RuntimeError(f"unfold takes windows of up to {length} elements at positive steps; got {size} and {step}")
    if not input.ndim:
        return x[:size]
    places = np.arange(0, length - size + 1, step)[:, None] + np.arange(size)
    axis = dimension % x.ndim
    return jnp.moveaxis(jnp.take(x, jnp.asarray(places, jnp.int32), axis, mode="clip"), axis + 1, -1)


def tensor_split(
    input: jax.Array, indices_or_sections: Any, dim: int = 0
) -> tuple[jax.Array, ...]:
    """Parts along an axis: a number of them, whose sizes differ by 1 at most, or those between given indices."""
    _require_axis("tensor_split", input, dim)
    if not input.ndim:
        raise RuntimeError("tensor_split takes an array with axes")
    given = np.asarray(indices_or_sections)
    if given.ndim == 0 and given <= 0:
        raise RuntimeError(f"tensor_split takes a positive number of parts; got {given}")
    if not given.ndim:
        size, sections = input.shape[dim], int(given)
        lengths = [size // sections + (i < size % sections) for i in range(sections)]
        return split(input, lengths, dim)
    size = input.shape[dim]
    ends = [slice(None, int(end)).indices(size)[1] for end in given]
    starts = [0, *(slice(int(end), None).indices(size)[0] for end in given)]
    pairs = zip(starts, [*ends, size], strict=True)
    return tuple(jax.lax.slice_in_dim(input, start, max(start, end), axis=dim % input.ndim) for start, end in pairs)


def _split_evenly(function: str, x: jax.Array, given: Any, dim: int) -> tuple[jax.Array, ...]:
    if isinstance(given, int) and (given <= 0 or x.shape[dim] % given):
        raise RuntimeError(f"{function} makes equal parts, and {given} does not divide axis {dim} of shape {x.shape}")
    return tensor_split(x, given, dim)


def hsplit(input: jax.Array, indices_or_sections: Any) -> tuple[jax.Array, ...]:
    """Parts along the second axis, or along the only one: a number of equal ones, or those between indices."""
    if not input.ndim:
        raise RuntimeError("hsplit takes an array with one or more axes")
    return _split_evenly("hsplit", input, indices_or_sections, 1 if input.ndim > 1 else 0)


def vsplit(input: jax.Array, indices_or_sections: Any) -> tuple[jax.Array, ...]:
    """Parts along the first axis of an array with two or more: a number of equal ones, or those between indices."""
    if input.ndim < 2:
        raise RuntimeError(f"vsplit takes an array with two or more axes; got shape {input.shape}")
    return _split_evenly("vsplit", input, indices_or_sections, 0)


def dsplit(input: jax.Array, indices_or_sections: Any) -> tuple[jax.Array, ...]:
    """Parts along the third axis: a number of equal ones, or those between indices."""
    if input.ndim < 3:
        raise RuntimeError(f"dsplit takes an array with three or more axes; got shape {input.shape}")
    return _split_evenly("dsplit", input, indices_or_sections, 2)


def split_with_sizes(input: jax.Array, split_sizes: Sequence[int], dim: int = 0) -> tuple[jax.Array, ...]:
    """Parts of these sizes along an axis."""
    return split(input, split_sizes, dim)


# Copies


def tile(input: jax.Array, *dims: int | Sequence[int]) -> jax.Array:
    """The array repeated along its axes. Missing numbers in front are 1."""
    return jnp.tile(input, as_shape(dims))


def rot90(input: jax.Array, k: int = 1, dims: Sequence[int] = (0, 1)) -> jax.Array:
    """The array rotated `k` times by 90 degrees, from the first of two axes towards the second."""
    if input.ndim < 2:
        raise RuntimeError(f"rot90 takes an array with two or more axes; got shape {input.shape}")
    first, second = dims
    return jnp.rot90(input, k, (first, second))


def fliplr(input: jax.Array) -> jax.Array:
    """The order of the columns reversed, along the second axis."""
    if input.ndim < 2:
        raise RuntimeError(f"fliplr takes an array with two or more axes; got shape {input.shape}")
    return jnp.flip(input, 1)


def flipud(input: jax.Array) -> jax.Array:
    """The order of the rows reversed, along the first axis."""
    if not input.ndim:
        raise RuntimeError("flipud takes an array with one or more axes; got a number")
    return jnp.flip(input, 0)


def diag(input: jax.Array, diagonal: int = 0) -> jax.Array:
    """A matrix with this diagonal, of a vector; the diagonal, of a matrix.

    Raises:
        RuntimeError: the array is neither a vector nor a matrix.
    """
    if input.ndim not in (1, 2):
        raise RuntimeError(f"diag takes a vector or a matrix; got shape {input.shape}")
    return jnp.diag(input, diagonal)


def diag_embed(input: jax.Array, offset: int = 0, dim1: int = -2, dim2: int = -1) -> jax.Array:
    """Matrices, in the axes `dim1` and `dim2` of the result, whose diagonals are the last axis of the array."""
    size = input.shape[-1] + abs(offset)
    rows, columns = _diagonal(size, size, offset)
    matrices = jnp.zeros((*input.shape[:-1], size, size), input.dtype).at[..., rows, columns].set(input)
    return jnp.moveaxis(matrices, (-2, -1), (dim1, dim2))


def diagflat(input: jax.Array, offset: int = 0) -> jax.Array:
    """A matrix whose diagonal is the flattened array."""
    return jnp.diag(input.reshape(-1), offset)


def trace(input: jax.Array) -> jax.Array:
    """The sum of the diagonal of a matrix.

    Raises:
        RuntimeError: the array is no matrix.
    """
    if input.ndim != 2:
        raise RuntimeError(f"trace takes a matrix; got shape {input.shape}")
    is_real = jnp.issubdtype(input.dtype, jnp.inexact)
    return jnp.sum(jnp.diagonal(input), dtype=input.dtype if is_real else jnp.arange(0).dtype)


def sum_to_size(input: jax.Array, *size: int | Sequence[int]) -> jax.Array:
    """The sum over the axes along which an array of shape `size` would be broadcast to this one."""
    wanted = as_shape(size)
    extra = input.ndim - len(wanted)
    if extra < 0 or any(to not in (1, own) for to, own in zip(wanted, input.shape[extra:], strict=True)):
        raise RuntimeError(f"an array of shape {input.shape} is not summed to {tuple(wanted)}")
    axes = [axis for axis, (to, own) in enumerate(zip(wanted, input.shape[extra:]), extra) if to == 1 and own != 1]
    return jnp.sum(input, (*range(extra), *axes), dtype=input.dtype).reshape(wanted)


# Several arrays


def _broadcast_tensors(*tensors: Any) -> tuple[jax.Array, ...]:
    """The arrays broadcast to one shape."""
    arrays = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], tuple | list) else tensors
    shape = jnp.broadcast_shapes(*(array.shape for array in arrays))
    return tuple(jnp.broadcast_to(array, shape) for array in arrays)


def _each(function: Any, tensors: Any) -> Any:
    """The function of one array, or of each of several."""
    if len(tensors) == 1 and not isinstance(tensors[0], tuple | list):
        return function(tensors[0])
    given = tensors[0] if len(tensors) == 1 else tensors
    return tuple(function(array) for array in given)


def _atleast_1d(*tensors: Any) -> Any:
    """Each array with at least one axis."""
    return _each(lambda x: x if x.ndim else x.reshape(1), tensors)


def _atleast_2d(*tensors: Any) -> Any:
    """Each array with at least two axes; new ones are in front."""
    return _each(lambda x: x if x.ndim > 1 else x.reshape(1, -1), tensors)


def _atleast_3d(*tensors: Any) -> Any:
    """Each array with at least three axes: a vector becomes [1, n, 1], a matrix gets a last axis."""
    return _each(lambda x: x if x.ndim > 2 else x[..., None] if x.ndim == 2 else x.reshape(1, -1, 1), tensors)


def _block_diag(*tensors: Any) -> jax.Array:
    """A matrix with these matrices on its diagonal. Numbers and vectors count as matrices with one row."""
    with jax.numpy_dtype_promotion("standard"):
        dtype = jnp.result_type(*tensors)
    blocks = [_atleast_2d(block).astype(dtype) for block in tensors]
    if any(block.ndim > 2 for block in blocks):
        raise RuntimeError(f"block_diag takes matrices; got shapes {[block.shape for block in blocks]}")
    columns, before, rows = sum(block.shape[1] for block in blocks), 0, []
    for block in blocks:
        after = columns - before - block.shape[1]
        rows.append(jnp.pad(block, ((0, 0), (before, after))))
        before += block.shape[1]
    return jnp.concatenate(rows)


def _meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[jax.Array, ...]:
    """Coordinates of a grid from the coordinates along its axes.

    Args:
        tensors: a vector or a number for each axis.
        indexing: "ij" (the default), or "xy" to swap the first two axes.
    """
    arrays = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], tuple | list) else tensors
    if any(array.ndim > 1 for array in arrays):
        raise RuntimeError(f"meshgrid takes vectors; got shapes {[array.shape for array in arrays]}")
    if len({array.dtype for array in arrays}) > 1:
        raise RuntimeError(f"meshgrid takes arrays of one dtype; got {[str(array.dtype) for array in arrays]}")
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(f'meshgrid takes indexing="ij" or "xy"; got {indexing!r}')
    arrays = [array.reshape(-1) for array in arrays]
    return tuple(jnp.meshgrid(*arrays, indexing=indexing or "ij"))


def _vstack(tensors: Sequence[jax.Array]) -> jax.Array:
    """Arrays joined along the first axis, vectors as rows."""
    return cat([_atleast_2d(x) for x in tensors], 0)


def _hstack(tensors: Sequence[jax.Array]) -> jax.Array:
    """Arrays joined along the second axis, vectors along their only one."""
    rows = [_atleast_1d(x) for x in tensors]
    return cat(rows, 0 if rows[0].ndim == 1 else 1)


def _dstack(tensors: Sequence[jax.Array]) -> jax.Array:
    """Arrays joined along the third axis."""
    return cat([_atleast_3d(x) for x in tensors], 2)


def _column_stack(tensors: Sequence[jax.Array]) -> jax.Array:
    """Arrays joined along the second axis, vectors as columns."""
    return cat([x if x.ndim > 1 else x.reshape(-1, 1) for x in tensors], 1)



broadcast_tensors, meshgrid = named(_broadcast_tensors, "broadcast_tensors"), named(_meshgrid, "meshgrid")
atleast_1d, atleast_2d = named(_atleast_1d, "atleast_1d"), named(_atleast_2d, "atleast_2d")
atleast_3d, block_diag = named(_atleast_3d, "atleast_3d"), named(_block_diag, "block_diag")
vstack = row_stack = named(_vstack, "vstack")
hstack, dstack = named(_hstack, "hstack"), named(_dstack, "dstack")
column_stack = named(_column_stack, "column_stack")


# The strides of views, from those of what they are views of


def _same_strides(strides: Strides, *args: Any, **kwargs: Any) -> Strides:
    return strides


def _strides_of_diagonal(strides: Strides, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Strides:
    axes = (dim1 % len(strides), dim2 % len(strides))
    return (*(step for axis, step in enumerate(strides) if axis not in axes), sum(strides[axis] for axis in axes))


def _strides_of_unfold(strides: Strides, dimension: int, size: int, step: int) -> Strides:
    if not strides:
        return (1,)
    axis = dimension % len(strides)
    return (*strides[:axis], strides[axis] * step, *strides[axis + 1 :], strides[axis])


class RearrangingMethods(TensorBase):
    """Functions that view, split and repeat Tensors as methods."""

    __slots__ = ()

    diagonal, unfold = viewing(diagonal, _strides_of_diagonal), viewing(unfold, _strides_of_unfold)
    hsplit, vsplit, dsplit, split_with_sizes = (
        viewing(function, _same_strides) for function in (hsplit, vsplit, dsplit, split_with_sizes)
    )
    tile, rot90, fliplr, flipud = map(lift, (tile, rot90, fliplr, flipud))
    diag, diag_embed, diagflat, trace, sum_to_size = map(lift, (diag, diag_embed, diagflat, trace, sum_to_size))
    _tensor_split = viewing(tensor_split, _same_strides)

    def narrow(self, dim: int, start: Any, length: int) -> Any:
        """The part of axis `dim` that begins at `start`.

        Raises:
            IndexError: the part does not begin in the axis.
            RuntimeError: the part does not end in the axis.
        """
        if not self.ndim:
            raise RuntimeError("narrow takes a Tensor with axes")
        axis = axis_of(self.array, dim)
        start, size = operator.index(start), self.shape[axis]
        if not -size <= start <= size:
            raise IndexError(f"narrow begins at {start}, beyond axis {dim} of size {size}")
        start = start + size if start < 0 else start
        if length < 0 or start + length > size:
            raise RuntimeError(f"narrow goes from {start} to {start + length}, beyond axis {dim} of size {size}")
        return self[(*(slice(None),) * axis, slice(start, start + length))]  # pyright: ignore[reportIndexIssue]

    def select(self, dim: int, index: int) -> Any:
        """The slice `index` of axis `dim`, without that axis.

        Raises:
            IndexError: the axis has no such slice.
        """
        if not self.ndim:
            raise IndexError("select takes a Tensor with axes")
        return self[(*(slice(None),) * axis_of(self.array, dim), index)]  # pyright: ignore[reportIndexIssue]

    def ravel(self) -> Any:
        """The Tensor flattened."""
        return self.reshape(-1)  # pyright: ignore[reportAttributeAccessIssue]

    def broadcast_to(self, size: Sequence[int]) -> Any:
        """The Tensor broadcast to a shape."""
        return self.expand(*size)  # pyright: ignore[reportAttributeAccessIssue]

    def narrow_copy(self, dim: int, start: int, length: int) -> Any:
        """`narrow`, whose result shares no elements with this Tensor."""
        return self.narrow(dim, start, length).clone()

    def tensor_split(self, indices_or_sections: Any, dim: int = 0) -> Any:
        """Parts along an axis: a number of them, whose sizes differ by 1 at most, or those between given indices."""
        if isinstance(indices_or_sections, TensorBase):
            indices_or_sections = indices_or_sections.tolist()
        return self._tensor_split(indices_or_sections, dim)
