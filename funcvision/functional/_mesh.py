"""Operations on arrays that are sharded over a mesh with explicit axes.

Along an explicit axis the sharding is a part of an array's type, and each operation needs a rule for the sharding of
its result. `jax.make_mesh` makes explicit axes by default. The operations of `jax.lax` have such a rule or refuse the
operands; our primitives have none. `by_compiler` runs a function for which only the sharding of the result is given:
inside it, the axes are automatic and the compiler finds the shardings of all intermediate arrays, as it does
everywhere on a mesh with automatic axes.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

__all__ = [
    "broadcast_to", "by_compiler", "has_manual_axes", "replicated", "reshape", "sharded_axes", "sharded_like", "take",
]

Array = TypeVar("Array", jax.Array, np.ndarray)
Axes = str | tuple[str, ...] | None  # the axes of the mesh over which one axis of an array is sharded


def has_manual_axes(*arrays: jax.Array) -> bool:
    """Whether the program is inside `jax.shard_map`, where each array has the axes over which it varies in its type."""
    meshes = [jax.sharding.get_abstract_mesh(), *(jax.typeof(array).sharding.mesh for array in arrays)]
    return any(AxisType.Manual in mesh.axis_types for mesh in meshes)


def sharded_axes(x: jax.Array | np.ndarray) -> tuple[Axes, ...]:
    """For each axis of `x` the explicit axes of the mesh over which it is sharded, or None."""
    return tuple(jax.typeof(x).sharding.spec)


def by_compiler(
    function: Callable[..., jax.Array], *arrays: jax.Array, result: Callable[[], Sequence[Axes]]
) -> jax.Array:
    """`function(*arrays)`. On a mesh with explicit axes the compiler chooses the shardings inside the function.

    Args:
        function: of the arrays. What it closes over must not be sharded.
        arrays: the operands.
        result: returns how the result is sharded, as `sharded_axes` does; called only on a mesh with explicit axes.
            An axis of the mesh that comes twice is used for the first axis of the result only.
    """
    mesh = _explicit_mesh(arrays)
    if mesh is None:
        return function(*arrays)
    sharding = NamedSharding(mesh, PartitionSpec(*_without_repeats(result())))
    return jax.jit(jax.sharding.auto_axes(function, axes=mesh.explicit_axes, out_sharding=sharding))(*arrays)


def broadcast_to(x: jax.Array, shape: Sequence[int], pattern: jax.Array) -> jax.Array:
    """`jnp.broadcast_to(x, shape)`, sharded over explicit axes like `pattern`, an array with `len(shape)` axes.

    `jnp.broadcast_to` would leave the new axes unsharded. Then the gradient of the result, which is sharded like the
    array that the result was added to, would be gathered before it is summed.
    """
    return by_compiler(lambda x, _: jnp.broadcast_to(x, shape), x, pattern, result=lambda: sharded_axes(pattern))


def reshape(x: Array, shape: Sequence[int]) -> Array:
    """`x.reshape(shape)`. Leading axes that stay as they are also stay sharded as they are; the others are not sharded.

    `jax.lax.reshape` refuses most reshapes of several axes of an array that is sharded over explicit axes, even where
    the sharded axis stays as it is.
    """
    def result() -> Sequence[Axes]:
        pairs = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(x.shape, shape, strict=False))
        kept = sharded_axes(x)[: len(list(pairs))]
        return *kept, *[None] * (len(shape) - len(kept))

    reshaped: Any = by_compiler(lambda x: x.reshape(shape), cast(jax.Array, x), result=result)
    return reshaped


def replicated(x: jax.Array) -> jax.Array:
    """`x` as a whole on each device, if it is sharded over explicit axes. Its gradient is sharded like `x`."""
    mesh = _explicit_mesh([x])
    if mesh is None or not any(sharded_axes(x)):
        return x
    return jax.sharding.reshard(x, NamedSharding(mesh, PartitionSpec(*[None] * x.ndim)))


def sharded_like(x: jax.Array, pattern: jax.Array) -> jax.Array:
    """`x` sharded over explicit axes like `pattern`, an array of as many axes."""
    mesh = _explicit_mesh([pattern])
    if mesh is None or sharded_axes(x) == sharded_axes(pattern):
        return x
    return jax.sharding.reshard(x, jax.typeof(pattern).sharding)


def take(x: jax.Array, index: np.ndarray, axis: int, *, is_sorted: bool = False) -> jax.Array:
    """`jnp.take(x, index, axis)` for indices that exist. The other axes stay sharded as they are.

    From jax 0.11 on, `jnp.take` has no gradient for an array that is sharded over explicit axes.
    """
    def result() -> Sequence[Axes]:
        axes = sharded_axes(x)
        return *axes[:axis], *[None] * index.ndim, *axes[axis + 1 :]

    def function(x: jax.Array) -> jax.Array:
        return jnp.take(x, index, axis, mode="clip", indices_are_sorted=is_sorted)

    return by_compiler(function, x, result=result)


def _explicit_mesh(arrays: Sequence[jax.Array]) -> Any:
    """The mesh of the first array whose mesh has explicit axes, or None."""
    meshes = (jax.typeof(array).sharding.mesh for array in arrays)
    return next((mesh for mesh in meshes if AxisType.Explicit in mesh.axis_types), None)


def _without_repeats(axes: Sequence[Axes]) -> list[Axes]:
    used: set[str] = set()
    kept: list[Axes] = []
    for one in axes:
        names = tuple(name for name in ((one,) if isinstance(one, str) else one or ()) if name not in used)
        used.update(names)
        kept.append(names or None)
    return kept
