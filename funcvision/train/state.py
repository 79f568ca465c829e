"""`TrainState`: everything that a training step reads and changes."""

import dataclasses
import functools
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from ..nn import Module
from .ema import EMA, Average
from .placement import MIN_SHARD_SIZE, state_shardings, with_automatic_axes

__all__ = ["TrainState", "create"]

Arrays = dict[str, jax.Array]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TrainState:
    """Everything that a training step reads and changes, as a pytree.

    Attributes:
        params: the trained arrays, with the names of torch's `state_dict`.
        state: the model's other arrays, such as running statistics.
        opt_state: the moments and counters of the optimiser.
        ema: the moving average of `params` and `state`; None if there is none.
        step: how many steps were made, int32.
        key: the random key of the run. It stays the same; each step derives its own key from it and from `step`.
    """

    params: Arrays
    state: Arrays
    opt_state: Any
    ema: Average | None
    step: jax.Array
    key: jax.Array

    def averaged(self) -> "TrainState":
        """The same state with the averaged arrays in place of `params` and `state`, for evaluation.

        Raises:
            ValueError: there is no average.
        """
        if self.ema is None:
            raise ValueError("this state has no average: make it with create(..., ema=EMA(...))")
        return dataclasses.replace(self, params=self.ema.params, state=self.ema.state)


def create(
    model: Module, optimizer: optax.GradientTransformation, *, key: jax.Array, ema: EMA | None = None,
    mesh: Mesh | None = None, shard: Literal["params"] | None = None, dtype: Any = jnp.float32,
    params: Arrays | None = None, state: Arrays | None = None, min_shard_size: int = MIN_SHARD_SIZE,
) -> TrainState:
    """The state before the first step.

    Args:
        model: the description of the model.
        optimizer: a transformation of optax.
        key: a random key, for the initial values and for all steps.
        ema: keep a moving average of the model; the same one is given to `make_step`.
        mesh: the devices, as a mesh of one axis. The batch is split over it. None means the default device.
        shard: "params" also splits large parameters and their moments over the mesh, so that each device stores a part
            of them. A step gathers them where it computes. None keeps a copy on each device.
        dtype: of the parameters that are freshly initialised.
        params: parameters to start from, such as published weights. They are copied, because steps donate the state.
        state: the model's other arrays that belong to `params`.
        min_shard_size: parameters with fewer elements are never split.

    Raises:
        ValueError: only one of `params` and `state` is given, `mesh` has several axes, or `shard` is given without
            `mesh`.

    >>> from funcvision import nn
    >>> start = create(nn.Linear(3, 2), optax.sgd(0.1), key=jax.random.key(0))
    >>> int(start.step), start.params["weight"].shape
    (0, (3, 2))
    """
    if (params is None) != (state is None):
        raise ValueError("params and state belong together: give both, or neither for fresh initial values")
    if shard is not None and mesh is None:
        raise ValueError(f"shard={shard!r} needs mesh=, the devices to split over")
    init_key, run_key = jax.random.split(key)

    def build(init_key: jax.Array, run_key: jax.Array, given: tuple[Arrays, Arrays] | None) -> TrainState:
        params, state = model.init(init_key, dtype=dtype) if given is None else given
        average = None if ema is None else ema.init(params, state)
        return TrainState(params, state, optimizer.init(params), average, jnp.zeros((), jnp.int32), run_key)

    given = None if params is None or state is None else (params, state)
    if mesh is None:
        # The copies are arrays of their own: a step donates the state, and no array can be donated twice.
        return jax.tree.map(jnp.copy, build(init_key, run_key, given))
    mesh = with_automatic_axes(mesh)
    impl = jax.random.key_impl(key)

    def build_from_host(init_data: Any, run_data: Any, given: tuple[Arrays, Arrays] | None) -> TrainState:
        wrap = functools.partial(jax.random.wrap_key_data, impl=impl)
        return build(wrap(init_data), wrap(run_data), given)

    # Arrays of the host are the only ones that a program of several processes takes without a sharding.
    data = jax.device_get((jax.random.key_data(init_key), jax.random.key_data(run_key), given))
    shardings = state_shardings(jax.eval_shape(build_from_host, *data), mesh, shard, min_size=min_shard_size)
    with jax.set_mesh(mesh):  # each device makes its own part
        return jax.jit(build_from_host, out_shardings=shardings)(*data)
