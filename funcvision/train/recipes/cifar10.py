"""CIFAR-10, ResNet-18 for images of 32 pixels, with random crops and flips.

Cost: 100 epochs; some 15 minutes on a GPU, and more than a day on two CPU cores, both estimated. Aim: 95% of the test
images, as usual for this model and these augmentations; not measured yet.

    funcvision train cifar10 --data cifar10:data --download
    funcvision train cifar10 --data folder:cifar10-jpg          # train/CLASS/*, test/CLASS/*
"""

import dataclasses

from .. import recipe

__all__ = ["Recipe"]


@dataclasses.dataclass(frozen=True)
class Recipe(recipe.Recipe):
    """CIFAR-10: 50,000 training images of 32x32 pixels."""

    data: str = "cifar10:data"
    out: str = "runs/cifar10"
    model: str = "resnet18_small"
    in_memory: bool = True
    val_resize_size: int = 32
    val_crop_size: int = 32
    train_crop_size: int = 32
    epochs: int = 100
    batch_size: int = 128
    opt: str = "sgd_nesterov"
    lr: float = 0.1
    weight_decay: float = 5e-4
    norm_weight_decay: float | None = 0.0
    bias_weight_decay: float | None = 0.0
    lr_scheduler: str = "cosineannealinglr"
    lr_warmup_epochs: float = 5.0
    lr_warmup_method: str = "linear"
    random_crop_padding: int | None = 4
