"""`LRScheduler`, the base class of learning-rate schedules."""

import warnings
from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any, ClassVar

from ..._graph import no_grad
from ...tensor import Tensor

__all__ = ["LRScheduler", "for_each_group", "require_optimizer", "require_positive", "set_momentum"]


class LRScheduler:
    """The base class of schedules. A subclass defines `get_lr`, or `next_lr` for one group.

    Args:
        optimizer: the optimizer.
        last_epoch: the number of steps taken before, to resume a run whose schedule was not saved. -1 starts anew.

    Attributes:
        last_epoch: the number of steps taken.
        base_lrs: the learning rates of the groups before the first schedule changed them.

    Raises:
        TypeError: `optimizer` is no optimizer.
        KeyError: `last_epoch` is given, and the groups have no "initial_lr", which a schedule writes.
    """

    CHANGES_WHEN_RESUMED: ClassVar[bool] = True  # whether a constructor with a last_epoch changes the learning rates

    def __init__(self, optimizer: Any, last_epoch: int = -1):
        require_optimizer(optimizer)
        self.optimizer = optimizer
        for number, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", _number(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"group {number} of the optimizer has no 'initial_lr', which a resumed schedule needs: load the "
                    "state of the optimizer first"
                )
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._step_count = 0
        self._is_initial = True
        self.step()
        self._is_initial = False

    def next_lr(self, lr: float, base_lr: float, epoch: int) -> float:
        """The learning rate of an epoch, from `lr`, that of the epoch before (at epoch 0, that of the optimizer)."""
        raise NotImplementedError

    def get_lr(self) -> list[float]:
        """The learning rates of the groups at `last_epoch`."""
        lrs = self._read()
        if self._is_initial and self.last_epoch > 0 and not self.CHANGES_WHEN_RESUMED:
            return lrs
        return [self.next_lr(lr, base, self.last_epoch) for lr, base in zip(lrs, self.base_lrs, strict=True)]

    def step(self, epoch: int | None = None) -> None:
        """Advances by one epoch, or by one batch if the schedule counts batches.

        Args:
            epoch: the epoch to go to. It is deprecated.
        """
        self._step_count += 1
        if epoch is None:
            self.last_epoch += 1
            self._write(self.get_lr())
            return
        warnings.warn("scheduler.step(epoch) is deprecated: call scheduler.step() once an epoch", UserWarning, 2)
        self._go_to(epoch)

    def restart(self, lrs: Sequence[float]) -> None:
        """Restarts at epoch 0 with these learning rates."""
        self._write(lrs)
        self.last_epoch = 0
        self._write(self.get_lr())

    def _go_to(self, epoch: int) -> None:
        """Computes the learning rates of an epoch from the initial ones."""
        if type(self).get_lr is LRScheduler.get_lr:
            self._write(self.base_lrs)
            for earlier in range(epoch + 1):
                self.last_epoch = earlier
                self._write(self.get_lr())
        else:
            self.last_epoch = epoch
            self._write(self.get_lr())

    def get_last_lr(self) -> list[float]:
        """The learning rates that the last `step` set, one for each group."""
        return self._last_lr

    def _read(self) -> list[float]:
        return [_number(group["lr"]) for group in self.optimizer.param_groups]

    def _write(self, lrs: Iterable[float]) -> None:
        self._last_lr = list(lrs)
        for group, lr in zip(self.optimizer.param_groups, self._last_lr, strict=True):
            if isinstance(group["lr"], Tensor):
                with no_grad():
                    group["lr"].fill_(lr)
            else:
                group["lr"] = lr

    def state_dict(self) -> dict[str, Any]:
        """All attributes except the optimizer. Torch's schedule of the same class loads it."""
        return {name: value for name, value in vars(self).items() if name != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores a `state_dict`, or that of torch. The learning rates themselves are in that of the optimizer."""
        vars(self).update(state_dict)


_LRScheduler = LRScheduler  # the old name, which scripts for torch use


def _number(lr: Any) -> float:
    return lr.item() if isinstance(lr, Tensor) else lr


def require_optimizer(optimizer: Any) -> None:
    """Raises TypeError if this is no optimizer."""
    if not hasattr(optimizer, "param_groups"):
        raise TypeError(f"a schedule takes an optimizer; got {type(optimizer).__name__}")


def require_positive(schedule: str, **counts: Any) -> None:
    """Raises ValueError if one of the counts is not a positive integer."""
    for name, count in counts.items():
        if not isinstance(count, Integral) or count < 1:
            raise ValueError(f"{schedule} takes a positive integer as {name}; got {count!r}")


def for_each_group(name: str, value: Any, optimizer: Any) -> list[Any]:
    """One value for each group, from a list of them or from one for all."""
    groups = len(optimizer.param_groups)
    values = list(value) if isinstance(value, list | tuple) else [value] * groups
    if len(values) != groups:
        raise ValueError(f"{name} has {len(values)} values for {groups} groups")
    return values


def set_momentum(group: dict[str, Any], momentum: float) -> None:
    """Sets the momentum of a group, or its first beta."""
    if "betas" in group:
        group["betas"] = (momentum, *group["betas"][1:])
    else:
        group["momentum"] = momentum
