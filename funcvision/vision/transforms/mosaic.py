"""Transforms that make one sample of several: four in a mosaic, or instances of one pasted into another."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image

from ..tv_tensors import BoundingBoxes, Image, KeyPoints, Mask, TVTensor, Video
from . import functional as F
from ._applied import check_probability
from ._draws import Draws
from ._random import Random, device_key
from .functional._sizes import check_interpolation, square
from .functional.boxes import ROTATED, box_array, convert_array
from .functional.sanitize import keep
from .geometry import Fill, _fill_for
from .sample import common_size, map_leaves, transformed_leaves
from .sanitize import Getter, check_getter, labels_of
from .transform import Transform

__all__ = ["CopyPaste", "Mosaic"]


class _Joined(Transform):
    """A transform that makes one sample of `count` samples."""

    count: int

    def batch(self, samples: Any, *, key: jax.Array | None = None) -> Any:
        """A batch of joined samples.

        Args:
            samples: a list or tuple of `count` batches, whose samples i are joined; or one batch, whose sample i is
                joined with others of the batch, drawn at random. A batch whose samples are themselves tuples of
                `count` parts has to be given in the first form.
            key: a jax key.
        """
        if not _several(samples, self.count):
            if key is None:
                raise ValueError(f"{self!r} is random and got no key: give key=jax.random.key(0)")
            keys = jax.random.split(device_key(key), self.count)
            key, rows = keys[0], len(jax.tree.leaves(samples)[0])
            orders = [jax.random.permutation(part, rows) for part in keys[1:]]
            samples = [samples, *(jax.tree.map(lambda x, order=order: x[order], samples) for order in orders)]
        return super().batch(samples, key=key)

    def undo(self, sample: Any, draws: Draws, size: tuple[int, int] | None) -> Any:
        """Raises ValueError."""
        raise ValueError(f"{type(self).__name__} makes one sample of {self.count}, and has no inverse")

    def _check(self, samples: Any) -> None:
        if not _several(samples, self.count):
            raise TypeError(
                f"{type(self).__name__} takes a list or tuple of {self.count} samples, and this is a "
                f"{type(samples).__name__}{f' of {len(samples)}' if isinstance(samples, tuple | list) else ''}; "
                f"`batch` takes one batch"
            )
        structures = [jax.tree.structure(_skeleton(sample)) for sample in samples]
        if any(structure != structures[0] for structure in structures):
            raise ValueError(f"{type(self).__name__} takes samples of one structure, and these are {structures}")


@dataclass(frozen=True, eq=False)
class Mosaic(_Joined):
    """Four samples on one canvas, around a random centre (Bochkovskiy et al. 2020, https://arxiv.org/abs/2004.10934).

    Each sample is resized with its aspect ratio kept, so that it fits into the canvas, and put into its quadrant, with
    one corner at the centre; what lies beyond the canvas is cut off. Boxes, key points, labels and masks with a plane
    for each instance are those of the four samples one after the other; a mask `[height, width]` is put together like
    an image. Everything else in a sample, such as a name, is that of the first. Boxes of which nothing is left have no
    area: `SanitizeBoundingBoxes` removes them.

    Args:
        size: (height, width) of the canvas, or an int for a square.
        center_range: bounds of the centre, as a share of the canvas.
        fill: value of the canvas where no sample lies; see `RandomCrop`.
        interpolation: as in `functional.resize`.
        antialias: as in `functional.resize`.
        labels_getter: as in `SanitizeBoundingBoxes`; None, the default, is for samples without labels.

    >>> mosaic = Mosaic(8)
    >>> mosaic([Image(np.full((4, 4, 1), i, np.uint8)) for i in range(4)], key=0).shape
    (8, 8, 1)
    """

    size: int | Sequence[int]
    _: KW_ONLY
    center_range: tuple[float, float] = (0.25, 0.75)
    fill: Fill = 0
    interpolation: str = "bilinear"
    antialias: bool = True
    labels_getter: Getter = None
    count = 4

    def __post_init__(self) -> None:
        square(self.size)
        check_interpolation(self.interpolation, self.antialias)
        check_getter(self.labels_getter)
        if len(self.center_range) != 2 or not 0 < self.center_range[0] <= self.center_range[1] < 1:
            raise ValueError(f"center_range={self.center_range!r} must be (low, high) with 0 < low <= high < 1")

    def draw(self, random: Random, sample: Any) -> dict[str, Any]:
        """The centre (x, y), in pixels."""
        height, width = square(self.size)
        shares = [random.uniform(*self.center_range) for _ in range(2)]
        xp = random.xp
        center = [xp.clip(xp.round(length * share), 1, max(length - 1, 1))
                  for length, share in zip((width, height), shares)]
        return {"center": xp.stack(center).astype(np.int32)}

    def transform(self, samples: Any, draws: Draws) -> Any:
        """The mosaic."""
        self._check(samples)
        center = draws.draw(self, samples)["center"]
        center = [value if isinstance(value, jax.Array) else int(value) for value in center]
        labels = [id(label) for sample in samples for label in labels_of(self.labels_getter, sample)]
        placed = [
            map_leaves(lambda leaf, place=place: self._placed(leaf, place, center), sample)
            for place, sample in enumerate(samples)
        ]

        def one(*leaves: Any) -> Any:
            if isinstance(leaves[0], PIL.Image.Image | Image | Video):
                return F.quadrants(leaves, center)
            if isinstance(leaves[0], Mask):
                return F.quadrants(leaves, center) if leaves[0].ndim == 2 else _joined(leaves)
            known = isinstance(leaves[0], BoundingBoxes | KeyPoints) or id(leaves[0]) in labels
            return _joined(leaves) if known else leaves[0]

        return jax.tree.map(one, *placed, is_leaf=_is_leaf)

    def _placed(self, leaf: Any, place: int, center: Sequence[Any]) -> Any:
        """The leaf on the canvas, in the quadrant of its place."""
        canvas, old = square(self.size), F.get_size(leaf)
        ratio = min(new / length for new, length in zip(canvas, old))
        height, width = (max(round(length * ratio), 1) for length in old)
        corner = center[1] - (0 if place >= 2 else height), center[0] - (0 if place % 2 else width)
        return F.place(
            leaf, (height, width), corner, canvas, self.interpolation, antialias=self.antialias,
            fill=_fill_for(self.fill, leaf),
        )


@dataclass(frozen=True, eq=False)
class CopyPaste(_Joined):
    """Pastes instances of a second sample into a first one (Ghiasi et al. 2021, https://arxiv.org/abs/2012.07177).

    A sample has an image, a `Mask` `[n, height, width]` with a plane for each instance, and, if there are any,
    `BoundingBoxes`, `KeyPoints` `[n, points, 2]` and labels with an entry for each instance; both samples have one
    size. Instances that are pasted follow those of the first sample. What they hide is removed from its masks, and its
    boxes are shrunk to what remains; key points stay. A mask `[height, width]` is pasted like the image. Everything
    else is that of the first sample. Instances that are not pasted, or of which less than `min_area` pixels remain, are
    dropped; on jax arrays they have empty masks, and boxes and key points that are not valid.

    Args:
        p: probability that an instance is pasted.
        min_area: number of pixels that must remain of an instance.
        labels_getter: as in `SanitizeBoundingBoxes`.
    """

    p: float = 0.5
    _: KW_ONLY
    min_area: int = 1
    labels_getter: Getter = "default"
    count = 2

    def __post_init__(self) -> None:
        check_probability(self.p)
        check_getter(self.labels_getter)

    def draw(self, random: Random, sample: Any) -> dict[str, Any]:
        """Which instances of the second sample are pasted."""
        self._check(sample)
        return {"pasted": random.uniform(0, 1, (len(_planes(sample[1])),)) < self.p}

    def transform(self, samples: Any, draws: Draws) -> Any:
        """The first sample with instances of the second."""
        self._check(samples)
        pasted = draws.draw(self, samples)["pasted"]
        if len({common_size(sample) for sample in samples}) > 1:
            raise ValueError(
                f"CopyPaste takes two samples of one size, and these have {[common_size(s) for s in samples]}: bring "
                f"them to one, by ScaleJitter(..., canvas=...) for example"
            )
        first, second = (_planes(sample).astype(bool) for sample in samples)
        xp: Any = jnp if isinstance(first, jax.Array) else np
        pasted = xp.asarray(pasted).astype(bool)
        for leaf in transformed_leaves(samples[1]):
            if isinstance(leaf, BoundingBoxes) and leaf.valid is not None:
                pasted = pasted & xp.asarray(leaf.valid)
        region = (second & pasted[:, None, None]).any(0)
        remaining = first & ~region[None]
        changed = (remaining != first).any((1, 2))
        alive = ~changed | (remaining.sum((1, 2)) >= self.min_area)
        exist = xp.concatenate([alive, pasted])
        labels = [id(label) for sample in samples for label in labels_of(self.labels_getter, sample)]

        def one(old: Any, new: Any) -> Any:
            if isinstance(old, PIL.Image.Image | Image | Video) or (isinstance(old, Mask) and old.ndim == 2):
                return F.paste(old, new, region)
            if isinstance(old, Mask):
                kept = xp.where((remaining if len(old.array) else first) & alive[:, None, None], old.array,
                                xp.zeros_like(old.array))
                more = xp.where(pasted[:, None, None], new.array, xp.zeros_like(new.array))
                joined = xp.concatenate([kept, more])
                return old.replace(array=joined[exist] if xp is np else joined)
            if isinstance(old, BoundingBoxes):
                return keep(_joined([_shrunk(old, remaining, changed), new]), _valid(exist, old, new))
            if isinstance(old, KeyPoints):
                return keep(_joined([old, new]), _valid(exist, old, new))
            if id(old) in labels:
                joined = _joined([old, new])
                return joined[exist] if xp is np else joined
            return old

        return jax.tree.map(one, *samples, is_leaf=_is_leaf)


def _shrunk(boxes: BoundingBoxes, planes: Any, changed: Any) -> BoundingBoxes:
    """The boxes, where they changed those around the planes of a mask."""
    if boxes.format in ROTATED:
        raise ValueError(f"CopyPaste makes new boxes from masks, and they have no angle: {boxes.format} was given")
    array = box_array(boxes)
    xp: Any = jnp if isinstance(array, jax.Array) else np
    sides = []
    for covered in (planes.any(1), planes.any(2)):
        any_left = covered.any(1)
        first = xp.where(any_left, covered.argmax(1), 0)
        last = xp.where(any_left, covered.shape[1] - covered[:, ::-1].argmax(1), 0)
        sides.append((first, last))
    (left, right), (top, bottom) = sides
    around = convert_array(xp.stack([left, top, right, bottom], -1).astype(array.dtype), "XYXY", boxes.format)
    return boxes.replace(array=xp.where(changed[:, None], around, array))


def _valid(exist: Any, *leaves: Any) -> Any:
    """Which of the joined instances exist, and were valid before where they have one value for each instance."""
    joined = _joined(leaves).valid
    if joined is None or joined.ndim != exist.ndim:
        return exist
    return exist & joined


def _joined(leaves: Sequence[Any]) -> Any:
    """The entries of leaves of one kind, one after the other along their first axis."""
    first = leaves[0]
    if not isinstance(first, TVTensor):
        return jnp.concatenate(leaves) if isinstance(first, jax.Array) else np.concatenate(leaves)
    if isinstance(first, BoundingBoxes) and len({leaf.format for leaf in leaves}) > 1:
        raise ValueError(f"boxes of one format can be joined, and these have {[leaf.format for leaf in leaves]}")
    xp: Any = jnp if isinstance(first.array, jax.Array) else np
    changes = {"array": xp.concatenate([leaf.array for leaf in leaves])}
    for name in ("valid", "visible"):
        values = [getattr(leaf, name, None) for leaf in leaves]
        if any(value is not None for value in values):
            dtype = next(value.dtype for value in values if value is not None)
            parts = [xp.ones(leaf.shape[:-1], dtype) if value is None else value for leaf, value in zip(leaves, values)]
            changes[name] = xp.concatenate(parts)
    return first.replace(**changes)


def _planes(sample: Any) -> Any:
    """The array of the instance masks of a sample."""
    masks = [leaf for leaf in transformed_leaves(sample) if isinstance(leaf, Mask) and leaf.ndim == 3]
    if len(masks) != 1:
        raise ValueError(f"CopyPaste needs one Mask [n, height, width] in each sample, and this one has {len(masks)}")
    return masks[0].array


def _several(samples: Any, count: int) -> bool:
    return isinstance(samples, tuple | list) and not hasattr(samples, "_fields") and len(samples) == count and all(
        transformed_leaves(sample) for sample in samples
    )


def _is_leaf(node: Any) -> bool:
    return isinstance(node, TVTensor)


def _skeleton(sample: Any) -> Any:
    """The sample with typed leaves in place of which only the type stands."""
    return jax.tree.map(lambda leaf: 0, sample, is_leaf=_is_leaf)
