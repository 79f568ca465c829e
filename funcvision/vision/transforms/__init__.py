"""Transforms of images, in two places, with torchvision's v2 names and numbers.

One class runs in two places. On PIL images and numpy arrays it runs on the host, where no jax operation takes part, so
it may run in the threads or processes of a loader; PIL images stay PIL images until `ToImage`, arrays stay numpy's. On
jax arrays it is a pure function for jit and vmap. An array is `[..., height, width, channels]` in both.

Randomness is an explicit key: `transform(sample, key=key)`, with an int or a numpy Generator on the host and a jax key
on the device. The same key gives the same result. `transform.batch(images, key=key)` augments a batch on the device
with one key per image.

A sample is one image, or a tuple, list, dict or other pytree of leaves. The type of a leaf says what it is:

- a sample that is one PIL image or one array is an image;
- inside a pytree, PIL images and the leaves of `vision.tv_tensors` (`Image`, `Video`, `Mask`, `BoundingBoxes`,
  `KeyPoints`) are transformed together, with the same random numbers. Everything else (labels, other arrays, strings)
  passes through as it is. A sample without any leaf to transform is an error.

A PIL image that becomes an array comes back as a bare array, so `Compose` with `ToImage` turns `(PIL image, label)`
into `(array, label)`, ready for a loader to collate; an `Image` stays an `Image`.

`transform.params(sample, key=key)` gives what a call draws, and `transform.replay(sample, params)` uses it again.

Where a transform belongs: `container` (made of other transforms), `conversion` (kinds of leaf, dtypes, normalisation),
`geometry` (sizes, crops, flips), `scale` (random sizes, canvases), `crops` (several crops of an image), `warp`
(rotations and distortions), `color` (every pixel by itself), `contrast` (gamma, local histograms), `filters` (blur,
noise, sharpness), `dropout` (filled parts), `boxes` (boxes and key points alone), `sanitize` (boxes and points of no
use), `detection` (samples with boxes), `mosaic` (several samples made one), `augment` (erasing, JPEG, mixing of
samples), `temporal` (the frames of a video), `auto_augment` (learned and random policies) and `presets` (whole
pipelines). `functional` has the same files, with the kernels.

`transform.inverse(sample, params)` moves boxes, masks and key points back to where they were before the transform.

>>> import PIL.Image
>>> import jax.numpy as jnp
>>> from funcvision.vision import transforms
>>> prepare = transforms.Compose([
...     transforms.RandomResizedCrop(64), transforms.RandomHorizontalFlip(),
...     transforms.ToImage(), transforms.ToDtype(jnp.float32, scale=True),
... ])
>>> image, label = prepare((PIL.Image.new("RGB", (100, 80)), 3), key=0)
>>> image.shape, image.dtype, label
((64, 64, 3), dtype('float32'), 3)
"""

from .._options import InterpolationMode
from . import functional, presets
from .augment import JPEG, CutMix, MixUp, RandomErasing
from .auto_augment import AugMix, AutoAugment, AutoAugmentPolicy, RandAugment, TrivialAugmentWide
from .boxes import ClampBoundingBoxes, ClampKeyPoints, ConvertBoundingBoxFormat, SetClampingMode
from .color import (
    RGB,
    ColorJitter,
    Grayscale,
    RandomAutocontrast,
    RandomChannelPermutation,
    RandomEqualize,
    RandomGrayscale,
    RandomInvert,
    RandomPhotometricDistort,
    RandomPosterize,
    RandomSolarize,
)
from .container import Compose, Identity, Lambda, RandomApply, RandomChoice, RandomOrder, RepeatedAugment
from .contrast import CLAHE, RandomGamma
from .conversion import (
    ConvertImageDtype,
    LinearTransformation,
    Normalize,
    PILToTensor,
    ToDtype,
    ToImage,
    ToPILImage,
    ToPureTensor,
    ToTensor,
)
from .crops import FiveCrop, TenCrop
from .detection import RandomIoUCrop, RandomZoomOut
from .dropout import CoarseDropout, GridMask
from .filters import GaussianBlur, GaussianNoise, MotionBlur, RandomAdjustSharpness
from .geometry import CenterCrop, Pad, RandomCrop, RandomHorizontalFlip, RandomResizedCrop, RandomVerticalFlip, Resize
from .mosaic import CopyPaste, Mosaic
from .sample import common_size
from .sanitize import SanitizeBoundingBoxes, SanitizeKeyPoints
from .scale import FixedSizeCrop, Letterbox, RandomResize, RandomShortestSize, ScaleJitter
from .temporal import UniformTemporalSubsample
from .transform import Transform
from .warp import ElasticTransform, GridDistortion, RandomAffine, RandomPerspective, RandomRotation

__all__ = [
    "functional", "presets",
    "InterpolationMode", "Transform", "common_size",
    "Compose", "Identity", "Lambda", "RandomApply", "RandomChoice", "RandomOrder", "RepeatedAugment",
    "Resize", "CenterCrop", "Pad", "RandomCrop", "RandomResizedCrop", "RandomHorizontalFlip", "RandomVerticalFlip",
    "FixedSizeCrop", "Letterbox", "RandomResize", "RandomShortestSize", "ScaleJitter",
    "RandomIoUCrop", "RandomZoomOut", "SanitizeBoundingBoxes", "SanitizeKeyPoints",
    "CopyPaste", "Mosaic", "CoarseDropout", "GridMask",
    "ElasticTransform", "GridDistortion", "RandomAffine", "RandomRotation", "RandomPerspective",
    "ClampBoundingBoxes", "ClampKeyPoints", "ConvertBoundingBoxFormat", "SetClampingMode",
    "ToImage", "ToDtype", "Normalize", "ConvertImageDtype", "PILToTensor", "ToPILImage",
    "LinearTransformation", "ToPureTensor", "ToTensor",
    "FiveCrop", "TenCrop", "UniformTemporalSubsample",
    "CutMix", "JPEG", "MixUp", "RandomErasing",
    "ColorJitter", "Grayscale", "RGB", "RandomAutocontrast", "RandomChannelPermutation", "RandomEqualize",
    "RandomGrayscale", "RandomInvert", "RandomPhotometricDistort", "RandomPosterize", "RandomSolarize",
    "CLAHE", "RandomGamma", "GaussianBlur", "GaussianNoise", "MotionBlur", "RandomAdjustSharpness", "AugMix",
    "AutoAugment", "AutoAugmentPolicy", "RandAugment", "TrivialAugmentWide",
]
