"""Models for small images that torchvision does not have, by the names that the option `model` takes."""

import functools
from collections.abc import Callable
from typing import Any

import jax

from .. import functional as F
from .. import nn
from ..vision import models
from ..vision.models.resnet import BasicBlock

__all__ = ["SMALL_MODELS", "SmallResNet", "resnet18_small", "vit_s_16"]


class SmallResNet(nn.Module):
    """A ResNet for small images (He et al. 2015, https://arxiv.org/abs/1512.03385, section 4.2).

    A 3x3 convolution, then three stages of blocks with two convolutions each, then the mean over all pixels.

    Args:
        num_classes: the number of classes.
        in_channels: channels of the images.
        width: channels of the first stage; each further stage has twice as many.
        blocks: blocks in each stage.
    """

    def __init__(self, num_classes: int = 10, *, in_channels: int = 3, width: int = 32, blocks: int = 1):
        self.conv1 = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        stages, channels = [], width
        for stage in range(3):
            for i in range(blocks):
                stride = 2 if stage and i == 0 else 1
                stages.append(BasicBlock(channels, width * 2**stage, stride=stride))
                channels = width * 2**stage
        self.stages = nn.Sequential(*stages)
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x: jax.Array) -> jax.Array:
        x = self.stages(F.relu(self.bn1(self.conv1(x))))
        return self.fc(x.mean((-3, -2)))


def resnet18_small(num_classes: int = 10, *, in_channels: int = 3) -> nn.Module:
    """ResNet-18 for images of 32 pixels: the first convolution is 3x3 with stride 1, and no pooling follows it."""
    model = models.resnet18(num_classes=num_classes, in_channels=in_channels)
    model = model.replace("conv1", nn.Conv2d(in_channels, 64, 3, padding=1, bias=False))
    return model.replace("maxpool", nn.Identity())


def vit_s_16(num_classes: int = 1000, *, in_channels: int = 3, image_size: int = 224) -> nn.Module:
    """ViT-S/16 (Touvron et al. 2020, https://arxiv.org/abs/2012.12877, table 1) in the layout of torchvision's ViTs."""
    return models.VisionTransformer(image_size, 16, 12, 6, 384, 1536, num_classes, in_channels=in_channels)


SMALL_MODELS: dict[str, Callable[..., Any]] = {
    "small_resnet": SmallResNet,
    "small_resnet_narrow": functools.partial(SmallResNet, width=8),
    "resnet18_small": resnet18_small,
    "vit_s_16": vit_s_16,
}
"""The models by name."""
