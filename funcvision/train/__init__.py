"""Training: a state, a compiled step, a loop, and the pieces that they are made of. Each can be used alone."""

from . import losses, schedules
from .checkpoints import Checkpoints
from .decay import decay_mask, layer_decay, layer_scales, weight_decay
from .ema import EMA, Average
from .evaluation import accuracy, evaluate
from .gradients import clip_grad_norm
from .log import CSV, JSONLines, TensorBoard
from .loop import fit
from .placement import place_batch
from .profiling import profile
from .state import TrainState, create
from .step import make_step

__all__ = [
    "Average",
    "CSV",
    "Checkpoints",
    "EMA",
    "JSONLines",
    "TensorBoard",
    "TrainState",
    "accuracy",
    "clip_grad_norm",
    "create",
    "decay_mask",
    "evaluate",
    "fit",
    "layer_decay",
    "layer_scales",
    "losses",
    "make_step",
    "place_batch",
    "profile",
    "schedules",
    "weight_decay",
]
