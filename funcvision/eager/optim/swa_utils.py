"""Averages of the weights of a model over training: stochastic weight averaging, and exponential moving averages."""

import copy
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp

from .._base import as_array
from .._graph import no_grad
from ..nn import BatchNorm1d, BatchNorm2d, BatchNorm3d, Module, SyncBatchNorm  # pyright: ignore
from ..tensor import Tensor
from .lr_scheduler import LRScheduler
from .lr_scheduler.scheduler import for_each_group, require_optimizer

__all__ = [
    "AveragedModel", "SWALR", "get_ema_avg_fn", "get_ema_multi_avg_fn", "get_swa_avg_fn", "get_swa_multi_avg_fn",
    "update_bn",
]  # fmt: skip

Average = Callable[[Any, Any, Any], Any]


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """A function of (average, value, count) that gives the exponential moving average after one more value."""
    _check_decay(decay)

    @no_grad
    def ema_update(ema_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn() -> Average:
    """A function of (average, value, count) that gives the equally weighted average after one more value."""

    @no_grad
    def swa_update(averaged_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


def get_ema_multi_avg_fn(decay: float = 0.999) -> Average:
    """A function of (averages, values, count) that updates exponential moving averages in place."""
    _check_decay(decay)

    def ema_update(ema_param_list: Sequence[Tensor], current_param_list: Sequence[Tensor], num_averaged: Any) -> None:
        _move(ema_param_list, current_param_list, 1 - decay)

    return ema_update


def get_swa_multi_avg_fn() -> Average:
    """A function of (averages, values, count) that updates equally weighted averages in place."""

    def swa_update(
        averaged_param_list: Sequence[Tensor], current_param_list: Sequence[Tensor], num_averaged: Any
    ) -> None:
        _move(averaged_param_list, current_param_list, 1 / (float(num_averaged) + 1))

    return swa_update


def _check_decay(decay: float) -> None:
    if not 0 <= decay <= 1:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")


def _move(averages: Sequence[Tensor], values: Sequence[Tensor], weight: float) -> None:
    """Moves averages towards values, by one compiled function for all."""
    arrays = _moved([as_array(average) for average in averages], [as_array(value) for value in values], weight)
    for average, array in zip(averages, arrays, strict=True):
        average.array = array


@jax.jit
def _moved(averages: list[jax.Array], values: list[jax.Array], weight: Any) -> list[jax.Array]:
    moved = []
    for average, value in zip(averages, values, strict=True):
        wide = average.dtype if jnp.issubdtype(average.dtype, jnp.inexact) else jnp.dtype(jnp.float32)
        start, share = average.astype(wide), jnp.asarray(weight).astype(wide)
        moved.append((start + share * (value.astype(wide) - start)).astype(average.dtype))
    return moved


class AveragedModel(Module):
    """A copy of a model whose weights are an average of those of the model over training.

    The equally weighted average is stochastic weight averaging (Izmailov et al. 2018,
    https://arxiv.org/abs/1803.05407). For an exponential moving average pass
    `multi_avg_fn=get_ema_multi_avg_fn(0.999)`.

    Args:
        model: the model.
        device: where the copy lies.
        avg_fn: a function of (average, value, number of values averaged so far) that gives the new average.
        multi_avg_fn: a function of (averages, values, number) that updates a list of averages in place.
        use_buffers: average the buffers, too. Otherwise they are copied.

    Attributes:
        module: the copy.
        n_averaged: the number of values averaged so far.

    Raises:
        AssertionError: both functions are given.
    """

    n_averaged: Any

    def __init__(
        self, model: Module, device: Any = None, avg_fn: Average | None = None, multi_avg_fn: Average | None = None,
        use_buffers: bool = False,
    ):
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = copy.deepcopy(model)
        if device is not None:
            self.module.to(device)
        self.register_buffer("n_averaged", Tensor.wrap(jnp.zeros((), int)))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The output of the averaged model."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Takes the weights of the model into the average. The first call copies them."""
        pairs = list(zip(self.module.parameters(), model.parameters(), strict=True))
        buffers = list(zip(self.module.buffers(), model.buffers(), strict=True))
        averaged = [*pairs, *buffers] if self.use_buffers else pairs
        count = self.n_averaged.item()
        with no_grad():
            if count:
                self._average([own.detach() for own, _ in averaged], [value.detach() for _, value in averaged])
            for own, value in itertools.chain([] if count else averaged, [] if self.use_buffers else buffers):
                own.array = jnp.copy(as_array(value))
            self.n_averaged += 1

    def _average(self, averages: list[Tensor], values: list[Tensor]) -> None:
        if self.avg_fn is None:
            update = get_swa_multi_avg_fn() if self.multi_avg_fn is None else self.multi_avg_fn
            update(averages, values, self.n_averaged)
            return
        for average, value in zip(averages, values, strict=True):
            average.array = as_array(self.avg_fn(average, value, self.n_averaged)).astype(average.array.dtype)


def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Computes the running statistics of batch normalisation anew, by one pass over data.

    Args:
        loader: batches, each a Tensor or a sequence whose first element is the Tensor that the model takes.
        model: the model.
        device: where batches are moved to.
    """
    kinds: Any = (BatchNorm1d, BatchNorm2d, BatchNorm3d, SyncBatchNorm)
    layers: list[Any] = [module for module in model.modules() if isinstance(module, kinds)]
    momenta = [layer.momentum for layer in layers]
    if not layers:
        return
    for layer in layers:
        if layer.running_mean is not None:
            layer.running_mean.array = jnp.zeros_like(layer.running_mean.array)
            layer.running_var.array = jnp.ones_like(layer.running_var.array)
            layer.num_batches_tracked.array = jnp.zeros_like(layer.num_batches_tracked.array)
        layer.momentum = None  # the statistics are averages over all batches
    was_training = model.training
    model.train()
    with no_grad():
        for batch in loader:
            images = batch[0] if isinstance(batch, list | tuple) else batch
            model(images if device is None else images.to(device))
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """Moves the learning rate to `swa_lr` in `anneal_epochs` epochs and keeps it there.

    Args:
        optimizer: the optimizer.
        swa_lr: the final learning rate: one for all groups, or one for each group.
        anneal_epochs: the length of the move in epochs.
        anneal_strategy: "cos" or "linear".
        last_epoch: the number of steps taken before, to resume a run.

    Raises:
        ValueError: an option is out of range.
    """

    def __init__(
        self, optimizer: Any, swa_lr: float | Sequence[float], anneal_epochs: int = 10,
        anneal_strategy: Literal["cos", "linear"] = "cos", last_epoch: int = -1,
    ):
        require_optimizer(optimizer)
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f'anneal_strategy must be one of "cos" or "linear", instead got {anneal_strategy}')
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        for lr, group in zip(for_each_group("swa_lr", swa_lr, optimizer), optimizer.param_groups, strict=True):
            group["swa_lr"] = lr
        self.anneal_epochs, self._anneal_strategy = anneal_epochs, anneal_strategy
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The learning rates of the groups after one more step."""
        step = max(1, self._step_count - 1) if self.anneal_epochs == 0 else self._step_count - 1
        before, share = self._share(step - 1), self._share(step)
        lrs = []
        for group, lr in zip(self.optimizer.param_groups, self._read(), strict=True):
            final = group["swa_lr"]
            start = final if before == 1 else (lr - before * final) / (1 - before)
            lrs.append(final * share + start * (1 - share))
        return lrs

    def _share(self, step: int) -> float:
        """How much of the way to the final learning rate is done."""
        share = max(0, min(1, step / max(1, self.anneal_epochs)))
        return (1 - math.cos(math.pi * share)) / 2 if self._anneal_strategy == "cos" else share
