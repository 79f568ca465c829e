"""MNIST, a small ResNet.

Cost: about 14 minutes on two CPU cores. Result: 99.52% of the test images.

    funcvision train mnist --data mnist:data --download
"""

import dataclasses

from . import digits

__all__ = ["Recipe"]


@dataclasses.dataclass(frozen=True)
class Recipe(digits.Recipe):
    """MNIST: 60,000 training images of 28x28 pixels."""

    data: str = "mnist:data"
    out: str = "runs/mnist"
    val_resize_size: int = 28
    val_crop_size: int = 28
    epochs: int = 4
    batch_size: int = 128
    lr_warmup_epochs: float = 1.0
    random_crop_padding: int | None = 2
    model_ema: bool = True
    model_ema_steps: int = 8
    model_ema_decay: float = 0.9998
