"""The registry of adapters.

An adapter is a function `(dataset, index, sample, wanted)`. It turns what `dataset.read(index)` returned into a flat
dict of typed leaves. `wanted` holds the keys of the target that are asked for, so that it computes no others:

    @adapter("Birds", keys=("boxes", "labels", "species"), default=("boxes", "labels"))
    def birds(dataset, index, sample, wanted):
        ...
"""

import dataclasses
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
from PIL import Image

from ... import tv_tensors

__all__ = ["Adapter", "adapter", "canvas", "find_adapter", "image_leaf"]


@dataclasses.dataclass(frozen=True)
class Adapter:
    """How the samples of a data set become typed.

    Attributes:
        name: the name of the class of the data set.
        convert: the function.
        keys: the keys of the target that can be asked for. Empty: the target has no keys to choose from.
        default: those that are given if none are asked for.
    """

    name: str
    convert: Callable[[Any, int, Any, frozenset[str]], dict[str, Any]]
    keys: Collection[str] = ()
    default: Collection[str] = ()

    def wanted(self, target_keys: Collection[str] | str | None) -> frozenset[str]:
        """The keys that are meant by `target_keys`; see `typed`."""
        if target_keys is None:
            return frozenset(self.default)
        if not self.keys:
            raise ValueError(f"target_keys={target_keys!r}: {self.name} has no keys to choose from; leave it out")
        if isinstance(target_keys, str) and target_keys != "all":
            raise ValueError(f"target_keys={target_keys!r} is neither None, 'all' nor a collection of keys")
        keys = frozenset(self.keys if target_keys == "all" else target_keys)
        if unknown := keys - set(self.keys):
            raise ValueError(f"target_keys has {sorted(map(str, unknown))}; {self.name} has {', '.join(self.keys)}")
        return keys


_ADAPTERS: dict[str, Adapter] = {}


def adapter(*names: str, keys: Collection[str] = (), default: Collection[str] = ()) -> Callable[[Any], Any]:
    """Registers a function as the adapter of the data sets whose classes, or their bases, have these names.

    Args:
        *names: the names of the classes.
        keys: the keys of the target that can be asked for.
        default: those that are given if none are asked for.
    """

    def register(convert: Any) -> Any:
        for name in names:
            _ADAPTERS[name] = Adapter(name, convert, keys, default)
        return convert

    return register


def find_adapter(kind: type) -> Adapter | None:
    """The adapter of a class of data sets, or of the nearest of its bases that has one; None if there is none."""
    return next((_ADAPTERS[base.__name__] for base in kind.__mro__ if base.__name__ in _ADAPTERS), None)


def image_leaf(image: Any) -> tv_tensors.Image:
    """An image as a leaf with an axis of channels."""
    pixels = np.array(image) if isinstance(image, Image.Image) else np.asarray(image)
    return tv_tensors.Image(pixels[:, :, None] if pixels.ndim == 2 else pixels)


def canvas(leaf: tv_tensors.Image) -> tuple[int, int]:
    """Height and width of an image."""
    return leaf.shape[0], leaf.shape[1]
