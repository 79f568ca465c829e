"""Where the arrays of a training state and of a batch live: on one device, or split over the devices of a mesh."""

from typing import Any, Literal

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

__all__ = ["mesh_of", "place_batch", "state_shardings", "with_automatic_axes"]

MIN_SHARD_SIZE = 2**14
"""Arrays with fewer elements are not split: to gather them would take longer than what their memory is worth."""


def with_automatic_axes(mesh: Mesh) -> Mesh:
    """The mesh with automatic axes, so that augmentations and optimisers need no rules for sharded arrays."""
    if len(mesh.axis_names) != 1:
        raise ValueError(
            f"a training state takes a mesh of one axis, over which the batch is split; this one has the axes "
            f"{mesh.axis_names}: use jax.make_mesh((len(jax.devices()),), ('data',))"
        )
    return Mesh(mesh.devices, mesh.axis_names, axis_types=(AxisType.Auto,))


def mesh_of(tree: Any) -> Mesh | None:
    """The mesh over which the arrays of a tree are placed; None if they are on one device."""
    for leaf in jax.tree.leaves(tree):
        if isinstance(leaf, jax.Array) and isinstance(leaf.sharding, NamedSharding):
            mesh = leaf.sharding.mesh
            if isinstance(mesh, Mesh):
                return mesh
    return None


def state_shardings(
    state: Any, mesh: Mesh, shard: Literal["params"] | None = None, *, min_size: int = MIN_SHARD_SIZE
) -> Any:
    """The sharding of each array of a training state.

    The rule looks at shapes only. So a parameter, its moments and its average are split in the same way.

    Args:
        state: a pytree of arrays, or of `jax.ShapeDtypeStruct`.
        mesh: a mesh of one axis.
        shard: "params" splits each large array over the mesh along its longest axis that divides evenly. None copies
            each array to each device.
        min_size: arrays with fewer elements are copied to each device.

    Raises:
        ValueError: `shard` is something else.
    """
    if shard not in (None, "params"):
        raise ValueError(f"shard={shard!r} must be None or 'params'")

    def sharding(leaf: Any) -> NamedSharding:
        axes = [axis for axis, length in enumerate(leaf.shape) if length % mesh.size == 0]
        if shard is None or leaf.size < max(min_size, 1) or not axes:
            return NamedSharding(mesh, PartitionSpec())
        longest = max(axes, key=lambda axis: leaf.shape[axis])
        return NamedSharding(mesh, PartitionSpec(*[None] * longest, mesh.axis_names[0]))

    return jax.tree.map(sharding, state)


def place_batch(batch: Any, mesh: Mesh | None) -> Any:
    """The batch with its first axis split over a mesh. Without a mesh it is returned as it is.

    Args:
        batch: a pytree of arrays. If there are several processes, each gives its part of the global batch.
        mesh: the mesh of the training state.

    Raises:
        ValueError: the batch does not divide evenly over the devices.
    """
    if mesh is None:
        return batch
    sharding = NamedSharding(mesh, PartitionSpec(mesh.axis_names[0]))
    local = max(1, mesh.size // jax.process_count())

    def put(leaf: Any) -> jax.Array:
        if isinstance(leaf, jax.Array) and leaf.sharding == sharding:
            return leaf
        if isinstance(leaf, jax.Array) and not leaf.is_fully_addressable:
            return jax.device_put(leaf, sharding)  # a global array, with explicit axes or another layout
        if not leaf.shape or leaf.shape[0] % local:
            raise ValueError(
                f"an array of shape {leaf.shape} does not divide evenly over {local} devices: choose a batch size that "
                f"is a multiple of the number of devices, and drop_last=True for training"
            )
        if jax.process_count() > 1:
            return jax.make_array_from_process_local_data(sharding, np.asarray(leaf))
        return jax.device_put(leaf, sharding)

    return jax.tree.map(put, batch)
