"""Tiny models and batches for the tests of `funcvision.train`."""

import jax
import numpy as np

from funcvision import functional as F
from funcvision import nn


class MLP(nn.Module):
    """Two layers, with no batch statistics."""

    def __init__(self, features: int = 8, classes: int = 4, hidden: int = 16):
        self.fc1, self.fc2 = nn.Linear(features, hidden), nn.Linear(hidden, classes)

    def forward(self, x: jax.Array) -> jax.Array:
        return self.fc2(F.relu(self.fc1(x)))


class ConvNet(nn.Module):
    """Three convolutions, each with batch normalisation."""

    def __init__(self, classes: int = 4, width: int = 8):
        self.conv1, self.bn1 = nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride=2, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, width, 3, bias=False), nn.BatchNorm2d(width)
        self.fc = nn.Linear(width, classes)

    def forward(self, x: jax.Array) -> jax.Array:
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        x = F.relu(self.bn3(self.conv3(x)))
        return self.fc(x.mean((1, 2)))


def batches(count: int, size: int, shape: tuple[int, ...], classes: int = 4, dtype: type = np.float32) -> list:
    """Random batches (images, labels)."""
    random = np.random.default_rng(0)
    return [
        (random.normal(size=(size, *shape)).astype(dtype), random.integers(0, classes, size).astype(np.int32))
        for _ in range(count)
    ]
