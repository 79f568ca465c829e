"""Learning-rate schedules. They write Python numbers into `optimizer.param_groups`; a step of the optimizer reads them.

Each schedule computes a learning rate from the one before, so several schedules can act on one optimizer. Call
`scheduler.step()` after `optimizer.step()`, once an epoch or once a batch: whichever the numbers of the schedule count.
To resume a run, restore the optimizer and the scheduler by `load_state_dict`.
"""

import bisect
import itertools
import math
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any, Literal

__all__ = [
    "ConstantLR", "CosineAnnealingLR", "ExponentialLR", "LRScheduler", "LambdaLR", "LinearLR", "MultiStepLR",
    "OneCycleLR", "PolynomialLR", "ReduceLROnPlateau", "SequentialLR", "StepLR",
]  # fmt: skip

Optimizer = Any  # anything with `param_groups`


class LRScheduler:
    """The base class of schedules. Subclasses define `next_lr`.

    Attributes:
        last_epoch: the number of steps taken.
        base_lrs: the learning rates of the groups before the first schedule changed them.
    """

    STATE: tuple[str, ...] = ("last_epoch", "base_lrs", "last_lrs")

    def __init__(self, optimizer: Optimizer):
        _require_optimizer(optimizer)
        self.optimizer = optimizer
        self.base_lrs = [group.setdefault("initial_lr", group["lr"]) for group in optimizer.param_groups]
        self.last_epoch = -1
        self.step()

    def next_lr(self, lr: float, base_lr: float, epoch: int) -> float:
        """The learning rate of an epoch, from `lr`, that of the epoch before (at epoch 0, that of the optimizer)."""
        raise NotImplementedError

    def next_lrs(self) -> list[float]:
        """The learning rates of the groups at `last_epoch`."""
        groups = zip(self.optimizer.param_groups, self.base_lrs, strict=True)
        return [self.next_lr(group["lr"], base_lr, self.last_epoch) for group, base_lr in groups]

    def step(self) -> None:
        """Advances by one epoch, or by one batch if the schedule counts batches."""
        self.last_epoch += 1
        self.last_lrs = self.next_lrs()
        self._write(self.last_lrs)

    def restart(self, lrs: Sequence[float]) -> None:
        """Restarts at epoch 0 with these learning rates."""
        self.last_epoch = -1
        self._write(lrs)
        self.step()

    def get_last_lr(self) -> list[float]:
        """The learning rates that the last `step` set, one for each group."""
        return self.last_lrs

    def _write(self, lrs: Sequence[float]) -> None:
        for group, lr in zip(self.optimizer.param_groups, lrs, strict=True):
            group["lr"] = lr

    def state_dict(self) -> dict[str, Any]:
        """The variables of the schedule. The arguments of its constructor are not included."""
        return {name: getattr(self, name) for name in self.STATE}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores a `state_dict`. The learning rates themselves are in that of the optimizer."""
        for name in self.STATE:
            setattr(self, name, state_dict[name])


def _require_optimizer(optimizer: Any) -> None:
    if not hasattr(optimizer, "param_groups"):
        raise TypeError(f"a schedule takes an optimizer; got {type(optimizer).__name__}")


def _require_positive(schedule: str, **counts: Any) -> None:
    for name, count in counts.items():
        if not isinstance(count, Integral) or count < 1:
            raise ValueError(f"{schedule} takes a positive integer as {name}; got {count!r}")


def _for_each_group(name: str, value: Any, optimizer: Any) -> list[Any]:
    """One value for each group, from a list of them or from one for all."""
    groups = len(optimizer.param_groups)
    values = list(value) if isinstance(value, list | tuple) else [value] * groups
    if len(values) != groups:
        raise ValueError(f"{name} has {len(values)} values for {groups} groups")
    return values


class LambdaLR(LRScheduler):
    """The initial learning rate times a function of the epoch: one for all groups, or one for each group."""

    def __init__(self, optimizer: Optimizer, lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]]):
        _require_optimizer(optimizer)
        groups = len(optimizer.param_groups)
        self.lr_lambdas = list(lr_lambda) if isinstance(lr_lambda, Sequence) else [lr_lambda] * groups
        if len(self.lr_lambdas) != groups:
            raise ValueError(f"LambdaLR got {len(self.lr_lambdas)} functions for {groups} groups")
        if not all(map(callable, self.lr_lambdas)):
            raise TypeError(f"LambdaLR takes functions of the epoch; got {lr_lambda!r}")
        super().__init__(optimizer)

    def next_lrs(self) -> list[float]:
        """The learning rates of the groups at `last_epoch`."""
        return [base * function(self.last_epoch) for base, function in zip(self.base_lrs, self.lr_lambdas, strict=True)]


class StepLR(LRScheduler):
    """Multiplies the learning rate by `gamma` every `step_size` epochs."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1):
        _require_positive("StepLR", step_size=step_size)
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer)

    def next_lr(self, lr: float, base_lr: float, epoch: int) -> float:
        """The learning rate of an epoch."""
        return lr * self.gamma if epoch > 0 and epoch % self.step_size == 0 else lr


