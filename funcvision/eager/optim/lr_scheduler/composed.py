"""Schedules of schedules."""

import bisect
import itertools
from collections.abc import Sequence
from typing import Any

from .plateau import ReduceLROnPlateau
from .scheduler import LRScheduler, require_optimizer

__all__ = ["ChainedScheduler", "SequentialLR"]


class _Composed(LRScheduler):
    """The base class of schedules of schedules."""

    _schedulers: list[LRScheduler]

    def state_dict(self) -> dict[str, Any]:
        """The variables of this schedule and of each of its schedules."""
        return super().state_dict() | {"_schedulers": [scheduler.state_dict() for scheduler in self._schedulers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores a `state_dict`."""
        super().load_state_dict({name: value for name, value in state_dict.items() if name != "_schedulers"})
        for scheduler, state in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            scheduler.load_state_dict(state)


def _require_schedules(name: str, schedulers: Sequence[Any]) -> None:
    if not schedulers:
        raise ValueError(f"{name} takes at least one schedule")
    for number, scheduler in enumerate(schedulers):
        if not isinstance(scheduler, LRScheduler):
            raise TypeError(f"{name} takes schedules; number {number} is {type(scheduler).__name__}")
        if isinstance(scheduler, ReduceLROnPlateau):
            raise ValueError(
                f"{name} takes no ReduceLROnPlateau, because its step needs a metric; number {number} is one"
            )


def _require_same_optimizer(name: str, schedulers: Sequence[LRScheduler], optimizer: Any) -> None:
    if any(scheduler.optimizer is not optimizer for scheduler in schedulers):
        raise ValueError(f"the schedules of a {name} must have been made with its optimizer")


class ChainedScheduler(_Composed):
    """Advances several schedules of one optimizer together.

    Raises:
        TypeError: one of `schedulers` is no schedule.
        ValueError: there is no schedule, a schedule is a `ReduceLROnPlateau`, whose `step` needs a metric, or one was
            made for another optimizer.
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Any = None):
        _require_schedules("ChainedScheduler", schedulers)
        self.optimizer = schedulers[0].optimizer if optimizer is None else optimizer
        _require_same_optimizer("ChainedScheduler", schedulers, self.optimizer)
        self._schedulers = list(schedulers)
        self._last_lr = self._read()

    def step(self) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Advances all schedules by one epoch."""
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = self._read()


class SequentialLR(_Composed):
    """Runs one schedule after another. At each of the `milestones` the next one starts, at its epoch 0.

    Raises:
        TypeError: one of `schedulers` is no schedule.
        ValueError: the milestones do not fit the schedules or are not sorted, a schedule is a `ReduceLROnPlateau`,
            whose `step` needs a metric, or one was made for another optimizer.
    """

    def __init__(
        self, optimizer: Any, schedulers: Sequence[LRScheduler], milestones: Sequence[int],
        last_epoch: int = -1,
    ):
        require_optimizer(optimizer)
        _require_schedules("SequentialLR", schedulers)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(f"{len(schedulers)} schedules need one milestone less than that; got {len(milestones)}")
        if any(after < before for before, after in itertools.pairwise(milestones)):
            raise ValueError(f"the milestones of a SequentialLR must be sorted; got {list(milestones)}")
        _require_same_optimizer("SequentialLR", schedulers, optimizer)
        self._schedulers, self._milestones = list(schedulers), list(milestones)
        self.optimizer, self.last_epoch = optimizer, last_epoch + 1
        first = self._schedulers[bisect.bisect_right(self._milestones, 0)]
        first.restart([group["initial_lr"] for group in optimizer.param_groups])
        self._last_lr = first._last_lr

    def step(self) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Advances by one epoch."""
        self.last_epoch += 1
        scheduler = self._schedulers[bisect.bisect_right(self._milestones, self.last_epoch)]
        if self.last_epoch in self._milestones:
            scheduler.restart(scheduler.base_lrs)
        else:
            scheduler.step()
        self._last_lr = scheduler._last_lr
