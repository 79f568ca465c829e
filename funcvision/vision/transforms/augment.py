"""Transforms that damage an image, by erasing or compression, and transforms that mix the images of a batch."""

import math
import numbers
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image

from ..tv_tensors import Image, TVTensor, Video
from . import functional as F
from ._applied import check_probability
from ._draws import Draws
from ._random import Random
from .functional._kernel import array_namespace
from .functional.augment import inside_box
from .sample import BareImage, Leaf, common_size, transformed_leaves, untyped
from .transform import Transform

__all__ = ["JPEG", "CutMix", "MixUp", "RandomErasing"]


@dataclass(frozen=True, eq=False)
class RandomErasing(Transform):
    """Erases a random box of images and videos with probability `p` (https://arxiv.org/abs/1708.04896).

    Ten boxes are drawn, and the first that is smaller than the image is erased; if none is, nothing is. The params are
    `top`, `left`, `height` and `width`, all 0 where nothing is erased, and for "random" `v`, noise for the whole image.
    Masks, boxes and key points stay as they are, as in torchvision.

    Args:
        p: probability.
        scale: bounds of the area of the box, as a share of the image.
        ratio: bounds of height / width of the box; its logarithm is uniform.
        value: the new values: a number, one number per channel, or "random" for normal noise.

    Raises:
        ValueError: a bound or a probability outside its range.
        TypeError: `value` is none of these.
    """

    p: float = 0.5
    scale: Sequence[float] = (0.02, 0.33)
    ratio: Sequence[float] = (0.3, 3.3)
    value: float | Sequence[float] | str = 0.0

    def __post_init__(self) -> None:
        check_probability(self.p)
        if isinstance(self.value, str) and self.value != "random":
            raise ValueError(f"value={self.value!r} is not 'random', a number or a sequence of numbers")
        if not isinstance(self.value, numbers.Number | str | Sequence):
            raise TypeError(f"value={self.value!r} must be a number, a sequence of numbers or 'random'")
        if not 0 <= self.scale[0] <= self.scale[1] <= 1:
            raise ValueError(f"scale={self.scale!r} must be (low, high) with 0 <= low <= high <= 1")
        if not 0 < self.ratio[0] <= self.ratio[1]:
            raise ValueError(f"ratio={self.ratio!r} must be (low, high) with 0 < low <= high")

    def draw(self, random: Random, sample: Any) -> dict[str, Any]:
        """The box, and the noise for "random"."""
        xp, tries = random.xp, 10
        height, width = common_size(sample)
        applied = random.uniform(0, 1) < self.p
        areas = height * width * random.uniform(self.scale[0], self.scale[1], (tries,))
        ratios = xp.exp(random.uniform(math.log(self.ratio[0]), math.log(self.ratio[1]), (tries,)))
        heights = xp.round(xp.sqrt(areas * ratios)).astype(np.int32)
        widths = xp.round(xp.sqrt(areas / ratios)).astype(np.int32)
        fits = (heights < height) & (widths < width)
        first, applied = xp.argmax(fits), applied & xp.any(fits)
        h, w = xp.where(applied, heights[first], 0), xp.where(applied, widths[first], 0)
        top = xp.where(applied, random.integer(height - h + 1), 0)
        left = xp.where(applied, random.integer(width - w + 1), 0)
        params = {"top": top, "left": left, "height": h, "width": w}
        if self.value == "random":
            params["v"] = random.normal((height, width, _channels(sample)))
        return params

    def apply(
        self, leaf: Leaf, *, top: Any, left: Any, height: Any, width: Any, v: Any = None, **params: Any
    ) -> Any:
        """The leaf with the box erased."""
        values = self.value if v is None else v
        if isinstance(leaf, PIL.Image.Image | np.ndarray) and not int(height) * int(width):
            return leaf
        return F.erase(leaf, top, left, height, width, values)


@dataclass(frozen=True, eq=False)
class JPEG(Transform):
    """Compresses images and videos by JPEG with a random quality, on the host only; see `functional.jpeg`.

    Args:
        quality: the quality from 1 to 100, or (lowest, highest), both included.
    """

    quality: int | Sequence[int]

    def __post_init__(self) -> None:
        values = self._range()
        ints = all(isinstance(value, int) and not isinstance(value, bool) for value in values)
        if len(values) != 2 or not ints or not 1 <= values[0] <= values[1] <= 100:
            raise ValueError(f"quality={self.quality!r} must be an int from 1 to 100, or (lowest, highest)")

    def draw(self, random: Random, sample: Any) -> dict[str, Any]:
        """The quality."""
        low, high = self._range()
        return {"quality": low + random.integer(high - low + 1)}

    def apply(self, leaf: Leaf, *, quality: Any, **params: Any) -> Any:
        """The compressed leaf."""
        array = leaf.array if isinstance(leaf, TVTensor) else leaf
        return F.jpeg(leaf, quality if isinstance(array, jax.Array) else operator.index(quality))

    def _range(self) -> Sequence[int]:
        return self.quality if isinstance(self.quality, Sequence) else (self.quality, self.quality)


