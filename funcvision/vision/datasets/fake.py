"""Random images, for trying a program without data."""

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from .dataset import VisionDataset

__all__ = ["FakeData"]


class FakeData(VisionDataset):
    """Images of random noise, with random labels. The same index gives the same pair in every process.

    Args:
        size: how many images.
        image_size: (channels, height, width), in torchvision's order; 1, 3 or 4 channels.
        num_classes: labels are 0 to `num_classes - 1`.
        transform: called on every image.
        target_transform: called on every label.
        random_offset: image `index` is drawn from the seed `index + random_offset`.

    >>> from funcvision.vision.datasets import FakeData
    >>> dataset = FakeData(size=2, image_size=(3, 24, 32))
    >>> image, label = dataset[1]
    >>> len(dataset), image.mode, image.size
    (2, 'RGB', (32, 24))
    """

    def __init__(
        self,
        size: int = 1000,
        image_size: tuple[int, int, int] = (3, 224, 224),
        num_classes: int = 10,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        random_offset: int = 0,
    ):
        super().__init__(transform=transform, target_transform=target_transform)
        if len(image_size) != 3 or image_size[0] not in (1, 3, 4) or min(image_size[1:]) < 1:
            raise ValueError(
                f"image_size={image_size!r} is not (channels, height, width) with 1, 3 or 4 channels and sides of at "
                f"least 1"
            )
        if size < 0 or num_classes < 1:
            raise ValueError(f"size={size} must be 0 or more, and num_classes={num_classes} 1 or more")
        self.size = size
        self.image_size = image_size
        self.num_classes = num_classes
        self.random_offset = random_offset

    def __len__(self) -> int:
        return self.size

    def read(self, index: int) -> tuple[Any, Any]:
        """The image and its label."""
        if not -self.size <= index < self.size:
            raise IndexError(f"index {index} is out of range for {self.size} images")
        rng = np.random.default_rng((index % self.size + self.random_offset) % 2**64)  # a seed must not be negative
        channels, height, width = self.image_size
        noise = rng.integers(0, 256, (height, width, channels), dtype=np.uint8)
        image = Image.fromarray(noise[..., 0] if channels == 1 else noise)
        return image, int(rng.integers(self.num_classes))
