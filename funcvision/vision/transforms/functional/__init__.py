"""The kernels: what the transforms do, as functions of one image, under torchvision's v2 names.

An image is a PIL image, an array `[..., height, width, channels]` of numpy or jax, or either array as a
`transforms.Image`, and comes back as the same kind. On jax arrays the kernels are pure functions for jit and vmap; on
the others no jax operation runs.
"""

from ._kernel import get_size
from .conversion import normalize, to_dtype, to_image, to_pil_image
from .cropping import center_crop, crop, hflip, horizontal_flip, pad
from .resizing import resize, resized_crop

__all__ = [
    "center_crop", "crop", "get_size", "hflip", "horizontal_flip", "normalize", "pad", "resize", "resized_crop",
    "to_dtype", "to_image", "to_pil_image",
]
