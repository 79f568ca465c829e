"""Transforms that drop bounding boxes and key points that are of no use, with the labels that belong to them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import jax
import numpy as np

from ..tv_tensors import BoundingBoxes, KeyPoints, Mask, TVTensor
from ._draws import Draws
from .functional.sanitize import keep, useful_boxes, useful_points
from .sample import transformed_leaves
from .transform import Transform

__all__ = ["Getter", "SanitizeBoundingBoxes", "SanitizeKeyPoints", "check_getter", "labels_of"]

Getter: TypeAlias = Callable[[Any], Any] | str | None
"""Where a transform finds the labels of a sample; `SanitizeBoundingBoxes` explains the forms."""


class _Sanitizer(Transform):
    """Drops entries of the leaves of one kind, and of the labels that belong to them."""

    labels_getter: Getter

    def _sanitized(self, sample: Any, kind: type[TVTensor], valid: Callable[[Any], Any]) -> Any:
        leaf = next((leaf for leaf in transformed_leaves(sample) if isinstance(leaf, kind)), None)
        if leaf is None:
            raise ValueError(f"{type(self).__name__} found no {kind.__name__} in the sample")
        labels = labels_of(self.labels_getter, sample)
        for label in labels:
            if label.shape[:1] != leaf.shape[:1]:
                raise ValueError(
                    f"{type(self).__name__}: {kind.__name__} of shape {leaf.shape} and labels of shape {label.shape} "
                    f"differ in number"
                )
        for other in transformed_leaves(sample):
            if isinstance(other, kind) and other.shape[:1] != leaf.shape[:1]:
                raise ValueError(
                    f"{type(self).__name__} decides by the first {kind.__name__} of a sample, and a second one has "
                    f"another number of entries: shapes {leaf.shape} and {other.shape}"
                )
        kept, host = valid(leaf), isinstance(leaf.array, np.ndarray)
        count = leaf.shape[0]

        def one(node: Any) -> Any:
            if isinstance(node, kind):
                return keep(node, kept)  # pyright: ignore
            if not host:
                return node
            if any(node is label for label in labels):
                return node[kept]
            planes = kind is BoundingBoxes and isinstance(node, Mask) and node.ndim > 2 and node.shape[0] == count
            return node.replace(array=node.array[kept]) if planes else node

        return jax.tree.map(one, sample, is_leaf=lambda node: isinstance(node, TVTensor))

    def undo(self, sample: Any, draws: Draws, size: tuple[int, int] | None) -> Any:
        """The sample itself, since nothing was moved; what was dropped stays lost."""
        return sample

    def size_after(self, size: tuple[int, int], draws: Draws) -> tuple[int, int]:
        """The same size."""
        return size


@dataclass(frozen=True, eq=False)
class SanitizeBoundingBoxes(_Sanitizer):
    """Drops boxes that are too small or not inside the canvas, with their labels and the masks of their instances.

    A `Mask` `[n, height, width]` with as many planes as there are boxes is filtered, other masks and key points stay.
    Torchvision also filters the rows of a mask `[height, width]` whose height is the number of boxes; that is not
    followed. On jax arrays nothing is dropped: the boxes get `valid`.

    Args:
        min_size: smallest width and height, 1 or more.
        min_area: smallest area, 1 or more.
        labels_getter: "default" finds the key "labels", or else one that contains "label", in a dict, or in the dict
            that is the second part of a tuple; a second part that is an array is the labels itself. A function of the
            sample returns an array, or a tuple of arrays. None is for samples without labels.

    Raises:
        ValueError: an argument that does not fit; when called, if there are no boxes, or no labels where they are
            expected.
    """

    min_size: float = 1.0
    min_area: float = 1.0
    labels_getter: Getter = "default"

    def __post_init__(self) -> None:
        check_getter(self.labels_getter)
        if self.min_size < 1 or self.min_area < 1:
            raise ValueError(f"min_size={self.min_size} and min_area={self.min_area} must be 1 or more")

    def transform(self, sample: Any, draws: Draws) -> Any:
        """The sample without the boxes that are of no use."""
        return self._sanitized(sample, BoundingBoxes, lambda b: useful_boxes(b, self.min_size, self.min_area))


@dataclass(frozen=True, eq=False)
class SanitizeKeyPoints(_Sanitizer):
    """Drops key points outside the canvas, with their labels; of groups `[n, points, 2]` only whole groups.

    On jax arrays nothing is dropped: the points get `valid`.

    Args:
        labels_getter: as in `SanitizeBoundingBoxes`.
    """

    labels_getter: Getter = None

    def __post_init__(self) -> None:
        check_getter(self.labels_getter)

    def transform(self, sample: Any, draws: Draws) -> Any:
        """The sample without the key points outside the canvas."""
        return self._sanitized(sample, KeyPoints, useful_points)


def check_getter(getter: Getter) -> None:
    """Raises ValueError unless it is "default", a function or None."""
    if getter != "default" and getter is not None and not callable(getter):
        raise ValueError(f"labels_getter={getter!r} must be 'default', a function of the sample, or None")


def labels_of(getter: Getter, sample: Any) -> tuple[Any, ...]:
    """The labels that a getter finds in a sample, each an array.

    Raises:
        ValueError: there are none where the getter looks.
        TypeError: they are no arrays.
    """
    if getter is None:
        return ()
    labels = getter(sample) if callable(getter) else _default_labels(sample)
    parts = () if labels is None else tuple(labels) if isinstance(labels, tuple | list) else (labels,)
    for part in parts:
        if not isinstance(part, np.ndarray | jax.Array):
            raise TypeError(f"labels must be an array or several, and labels_getter found a {type(part).__name__}")
    return parts


def _default_labels(sample: Any) -> Any:
    if isinstance(sample, tuple | list) and len(sample) > 1:
        sample = sample[1]
    if isinstance(sample, np.ndarray | jax.Array):
        return sample
    if isinstance(sample, Mapping):
        names = [name for name in sample if isinstance(name, str)]
        for wanted in (lambda name: name == "labels", lambda name: "label" in name):
            for name in names:
                if wanted(name.lower()):
                    return sample[name]
    raise ValueError(
        "labels_getter='default' found no labels: it looks for a key 'labels' in a dict, or in the dict that is the "
        "second part of a tuple. Give a function of the sample, or None for samples without labels"
    )
