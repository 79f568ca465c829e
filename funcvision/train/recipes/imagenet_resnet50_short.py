"""ResNet-50 on ImageNet in 16 epochs, with images that grow from 128 to 192 pixels.

After the idea of progressive resizing (https://www.fast.ai/posts/2018-04-30-dawnbench-fastai.html) and the options of
https://github.com/libffcv/ffcv-imagenet: one cycle of the learning rate, label smoothing, no decay for normalisations.

Cost: 16 epochs, about an hour on 8 GPUs, estimated. Not run to its end with this program.

    funcvision train imagenet_resnet50_short --data imagenet:ROOT --amp --workers 16
"""

import dataclasses

from .. import recipe

__all__ = ["Recipe"]


@dataclasses.dataclass(frozen=True)
class Recipe(recipe.Recipe):
    """ResNet-50 on ImageNet, 16 epochs."""

    data: str = "imagenet:data/imagenet"
    out: str = "runs/imagenet_resnet50_short"
    model: str = "resnet50"
    workers: int = 8
    epochs: int = 16
    batch_size: int = 1024
    lr: float = 1.7
    weight_decay: float = 5e-5
    norm_weight_decay: float | None = 0.0
    lr_scheduler: str = "cosineannealinglr"
    lr_warmup_epochs: float = 2.0
    lr_warmup_method: str = "linear"
    label_smoothing: float = 0.1
    image_size_schedule: str = "0:128,6:160,13:192"
    train_crop_size: int = 192
