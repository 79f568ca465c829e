"""EuroSAT (Helber et al. 2019, https://github.com/phelber/eurosat), in red, green and blue."""

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from ._published import PublishedDataset, Resource
from .folder import ImageFolder, default_loader

__all__ = ["EuroSAT"]


class EuroSAT(PublishedDataset, ImageFolder):
    """27,000 images of ten kinds of land, 64x64, taken by the Sentinel-2 satellites.

    `dataset[index]` is a `PIL.Image` of mode RGB and the class as an int.

    Args:
        root: the folder that holds `eurosat/2750`.
        transform: called on every image.
        target_transform: called on every target.
        download: whether to fetch the archive into `root/eurosat` and unpack it if it is missing.
        loader: called on the path of an image; by default Pillow reads it and converts it to RGB.

    Attributes:
        classes: the names of the classes, in the order of their labels; the other attributes are those of
            `ImageFolder`.

    Raises:
        FileNotFoundError: a folder or file is missing; the message says how to get it.
        ValueError: an option is none of the choices, or a file is damaged; the message names it.
        DownloadError: no mirror sent a file.
    """

    _URL: ClassVar = (
        "https://huggingface.co/datasets/torchgeo/eurosat/resolve/c877bcd43f099cd0196738f714544e355477f3fd/EuroSAT.zip"
    )
    _MD5: ClassVar = "c8fa014336c82ac7804f0398fcb19387"
    _folder_name = "eurosat"

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = False,
        loader: Callable[[str], Any] = default_loader,
    ):
        PublishedDataset.__init__(self, root, download=download)
        root = self.root
        ImageFolder.__init__(self, self._path("2750/").rstrip("/"), transform, target_transform, loader)
        self.root = root

    def _resources(self) -> Sequence[Resource]:
        return [Resource("EuroSAT.zip", [self._URL], md5=self._MD5, contents={"2750/": None})]
