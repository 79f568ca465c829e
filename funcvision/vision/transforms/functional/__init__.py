"""The kernels: what the transforms do, as functions of one leaf, under torchvision's v2 names.

A leaf is a PIL image, an array `[..., height, width, channels]` of numpy or jax, or one of `vision.tv_tensors`, and
comes back as the same kind. On jax arrays the kernels are pure functions for jit and vmap; on the others no jax
operation runs. `_kernel.py` says how a kernel has an implementation for every kind of leaf.

The files are those of `transforms`: `geometry` (sizes, crops, flips), `scale` (canvases), `crops` (several crops of an
image), `warp` (pixels from computed positions), `conversion` (between kinds of leaf and dtypes), `color` (every pixel
by itself), `contrast` (local histograms), `filters` (blur, noise, sharpness), `dropout` (filled parts), `boxes` (boxes
and key points alone), `sanitize` (which of them are of use), `mosaic` (several images made one), `augment` (erasing,
JPEG) and `temporal` (the frames of a video).
"""

from ..._options import InterpolationMode
from ._kernel import get_size
from .augment import erase, jpeg
from .boxes import clamp_bounding_boxes, clamp_keypoints, convert_bounding_box_format
from .color import (
    adjust_brightness,
    adjust_contrast,
    adjust_gamma,
    adjust_hue,
    adjust_saturation,
    autocontrast,
    equalize,
    grayscale_to_rgb,
    invert,
    permute_channels,
    posterize,
    rgb_to_grayscale,
    solarize,
    to_grayscale,
)
from .contrast import clahe
from .conversion import (
    convert_image_dtype,
    get_dimensions,
    get_image_num_channels,
    get_image_size,
    get_num_channels,
    normalize,
    pil_to_tensor,
    to_dtype,
    to_image,
    to_pil_image,
    to_tensor,
)
from .crops import five_crop, ten_crop
from .dropout import fill_boxes, grid_mask
from .filters import adjust_sharpness, gaussian_blur, gaussian_noise, motion_blur
from .geometry import center_crop, crop, hflip, horizontal_flip, pad, resize, resized_crop, vertical_flip, vflip
from .mosaic import paste, quadrants
from .sanitize import sanitize_bounding_boxes, sanitize_keypoints
from .scale import letterbox, place, uncrop
from .temporal import get_num_frames, uniform_temporal_subsample
from .warp import affine, elastic, elastic_transform, grid_distortion, perspective, rotate

__all__ = [
    "InterpolationMode", "elastic_transform", "get_image_size", "to_tensor",
    "adjust_brightness", "adjust_contrast", "adjust_gamma", "adjust_hue", "adjust_saturation", "autocontrast",
    "equalize", "grayscale_to_rgb", "invert", "permute_channels", "posterize", "rgb_to_grayscale", "solarize",
    "to_grayscale",
    "erase", "five_crop", "jpeg", "ten_crop", "convert_image_dtype", "get_dimensions", "get_image_num_channels",
    "get_num_channels", "get_num_frames", "pil_to_tensor", "uniform_temporal_subsample", "adjust_sharpness",
    "gaussian_blur", "gaussian_noise", "affine", "elastic", "perspective", "rotate", "clahe", "motion_blur",
    "fill_boxes", "grid_mask", "sanitize_bounding_boxes", "sanitize_keypoints", "letterbox", "place", "uncrop",
    "paste", "quadrants", "grid_distortion",
    "center_crop", "clamp_bounding_boxes", "clamp_keypoints", "convert_bounding_box_format", "crop", "get_size",
    "hflip", "horizontal_flip", "normalize", "pad", "resize", "resized_crop", "to_dtype", "to_image", "to_pil_image",
    "vertical_flip", "vflip",
]
