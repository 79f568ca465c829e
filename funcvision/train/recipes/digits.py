"""Handwritten digits of 8x8 pixels, a small ResNet: a first run, without a download.

Cost: about 30 seconds on two CPU cores. Result: 99% to 100% of the 359 test images.

    funcvision train digits
"""

import dataclasses

from .. import recipe

__all__ = ["Recipe"]


@dataclasses.dataclass(frozen=True)
class Recipe(recipe.Recipe):
    """Handwritten digits of scikit-learn."""

    data: str = "digits"
    out: str = "runs/digits"
    model: str = "small_resnet"
    in_memory: bool = True
    epochs: int = 15
    batch_size: int = 64
    opt: str = "sgd_nesterov"
    lr: float = 0.1
    weight_decay: float = 5e-4
    norm_weight_decay: float | None = 0.0
    bias_weight_decay: float | None = 0.0
    lr_scheduler: str = "cosineannealinglr"
    lr_warmup_epochs: float = 3.0
    lr_warmup_method: str = "linear"
    label_smoothing: float = 0.1
    hflip: float = 0.0
    random_crop_padding: int | None = 1
