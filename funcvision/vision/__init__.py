"""What torchvision is to torch: models, operators, transforms, data sets, and converters for its checkpoints."""

from . import convert, datasets, models, ops, transforms, tv_tensors

__all__ = ["convert", "datasets", "models", "ops", "transforms", "tv_tensors"]
