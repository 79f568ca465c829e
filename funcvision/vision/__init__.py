"""What torchvision is to torch: models, transforms, data sets, and converters for torchvision's checkpoints."""

from . import convert, datasets, models, transforms

__all__ = ["convert", "datasets", "models", "transforms"]
