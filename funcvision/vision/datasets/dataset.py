"""What every image data set has: a folder, two transforms, a length, and a printed summary."""

import os
from collections.abc import Callable
from typing import Any

__all__ = ["VisionDataset"]


class VisionDataset:
    """A sequence of (image, target) pairs: `dataset[index]`, `len(dataset)`, iteration.

    `transform(image)` and `target_transform(target)` are called on every pair as it is read, with that one
    argument. A random transform needs a `key` besides, and a data set has none to give: leave it out here and hand
    it to the data loader, which draws a key for each sample.

    Reading changes nothing in the data set, so several threads may share one; it pickles if its transforms do.

    Args:
        root: the folder that holds the files; a leading `~` is the home folder. None if there are no files.
        transform: called on every image.
        target_transform: called on every target.
    """

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        *,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
    ):
        self.root = "" if root is None else os.path.expanduser(os.fspath(root))
        self.transform = transform
        self.target_transform = target_transform

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} does not say how many pairs it has: define __len__")

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        raise NotImplementedError(f"{type(self).__name__} does not say how to read a pair: define __getitem__")

    def extra_repr(self) -> str:
        """Lines to add to the printed summary, such as the split."""
        return ""

    def __repr__(self) -> str:
        lines = [f"Number of datapoints: {len(self)}"]
        lines += [f"Root location: {self.root}"] if self.root else []
        lines += self.extra_repr().splitlines()
        for name, transform in (("Transform: ", self.transform), ("Target transform: ", self.target_transform)):
            if transform is not None:
                lines += (name + repr(transform).replace("\n", "\n" + " " * len(name))).splitlines()
        return "\n    ".join([f"Dataset {type(self).__name__}", *lines])

    def _transformed(self, image: Any, target: Any) -> tuple[Any, Any]:
        """The pair after both transforms."""
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target
