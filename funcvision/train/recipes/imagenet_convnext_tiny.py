"""ConvNeXt-T on ImageNet by torchvision's recipe, whose weights IMAGENET1K_V1 reach 82.52% top-1.

The options are those of https://github.com/pytorch/vision/tree/main/references/classification#convnext; torchvision
trains on 8 GPUs with 128 images each, hence a batch of 1,024 images here.

Cost: 600 epochs, more than a week on 8 GPUs. Not run to its end with this program.

    funcvision train imagenet_convnext_tiny --data imagenet:ROOT --amp --workers 16
"""

import dataclasses

from .. import recipe

__all__ = ["Recipe"]


@dataclasses.dataclass(frozen=True)
class Recipe(recipe.Recipe):
    """ConvNeXt-T on ImageNet, 600 epochs."""

    data: str = "imagenet:data/imagenet"
    out: str = "runs/imagenet_convnext_tiny"
    model: str = "convnext_tiny"
    workers: int = 8
    epochs: int = 600
    batch_size: int = 1024
    opt: str = "adamw"
    lr: float = 1e-3
    weight_decay: float = 0.05
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
    interpolation: str = "bilinear"
    model_ema: bool = True
    ra_sampler: bool = True
    ra_reps: int = 4
    train_crop_size: int = 176
    val_resize_size: int = 232