class MultiStepLR(LRScheduler):
    """Multiplies the learning rate by `gamma` at each of the `milestones`: twice at one that is listed twice."""

    def __init__(self, optimizer: Optimizer, milestones: Sequence[int], gamma: float = 0.1):
        self.milestones, self.gamma = list(milestones), gamma
        super().__init__(optimizer)

    def next_lr(self, lr: float, base_lr: float, epoch: int) -> float:
        """The learning rate of an epoch."""
        return lr * self.gamma ** self.milestones.count(epoch)


class ConstantLR(LRScheduler):
    """Multiplies the learning rate by `factor` for `total_iters` epochs, and then restores it."""

    def __init__(self, optimizer: Optimizer, factor: float = 1 / 3, total_iters: int = 5):
        if not 0 < factor <= 1:
            raise ValueError(f"ConstantLR takes a factor above 0 and at most 1; got {factor}")
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer)

    def next_lr(self, lr: float, base_lr: float, epoch: int) -> float:
        """The learning rate of an epoch."""
        if epoch == 0:
            return lr * self.factor
        return lr * (1 / self.factor) if epoch == self.total_iters else lr


class LinearLR(LRScheduler):
    """Multiplies by a factor that moves linearly from `start_factor` to `end_factor` in `total_iters` epochs."""

    def __init__(
        self, optimizer: Optimizer, start_factor: float = 1 / 3, end_factor: float = 1.0, total_iters: int = 5
    ):
        if not 0 < start_factor <= 1 or not 0 <= end_factor <= 1:
            raise ValueError(
                f"LinearLR takes 0 < start_factor <= 1 and 0 <= end_factor <= 1; got {start_factor=}, {end_factor=}"
            )
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer)

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

    def __init__(self, optimizer: Optimizer, gamma: float):
        self.gamma = gamma
        super().__init__(optimizer)

    def next_lr(self, lr: float, base_lr: float, epoch: int) -> float:
        """The learning rate of an epoch."""
        return lr * self.gamma if epoch > 0 else lr


class PolynomialLR(LRScheduler):
    """Multiplies the learning rate by `(1 - epoch / total_iters) ** power`, which reaches 0 at `total_iters`."""

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0):
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer)

    def next_lr(self, lr: float, base_lr: float, epoch: int) -> float:
        """The learning rate of an epoch."""
        if epoch == 0 or epoch > self.total_iters:
            return lr
        return lr * ((1 - epoch / self.total_iters) / (1 - (epoch - 1) / self.total_iters)) ** self.power


