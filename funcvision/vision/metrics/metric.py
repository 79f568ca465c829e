"""What metrics that are sums have in common: pure functions of a state, a dict of arrays."""

import abc
from typing import Any, TypeAlias

import jax
import numpy as np
from jax.experimental import multihost_utils

__all__ = ["Metric", "State", "sum_over_processes"]

State: TypeAlias = dict[str, jax.Array]


class Metric(abc.ABC):
    """A metric whose state is a sum over samples.

    A metric is a description: it holds options and no arrays. Its methods are pure functions, which `jax.jit` compiles.
    As every array of a state is a sum, states are merged by addition. So `jax.lax.psum(state, axis_name)` merges those
    of the devices inside `jax.shard_map`, and a jitted `update` of sharded arrays sums over all devices by itself.

    >>> import jax.numpy as jnp
    >>> from funcvision.vision import metrics
    >>> metric = metrics.Accuracy(topk=(1,))
    >>> state = metric.init()
    >>> state = metric.update(state, jnp.eye(4), jnp.array([0, 1, 2, 0]))
    >>> float(metric.compute(state)["acc1"])
    75.0
    """

    @abc.abstractmethod
    def init(self) -> State:
        """The state before any sample."""

    @abc.abstractmethod
    def update(self, state: State, predictions: Any, targets: Any, *, valid: Any = None) -> State:
        """The state after further samples.

        Args:
            state: the state so far.
            predictions: what a model found.
            targets: what is true.
            valid: which samples count, bool with their first axes; None means all. Padding of a batch is not valid.
        """

    @abc.abstractmethod
    def compute(self, state: State) -> dict[str, jax.Array]:
        """The metrics, by name. A metric of no samples is NaN."""

    def merge(self, *states: State) -> State:
        """The state of all samples, from states of parts of them."""
        return jax.tree.map(lambda *parts: sum(parts[1:], start=parts[0]), *states)

    def __call__(self, predictions: Any, targets: Any, *, valid: Any = None) -> dict[str, jax.Array]:
        """The metrics of one batch; the arguments are those of `update`."""
        return self.compute(self.update(self.init(), predictions, targets, valid=valid))


def sum_over_processes(state: State) -> State:
    """The state of all samples that any process has seen; with one process, the same state.

    Every process must call it. Each has to have seen other samples than the others: a state whose arrays are already
    global, because `update` was jitted with arrays sharded over all processes, is complete without it.
    """
    if jax.process_count() == 1:
        return state
    gathered = multihost_utils.process_allgather(state)
    return jax.tree.map(lambda parts: jax.numpy.asarray(np.sum(parts, axis=0, dtype=parts.dtype)), gathered)
