"""Typed leaves of a sample, with torchvision's names: the type of a leaf says what it is.

- `Image`, `Video`: pixels, channels last;
- `Mask`: one value per pixel, without a channel axis;
- `BoundingBoxes`, `KeyPoints`: coordinates in an image of `canvas_size`, with an optional `valid`.

Every class is a frozen dataclass around an array of numpy or jax, and a pytree: its arrays are children, everything
else is static metadata. So a typed leaf passes through `jax.jit`, `vmap`, `grad`, `device_put` and the data loader.
A kernel of `transforms.functional` chooses what it does by the type of the leaf.

>>> import numpy as np
>>> from funcvision.vision import tv_tensors
>>> tv_tensors.BoundingBoxes(np.zeros((2, 4), np.float32), canvas_size=(20, 30))
BoundingBoxes(array=float32[2, 4], format='XYXY', canvas_size=(20, 30), clamping_mode='soft', valid=None)
"""

from .coordinates import FORMATS, BoundingBoxes, KeyPoints
from .pixels import Image, Mask, Video
from .tv_tensor import TVTensor

__all__ = ["FORMATS", "BoundingBoxes", "Image", "KeyPoints", "Mask", "TVTensor", "Video"]