class CosineAnnealingLR(LRScheduler):
    """Half a cosine from the initial learning rate to `eta_min` in `T_max` epochs, and back in the next `T_max`.

    See Loshchilov and Hutter 2017, https://arxiv.org/abs/1608.03983. There are no restarts.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0):
        _require_positive("CosineAnnealingLR", T_max=T_max)
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer)

    def next_lr(self, lr: float, base_lr: float, epoch: int) -> float:
        """The learning rate of an epoch."""
        if epoch == 0:
            return lr
        if (epoch - 1 - self.T_max) % (2 * self.T_max) == 0:  # lr is eta_min, so the ratio below would divide by 0
            return lr + (base_lr - self.eta_min) * (1 - math.cos(math.pi / self.T_max)) / 2
        now, before = (1 + math.cos(math.pi * e / self.T_max) for e in (epoch, epoch - 1))
        return now / before * (lr - self.eta_min) + self.eta_min


class OneCycleLR(LRScheduler):
    """Raises the learning rate to `max_lr` and then lowers it to nearly 0, with the opposite for momentum.

    See Smith and Topin 2018, https://arxiv.org/abs/1708.07120. It counts batches.

    Args:
        optimizer: the optimizer.
        max_lr: the peak: one for all groups, or one for each group.
        total_steps: the length of the cycle in steps. It defaults to `epochs * steps_per_epoch`.
        epochs: the number of epochs.
        steps_per_epoch: the number of steps of an epoch.
        pct_start: the fraction of the cycle in which the learning rate rises.
        anneal_strategy: "cos" or "linear".
        cycle_momentum: whether to move momentum, or the first beta, from `max_momentum` to `base_momentum` and back.
        base_momentum: the momentum at the peak of the learning rate: one for all groups, or one for each group.
        max_momentum: the momentum at the start and at the end, likewise.
        div_factor: the initial learning rate is `max_lr / div_factor`.
        final_div_factor: the final learning rate is the initial one divided by this.
        three_phase: lower the learning rate to the initial one as fast as it rose, and then to the final one.

    Raises:
        ValueError: an option is out of range, or the optimizer has no momentum to cycle.
    """

    def __init__(
        self, optimizer: Optimizer, max_lr: float | Sequence[float], total_steps: int | None = None,
        epochs: int | None = None, steps_per_epoch: int | None = None, pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos", cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85, max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0, final_div_factor: float = 1e4, three_phase: bool = False,
    ):
        _require_optimizer(optimizer)
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("OneCycleLR needs total_steps, or epochs and steps_per_epoch")
            _require_positive("OneCycleLR", epochs=epochs, steps_per_epoch=steps_per_epoch)
            total_steps = epochs * steps_per_epoch
        _require_positive("OneCycleLR", total_steps=total_steps)
        if not 0 <= pct_start <= 1 or anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                'OneCycleLR takes pct_start from 0 to 1 and anneal_strategy "cos" or "linear"; '
                f"got {pct_start=}, {anneal_strategy=}"
            )
        groups = optimizer.param_groups
        if cycle_momentum and not all("momentum" in group or "betas" in group for group in groups):
            raise ValueError("the optimizer has neither momentum nor betas to cycle: pass cycle_momentum=False")
        lows, highs = (
            _for_each_group(name, value, optimizer)
            for name, value in (("base_momentum", base_momentum), ("max_momentum", max_momentum))
        )
        for group, peak in zip(groups, _for_each_group("max_lr", max_lr, optimizer), strict=True):
            group["lr"] = group["initial_lr"] = peak / div_factor
        self.total_steps, self.cycle_momentum, self.anneal_strategy = total_steps, cycle_momentum, anneal_strategy
        factors = 1.0, div_factor, 1 / final_div_factor  # relative to the initial learning rate
        rise = pct_start * total_steps - 1
        # For each end of a phase: (step, learning rate relative to the initial one, share of the base momentum)
        self._phases = [(0.0, factors[0], 0.0), (rise, factors[1], 1.0)]
        if three_phase:
            self._phases.append((2 * rise, factors[0], 0.0))
        self._phases.append((total_steps - 1, factors[2], 0.0))
        self._momenta = list(zip(lows, highs, strict=True))
        super().__init__(optimizer)

    def next_lrs(self) -> list[float]:
        """The learning rates of the groups at `last_epoch`. This also sets the momentum."""
        if self.last_epoch > self.total_steps:
            raise ValueError(f"OneCycleLR has total_steps={self.total_steps}, and step was called more often than that")
        factor, share = self._at(self.last_epoch)
        pairs = zip(self.optimizer.param_groups, self._momenta, strict=True)
        for group, (low, high) in pairs if self.cycle_momentum else ():
            momentum = high + share * (low - high)
            if "betas" in group:
                group["betas"] = (momentum, *group["betas"][1:])
            else:
                group["momentum"] = momentum
        return [base_lr * factor for base_lr in self.base_lrs]

    def _at(self, step: int) -> tuple[float, float]:
        """(learning rate relative to the initial one, share of the base momentum) at a step."""
        ends = [end for end, _, _ in self._phases[1:-1]]
        phase = bisect.bisect_left(ends, step)
        (begin, *first), (end, *last) = self._phases[phase], self._phases[phase + 1]
        share = (step - begin) / (end - begin) if end > begin else 1.0
        if self.anneal_strategy == "cos":
            share = (1 - math.cos(math.pi * share)) / 2
        factor, of_base = (a + share * (b - a) for a, b in zip(first, last, strict=True))
        return factor, of_base


class SequentialLR(LRScheduler):
    """Runs one schedule after another. At each of the `milestones` the next one starts, at its epoch 0.

    Raises:
        TypeError: one of `schedulers` is no schedule.
        ValueError: the milestones do not fit the schedules or are not sorted, a schedule is a `ReduceLROnPlateau`,
            whose `step` needs a metric, or one was made for another optimizer.
    """

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[int]):
        _require_optimizer(optimizer)
        for number, scheduler in enumerate(schedulers):
            if not isinstance(scheduler, LRScheduler):
                raise TypeError(f"SequentialLR takes schedules; number {number} is {type(scheduler).__name__}")
            if isinstance(scheduler, ReduceLROnPlateau):
                raise ValueError(
                    f"SequentialLR takes no ReduceLROnPlateau, because its step needs a metric; number {number} is one"
                )
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(f"{len(schedulers)} schedules need one milestone less than that; got {len(milestones)}")
        if any(after < before for before, after in itertools.pairwise(milestones)):
            raise ValueError(f"the milestones of a SequentialLR must be sorted; got {list(milestones)}")
        if any(scheduler.optimizer is not optimizer for scheduler in schedulers):
            raise ValueError("the schedules of a SequentialLR must have been made with its optimizer")
        self.schedulers, self.milestones = list(schedulers), list(milestones)
        self.optimizer, self.last_epoch = optimizer, 0
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        first = self.schedulers[bisect.bisect_right(self.milestones, 0)]
        first.restart(self.base_lrs)
        self.last_lrs = first.last_lrs

    def step(self) -> None:
        """Advances by one epoch."""
        self.last_epoch += 1
        scheduler = self.schedulers[bisect.bisect_right(self.milestones, self.last_epoch)]
        if self.last_epoch in self.milestones:
            scheduler.restart(scheduler.base_lrs)
        else:
            scheduler.step()
        self.last_lrs = scheduler.last_lrs

    def state_dict(self) -> dict[str, Any]:
        """The variables of this schedule and of each of its schedules."""
        return super().state_dict() | {"schedulers": [scheduler.state_dict() for scheduler in self.schedulers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores a `state_dict`."""
        super().load_state_dict(state_dict)
        for scheduler, state in zip(self.schedulers, state_dict["schedulers"], strict=True):
            scheduler.load_state_dict(state)


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

    STATE = (*LRScheduler.STATE, "best", "num_bad_epochs", "cooldown_counter")

    def __init__(
        self, optimizer: Optimizer, mode: Literal["min", "max"] = "min", factor: float = 0.1, patience: int = 10,
        threshold: float = 1e-4, threshold_mode: Literal["rel", "abs"] = "rel", cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0, eps: float = 1e-8,
    ):
        if not factor < 1 or mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise ValueError(
                'ReduceLROnPlateau takes a factor below 1, mode "min" or "max" and threshold_mode "rel" or "abs"; '
                f"got {factor=}, {mode=}, {threshold_mode=}"
            )
        _require_optimizer(optimizer)
        self.min_lrs = _for_each_group("min_lr", min_lr, optimizer)
        self.optimizer, self.last_epoch = optimizer, 0
        self.base_lrs = self.last_lrs = [group["lr"] for group in optimizer.param_groups]
        self.mode, self.factor, self.patience, self.cooldown = mode, factor, patience, cooldown
        self.threshold, self.threshold_mode, self.eps = threshold, threshold_mode, eps
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = 0

    def step(self, metrics: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Records the metric and reduces the learning rates if it has not improved for too long."""
        self.last_epoch += 1
        current = float(metrics)
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
        self.last_lrs = self._read()

    def _read(self) -> list[float]:
        return [group["lr"] for group in self.optimizer.param_groups]

    def _improves(self, current: float) -> bool:
        sign = -1 if self.mode == "min" else 1
        relative = self.threshold_mode == "rel"
        limit = self.best * (1 + sign * self.threshold) if relative else self.best + sign * self.threshold
        return current < limit if self.mode == "min" else current > limit
