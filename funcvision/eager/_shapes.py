"""Functions that reshape, move, select and join arrays, with torch's options."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

__all__ = [
    "as_shape", "axis_of", "cat", "chunk", "expand", "flatten", "flip", "gather", "matmul", "movedim", "permute",
    "repeat", "reshape", "roll", "scatter", "split", "squeeze", "stack", "t", "transpose", "tril", "triu", "unbind",
    "unflatten", "unsqueeze",
]  # fmt: skip


def as_shape(given: tuple[int | Sequence[int], ...]) -> tuple[int, ...]:
    """The sizes, which are given one by one or as one sequence."""
    return tuple(given[0]) if len(given) == 1 and isinstance(given[0], Sequence) else given  # pyright: ignore[reportReturnType]


def reshape(x: jax.Array, *shape: int | Sequence[int]) -> jax.Array:
    """The same elements in another shape. One size may be -1; it is then inferred."""
    return jnp.reshape(x, as_shape(shape))


def axis_of(x: jax.Array, dim: int) -> int:
    """An axis, counted from the front. A number without axes has the axis 0, as in torch.

    Raises:
        IndexError: the array has no such axis.
    """
    count = max(x.ndim, 1)
    if not -count <= dim < count:
        raise IndexError(f"axis {dim} is out of bounds for an array of shape {x.shape}")
    return dim % count


def flatten(x: jax.Array, start_dim: int = 0, end_dim: int = -1) -> jax.Array:
    """The axes from `start_dim` to `end_dim` merged into one."""
    if x.ndim == 0:
        return x.reshape(1)
    start, end = axis_of(x, start_dim), axis_of(x, end_dim)
    if start > end:
        raise RuntimeError(f"flatten takes start_dim before end_dim; got {start_dim} and {end_dim}")
    return x.reshape(*x.shape[:start], math.prod(x.shape[start : end + 1]), *x.shape[end + 1 :])


def unflatten(x: jax.Array, dim: int, sizes: Sequence[int]) -> jax.Array:
    """Axis `dim` split into axes of these sizes."""
    dim = axis_of(x, dim)
    return x.reshape(*x.shape[:dim], *sizes, *x.shape[dim + 1 :])


def permute(x: jax.Array, *dims: int | Sequence[int]) -> jax.Array:
    """The axes in another order."""
    return jnp.transpose(x, as_shape(dims))


def transpose(x: jax.Array, dim0: int, dim1: int) -> jax.Array:
    """Two axes swapped."""
    first, second = axis_of(x, dim0), axis_of(x, dim1)
    return jnp.swapaxes(x, first, second) if x.ndim else x


def t(x: jax.Array) -> jax.Array:
    """A matrix transposed. Arrays with fewer axes are returned unchanged."""
    if x.ndim > 2:
        raise RuntimeError(f"t takes at most two axes; got shape {x.shape}: use permute or .mT")
    return x.T


def movedim(x: jax.Array, source: int | Sequence[int], destination: int | Sequence[int]) -> jax.Array:
    """Axes moved to other positions."""
    return jnp.moveaxis(x, source, destination) if x.ndim else x


def unsqueeze(x: jax.Array, dim: int) -> jax.Array:
    """A new axis of size 1 at `dim`."""
    return jnp.expand_dims(x, dim)


def squeeze(x: jax.Array, dim: int | Sequence[int] | None = None) -> jax.Array:
    """The array without its axes of size 1, or without those of `dim` that have size 1."""
    named = range(x.ndim) if dim is None else [dim] if isinstance(dim, int) else dim
    return jnp.squeeze(x, tuple(axis for axis in named if x.shape[axis] == 1))


def expand(x: jax.Array, *sizes: int | Sequence[int]) -> jax.Array:
    """The array broadcast to these sizes, with new axes in front. -1 keeps the size of an axis."""
    wanted = as_shape(sizes)
    old = (-1,) * (len(wanted) - x.ndim) + x.shape
    return jnp.broadcast_to(x, tuple(before if size == -1 else size for size, before in zip(wanted, old, strict=True)))


def repeat(x: jax.Array, *sizes: int | Sequence[int]) -> jax.Array:
    """The array repeated `sizes` times along its axes, with new axes in front."""
    repeats = as_shape(sizes)
    if len(repeats) < x.ndim:
        raise RuntimeError(f"repeat needs a number for each axis of shape {x.shape}; got {repeats}")
    return jnp.tile(x, repeats)


def flip(x: jax.Array, *dims: int | Sequence[int]) -> jax.Array:
    """The order of the elements reversed along these axes."""
    return jnp.flip(x, as_shape(dims))


def roll(x: jax.Array, shifts: int | Sequence[int], dims: int | Sequence[int] | None = None) -> jax.Array:
    """Elements shifted along axes. Those that leave at one end enter at the other."""
    return jnp.roll(x, shifts, dims)


def split(x: jax.Array, split_size: int | Sequence[int], dim: int = 0) -> tuple[jax.Array, ...]:
    """Parts along an axis: all of one size, of which the last may be smaller, or of several given sizes."""
    dim = axis_of(x, dim)
    length = x.shape[dim]
    if isinstance(split_size, int):
        if split_size <= 0:
            raise RuntimeError(f"split takes a positive size; got {split_size}")
        split_size = [min(split_size, length - start) for start in range(0, length, split_size)] or [0]
    if sum(split_size) != length:
        raise RuntimeError(f"split sizes {tuple(split_size)} do not add up to {length}, the length of axis {dim}")
    return tuple(lax.split(x, split_size, dim))


def chunk(x: jax.Array, chunks: int, dim: int = 0) -> tuple[jax.Array, ...]:
    """At most `chunks` parts of equal size along an axis, of which the last may be smaller."""
    if chunks <= 0:
        raise RuntimeError(f"chunk makes at least one part; got chunks={chunks}")
    return split(x, max(1, math.ceil(x.shape[dim] / chunks)), dim)


def unbind(x: jax.Array, dim: int = 0) -> tuple[jax.Array, ...]:
    """The slices along an axis, without that axis."""
    return tuple(jnp.unstack(x, axis=dim)) if x.shape[dim] else ()


def cat(tensors: Sequence[jax.Array], dim: int = 0) -> jax.Array:
    """Arrays concatenated along an existing axis. Their dtypes are promoted.

    Raises:
        ValueError: there are no arrays.
    """
    if not tensors:
        raise ValueError("cat needs at least one Tensor; got an empty list")
    with jax.numpy_dtype_promotion("standard"):
        return jnp.concatenate(list(tensors), dim)


def stack(tensors: Sequence[jax.Array], dim: int = 0) -> jax.Array:
    """Arrays of one shape joined along a new axis. Their dtypes are promoted.

    Raises:
        RuntimeError: there are no arrays.
    """
    if not tensors:
        raise RuntimeError("stack needs at least one Tensor; got an empty list")
    with jax.numpy_dtype_promotion("standard"):
        return jnp.stack(list(tensors), dim)


def matmul(x: jax.Array, other: jax.Array) -> jax.Array:
    """The matrix product over the last two axes. Vectors and leading axes are treated as in numpy.

    Raises:
        RuntimeError: the dtypes differ. The caller must choose the precision.
    """
    if x.dtype != other.dtype:
        raise RuntimeError(f"matmul takes one dtype; got {x.dtype} and {other.dtype}: convert one by `.to(dtype)`")
    return jnp.matmul(x, other)


def gather(x: jax.Array, dim: int, index: jax.Array) -> jax.Array:
    """Elements of axis `dim` at `index`, which has as many axes as `x` and may be shorter in the others."""
    return jnp.take_along_axis(_beginning(x, dim, index), index, dim)


def scatter(x: jax.Array, dim: int, index: jax.Array, src: jax.Array | float) -> jax.Array:
    """`x` with the elements of `src`, or one number, written to `index` of axis `dim`: the inverse of `gather`."""
    values = jnp.asarray(src).astype(x.dtype)
    values = _beginning(values, None, index) if values.ndim else jnp.broadcast_to(values, index.shape)
    places = list(jnp.meshgrid(*map(jnp.arange, index.shape), indexing="ij", sparse=False))
    places[dim] = index
    return x.at[tuple(places)].set(values)


def _beginning(x: jax.Array, dim: int | None, index: jax.Array) -> jax.Array:
    """The first elements of every axis except `dim`, as many as `index` has."""
    if x.ndim != index.ndim:
        raise RuntimeError(f"the index must have as many axes as the array; got shapes {index.shape} and {x.shape}")
    kept = None if dim is None else dim % x.ndim
    return x[tuple(slice(None) if axis == kept else slice(size) for axis, size in enumerate(index.shape))]


def tril(x: jax.Array, diagonal: int = 0) -> jax.Array:
    """The array with zeros above this diagonal."""
    return jnp.tril(x, diagonal)


def triu(x: jax.Array, diagonal: int = 0) -> jax.Array:
    """The array with zeros below this diagonal."""
    return jnp.triu(x, diagonal)
