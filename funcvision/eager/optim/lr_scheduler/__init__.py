"""Learning-rate schedules. They write numbers into `optimizer.param_groups`; a step of the optimizer reads them.

Most schedules compute a learning rate from the one before, so several schedules can act on one optimizer. Call
`scheduler.step()` after `optimizer.step()`, once an epoch or once a batch: whichever the numbers of the schedule count.
To resume a run, restore the optimizer and the scheduler by `load_state_dict`.
"""

from .composed import ChainedScheduler, SequentialLR
from .cycles import CosineAnnealingLR, CosineAnnealingWarmRestarts, CyclicLR, OneCycleLR
from .decays import (
    ConstantLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from .plateau import ReduceLROnPlateau
from .scheduler import LRScheduler, _LRScheduler

__all__ = [
    "ChainedScheduler", "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "CyclicLR", "ExponentialLR",
    "LRScheduler", "LambdaLR", "LinearLR", "MultiStepLR", "MultiplicativeLR", "OneCycleLR", "PolynomialLR",
    "ReduceLROnPlateau", "SequentialLR", "StepLR", "_LRScheduler",
]  # fmt: skip
