"""AlexNet with one column (Krizhevsky 2014, https://arxiv.org/abs/1404.5997).

The network that won the ImageNet challenge in 2012 (Krizhevsky et al., https://doi.org/10.1145/3065386) had two
columns, one on each GPU, and local response normalisation. This one has neither.
"""

from typing import Any

import jax

from ... import nn
from ._zoo.registry import register

__all__ = ["AlexNet", "alexnet"]


class AlexNet(nn.Module):
    """Five convolutions, pooling to 6x6 positions, and a classifier of three linear layers.

    Args:
        num_classes: number of logits.
        in_channels: channels of the image.
        dropout: probability to drop an element of the input of each hidden layer in the classifier.
    """

    def __init__(self, num_classes: int = 1000, *, in_channels: int = 3, dropout: float = 0.5):
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 64, 11, stride=4, padding=2), nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(6)
        self.flatten = nn.Flatten()
        self.classifier = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(256 * 6 * 6, 4096), nn.ReLU(),
            nn.Dropout(dropout), nn.Linear(4096, 4096), nn.ReLU(),
            nn.Linear(4096, num_classes),
        )

    def forward(self, x: jax.Array) -> jax.Array:
        """Maps images [batch, height, width, in_channels] to logits [batch, num_classes].

        Height and width are 63 or more.
        """
        return self.classifier(self.flatten(self.avgpool(self.features(x))))


@register
def alexnet(num_classes: int = 1000, **options: Any) -> AlexNet:
    """AlexNet; `options` are those of `AlexNet`."""
    return AlexNet(num_classes, **options)
