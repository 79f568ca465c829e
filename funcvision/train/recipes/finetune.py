"""Fine-tunes a model with ImageNet weights on a folder of images.

The classifier is freshly initialised, and its learning rate is ten times that of the other layers. Layers before the
first one that is trained need no backward pass: freezing the first layers, which have the largest activations, and a
smaller `train-crop-size` save the most time.

Cost: minutes on two CPU cores for a thousand images. A training step of mobilenet_v2 takes, for each image, 39 ms of
one core at 160 pixels, 24 at 128, 13 at 96, and 8 at 96 with `freeze=features.[0-3].*`. The last command reached 86.5%
of the test images of CIFAR-10 (JPEG files of quality 75) in 542 s of CPU time, so 4.5 minutes of two cores.

    funcvision train finetune --data folder:photos                           # photos/CLASS/*, a fifth is the test set
    funcvision train finetune --data folder:photos model=resnet50 freeze=conv1.*,bn1.*,layer1.*
    funcvision train finetune --data folder:photos weights=mobilenet_v2-b0353104.pth
    funcvision train finetune --data folder:cifar10-jpg epochs=1 opt=adamw lr=0.001 weight-decay=0.01 head-lr-scale=1
        lr-warmup-epochs=0.1 freeze=features.[0-3].* train-crop-size=96 val-resize-size=96 val-crop-size=96
        random-crop-padding=12
"""

import dataclasses

from .. import recipe

__all__ = ["Recipe"]


@dataclasses.dataclass(frozen=True)
class Recipe(recipe.Recipe):
    """A folder of images, from published weights."""

    data: str = "folder:photos"
    out: str = "runs/finetune"
    model: str = "mobilenet_v2"
    weights: str = "DEFAULT"
    epochs: int = 5
    batch_size: int = 32
    opt: str = "sgd_nesterov"
    lr: float = 0.005
    head_lr_scale: float = 10.0
    weight_decay: float = 1e-4
    norm_weight_decay: float | None = 0.0
    bias_weight_decay: float | None = 0.0
    lr_scheduler: str = "cosineannealinglr"
    lr_warmup_epochs: float = 1.0
    lr_warmup_method: str = "linear"
    label_smoothing: float = 0.1
