"""Schedules that change the learning rate by a factor, at each epoch or at some of them."""

import collections
from collections.abc import Callable, Iterable, Sequence
from types import FunctionType
from typing import Any

from .scheduler import LRScheduler, require_optimizer, require_positive

__all__ = [
    "ConstantLR", "ExponentialLR", "LambdaLR", "LinearLR", "MultiStepLR", "MultiplicativeLR", "PolynomialLR", "StepLR",
]  # fmt: skip


class _Functions(LRScheduler):
    """The base class of schedules with a function of the epoch: one for all groups, or one for each group."""

    def __init__(
        self, optimizer: Any, lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ):
        require_optimizer(optimizer)
        groups, name = len(optimizer.param_groups), type(self).__name__
        self.lr_lambdas = list(lr_lambda) if isinstance(lr_lambda, Sequence) else [lr_lambda] * groups
        if len(self.lr_lambdas) != groups:
            raise ValueError(f"{name} got {len(self.lr_lambdas)} functions for {groups} groups")
        if not all(map(callable, self.lr_lambdas)):
            raise TypeError(f"{name} takes functions of the epoch; got {lr_lambda!r}")
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """All attributes except the optimizer. Of callable objects their attributes are saved; functions are not."""
        saved = [None if isinstance(f, FunctionType) else dict(getattr(f, "__dict__", {})) for f in self.lr_lambdas]
        return super().state_dict() | {"lr_lambdas": saved}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores a `state_dict`."""
        super().load_state_dict({name: value for name, value in state_dict.items() if name != "lr_lambdas"})
        for function, saved in zip(self.lr_lambdas, state_dict["lr_lambdas"], strict=True):
            if saved:
                vars(function).update(saved)


class LambdaLR(_Functions):
    """The initial learning rate times a function of the epoch: one for all groups, or one for each group."""

    def get_lr(self) -> list[float]:
        """The learning rates of the groups at `last_epoch`."""
        return [base * function(self.last_epoch) for base, function in zip(self.base_lrs, self.lr_lambdas, strict=True)]


class MultiplicativeLR(_Functions):
    """Multiplies the learning rate by a function of the epoch, from epoch 1 on."""

    def get_lr(self) -> list[float]:
        """The learning rates of the groups at `last_epoch`."""
        if self._is_initial:
            return self._read()
        return [lr * function(self.last_epoch) for lr, function in zip(self._read(), self.lr_lambdas, strict=True)]


class StepLR(LRScheduler):
    """Multiplies the learning rate by `gamma` every `step_size` epochs."""

    def __init__(self, optimizer: Any, step_size: int, gamma: float = 0.1, last_epoch: int = -1):
        require_positive("StepLR", step_size=step_size)
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def next_lr(self, lr: float, base_lr: float, epoch: int) -> float:
        """The learning rate of an epoch."""
        return lr * self.gamma if epoch > 0 and epoch % self.step_size == 0 else lr


class MultiStepLR(LRScheduler):
    """Multiplies the learning rate by `gamma` at each of the `milestones`: twice at one that is listed twice."""

    def __init__(self, optimizer: Any, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1):
        self.milestones, self.gamma = collections.Counter(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def next_lr(self, lr: float, base_lr: float, epoch: int) -> float:
        """The learning rate of an epoch."""
        return lr * self.gamma ** self.milestones[epoch]


class ConstantLR(LRScheduler):
    """Multiplies the learning rate by `factor` for `total_iters` epochs, and then restores it."""

    def __init__(self, optimizer: Any, factor: float = 1 / 3, total_iters: int = 5, last_epoch: int = -1):
        if not 0 < factor <= 1:
            raise ValueError(f"ConstantLR takes a factor above 0 and at most 1; got {factor}")
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def next_lr(self, lr: float, base_lr: float, epoch: int) -> float:
        """The learning rate of an epoch."""
        if epoch == 0:
            return lr * self.factor
        return lr * (1 / self.factor) if epoch == self.total_iters else lr


class LinearLR(LRScheduler):
    """Multiplies by a factor that moves linearly from `start_factor` to `end_factor` in `total_iters` epochs."""

    CHANGES_WHEN_RESUMED = False

    def __init__(
        self, optimizer: Any, start_factor: float = 1 / 3, end_factor: float = 1.0, total_iters: int = 5,
        last_epoch: int = -1,
    ):
        if not 0 < start_factor <= 1 or not 0 <= end_factor <= 1:
            raise ValueError(
                f"LinearLR takes 0 < start_factor <= 1 and 0 <= end_factor <= 1; got {start_factor=}, {end_factor=}"
            )
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def next_lr(self, lr: float, base_lr: float, epoch: int) -> float:
        """The learning rate of an epoch."""
        if epoch == 0:
            return lr * self.start_factor
        if epoch > self.total_iters:
            return lr
        rise = self.end_factor - self.start_factor
        return lr * (1 + rise / (self.total_iters * self.start_factor + (epoch - 1) * rise))


class ExponentialLR(LRScheduler):
    """Multiplies the learning rate by `gamma` every epoch."""

    CHANGES_WHEN_RESUMED = False

    def __init__(self, optimizer: Any, gamma: float, last_epoch: int = -1):
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def next_lr(self, lr: float, base_lr: float, epoch: int) -> float:
        """The learning rate of an epoch."""
        return lr * self.gamma if epoch > 0 else lr


class PolynomialLR(LRScheduler):
    """Multiplies the learning rate by `(1 - epoch / total_iters) ** power`, which reaches 0 at `total_iters`."""

    CHANGES_WHEN_RESUMED = False

    def __init__(self, optimizer: Any, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1):
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def next_lr(self, lr: float, base_lr: float, epoch: int) -> float:
        """The learning rate of an epoch."""
        if epoch == 0 or epoch > self.total_iters:
            return lr
        return lr * ((1 - epoch / self.total_iters) / (1 - (epoch - 1) / self.total_iters)) ** self.power
