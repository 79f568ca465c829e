"""torchvision's pipelines for classification, with which its published weights were trained and evaluated."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..tv_tensors import Image
from .container import Compose
from .conversion import Normalize, ToDtype, ToImage
from .geometry import CenterCrop, RandomHorizontalFlip, RandomResizedCrop, Resize
from .sample import Leaf
from .transform import Transform

__all__ = [
    "IMAGENET_MEAN", "IMAGENET_STD", "ImageClassification", "ImageClassificationTrain", "ObjectDetection",
    "OpticalFlow", "SemanticSegmentation", "VideoClassification",
]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class _Preset(Compose):
    """A Compose that prints its options rather than its parts."""

    def __init__(self, transforms: Sequence[Transform], options: dict[str, Any]):
        super().__init__(transforms)
        self.options = options

    def __repr__(self) -> str:
        lines = [f"    {name}={value!r},\n" for name, value in self.options.items()]
        return f"{type(self).__name__}(\n{''.join(lines)})"


class ImageClassification(_Preset):
    """Prepares an image for a classifier: resize, crop the middle, scale to [0, 1], normalise.

    A PIL image becomes a float32 numpy array `[height, width, channels]`. An array may be of numpy or jax and may have
    leading axes. Pillow resizes PIL images, with slightly different results than on arrays.

    Args:
        crop_size: (height, width) of the result, or an int for a square.
        resize_size: size of the image before the crop, as in `Resize`.
        mean: mean of each channel, which is subtracted.
        std: standard deviation of each channel, by which the difference is divided.
        interpolation: as in `functional.resize`.
        antialias: as in `functional.resize`.

    >>> import PIL.Image
    >>> ImageClassification(crop_size=224)(PIL.Image.new("RGB", (640, 480))).shape
    (224, 224, 3)
    """

    def __init__(
        self, *, crop_size: int | Sequence[int], resize_size: int | Sequence[int] = 256,
        mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD, interpolation: str = "bilinear",
        antialias: bool = True,
    ):
        options = {
            "crop_size": crop_size, "resize_size": resize_size, "mean": tuple(mean), "std": tuple(std),
            "interpolation": interpolation, "antialias": antialias,
        }
        steps = [
            _ResizeInFloat(resize_size, interpolation, antialias=antialias), CenterCrop(crop_size),
            ToImage(), ToDtype(jnp.float32, scale=True), Normalize(mean, std),
        ]
        super().__init__(steps, options)


class ImageClassificationTrain(_Preset):
    """Prepares an image for the training of a classifier: random resized crop and flip, scale to [0, 1], normalise.

    It follows `ClassificationPresetTrain` in torchvision's references/classification, without its optional parts.
    On PIL images and numpy arrays it runs in the workers of a loader; `batch` augments on the device.

    Args:
        crop_size: (height, width) of the result, or an int for a square.
        mean: mean of each channel, which is subtracted.
        std: standard deviation of each channel, by which the difference is divided.
        interpolation: as in `functional.resize`.
        hflip_prob: probability of the flip.

    >>> import PIL.Image
    >>> ImageClassificationTrain(crop_size=176)(PIL.Image.new("RGB", (640, 480)), key=0).shape
    (176, 176, 3)
    """

    def __init__(
        self, *, crop_size: int | Sequence[int], mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD, interpolation: str = "bilinear", hflip_prob: float = 0.5,
    ):
        options = {
            "crop_size": crop_size, "mean": tuple(mean), "std": tuple(std), "interpolation": interpolation,
            "hflip_prob": hflip_prob,
        }
        steps = [
            RandomResizedCrop(crop_size, interpolation=interpolation), RandomHorizontalFlip(hflip_prob),
            ToImage(), ToDtype(jnp.float32, scale=True), Normalize(mean, std),
        ]
        super().__init__(steps, options)


class ObjectDetection(_Preset):
    """Prepares an image for a detector: scales it to [0, 1]. `models.detection.batch` resizes and normalises it.

    >>> import PIL.Image
    >>> ObjectDetection()(PIL.Image.new("RGB", (640, 480))).dtype
    dtype('float32')
    """

    def __init__(self) -> None:
        super().__init__([ToImage(), ToDtype(jnp.float32, scale=True)], {})


class SemanticSegmentation(_Preset):
    """Prepares an image for semantic segmentation: resize, scale to [0, 1], normalise.

    Args:
        resize_size: size of the image, as in `Resize`; None leaves it as it is.
        mean: mean of each channel, which is subtracted.
        std: standard deviation of each channel, by which the difference is divided.
        interpolation: as in `functional.resize`.
        antialias: as in `functional.resize`.

    >>> import PIL.Image
    >>> SemanticSegmentation(resize_size=520)(PIL.Image.new("RGB", (640, 480))).shape
    (520, 693, 3)
    """

    def __init__(
        self, *, resize_size: int | Sequence[int] | None, mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD, interpolation: str = "bilinear", antialias: bool = True,
    ):
        options = {
            "resize_size": resize_size, "mean": tuple(mean), "std": tuple(std), "interpolation": interpolation,
            "antialias": antialias,
        }
        resize = [] if resize_size is None else [_ResizeInFloat(resize_size, interpolation, antialias=antialias)]
        super().__init__([*resize, ToImage(), ToDtype(jnp.float32, scale=True), Normalize(mean, std)], options)


class OpticalFlow:
    """Prepares two images for optical flow: scales them to [-1, 1].

    >>> first, second = OpticalFlow()(np.zeros((128, 128, 3), np.uint8), np.zeros((128, 128, 3), np.uint8))
    >>> first.dtype, float(first.min())
    (dtype('float32'), -1.0)
    """

    def __init__(self) -> None:
        self._prepare = Compose([ToImage(), ToDtype(jnp.float32, scale=True), Normalize((0.5,) * 3, (0.5,) * 3)])

    def __call__(self, image1: Any, image2: Any) -> tuple[Any, Any]:
        """Both images, PIL images or arrays [..., height, width, 3], as float32 arrays from -1 to 1."""
        return self._prepare(image1), self._prepare(image2)

    def __repr__(self) -> str:
        return "OpticalFlow()"


class VideoClassification(_Preset):
    """Prepares a clip for a video classifier: resize every frame, crop the middle, scale to [0, 1], normalise.

    Args:
        crop_size: (height, width) of the result.
        resize_size: size of the frames before the crop, as in `Resize`.
        mean: mean of each channel, which is subtracted.
        std: standard deviation of each channel, by which the difference is divided.
        interpolation: as in `functional.resize`; without antialiasing, as when the published weights were trained.

    >>> VideoClassification(crop_size=(112, 112), resize_size=(128, 171))(np.zeros((16, 240, 320, 3), np.uint8)).shape
    (16, 112, 112, 3)
    """

    def __init__(
        self, *, crop_size: int | Sequence[int], resize_size: int | Sequence[int],
        mean: Sequence[float] = (0.43216, 0.394666, 0.37645), std: Sequence[float] = (0.22803, 0.22145, 0.216989),
        interpolation: str = "bilinear",
    ):
        options = {
            "crop_size": crop_size, "resize_size": resize_size, "mean": tuple(mean), "std": tuple(std),
            "interpolation": interpolation,
        }
        steps = [
            _ResizeInFloat(resize_size, interpolation, antialias=False), CenterCrop(crop_size),
            ToDtype(jnp.float32, scale=True), Normalize(mean, std),
        ]
        super().__init__(steps, options)


@dataclass(frozen=True, eq=False)
class _ResizeInFloat(Resize):
    """Resizes uint8 images in float32 and rounds once, as torchvision's presets do.

    torchvision's v2 kernel, which `Resize` follows, computes in fixed point and rounds twice: about a fifth of the
    pixels differ by one level.
    """

    def apply(self, leaf: Leaf, **params: Any) -> Any:
        if isinstance(leaf, Image):
            return leaf.replace(array=self.apply(leaf.array))
        if not isinstance(leaf, np.ndarray | jax.Array) or leaf.dtype != np.uint8:
            return super().apply(leaf)
        return super().apply(leaf.astype(np.float32)).round().clip(0, 255).astype(np.uint8)
