"""Country211 (Radford et al. 2021, https://github.com/openai/CLIP/blob/main/data/country211.md)."""

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from ._published import PublishedDataset, Resource
from .folder import ImageFolder, default_loader

__all__ = ["Country211"]


class Country211(PublishedDataset, ImageFolder):
    """63,300 photos, labelled with the one of 211 countries in which each was taken.

    `dataset[index]` is a `PIL.Image` of mode RGB and the class as an int.

    Args:
        root: the folder that holds `country211`.
        split: "train" (150 images a country), "valid" (50) or "test" (100).
        transform: called on every image.
        target_transform: called on every target.
        download: whether to fetch the archive into `root` and unpack it if it is missing.
        loader: called on the path of an image; by default Pillow reads it and converts it to RGB.

    Attributes:
        classes: the two letters of each country, in the order of the labels; the other attributes are those of
            `ImageFolder`.

    Raises:
        FileNotFoundError: a folder or file is missing; the message says how to get it.
        ValueError: an option is none of the choices, or a file is damaged; the message names it.
        DownloadError: no mirror sent a file.
    """

    _URL: ClassVar = "https://openaipublic.azureedge.net/clip/data/country211.tgz"
    _MD5: ClassVar = "84988d7644798601126c29e9877aab6a"

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = False,
        loader: Callable[[str], Any] = default_loader,
    ):
        self.split = self._choice("split", split, ("train", "valid", "test"))
        PublishedDataset.__init__(self, root, download=download)
        root = self.root
        folder = self._path(f"country211/{split}/").rstrip("/")
        ImageFolder.__init__(self, folder, transform, target_transform, loader)
        self.root = root

    def _resources(self) -> Sequence[Resource]:
        return [Resource("country211.tgz", [self._URL], md5=self._MD5, contents={"country211/": None})]
