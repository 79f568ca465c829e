"""Images of any sizes and their boxes as one batch of fixed shapes: resized, normalised, padded to a canvas.

The rules are those of torchvision's `GeneralizedRCNNTransform`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image

from .... import nn
from ...ops import box_convert
from ...transforms.functional import resize
from ...transforms.presets import IMAGENET_MEAN, IMAGENET_STD
from ...tv_tensors import BoundingBoxes, Image, KeyPoints, Mask, TVTensor
from ._serialization import exportable

__all__ = ["DetectionBatch", "Detector", "Preparation", "Targets", "batch"]

Array: TypeAlias = "jax.Array | np.ndarray"
Size = tuple[int, int]


@dataclass(frozen=True)
class Preparation:
    """How a detector wants its images.

    Attributes:
        min_size: the length in pixels of the shorter edge after resizing; one of several, drawn for each image, where
            `batch` gets a key, and otherwise the last of them.
        max_size: the largest length of the longer edge. Where it would exceed that, the shorter edge is shorter too.
        mean: of each channel, which is subtracted.
        std: of each channel, by which the difference is divided.
        size_divisible: both sides of the canvas are multiples of it.
        fixed_size: (height, width) to which every image is resized; `min_size` and `max_size` are then ignored.
    """

    min_size: int | tuple[int, ...] = 800
    max_size: int = 1333
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    size_divisible: int = 32
    fixed_size: Size | None = None

    def size(self, height: int, width: int, random: np.random.Generator | None = None) -> Size:
        """(height, width) of an image after resizing.

        Sides are rounded down, as in torchvision: the scale is a double and is not recomputed before the product.
        """
        if self.fixed_size is not None:
            return self.fixed_size
        choices = self.min_size if isinstance(self.min_size, tuple) else (self.min_size,)
        shorter = choices[-1] if random is None else choices[int(random.integers(len(choices)))]
        scale = min(shorter / min(height, width), self.max_size / max(height, width))
        return math.floor(height * scale), math.floor(width * scale)

    def canvas(self, sizes: Sequence[Size]) -> Size:
        """The smallest canvas that holds images of these sizes."""
        step = self.size_divisible
        height, width = (-(-max(lengths) // step) * step for lengths in zip(*sizes, strict=True))
        return height, width


@exportable
@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Targets:
    """What is in the images of a batch, padded to m objects for each.

    Attributes:
        boxes: [batch, m, 4], (left, top, right, bottom) in pixels of the canvas.
        labels: int32 [batch, m].
        valid: bool [batch, m]: which objects exist.
        masks: uint8 [batch, m, height, width] on the canvas, or None.
        keypoints: [batch, m, points, 3]: x and y in pixels of the canvas, and visibility; or None.
    """

    boxes: Any
    labels: Any
    valid: Any
    masks: Any = None
    keypoints: Any = None


@exportable
@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class DetectionBatch:
    """What a detector is applied to.

    Attributes:
        images: [batch, height, width, channels], normalised; each image is in the top left corner, the rest is zero.
        sizes: int32 [batch, 2], (height, width) of each image on the canvas.
        original_sizes: int32 [batch, 2], (height, width) of each image before resizing.
        targets: what is in the images; None where it is not known.
    """

    images: Any
    sizes: Any
    original_sizes: Any
    targets: Targets | None = None

    @property
    def canvas(self) -> Size:
        """(height, width) of all images."""
        return self.images.shape[1], self.images.shape[2]

    def known_targets(self) -> Targets:
        """The targets; ValueError where there are none."""
        if self.targets is None:
            raise ValueError("training needs targets: detection.batch(model, images, targets)")
        return self.targets


class Detector(nn.Module):
    """What `batch` and `predict` take: `apply` maps a `DetectionBatch` to `Detections`, or in training to its losses.

    Attributes:
        preparation: how images are resized and normalised.
    """

    preparation: Preparation


def batch(
    model: Detector, images: Any, targets: Any = None, *, canvas: Size | Sequence[Size] | None = None,
    key: int | np.random.Generator | None = None, max_targets: int | None = None,
) -> DetectionBatch:
    """Prepares images, and what is in them, for a detector.

    Args:
        model: a detector; its `preparation` says how images are resized and normalised.
        images: a sequence of PIL images, numpy arrays or `tv_tensors.Image` [height, width, 3] of any sizes, uint8 or
            floats from 0 to 1, which are prepared on the host; or one array [batch, height, width, 3]. A jax array is
            prepared on the device, also inside `jit`.
        targets: for each image a dict: "boxes" [n, 4] (left, top, right, bottom) in pixels or `BoundingBoxes`,
            "labels" integers [n], and where the model learns them "masks" [n, height, width] or `Mask`, and "keypoints"
            [n, points, 3] (x, y, visibility) or `KeyPoints` [n, points, 2]. For an array of images: one dict of arrays
            with a first axis of the batch, and optionally "valid" bool [batch, n].
        canvas: (height, width) of the batch, or several, of which the smallest that holds every image is taken, so
            that a data set compiles few programs. By default torchvision's: the largest image, rounded up.
        key: an int or a numpy Generator that chooses among several values of `min_size`, for each image.
        max_targets: the number of objects to which each image is padded; by default that of the fullest image.

    Raises:
        TypeError: images of another kind.
        ValueError: an image with other axes; boxes that are degenerate; more objects than `max_targets`; an image that
            no canvas holds; arrays of targets whose lengths differ.
    """
    preparation = model.preparation
    random = None if key is None else np.random.default_rng(key)
    stacked = getattr(images, "ndim", None) == 4
    views = [_array(images)] if stacked else [_array(image)[None] for image in images]
    originals = [(view.shape[1], view.shape[2]) for view in views]
    sizes = [preparation.size(*original, random) for original in originals]
    if not sizes:
        raise ValueError("there are no images in the batch")
    canvas = _canvas(preparation, sizes, canvas)
    xp = jnp if isinstance(views[0], jax.Array) else np
    prepared = [_prepared(preparation, view, size, canvas) for view, size in zip(views, sizes, strict=True)]
    count = views[0].shape[0] if stacked else len(views)
    found = None
    if targets is not None:
        objects = [targets] if stacked else [_unbatched(target, i) for i, target in enumerate(_counted(targets, count))]
        length = _target_slots([target["boxes"].shape[-2] for target in objects], max_targets)
        moved = map(_resized_target, objects, originals, sizes)
        found = _concatenated([_padded_target(target, length, canvas) for target in moved])
    pairs = (np.broadcast_to(np.asarray(one, np.int32), (count, 2)) for one in (sizes, originals))
    final, first = map(xp.asarray, pairs)
    return DetectionBatch(xp.concatenate(prepared), final, first, found)


def _array(image: Any) -> Array:
    """An image as floats from 0 to 1."""
    if isinstance(image, PIL.Image.Image):
        image = np.asarray(image.convert("RGB"))
    image = image.array if isinstance(image, Image) else image
    if not isinstance(image, np.ndarray | jax.Array):
        raise TypeError(f"batch takes PIL images and arrays [height, width, channels]; got a {type(image).__name__}")
    if image.ndim not in (3, 4):
        raise ValueError(f"an image has the axes [height, width, channels]; got an array of shape {image.shape}")
    if image.dtype == np.uint8:
        return image.astype(np.float32) / 255
    if not jnp.issubdtype(image.dtype, jnp.floating):
        raise ValueError(f"images are uint8, or floats from 0 to 1; got {image.dtype}")
    return image.astype(jax.dtypes.canonicalize_dtype(image.dtype))


def _prepared(preparation: Preparation, images: Array, size: Size, canvas: Size) -> Array:
    """Images [n, height, width, channels] normalised, resized and padded."""
    channels = len(preparation.mean)
    if images.shape[-1] != channels:
        raise ValueError(f"the model takes images [height, width, {channels}]; got one of shape {images.shape[1:]}")
    mean, std = (np.asarray(values, images.dtype)[None, None, None] for values in (preparation.mean, preparation.std))
    resized = resize((images - mean) / std, size, antialias=False)
    margins = ((0, 0), (0, canvas[0] - size[0]), (0, canvas[1] - size[1]), (0, 0))
    return _namespace(resized).pad(resized, margins)


def _canvas(preparation: Preparation, sizes: Sequence[Size], given: Size | Sequence[Size] | None) -> Size:
    if given is None:
        return preparation.canvas(sizes)
    choices: Any = [given] if isinstance(given[0], int) else given
    height, width = (max(lengths) for lengths in zip(*sizes, strict=True))
    fitting = [one for one in choices if one[0] >= height and one[1] >= width]
    if not fitting:
        raise ValueError(f"canvas={given} is too small: after resizing, the images need {height} x {width} pixels")
    return min(fitting, key=lambda one: one[0] * one[1])


def _counted(targets: Sequence[Any], count: int) -> Sequence[Any]:
    if len(targets) != count:
        raise ValueError(f"there are {count} images and targets for {len(targets)}")
    return targets


def _unbatched(target: Mapping[str, Any], index: int) -> dict[str, Array]:
    """The target of one image with a first axis of length 1: arrays of its valid objects, boxes by their corners."""
    boxes = target["boxes"]
    keep = _valid(boxes)
    arrays = {"boxes": _corners(boxes), "labels": np.asarray(target["labels"])}
    arrays |= {name: _plain(target[name]) for name in ("masks", "keypoints") if target.get(name) is not None}
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"target {index} has arrays of different lengths: {lengths}")
    if keep is not None:
        arrays = {name: array[keep] for name, array in arrays.items()}
    degenerate = ~(arrays["boxes"][:, 2:] > arrays["boxes"][:, :2]).all(-1)
    if degenerate.any():
        box = arrays["boxes"][degenerate][0].tolist()
        raise ValueError(f"a box has a positive width and height; target {index} has {box} (left, top, right, bottom)")
    return {name: array[None] for name, array in arrays.items()}


def _corners(boxes: Any) -> np.ndarray:
    if isinstance(boxes, BoundingBoxes):
        return np.asarray(box_convert(jnp.asarray(boxes.array), boxes.format.lower(), "xyxy"))  # pyright: ignore[reportArgumentType]
    return np.asarray(boxes).reshape(-1, 4)


def _plain(leaf: Any) -> np.ndarray:
    """The array of a leaf; key points get their visibility as a third number."""
    if isinstance(leaf, KeyPoints):
        seen = np.ones(leaf.array.shape[:-1], bool) if leaf.visible is None else np.asarray(leaf.visible)
        return np.concatenate([np.asarray(leaf.array), seen[..., None].astype(leaf.array.dtype)], -1)
    return np.asarray(leaf.array if isinstance(leaf, TVTensor) else leaf)


def _valid(leaf: Any) -> np.ndarray | None:
    valid = getattr(leaf, "valid", None)
    return None if valid is None else np.asarray(valid)


def _target_slots(counts: Sequence[int], asked: int | None) -> int:
    fullest = max(counts)
    if asked is None:
        return max(fullest, 1)
    if asked < fullest:
        raise ValueError(f"max_targets={asked}, and an image has {fullest} objects")
    return asked


def _resized_target(target: Mapping[str, Any], original: Size, size: Size) -> dict[str, Any]:
    """The arrays of a target, [n, objects, ...], in pixels of the resized image."""
    plain = {name: leaf.array if isinstance(leaf, TVTensor) else leaf for name, leaf in target.items()}
    boxes, xp = plain["boxes"], _namespace(plain["boxes"])
    boxes = boxes.astype(jax.dtypes.canonicalize_dtype(xp.promote_types(boxes.dtype, np.float32)))
    ratios = np.asarray(size, np.float32) / np.asarray(original, np.float32)
    y, x = ratios.astype(boxes.dtype)
    moved = {
        "boxes": boxes * np.stack([x, y, x, y])[None, None], "labels": plain["labels"].astype(np.int32),
        "valid": plain.get("valid", getattr(target["boxes"], "valid", None)),
    }
    if moved["valid"] is None:
        moved["valid"] = xp.ones(boxes.shape[:2], bool)
    if (masks := plain.get("masks")) is not None:
        resized = resize(Mask(masks.astype(np.uint8)), size, "nearest").array
        moved["masks"] = resized
    if (points := plain.get("keypoints")) is not None:
        moved["keypoints"] = points.astype(boxes.dtype) * np.stack([x, y, np.ones_like(x)])[None, None, None]
    return moved


def _padded_target(target: dict[str, Any], length: int, canvas: Size) -> dict[str, Any]:
    def padded(name: str, array: Array) -> Array:
        margins = [(0, 0), (0, length - array.shape[1])] + [(0, 0)] * (array.ndim - 2)
        if name == "masks":
            margins[2:] = [(0, canvas[0] - array.shape[2]), (0, canvas[1] - array.shape[3])]
        return _namespace(array).pad(array, margins)

    return {name: padded(name, array) for name, array in target.items()}


def _concatenated(targets: Sequence[dict[str, Any]]) -> Targets:
    kinds = {frozenset(target) for target in targets}
    if len(kinds) > 1:
        raise ValueError("either every target has masks, and key points, or none has")
    xp = _namespace(targets[0]["boxes"])
    return Targets(**{name: xp.concatenate([target[name] for target in targets]) for name in targets[0]})


def _namespace(array: Any) -> ModuleType:
    return jnp if isinstance(array, jax.Array) else np
