"""ResNet-50 on ImageNet by torchvision's newer recipe, whose weights IMAGENET1K_V2 reach 80.86% top-1.

The options are those of https://pytorch.org/blog/how-to-train-state-of-the-art-models-using-torchvision-latest-primitives/.
torchvision trains on 8 GPUs with 128 images each, hence a batch of 1,024 images here.

Cost: 600 epochs, a week on 8 V100 GPUs. Not run to its end with this program.

    funcvision train imagenet_resnet50 --data imagenet:ROOT --amp --workers 16
"""

import dataclasses

from .. import recipe

__all__ = ["Recipe"]


@dataclasses.dataclass(frozen=True)
class Recipe(recipe.Recipe):
    """ResNet-50 on ImageNet, 600 epochs."""

    data: str = "imagenet:data/imagenet"
    out: str = "runs/imagenet_resnet50"
    model: str = "resnet50"
    workers: int = 8
    epochs: int = 600
    batch_size: int = 1024
    lr: float = 0.5
    weight_decay: float = 2e-5
    norm_weight_decay: float | None = 0.0
    lr_scheduler: str = "cosineannealinglr"
    lr_per_epoch: bool = True
    lr_warmup_epochs: float = 5.0
    lr_warmup_method: str = "linear"
    label_smoothing: float = 0.1
    mixup_alpha: float = 0.2
    cutmix_alpha: float = 1.0
    auto_augment: str | None = "ta_wide"
    random_erase: float = 0.1
    model_ema: bool = True
    ra_sampler: bool = True
    ra_reps: int = 4
    train_crop_size: int = 176
    val_resize_size: int = 232
