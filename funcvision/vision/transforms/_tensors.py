"""Tensors of the eager face as images: their channels come first, as in torch.

A transform sees such an image as a `TensorImage`, whose array has its channels last and lies on the host. The caller,
and a function in a `Compose`, gets a Tensor.
"""

import sys
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from ..tv_tensors import Image

__all__ = ["TensorImage", "image_of", "is_tensor", "tensor_of"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False, repr=False)
class TensorImage(Image):
    """An image that the caller holds as a Tensor; it exists only while a transform runs."""


def is_tensor(value: Any) -> bool:
    """Whether a value is a Tensor. The eager face is not imported for it: without it there are no Tensors."""
    eager = sys.modules.get("funcvision.eager.tensor")
    return eager is not None and isinstance(value, eager.Tensor)


def image_of(tensor: Any) -> TensorImage:
    """The image in a Tensor `[..., channels, height, width]`."""
    return TensorImage(np.moveaxis(np.asarray(tensor.detach().array), -3, -1))


def tensor_of(image: TensorImage) -> Any:
    """The Tensor `[..., channels, height, width]` of an image."""
    from ...eager.creation import from_numpy

    return from_numpy(np.moveaxis(np.asarray(image.array), -1, -3))
