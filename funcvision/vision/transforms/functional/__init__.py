"""The kernels: what the transforms do, as functions of one leaf, under torchvision's v2 names.

A leaf is a PIL image, an array `[..., height, width, channels]` of numpy or jax, or one of `vision.tv_tensors`, and
comes back as the same kind. On jax arrays the kernels are pure functions for jit and vmap; on the others no jax
operation runs. `_kernel.py` says how a kernel has an implementation for every kind of leaf.

The files are those of `transforms`: `geometry` (sizes, crops, flips),
`warp` (pixels from computed positions), `conversion` (between kinds of leaf and
dtypes), `boxes` (boxes and key points alone), and, as they come, `color`, `filters`, `augment` and `temporal`.
"""

from ._kernel import get_size
from .boxes import clamp_bounding_boxes, clamp_keypoints, convert_bounding_box_format
from .conversion import normalize, to_dtype, to_image, to_pil_image
from .geometry import center_crop, crop, hflip, horizontal_flip, pad, resize, resized_crop, vertical_flip, vflip
from .warp import affine, elastic, perspective, rotate

__all__ = [
    "affine", "elastic", "perspective", "rotate",
    "center_crop", "clamp_bounding_boxes", "clamp_keypoints", "convert_bounding_box_format", "crop", "get_size",
    "hflip", "horizontal_flip", "normalize", "pad", "resize", "resized_crop", "to_dtype", "to_image", "to_pil_image",
    "vertical_flip", "vflip",
]
