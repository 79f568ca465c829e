"""`make_step`: augmentation, forward pass, backward pass, update and average as one compiled function."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ..functional._precision import at_least_float32
from ..nn import Module
from .ema import EMA
from .gradients import clip_grad_norm, global_norm
from .placement import mesh_of, place_batch
from .state import TrainState

__all__ = ["Step", "make_step"]

Precision = Literal["float32", "bfloat16", "float64"]
Step = Callable[[TrainState, Any], tuple[TrainState, dict[str, jax.Array]]]


def make_step(
    model: Module, loss: Callable[[Any, Any], jax.Array], optimizer: optax.GradientTransformation, *,
    augment: Callable[..., Any] | None = None, ema: EMA | None = None, accumulate: int = 1,
    precision: Precision = "float32", clip: float | None = None, sync_bn: bool = True,
) -> Step:
    """A compiled training step: `state, metrics = step(state, batch)`.

    The state is donated: use the one that is returned, not the one that was given. A batch is `(images, labels)`. If
    the state lies on a mesh, the batch is split over it; losses, gradients and, unless `sync_bn=False`, batch
    statistics are those of the whole batch. Random numbers depend on `state.key` and `state.step` only.

    A step whose loss or gradient is not finite changes nothing but `state.step`. Its metrics tell so.

    Args:
        model: the description of the model.
        loss: `loss(output, labels)`, a scalar: the mean over the batch. See `train.losses`.
        optimizer: the transformation of optax for which the state was created.
        augment: `augment((images, labels), key=key)` returns the batch to train with. It is compiled into the step.
            `MixUp` and `CutMix` can be given as they are.
        ema: the average for which the state was created.
        accumulate: the batch is cut into so many runs in order, and the gradients of the runs are averaged. This saves
            memory. Batch normalisation sees one run after the other.
        precision: the dtype to which floating-point images are cast, and so the one in which the model computes.
            Parameters, losses and updates keep theirs.
        clip: scale gradients so that their norm is at most this; see `clip_grad_norm`.
        sync_bn: batch normalisation computes its statistics over the whole batch. False computes them over the part of
            the batch on each device, without communication; the running statistics become the mean over the devices.
            (torch's DistributedDataParallel keeps those of the first device.) On one device there is no difference.

    Returns:
        The step. Its metrics are scalars: "loss", "gradient_norm" before clipping, and "accuracy" where the output is
        [n, classes] and labels are classes or one number for each class.

    Raises:
        ValueError: an option is out of range; or, when called, the batch is no pair or does not divide into the runs,
            or the loss is no scalar.
    """
    if precision not in ("float32", "bfloat16", "float64"):
        raise ValueError(f"precision={precision!r} must be 'float32', 'bfloat16' or 'float64'")
    if precision == "float64" and not jax.config.jax_enable_x64:  # pyright: ignore[reportAttributeAccessIssue]
        raise ValueError("precision='float64' needs jax.config.update('jax_enable_x64', True) before arrays are made")
    if accumulate < 1:
        raise ValueError(f"accumulate={accumulate} must be 1 or more")
    clipper = None if clip is None else clip_grad_norm(clip)

    def objective(params: Any, buffers: Any, batch: Any, key: jax.Array) -> Any:
        if not isinstance(batch, tuple | list) or len(batch) != 2:
            given = "one array" if isinstance(batch, jax.Array) else f"a {type(batch).__name__}"
            raise ValueError(f"a step trains with a batch (images, labels), and it got {given}")
        images, labels = batch
        output, buffers = model.apply(params, buffers, as_precision(images, precision), train=True, key=key)
        output = for_loss(output)
        value = loss(output, labels)
        if jnp.shape(value) != ():
            raise ValueError(f"loss must return a scalar, the mean over the batch; its shape is {jnp.shape(value)}")
        metrics = {"loss": value} | accuracy_of(output, labels)
        return value, (buffers, metrics)

    gradient_on_one = jax.grad(objective, has_aux=True)

    def gradients(params: Any, buffers: Any, batch: Any, key: jax.Array, mesh: Mesh | None) -> Any:
        gradient = gradient_on_one if sync_bn or mesh is None else _on_each_device(gradient_on_one, mesh)
        if accumulate == 1:
            return gradient(params, buffers, batch, key)

        def run(carry: Any, inputs: Any) -> tuple[Any, Any]:
            buffers, total = carry
            part, number = inputs
            found, (buffers, metrics) = gradient(params, buffers, part, jax.random.fold_in(key, number))
            return (buffers, jax.tree.map(jnp.add, total, found)), metrics

        runs = jax.tree.map(functools.partial(_runs, count=accumulate, mesh=mesh), batch)
        start = (buffers, jax.tree.map(jnp.zeros_like, params))
        (buffers, total), metrics = jax.lax.scan(run, start, (runs, jnp.arange(accumulate)))
        mean = jax.tree.map(lambda x: x / accumulate, total)
        return mean, (buffers, jax.tree.map(lambda x: x.mean(0), metrics))

    def step(state: TrainState, batch: Any, mesh: Mesh | None) -> tuple[TrainState, dict[str, jax.Array]]:
        augment_key, layer_key = jax.random.split(jax.random.fold_in(state.key, state.step))
        if augment is not None:
            batch = augment(batch, key=augment_key)
        params = state.params
        if mesh is not None:  # parameters that are split over devices are gathered for the model
            params = jax.lax.with_sharding_constraint(params, NamedSharding(mesh, PartitionSpec()))
        found, (buffers, metrics) = gradients(params, state.state, batch, layer_key, mesh)
        norm = global_norm(found)
        if clipper is not None:
            found, _ = clipper.update(found, optax.EmptyState())
        with jax.numpy_dtype_promotion("standard"):  # optax mixes ints and floats, which strict promotion refuses
            updates, opt_state = optimizer.update(found, state.opt_state, state.params)
            new_params: Any = optax.apply_updates(state.params, updates)
        average = state.ema
        if ema is not None and average is not None:
            average = ema.update(average, new_params, buffers, state.step)
        good = jnp.isfinite(metrics["loss"]) & jnp.isfinite(norm)
        new = TrainState(new_params, buffers, opt_state, average, state.step + 1, state.key)
        kept = jax.tree.map(functools.partial(jnp.where, good), new, dataclasses.replace(state, step=new.step))
        return kept, metrics | {"gradient_norm": norm}

    compiled: dict[Any, Any] = {}

    def placed_step(state: TrainState, batch: Any) -> tuple[TrainState, dict[str, jax.Array]]:
        if (ema is None) != (state.ema is None):
            raise ValueError("ema must be given to both create and make_step, or to neither")
        _check_runs(batch, accumulate)
        mesh = mesh_of(state.step)
        if mesh is None:
            if None not in compiled:
                compiled[None] = jax.jit(functools.partial(step, mesh=None), donate_argnums=0)
            return compiled[None](state, batch)
        place = tuple(leaf.sharding for leaf in jax.tree.leaves(state))
        if place not in compiled:
            shardings = jax.tree.map(lambda leaf: leaf.sharding, state), NamedSharding(mesh, PartitionSpec())
            compiled[place] = jax.jit(functools.partial(step, mesh=mesh), donate_argnums=0, out_shardings=shardings)
        with jax.set_mesh(mesh):
            return compiled[place](state, place_batch(batch, mesh))

    return placed_step


def _on_each_device(gradient: Callable[..., Any], mesh: Mesh) -> Callable[..., Any]:
    """The same function of parameters, buffers, batch and key, called on each device with its part of the batch.

    What it returns is averaged over the devices. So gradients of a mean over the batch are those of the whole batch.
    """
    axis, everywhere = mesh.axis_names[0], PartitionSpec()

    def mean(x: jax.Array) -> jax.Array:
        # Counts of batches are whole numbers, and the same on all devices.
        return jax.lax.pmean(x, axis) if jnp.issubdtype(x.dtype, jnp.inexact) else jax.lax.pmax(x, axis)

    def local(params: Any, buffers: Any, part: Any, key: jax.Array) -> Any:
        key = jax.random.fold_in(key, jax.lax.axis_index(axis))  # or each device would drop the same activations
        return jax.tree.map(mean, gradient(params, buffers, part, key))

    return jax.shard_map(
        local, mesh=mesh, in_specs=(everywhere, everywhere, PartitionSpec(axis), everywhere), out_specs=everywhere,
        check_vma=False,  # primitives of this library do not declare which of their values vary over devices
    )


def as_precision(images: Any, precision: str) -> Any:
    """Floating-point arrays in the dtype of a precision; others as they are."""
    dtype = jnp.dtype(precision)
    return jax.tree.map(lambda x: x.astype(dtype) if jnp.issubdtype(x.dtype, jnp.floating) else x, images)


def for_loss(output: Any) -> Any:
    """The outputs of a model, with those in bfloat16 or float16 cast to float32."""
    return jax.tree.map(lambda x: at_least_float32(x) if jnp.issubdtype(x.dtype, jnp.floating) else x, output)


def accuracy_of(output: Any, labels: Any) -> dict[str, jax.Array]:
    """`{"accuracy": share of samples}` where it is defined: output [n, classes], labels [n] or [n, classes]."""
    if not (isinstance(output, jax.Array) and isinstance(labels, jax.Array) and output.ndim == 2):
        return {}
    if labels.shape == output.shape:
        labels = labels.argmax(-1)
    elif labels.shape != output.shape[:1] or not jnp.issubdtype(labels.dtype, jnp.integer):
        return {}
    return {"accuracy": (output.argmax(-1) == labels).astype(jnp.float32).mean()}


def _check_runs(batch: Any, count: int) -> None:
    if count > 1 and any(leaf.shape[0] % count for leaf in jax.tree.leaves(batch)):
        lengths = sorted({leaf.shape[0] for leaf in jax.tree.leaves(batch)})
        raise ValueError(f"a batch of {lengths} samples cannot be cut into accumulate={count} runs of equal size")


def _runs(x: jax.Array, *, count: int, mesh: Mesh | None) -> jax.Array:
    """[batch, ...] as [count, batch / count, ...], with each run split over the mesh."""
    x = x.reshape(count, x.shape[0] // count, *x.shape[1:])
    if mesh is None:
        return x
    return jax.lax.with_sharding_constraint(x, NamedSharding(mesh, PartitionSpec(None, mesh.axis_names[0])))
