"""What torchvision is to torch: models, operators, transforms, data sets, image files, drawing, and checkpoints."""

from . import convert, datasets, draw, io, models, ops, transforms, tv_tensors

__all__ = ["convert", "datasets", "draw", "io", "models", "ops", "transforms", "tv_tensors"]
