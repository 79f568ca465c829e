"""The base class of published data sets that are a list of image files, each with a target."""

import os
from collections.abc import Callable, Sequence
from typing import Any

from ._published import PublishedDataset
from .folder import default_loader

__all__ = ["LabelledImages"]


class LabelledImages(PublishedDataset):
    """Image files with a target each. A subclass sets `samples` after `super().__init__`.

    Args:
        root: the folder for data sets; a leading `~` is the home folder.
        transform: called on every image.
        target_transform: called on every target.
        download: whether to fetch and unpack what is missing or damaged.
        loader: called on the path of an image; by default Pillow reads it and converts it to RGB.

    Attributes:
        samples: (path, target) of every image.
    """

    samples: Sequence[tuple[str, Any]]

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Callable[..., Any] | None,
        target_transform: Callable[..., Any] | None,
        download: bool,
        loader: Callable[[str], Any] = default_loader,
    ):
        super().__init__(root, transform=transform, target_transform=target_transform, download=download)
        self.loader = loader

    def __len__(self) -> int:
        return len(self.samples)

    def read(self, index: int) -> tuple[Any, Any]:
        """What the loader returns for an image file, and the target."""
        path, target = self.samples[index]
        return self.loader(path), target
