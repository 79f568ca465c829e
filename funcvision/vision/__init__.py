"""What torchvision is to torch: models, operators, transforms, data sets, image files, and checkpoints."""

from . import convert, datasets, io, models, ops, transforms, tv_tensors

__all__ = ["convert", "datasets", "io", "models", "ops", "transforms", "tv_tensors"]
