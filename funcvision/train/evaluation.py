"""`evaluate`: metrics of a model over a data set, with each sample counted once."""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .. import functional as F
from ..data import DataLoader
from ..nn import Module
from .placement import mesh_of, place_batch
from .state import TrainState
from .step import as_precision, for_loss

__all__ = ["accuracy", "evaluate"]

Metric = Callable[[Any, Any], jax.Array]


def accuracy(k: int = 1) -> Metric:
    """Whether the label is among the `k` highest scores, for each sample: of output [n, classes] and ints [n].

    Raises:
        ValueError: `k` is below 1.

    >>> print(accuracy(2)(jnp.array([[1.0, 2.0, 3.0]]), jnp.array([1])))
    [1.]
    """
    if k < 1:
        raise ValueError(f"k={k} must be 1 or more")
    return functools.partial(_is_among_highest, k=k)


def evaluate(
    model: Module, state: TrainState, loader: Iterable[Any], metrics: Mapping[str, Metric] | None = None, *,
    prepare: Callable[[Any], Any] | None = None, ema: bool = False, precision: str = "float32",
) -> dict[str, float]:
    """The mean of each metric over all samples of a loader.

    Each sample counts once: a short last batch is padded, and neither padding nor the samples that a `DataLoader` of
    several processes repeats at the end of its order are counted. The function is compiled once for a model, its
    metrics and `prepare`: give the same objects at each call.

    Args:
        model: the description of the model.
        state: a training state; it is not changed.
        loader: batches `(images, labels)` of the data set, in one pass. Keep short batches: no `drop_last`.
        metrics: functions of the output and the labels that return a number for each sample, [n], by name. By default
            "loss", the cross entropy, and "accuracy".
        prepare: `prepare(images)` returns the model's input; it is compiled.
        ema: evaluate the average of the model instead.
        precision: the dtype to which floating-point images are cast.

    Returns:
        The means by name.

    Raises:
        ValueError: the loader is empty, or `ema` is set and the state has no average.
    """
    names = tuple((DEFAULT if metrics is None else metrics).items())
    run, mesh = _compiled(model, names, prepare, precision), mesh_of(state.step)
    chosen = state.averaged() if ema else state
    pending, size = [], 0
    for batch, counted in _counted(loader):
        size = max(size, len(counted))
        padded = place_batch(_padded((batch, counted), size, mesh), mesh)
        if mesh is None:
            pending.append(run(chosen.params, chosen.state, *padded))
        else:
            with jax.set_mesh(mesh):
                pending.append(run(chosen.params, chosen.state, *padded))
    if not pending:
        raise ValueError("there is nothing to evaluate: the loader gave no batch")
    sums = jax.tree.map(lambda *values: sum(float(value) for value in values), *jax.device_get(pending))
    count = sums.pop("")
    return {name: sums[name] / count for name, _ in names}


def _is_among_highest(output: jax.Array, labels: jax.Array, k: int) -> jax.Array:
    score = jnp.take_along_axis(output, labels[:, None], axis=-1)
    # Equal scores rank by class, as argmax does.
    before = (output > score) | ((output == score) & (jnp.arange(output.shape[-1])[None] < labels[:, None]))
    return (before.sum(-1) < k).astype(jnp.float32)


DEFAULT: dict[str, Metric] = {
    "loss": functools.partial(F.cross_entropy, reduction="none"), "accuracy": accuracy(),
}


@functools.lru_cache(maxsize=8)
def _compiled(model: Module, metrics: tuple[tuple[str, Metric], ...], prepare: Any, precision: str) -> Any:
    """The sums of the metrics over the counted samples of a batch; under "" their number."""
    @jax.jit
    def run(params: Any, buffers: Any, batch: Any, counted: jax.Array) -> dict[str, jax.Array]:
        images, labels = batch
        x = as_precision(images if prepare is None else prepare(images), precision)
        output = for_loss(model.apply(params, buffers, x)[0])
        sums = {"": counted.sum(dtype=jnp.float32)}
        for name, metric in metrics:
            values = metric(output, labels)
            if values.shape != counted.shape:
                raise ValueError(f"the metric {name!r} must return a number for each sample, shape {counted.shape}; "
                                 f"it returned shape {values.shape}")
            sums[name] = jnp.where(counted, values, jnp.zeros_like(values)).sum()
        return sums

    return run


def _counted(loader: Iterable[Any]) -> Iterator[tuple[Any, np.ndarray]]:
    """Batches, and for each sample whether this process has to count it."""
    length = None
    if isinstance(loader, DataLoader) and loader.batch_sampler is None and hasattr(loader.sampler, "__len__"):
        length = len(loader.sampler)  # pyright: ignore[reportArgumentType]
    for number, batch in enumerate(loader):
        size = jax.tree.leaves(batch)[0].shape[0]
        counted = np.ones(size, bool)
        if length is not None and isinstance(loader, DataLoader):
            index, count = loader.shard
            first = number * loader.batch_size * count + index * size
            counted = np.arange(first, first + size) < length
        yield batch, counted


def _padded(tree: Any, size: int, mesh: Any) -> Any:
    """Arrays of the full batch size, and of a multiple of the number of devices. Rows of zeros are added."""
    if mesh is not None:
        devices = max(1, mesh.size // jax.process_count())
        size += -size % devices

    def pad(x: Any) -> Any:
        missing = size - x.shape[0]
        if not missing:
            return x
        return np.concatenate([np.asarray(x), np.zeros((missing, *x.shape[1:]), x.dtype)])

    return jax.tree.map(pad, tree)
