"""Schedules that rise and fall."""

import bisect
import math
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any, Literal

from .scheduler import LRScheduler, for_each_group, require_optimizer, require_positive, set_momentum

__all__ = ["CosineAnnealingLR", "CosineAnnealingWarmRestarts", "CyclicLR", "OneCycleLR"]


class CosineAnnealingLR(LRScheduler):
    """Half a cosine from the initial learning rate to `eta_min` in `T_max` epochs, and back in the next `T_max`.

    See Loshchilov and Hutter 2017, https://arxiv.org/abs/1608.03983. There are no restarts.
    """

    CHANGES_WHEN_RESUMED = False

    def __init__(self, optimizer: Any, T_max: int, eta_min: float = 0.0, last_epoch: int = -1):
        require_positive("CosineAnnealingLR", T_max=T_max)
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def next_lr(self, lr: float, base_lr: float, epoch: int) -> float:
        """The learning rate of an epoch."""
        if epoch == 0:
            return lr
        if (epoch - 1 - self.T_max) % (2 * self.T_max) == 0:  # lr is eta_min, so the ratio below would divide by 0
            return lr + (base_lr - self.eta_min) * (1 - math.cos(math.pi / self.T_max)) / 2
        now, before = (1 + math.cos(math.pi * e / self.T_max) for e in (epoch, epoch - 1))
        return now / before * (lr - self.eta_min) + self.eta_min


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half a cosine from the initial learning rate to `eta_min`, again and again.

    See Loshchilov and Hutter 2017, https://arxiv.org/abs/1608.03983. The first one takes `T_0` epochs; each one takes
    `T_mult` times as many epochs as the one before. `step(epoch)` goes to an epoch, which may be a fraction.

    Attributes:
        T_cur: the number of epochs since the last restart.
        T_i: the number of epochs between the last restart and the next one.
    """

    def __init__(self, optimizer: Any, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1):
        require_positive("CosineAnnealingWarmRestarts", T_0=T_0, T_mult=T_mult)
        self.T_0 = self.T_i = T_0
        self.T_mult, self.eta_min, self.T_cur = T_mult, eta_min, last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The learning rates of the groups at `T_cur`."""
        share = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (base_lr - self.eta_min) * share for base_lr in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Advances by one epoch, or goes to an epoch.

        Args:
            epoch: the epoch to go to, such as `epoch + batch / batches`.
        """
        self._step_count += 1
        if epoch is None and self.last_epoch >= 0:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur, self.T_i = self.T_cur % self.T_i, self.T_i * self.T_mult
        else:
            epoch = epoch or 0
            self._locate(epoch)
        self.last_epoch = math.floor(epoch)
        self._write(self.get_lr())

    def restart(self, lrs: Sequence[float]) -> None:
        """Restarts at epoch 0 with these learning rates."""
        self._locate(0)
        super().restart(lrs)

    def _locate(self, epoch: float) -> None:
        """Sets `T_cur` and `T_i` for an epoch."""
        if epoch < 0:
            raise ValueError(f"an epoch is not negative; got {epoch}")
        restarts = 0
        if epoch >= self.T_0:
            ratio = epoch / self.T_0
            restarts = int(ratio if self.T_mult == 1 else math.log(ratio * (self.T_mult - 1) + 1, self.T_mult))
        self.T_i = self.T_0 * self.T_mult**restarts
        before = restarts if self.T_mult == 1 else (self.T_mult**restarts - 1) / (self.T_mult - 1)
        self.T_cur = epoch - self.T_0 * before


class CyclicLR(LRScheduler):
    """Linear rises from `base_lr` to `max_lr` and falls back (Smith 2017, https://arxiv.org/abs/1506.01186).

    It counts batches.

    Args:
        optimizer: the optimizer.
        base_lr: the lowest learning rate: one for all groups, or one for each group.
        max_lr: the highest learning rate, likewise.
        step_size_up: the number of steps of a rise.
        step_size_down: the number of steps of a fall; `step_size_up` by default.
        mode: "triangular"; "triangular2", in which each cycle is half as high as the one before; or "exp_range", in
            which the height is multiplied by `gamma` at each step.
        gamma: the factor of "exp_range".
        scale_fn: a function to use for the height in place of `mode`.
        scale_mode: whether `scale_fn` gets the number of the cycle, from 1 ("cycle"), or of the step ("iterations").
        cycle_momentum: whether to move momentum, or the first beta, the opposite way.
        base_momentum: the momentum at the peak of the learning rate: one for all groups, or one for each group.
        max_momentum: the momentum at the lowest learning rate, likewise.
        last_epoch: the number of steps taken before, to resume a run.

    Raises:
        ValueError: `mode` is unknown, or the optimizer has no momentum to cycle.
    """

    def __init__(
        self, optimizer: Any, base_lr: float | Sequence[float], max_lr: float | Sequence[float],
        step_size_up: int = 2000, step_size_down: int | None = None,
        mode: Literal["triangular", "triangular2", "exp_range"] = "triangular", gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None, scale_mode: Literal["cycle", "iterations"] = "cycle",
        cycle_momentum: bool = True, base_momentum: float | Sequence[float] = 0.8,
        max_momentum: float | Sequence[float] = 0.9, last_epoch: int = -1,
    ):
        require_optimizer(optimizer)
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError(f'CyclicLR takes mode "triangular", "triangular2" or "exp_range"; got {mode!r}')
        groups = optimizer.param_groups
        if cycle_momentum and not all("momentum" in group or "betas" in group for group in groups):
            raise ValueError("the optimizer has neither momentum nor betas to cycle: pass cycle_momentum=False")
        base_lrs, self.max_lrs = (
            for_each_group(name, value, optimizer) for name, value in (("base_lr", base_lr), ("max_lr", max_lr))
        )
        self.total_size = float(step_size_up + (step_size_up if step_size_down is None else step_size_down))
        self.step_ratio = step_size_up / self.total_size
        self.mode, self.gamma, self._scale_fn_custom = mode, gamma, scale_fn
        self.scale_mode = scale_mode if scale_fn else "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.base_momentums = for_each_group("base_momentum", base_momentum, optimizer)
            self.max_momentums = for_each_group("max_momentum", max_momentum, optimizer)
        if last_epoch == -1:
            self.optimizer = optimizer
            self._write(base_lrs)
            momenta = zip(groups, self.base_momentums, self.max_momentums, strict=True) if cycle_momentum else ()
            for group, low, high in momenta:
                group["base_momentum"], group["max_momentum"] = low, high
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: float) -> float:
        """The height of a cycle relative to that of the first one."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        return {"triangular": 1.0, "triangular2": 2.0 ** (1 - x), "exp_range": self.gamma**x}[self.mode]

    def get_lr(self) -> list[float]:
        """The learning rates of the groups at `last_epoch`. This also sets the momentum."""
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        share = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        height = share * self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            triples = zip(self.optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True)
            for group, low, high in triples:
                set_momentum(group, high - (high - low) * height)
        return [low + (high - low) * height for low, high in zip(self.base_lrs, self.max_lrs, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        """All attributes except the optimizer. Of a callable object its attributes are saved; a function is not."""
        function = self._scale_fn_custom
        saved = None if function is None or isinstance(function, FunctionType) else dict(vars(function))
        return super().state_dict() | {"_scale_fn_custom": saved}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores a `state_dict`."""
        super().load_state_dict({name: value for name, value in state_dict.items() if name != "_scale_fn_custom"})
        if state_dict["_scale_fn_custom"] is not None:
            vars(self._scale_fn_custom).update(state_dict["_scale_fn_custom"])


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
        last_epoch: the number of steps taken before, to resume a run.

    Raises:
        ValueError: an option is out of range, or the optimizer has no momentum to cycle.
    """

    def __init__(
        self, optimizer: Any, max_lr: float | Sequence[float], total_steps: int | None = None,
        epochs: int | None = None, steps_per_epoch: int | None = None, pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos", cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85, max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0, final_div_factor: float = 1e4, three_phase: bool = False, last_epoch: int = -1,
    ):
        require_optimizer(optimizer)
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("OneCycleLR needs total_steps, or epochs and steps_per_epoch")
            require_positive("OneCycleLR", epochs=epochs, steps_per_epoch=steps_per_epoch)
            total_steps = epochs * steps_per_epoch
        require_positive("OneCycleLR", total_steps=total_steps)
        if not 0 <= pct_start <= 1 or anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                'OneCycleLR takes pct_start from 0 to 1 and anneal_strategy "cos" or "linear"; '
                f"got {pct_start=}, {anneal_strategy=}"
            )
        groups = optimizer.param_groups
        if cycle_momentum and not all("momentum" in group or "betas" in group for group in groups):
            raise ValueError("the optimizer has neither momentum nor betas to cycle: pass cycle_momentum=False")
        lows, highs = (
            for_each_group(name, value, optimizer)
            for name, value in (("base_momentum", base_momentum), ("max_momentum", max_momentum))
        )
        peaks = for_each_group("max_lr", max_lr, optimizer)
        for group, peak, low, high in zip(groups, peaks, lows, highs, strict=True) if last_epoch == -1 else ():
            group["initial_lr"], group["max_lr"] = peak / div_factor, peak
            group["min_lr"] = group["initial_lr"] / final_div_factor
            if cycle_momentum:
                group["base_momentum"], group["max_momentum"] = low, high
        self.total_steps, self.cycle_momentum, self.anneal_strategy = total_steps, cycle_momentum, anneal_strategy
        factors = 1.0, div_factor, 1 / final_div_factor  # relative to the initial learning rate
        rise = pct_start * total_steps - 1
        # For each end of a phase: (step, learning rate relative to the initial one, share of the base momentum)
        self._phases = [(0.0, factors[0], 0.0), (rise, factors[1], 1.0)]
        if three_phase:
            self._phases.append((2 * rise, factors[0], 0.0))
        self._phases.append((total_steps - 1, factors[2], 0.0))
        self._momenta = list(zip(lows, highs, strict=True))
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The learning rates of the groups at `last_epoch`. This also sets the momentum."""
        if self.last_epoch > self.total_steps:
            raise ValueError(f"OneCycleLR has total_steps={self.total_steps}, and step was called more often than that")
        factor, share = self._at(self.last_epoch)
        pairs = zip(self.optimizer.param_groups, self._momenta, strict=True)
        for group, (low, high) in pairs if self.cycle_momentum else ():
            set_momentum(group, high + share * (low - high))
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