@dataclass(frozen=True, eq=False)
class _Mixing(Transform):
    """Mixes every image of a batch, and its label, with the image before it; the first with the last."""

    _: KW_ONLY
    alpha: float = 1.0
    num_classes: int | None = None
    labels_getter: Callable[[Any], Any] | str = "default"

    def __post_init__(self) -> None:
        if not self.alpha > 0:
            raise ValueError(f"alpha={self.alpha!r} must be positive")
        if self.num_classes is not None and operator.index(self.num_classes) < 1:
            raise ValueError(f"num_classes={self.num_classes!r} must be at least 1")
        if self.labels_getter != "default" and not callable(self.labels_getter):
            raise ValueError(f"labels_getter={self.labels_getter!r} must be 'default' or a function of the batch")

    def __call__(self, sample: Any, *, key: Any = None) -> Any:
        """The mixed batch; the arguments are those of `Transform.__call__`."""
        return super().__call__(self._with_images(sample), key=key)

    def params(self, sample: Any, *, key: Any = None) -> Any:
        """What a call draws; see `Transform.params`."""
        return super().params(self._with_images(sample), key=key)

    def replay(self, sample: Any, params: Any) -> Any:
        """The batch mixed with params that were drawn before; see `Transform.replay`."""
        return super().replay(self._with_images(sample), params)

    def transform(self, sample: Any, draws: Draws) -> Any:
        """The mixed batch."""
        leaves = transformed_leaves(sample)
        for leaf in leaves:
            self._check_images(leaf)
        labels = self._labels(untyped(sample))
        self._check_labels(labels)
        for leaf in leaves:
            if leaf.shape[0] != len(labels):
                raise ValueError(f"{type(self).__name__} got {leaf.shape[0]} images and {len(labels)} labels")
        params = draws.draw(self, sample)

        def one(leaf: Any) -> Any:
            if leaf is labels:
                device = isinstance(leaves[0].array, jax.Array)
                return self._mixed_labels(jnp.asarray(labels) if device else labels, **params)
            return leaf.replace(array=self._mixed(leaf.array, **params)) if isinstance(leaf, TVTensor) else leaf

        return jax.tree.map(one, sample, is_leaf=lambda node: isinstance(node, TVTensor))

    def _mixed(self, images: Any, **params: Any) -> Any:
        """The mixed images."""
        raise NotImplementedError

    def _share(self, **params: Any) -> Any:
        """The share of an image's own label."""
        raise NotImplementedError

    def _mixed_labels(self, labels: Any, **params: Any) -> Any:
        xp = array_namespace(labels)
        if labels.ndim == 1:
            labels = (labels[:, None] == xp.arange(self.num_classes, dtype=labels.dtype)[None]).astype(np.float32)
        elif not jnp.issubdtype(labels.dtype, jnp.floating):
            labels = labels.astype(np.float32)
        return _blended(labels, self._share(**params))

    def _labels(self, sample: Any) -> Any:
        """The labels of a batch, an array."""
        getter = default_labels if self.labels_getter == "default" else self.labels_getter
        labels = getter(sample) if callable(getter) else None
        name = type(self).__name__
        if not isinstance(labels, np.ndarray | jax.Array):
            raise ValueError(f"{name} takes a batch whose labels are an array, and these are a {type(labels).__name__}")
        return labels

    def _check_labels(self, labels: Any) -> None:
        name = type(self).__name__
        if labels.ndim not in (1, 2):
            raise ValueError(f"{name} takes labels [n] or [n, classes], and these have the shape {labels.shape}")
        if labels.ndim == 2 and self.num_classes not in (None, labels.shape[1]):
            raise ValueError(f"{name} has num_classes={self.num_classes}, and the labels have {labels.shape[1]}")
        if labels.ndim == 1:
            if self.num_classes is None:
                raise ValueError(f"{name} needs num_classes for labels that are ints [n]")
            if not jnp.issubdtype(labels.dtype, jnp.integer):
                raise ValueError(f"{name} takes labels [n] of ints, and these are {labels.dtype}")
            wrong = isinstance(labels, np.ndarray) and labels.size and not 0 <= labels.min() <= labels.max() < (
                self.num_classes)
            if wrong:
                raise ValueError(
                    f"{name} has num_classes={self.num_classes}, and the labels go from {labels.min()} to "
                    f"{labels.max()}"
                )

    def _check_images(self, leaf: Any) -> None:
        name = type(self).__name__
        if not isinstance(leaf, Image | Video):
            raise TypeError(f"{name} takes batches of images or videos and no {type(leaf).__name__}")
        axes = 5 if isinstance(leaf, Video) else 4
        if len(leaf.shape) != axes:
            raise ValueError(
                f"{name} mixes the images of a batch with {axes} axes, and got the shape {leaf.shape}: call it on the "
                f"batch itself, as {name}(...)(batch, key=key), since `batch` transforms one sample at a time"
            )

    def _with_images(self, sample: Any) -> Any:
        """The batch with its bare images as a typed leaf."""
        if isinstance(sample, np.ndarray | jax.Array) or transformed_leaves(sample):
            return sample
        labels = self._labels(sample)
        leaves, form = jax.tree.flatten(sample)
        for index, leaf in enumerate(leaves):
            if leaf is not labels and isinstance(leaf, np.ndarray | jax.Array):
                leaves[index] = BareImage(leaf)
                break
        return jax.tree.unflatten(form, leaves)


