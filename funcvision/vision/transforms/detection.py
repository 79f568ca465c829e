"""Transforms for samples with bounding boxes: zooming out, and crops that keep a box."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import jax
import numpy as np
import PIL.Image

from ..tv_tensors import BoundingBoxes, Image, Video
from . import functional as F
from ._applied import check_probability
from ._random import Random
from .functional._sizes import check_interpolation, square
from .functional.boxes import ROTATED, box_array, convert_array
from .geometry import Fill, _fill_for
from .sample import Leaf, common_size, transformed_leaves
from .transform import Transform, size_before

__all__ = ["RandomIoUCrop", "RandomZoomOut"]

ROUNDS = 30
"""How many times `RandomIoUCrop` chooses an overlap before it leaves the sample as it is."""


@dataclass(frozen=True, eq=False)
class RandomZoomOut(Transform):
    """Puts the sample at a random place of a larger canvas, with probability `p`: the zoom out of SSD.

    https://arxiv.org/abs/1512.02325.

    Args:
        fill: value of the canvas; see `RandomCrop`.
        side_range: bounds of the factor of both sides, 1 or more.
        p: the probability.
        size: (height, width) of the result, or an int for a square. The larger canvas is resized to it: the sample is
            made smaller and put on a canvas of this size. Needed on jax arrays, whose shape is fixed.
        interpolation: as in `functional.resize`; used with `size` only.
        antialias: as in `functional.resize`; used with `size` only.
    """

    fill: Fill = 0
    side_range: Sequence[float] = (1.0, 4.0)
    p: float = 0.5
    _: KW_ONLY
    size: int | Sequence[int] | None = None
    interpolation: str = "bilinear"
    antialias: bool = True

    def __post_init__(self) -> None:
        check_probability(self.p)
        check_interpolation(self.interpolation, self.antialias)
        if len(self.side_range) != 2 or not 1 <= self.side_range[0] <= self.side_range[1]:
            raise ValueError(f"side_range={self.side_range!r} must be (low, high) with 1 <= low <= high")
        if self.size is not None:
            square(self.size)

    def draw(self, random: Random, sample: Any) -> dict[str, Any]:
        """The border (left, top, right, bottom), which is 0 if the sample stays as it is."""
        xp, (height, width) = random.xp, common_size(sample)
        applied = random.uniform(0, 1) < self.p
        low, high = self.side_range
        factor = xp.where(applied, random.uniform(low, high), 1.0)
        room = [xp.floor(length * factor) - length for length in (width, height)]
        before = [xp.floor(length * random.uniform(0, 1)) for length in room]
        after = [length - start for length, start in zip(room, before)]
        return {"padding": xp.stack([*before, *after]).astype(np.int32)}

    def apply(self, leaf: Leaf, *, padding: Any, **params: Any) -> Any:
        """The leaf on its canvas."""
        fill = _fill_for(self.fill, leaf)
        if self.size is not None:
            new, corner = self._place(F.get_size(leaf), padding)
            size = square(self.size)
            # A side is at least `length / side_range[1]` pixels, rounded, when it is smallest.
            smallest = [max(length / self.side_range[1] - 0.6, 1.0) for length in size]
            shrink = max(old / new_side for old, new_side in zip(F.get_size(leaf), smallest))
            return F.place(
                leaf, new, corner, size, self.interpolation, antialias=self.antialias, fill=fill, max_shrink=shrink
            )
        if any(isinstance(edge, jax.Array) for edge in padding):
            raise ValueError(
                f"{self!r} makes leaves of a random size, and the shape of a jax array is fixed: give size=(height, "
                f"width), to which the canvas is resized, or run it on the host"
            )
        border = [int(edge) for edge in padding]
        return F.pad(leaf, border, fill) if any(border) else leaf

    def invert(self, leaf: Leaf, before: tuple[int, int] | None, *, padding: Any, **params: Any) -> Any:
        """The leaf without the border, in the size before."""
        if self.size is None:
            return F.pad(leaf, [-int(edge) for edge in padding])
        size = size_before(self, before)
        (height, width), (top, left) = self._place(size, padding)
        return F.resized_crop(leaf, top, left, height, width, size, self.interpolation, antialias=self.antialias)

    def _place(self, size: tuple[int, int], padding: Any) -> tuple[Any, Any]:
        """Size and corner of the leaf on the canvas of `self.size`."""
        left, top, right, bottom = padding
        sides, corner = [], []
        for old, new, before, after in zip(size, square(self.size or 1), (top, left), (bottom, right)):
            if isinstance(before, jax.Array):
                start = before.astype(np.float32)
                share = new / (start + after.astype(np.float32) + old)
                sides.append(jax.numpy.maximum((old * share + 0.5).astype(np.int32), 1))
                corner.append((start * share + 0.5).astype(np.int32))
            else:
                share = new / (before + after + old)
                sides.append(max(int(old * share + 0.5), 1))
                corner.append(int(before * share + 0.5))
        return sides, corner


@dataclass(frozen=True, eq=False)
class RandomIoUCrop(Transform):
    """Cuts out a random box that overlaps enough with one of the bounding boxes: the crop of SSD.

    https://arxiv.org/abs/1512.02325. A smallest overlap is chosen, and boxes are drawn until one contains the centre of
    a bounding box and has that overlap with it, `trials` times at most; then another overlap is chosen. Boxes whose
    centre is not in the crop become zero, on jax arrays also invalid: `SanitizeBoundingBoxes` removes them.
    Torchvision goes on without end; here the sample stays as it is after 30 overlaps without success, as it does
    without bounding boxes. Of rotated boxes the upright rectangles around them count.

    Args:
        min_scale: smallest share of a side.
        max_scale: largest share of a side.
        min_aspect_ratio: smallest width / height.
        max_aspect_ratio: largest width / height.
        sampler_options: the smallest overlaps (IoU) to choose from; one of 1 or more leaves the sample as it is. None
            is [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0].
        trials: how many boxes are drawn for an overlap.
        size: (height, width) to which the crop is resized, or an int for a square. Needed on jax arrays, whose shape
            is fixed.
        interpolation: as in `functional.resize`; used with `size` only.
        antialias: as in `functional.resize`; used with `size` only.
    """

    min_scale: float = 0.3
    max_scale: float = 1.0
    min_aspect_ratio: float = 0.5
    max_aspect_ratio: float = 2.0
    sampler_options: Sequence[float] | None = None
    trials: int = 40
    _: KW_ONLY
    size: int | Sequence[int] | None = None
    interpolation: str = "bilinear"
    antialias: bool = True

    def __post_init__(self) -> None:
        check_interpolation(self.interpolation, self.antialias)
        if not 0 < self.min_scale <= self.max_scale <= 1:
            raise ValueError(
                f"min_scale={self.min_scale} and max_scale={self.max_scale} must be 0 < min_scale <= max_scale <= 1"
            )
        if not 0 < self.min_aspect_ratio <= self.max_aspect_ratio:
            raise ValueError(f"aspect ratios from {self.min_aspect_ratio} to {self.max_aspect_ratio} are no range")
        if self.trials < 1 or (self.sampler_options is not None and not len(self.sampler_options)):
            raise ValueError(f"{self!r} needs at least one trial and one of sampler_options")
        if self.size is not None:
            square(self.size)

    def draw(self, random: Random, sample: Any) -> dict[str, Any]:
        """The box, and which bounding boxes have their centre in it; the whole sample if it stays as it is."""
        leaves = transformed_leaves(sample)
        boxes = [leaf for leaf in leaves if isinstance(leaf, BoundingBoxes)]
        if not boxes or not any(isinstance(leaf, PIL.Image.Image | Image | Video) for leaf in leaves):
            raise TypeError(
                f"{type(self).__name__} needs an image and BoundingBoxes, and the leaves of this sample are "
                f"{', '.join(type(leaf).__name__ for leaf in leaves)}"
            )
        xp, size = random.xp, common_size(sample)
        whole = np.array([0, 0, *size], np.int32)
        corners = _upright(boxes[0])
        exist = xp.ones(corners.shape[:-1], bool) if boxes[0].valid is None else xp.asarray(boxes[0].valid)
        if xp is np:
            found, crop, inside = False, whole, exist
            for _ in range(ROUNDS if len(corners) else 0):
                found, crop, inside = self._attempts(random, size, corners, exist, 1)
                if found:
                    break
        else:
            found, crop, inside = self._attempts(random, size, corners, exist, ROUNDS)
        crop, inside = xp.where(found, crop, whole), xp.where(found, inside, exist)
        top, left, height, width = (crop[i] for i in range(4))
        return {"top": top, "left": left, "height": height, "width": width, "is_within_crop_area": inside}

    def apply(
        self, leaf: Leaf, *, top: Any, left: Any, height: Any, width: Any, is_within_crop_area: Any, **params: Any
    ) -> Any:
        """The crop; bounding boxes outside it are zero."""
        traced = any(isinstance(value, jax.Array) for value in (top, left, height, width))
        box = (top, left, height, width) if traced else tuple(int(value) for value in (top, left, height, width))
        if self.size is not None:
            result = F.resized_crop(
                leaf, *box, square(self.size), self.interpolation, antialias=self.antialias
            )
        elif traced:
            raise ValueError(
                f"{self!r} makes leaves of a random size, and the shape of a jax array is fixed: give size=(height, "
                f"width), to which the crop is resized, or run it on the host"
            )
        elif box == (0, 0, *F.get_size(leaf)):
            return leaf
        else:
            result = F.crop(leaf, *box)
        if not isinstance(result, BoundingBoxes):
            return result
        if isinstance(result.array, np.ndarray):
            inside = np.asarray(is_within_crop_area, bool)
            return result.replace(array=np.where(inside[..., None], result.array, np.zeros_like(result.array)))
        inside = jax.numpy.asarray(is_within_crop_area)
        array = jax.numpy.where(inside[..., None], result.array, jax.numpy.zeros_like(result.array))
        return result.replace(array=array, valid=inside if result.valid is None else inside & result.valid)

    def invert(
        self, leaf: Leaf, before: tuple[int, int] | None, *, top: Any, left: Any, height: Any, width: Any, **params: Any
    ) -> Any:
        """The leaf on the canvas before, with zeros where it was cut off."""
        size = size_before(self, before)
        if self.size is None:
            return F.uncrop(leaf, int(top), int(left), size)
        return F.place(leaf, (height, width), (top, left), size, self.interpolation, antialias=self.antialias)

    def _attempts(
        self, random: Random, size: tuple[int, int], corners: Any, exist: Any, rounds: int
    ) -> tuple[Any, Any, Any]:
        """The first box of some rounds that is good: whether there is one, the box, and the bounding boxes inside."""
        xp, (height, width) = random.xp, size
        options = self.sampler_options or (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
        chosen = (random.uniform(0, 1, (rounds,)) * len(options)).astype(np.int32)
        smallest = xp.asarray(np.asarray(options, np.float32))[chosen].repeat(self.trials)
        count = (rounds * self.trials,)
        scales = [random.uniform(self.min_scale, self.max_scale, count) for _ in range(2)]
        shares = [random.uniform(0, 1, count) for _ in range(2)]
        w, h = (xp.floor(side * scale) for side, scale in zip((width, height), scales))
        left, top = xp.floor((width - w) * shares[0]), xp.floor((height - h) * shares[1])
        box = xp.stack([left, top, left + w, top + h], -1).astype(np.float32)
        ratio = w / xp.maximum(h, 1)
        fits = (w > 0) & (h > 0) & (ratio >= self.min_aspect_ratio) & (ratio <= self.max_aspect_ratio)
        corners, box = corners[None], box[:, None]
        centre = (corners[..., :2] + corners[..., 2:]) / 2
        inside = ((centre > box[..., :2]) & (centre < box[..., 2:])).all(-1) & exist[None]
        low, high = xp.maximum(corners[..., :2], box[..., :2]), xp.minimum(corners[..., 2:], box[..., 2:])
        common = xp.maximum(high - low, 0).prod(-1)
        area = (corners[..., 2:] - corners[..., :2]).prod(-1)
        union = area + (w * h).astype(np.float32)[:, None] - common
        overlap = xp.where(inside, common / xp.where(union == 0, xp.ones_like(union), union), -1.0)
        good = fits & inside.any(-1) & (overlap.max(-1, initial=-1.0) >= smallest)
        as_it_is = smallest >= 1
        first = xp.argmax(good | as_it_is)
        crop = xp.stack([top[first], left[first], h[first], w[first]]).astype(np.int32)
        whole = xp.asarray(np.array([0, 0, height, width], np.int32))
        crop = xp.where(as_it_is[first], whole, crop)
        return (good | as_it_is).any(), crop, xp.where(as_it_is[first], exist, inside[first])


def _upright(boxes: BoundingBoxes) -> Any:
    """The boxes, or the rectangles around them, as float32 `[n, 4]` in XYXY."""
    array = box_array(boxes)
    if array.ndim != 2:
        raise ValueError(f"RandomIoUCrop takes boxes [n, {array.shape[-1]}] of one image, and these are {array.shape}")
    if boxes.format not in ROTATED:
        return convert_array(array, boxes.format, "XYXY").astype(np.float32)
    corners = convert_array(array, boxes.format, "XYXYXYXY").astype(np.float32)
    x, y = corners[..., 0::2], corners[..., 1::2]
    return (jax.numpy if isinstance(array, jax.Array) else np).stack([x.min(-1), y.min(-1), x.max(-1), y.max(-1)], -1)
