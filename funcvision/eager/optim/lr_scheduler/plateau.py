"""A schedule that waits for a metric to stop improving."""

import math
from collections.abc import Sequence
from typing import Any, Literal

from ...tensor import Tensor
from .scheduler import LRScheduler, for_each_group, require_optimizer

__all__ = ["ReduceLROnPlateau"]


class ReduceLROnPlateau(LRScheduler):
    """Multiplies the learning rate by `factor` if a metric has not improved for more than `patience` epochs.

    Call `step(metric)`.

    Args:
        optimizer: the optimizer.
        mode: "min" if smaller metrics are better, "max" if larger ones are.
        factor: the factor, below 1.
        patience: the number of epochs without improvement that are tolerated.
        threshold: the least change that counts as an improvement.
        threshold_mode: "rel" if `threshold` is relative to the best metric so far, "abs" if it is absolute.
        cooldown: epochs after a reduction in which epochs without improvement are not counted.
        min_lr: the lower limit of the learning rate: one for all groups, or one for each group.
        eps: reductions by at most this much are not made.

    Raises:
        ValueError: an option is out of range.
    """

    def __init__(
        self, optimizer: Any, mode: Literal["min", "max"] = "min", factor: float = 0.1, patience: int = 10,
        threshold: float = 1e-4, threshold_mode: Literal["rel", "abs"] = "rel", cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0, eps: float = 1e-8,
    ):
        if not factor < 1 or mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise ValueError(
                'ReduceLROnPlateau takes a factor below 1, mode "min" or "max" and threshold_mode "rel" or "abs"; '
                f"got {factor=}, {mode=}, {threshold_mode=}"
            )
        require_optimizer(optimizer)
        self.min_lrs = for_each_group("min_lr", min_lr, optimizer)
        self.optimizer, self.last_epoch = optimizer, 0
        self._last_lr = self._read()
        self.mode, self.factor, self.patience, self.cooldown = mode, factor, patience, cooldown
        self.threshold, self.threshold_mode, self.eps = threshold, threshold_mode, eps
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = 0

    def step(self, metrics: Any, epoch: int | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Records the metric and reduces the learning rates if it has not improved for too long.

        Args:
            metrics: the metric, a number or a Tensor with one element.
            epoch: the number of the epoch. It is deprecated.
        """
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        current = metrics.item() if isinstance(metrics, Tensor) else float(metrics)
        if self._improves(current):
            self.best, self.num_bad_epochs = current, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter, self.num_bad_epochs = self.cooldown_counter - 1, 0
        if self.num_bad_epochs > self.patience:
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
            reduced = [
                max(lr * self.factor, least) for lr, least in zip(self._read(), self.min_lrs, strict=True)
            ]
            self._write([new if lr - new > self.eps else lr for lr, new in zip(self._read(), reduced, strict=True)])
        self._last_lr = self._read()

    def _improves(self, current: float) -> bool:
        sign = -1 if self.mode == "min" else 1
        relative = self.threshold_mode == "rel"
        limit = self.best * (1 + sign * self.threshold) if relative else self.best + sign * self.threshold
        return current < limit if self.mode == "min" else current > limit
