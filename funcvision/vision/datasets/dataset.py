"""What every image data set has: a folder, transforms, a length, and a printed summary."""

import inspect
import os
import types
from collections.abc import Callable
from functools import cached_property
from typing import Any

import jax

from ..transforms import Transform

__all__ = ["VisionDataset", "call_transform", "takes_key"]


class VisionDataset:
    """A sequence of (image, target) pairs: `dataset[index]`, `len(dataset)`, iteration.

    Every pair is transformed as it is read: either by `transform(image)` and `target_transform(target)`, or by
    `transforms(image, target)`, which gives both. A funcvision `Transform` as `transforms` gets the pair as one sample,
    `transforms((image, target))`, so that image and target undergo the same crop.

    **Random transforms.** A transform that has a parameter `key`, as funcvision's own have, needs a key to draw random
    numbers. A `funcvision.data.DataLoader` hands one to every sample (see `load_sample`), and the same seed gives the
    same sample. `dataset[index]` has no key, and a random transform then raises and says so.

    A subclass defines `__len__` and `read`. A subclass that overrides `__getitem__` instead gets no keys. Reading
    changes nothing in the data set, so several threads may share it. It pickles if its transforms do.

    Args:
        root: the folder that holds the files; a leading `~` is the home folder. None if there are no files.
        transforms: called on every pair of image and target; excludes the other two.
        transform: called on every image.
        target_transform: called on every target.

    Raises:
        ValueError: `transforms` is given together with `transform` or `target_transform`.
    """

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        transforms: Callable[..., Any] | None = None,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
    ):
        if transforms is not None and (transform is not None or target_transform is not None):
            raise ValueError("transforms excludes transform and target_transform; give either the one or the others")
        self.root = "" if root is None else os.path.expanduser(os.fspath(root))
        self.transform = transform
        self.target_transform = target_transform
        self._joint = transforms

    @property
    def transforms(self) -> Callable[..., Any] | None:
        """What transforms a pair of image and target: what was given as `transforms`, or both others; None without any.

        As in torchvision, a subclass may call `self.transforms(image, target)` in its own `__getitem__`.
        """
        if self._joint is None and (self.transform is not None or self.target_transform is not None):
            return self._transformed
        return self._joint

    @transforms.setter
    def transforms(self, transforms: Callable[..., Any] | None) -> None:
        self._joint = transforms

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} does not say how many pairs it has: define __len__")

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._transformed(*self.read(index))

    def read(self, index: int) -> tuple[Any, Any]:
        """The pair before any transform."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to read a pair: define read")

    @cached_property
    def categories(self) -> list[str] | None:
        """The names of the classes, in the order of their labels; None if the data set has no classes.

        Where a class has several names, as in ImageNet, this is the first. Data sets whose masks or objects have
        numbers with gaps, or with a background, have a name for every number: `categories[label]`.
        """
        classes = getattr(self, "classes", None)
        return None if classes is None else [name if isinstance(name, str) else name[0] for name in classes]

    @property
    def load_sample(self) -> Callable[..., tuple[Any, Any]]:
        """A function `(index, *, key)` that gives a pair and draws what is random in its transforms from `key`.

        Loaders call it in place of `dataset[index]`. `key` is a `numpy.random.Generator`, or an int.

        Raises:
            AttributeError: no transform takes a key, or a subclass overrides `__getitem__`.
        """
        functions = (self._joint, self.transform, self.target_transform)
        if type(self).__getitem__ is not VisionDataset.__getitem__ or not any(map(takes_key, functions)):
            raise AttributeError(f"this {type(self).__name__} has no use for keys")
        return self._load_sample

    def extra_repr(self) -> str:
        """Lines to add to the printed summary, such as the split."""
        return ""

    def __repr__(self) -> str:
        lines = [f"Number of datapoints: {len(self)}"]
        lines += [f"Root location: {self.root}"] if self.root else []
        lines += self.extra_repr().splitlines()
        named = {
            "Transforms: ": self._joint, "Transform: ": self.transform, "Target transform: ": self.target_transform,
        }  # fmt: skip
        for name, function in named.items():
            if function is not None:
                lines += (name + repr(function).replace("\n", "\n" + " " * len(name))).splitlines()
        return "\n    ".join([f"Dataset {type(self).__name__}", *lines])

    def _load_sample(self, index: int, *, key: Any) -> tuple[Any, Any]:
        return self._transformed(*self.read(index), key=key)

    def _transformed(self, image: Any, target: Any, *, key: Any = None) -> tuple[Any, Any]:
        """The pair after the transforms."""
        if isinstance(self._joint, Transform):
            return self._joint((image, target), key=key)
        if self._joint is not None:
            return call_transform(self._joint, image, target, key=key)
        if self.transform is not None:
            image = call_transform(self.transform, image, key=key)
        if self.target_transform is not None:
            target = call_transform(self.target_transform, target, key=key)
        return image, target


def call_transform(function: Callable[..., Any], *arguments: Any, key: Any) -> Any:
    """The function's result. It gets the key if there is one and it takes one."""
    # The loader's keys are numpy Generators, which transforms of jax arrays do not take.
    if key is None or isinstance(arguments[0], jax.Array) or not takes_key(function):
        return function(*arguments)
    return function(*arguments, key=key)


def takes_key(function: Callable[..., Any] | None) -> bool:
    """Whether a function has a parameter `key` that is meant for randomness."""
    if isinstance(function, Transform):
        return True
    if function is None or isinstance(function, type | types.BuiltinFunctionType):  # `sorted(..., key=...)`
        return False
    try:
        parameter = inspect.signature(function).parameters.get("key")
    except (TypeError, ValueError):  # a function written in C may have no signature
        return False
    return parameter is not None and parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