@dataclass(frozen=True, eq=False)
class MixUp(_Mixing):
    """Mixes every image of a batch with the one before it: `lam * image + (1 - lam) * other`.

    See https://arxiv.org/abs/1710.09412. `lam` is drawn once for the batch from Beta(alpha, alpha). Images are floats.
    What a batch is, the arguments and the errors are those of `CutMix`.
    """

    def draw(self, random: Random, sample: Any) -> dict[str, Any]:
        """The share of an image itself."""
        return {"lam": random.beta(self.alpha, self.alpha)}

    def _mixed(self, images: Any, *, lam: Any, **params: Any) -> Any:
        if not jnp.issubdtype(images.dtype, jnp.floating):
            raise TypeError(f"MixUp takes float images and got {images.dtype}: put ToDtype(jnp.float32, scale=True) "
                            f"before it")
        return _blended(images, lam)

    def _share(self, *, lam: Any, **params: Any) -> Any:
        return lam


@dataclass(frozen=True, eq=False)
class CutMix(_Mixing):
    """Replaces a random box of every image of a batch by the same box of the image before it.

    See https://arxiv.org/abs/1905.04899. The params are `box`, the box (x1, y1, x2, y2) in pixels, drawn once for the
    batch, and `lam_adjusted`, the share of an image that is left of it.

    A sample is a batch, such as (images, labels). Images are a bare array or an `Image` `[n, height, width, channels]`,
    or a `Video` `[n, time, height, width, channels]`. Labels are ints `[n]`, or one number per class `[n, classes]`,
    one-hot or multi-label. Labels come out as floats `[n, classes]`. If the batch holds no typed leaf, its first array
    besides the labels is the images. Inside a `Compose`, wrap the images in `tv_tensors.Image`.

    Args:
        alpha: both parameters of the beta distribution.
        num_classes: number of classes; needed if the labels are ints `[n]`.
        labels_getter: a function from the batch to the labels in it. "default" takes the second item of a tuple; or in
            it, or in a batch that is a dict, the entry whose key is or contains "labels" or "label".

    Raises:
        ValueError: when called: a single image instead of a batch; labels of another length or shape; a label that is
            no class (checked on the host).
        TypeError: when called: PIL images, masks, boxes or key points.
    """

    def draw(self, random: Random, sample: Any) -> dict[str, Any]:
        """The box, and the share of an image outside it."""
        xp = random.xp
        height, width = common_size(sample)
        reach = 0.5 * xp.sqrt(1.0 - random.beta(self.alpha, self.alpha))
        sides = []
        for length in (width, height):
            middle, half = random.integer(length), (reach * length).astype(np.int32)
            sides.append((xp.maximum(middle - half, 0), xp.minimum(middle + half, length)))
        (x1, x2), (y1, y2) = sides
        box = xp.stack([x1, y1, x2, y2]).astype(np.int32)
        return {"box": box, "lam_adjusted": 1.0 - (x2 - x1) * (y2 - y1) / (width * height)}

    def _mixed(self, images: Any, *, box: Any, **params: Any) -> Any:
        x1, y1, x2, y2 = box
        xp, inside = array_namespace(images), inside_box(images, y1, x1, y2 - y1, x2 - x1)
        return xp.where(inside, xp.roll(images, 1, 0), images)

    def _share(self, *, lam_adjusted: Any, **params: Any) -> Any:
        return lam_adjusted


def default_labels(sample: Any) -> Any:
    """The labels of a batch, found as in torchvision; ValueError if there are none."""
    part = sample[1] if isinstance(sample, tuple | list) and len(sample) > 1 else sample
    if isinstance(sample, tuple | list) and isinstance(part, np.ndarray | jax.Array):
        return part
    if isinstance(part, Mapping):
        keys = [key for key in part if isinstance(key, str)]
        named = [key for key in keys if key.lower() == "labels"] + [key for key in keys if "label" in key.lower()]
        if named:
            return part[named[0]]
    raise ValueError(
        f"no labels in a batch that is a {type(sample).__name__}: pass (images, labels), a dict with 'labels', or "
        f"labels_getter=a function from the batch to its labels"
    )


def _blended(values: Any, share: Any) -> Any:
    """`share` of every row and the rest of the row before it."""
    xp = array_namespace(values)
    share = xp.asarray(share, values.dtype)
    return xp.roll(values, 1, 0) * (1 - share) + values * share


def _channels(sample: Any) -> int:
    """The number of channels that the images and videos of a sample share."""
    images = [leaf for leaf in transformed_leaves(sample) if not isinstance(leaf, TVTensor) or
              isinstance(leaf, Image | Video)]
    counts = {F.get_num_channels(leaf) for leaf in images}
    if len(counts) > 1:
        raise ValueError(f"the images of one sample must have the same number of channels, and these have {counts}")
    return counts.pop() if counts else 1
