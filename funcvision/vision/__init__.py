"""What torchvision is to torch: models, operators, transforms, data sets, image files, drawing, metrics, weights."""

from . import convert, datasets, draw, io, metrics, models, ops, transforms, tv_tensors, utils

__all__ = ["convert", "datasets", "draw", "io", "metrics", "models", "ops", "transforms", "tv_tensors", "utils"]
