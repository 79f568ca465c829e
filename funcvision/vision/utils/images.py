"""The functions of `torchvision.utils`: those of `vision.draw`, which also take Tensors of the eager face."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import draw
from ..transforms._tensors import image_of, is_tensor

__all__ = [
    "draw_bounding_boxes", "draw_keypoints", "draw_segmentation_masks", "flow_to_image", "make_grid", "save_image",
]  # fmt: skip


def _of_tensors(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function for images that are Tensors, channels first. Its result is then such a Tensor."""

    @functools.wraps(function)
    def of_tensors(images: Any, *args: Any, **options: Any) -> Any:
        first = images[0] if isinstance(images, list | tuple) and images else images
        if not is_tensor(first):
            return function(images, *args, **options)
        given = [_last(image) for image in images] if first is not images else _last(images)
        args = tuple(_on_host(argument) for argument in args)
        result = function(given, *args, **{name: _on_host(option) for name, option in options.items()})
        if not isinstance(result, np.ndarray):
            return result
        from ...eager.creation import from_numpy

        return from_numpy(np.moveaxis(result, -1, -3))

    of_tensors.__doc__ = f"{function.__doc__}\n    Images may also be Tensors, which have their channels first."
    return of_tensors


def _last(tensor: Any) -> np.ndarray:
    """The images in a Tensor with their channels last."""
    return _on_host(tensor) if tensor.ndim < 3 else np.asarray(image_of(tensor).array)


def _on_host(value: Any) -> Any:
    return np.asarray(value.detach().array) if is_tensor(value) else value


draw_bounding_boxes = _of_tensors(draw.draw_bounding_boxes)
draw_keypoints = _of_tensors(draw.draw_keypoints)
draw_segmentation_masks = _of_tensors(draw.draw_segmentation_masks)
flow_to_image = _of_tensors(draw.flow_to_image)
make_grid = _of_tensors(draw.make_grid)
save_image = _of_tensors(draw.save_image)
