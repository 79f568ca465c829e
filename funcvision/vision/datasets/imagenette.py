"""Imagenette (Howard 2019, https://github.com/fastai/imagenette)."""

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from ._labelled import LabelledImages
from ._published import Resource
from .folder import DatasetFolder, default_loader

__all__ = ["Imagenette"]


class Imagenette(LabelledImages):
    """13,394 photos of ten classes of ImageNet that are easy to tell apart.

    `dataset[index]` is a `PIL.Image` of mode RGB and the class as an int.

    Args:
        root: the folder that holds `imagenette2`, `imagenette2-320` or `imagenette2-160`.
        split: "train" or "val".
        size: "full", or "320px" or "160px" for images whose shorter side has that length.
        download: whether to fetch the archive into `root` and unpack it if it is missing.
        transform: called on every image.
        target_transform: called on every target.
        loader: called on the path of an image; by default Pillow reads it and converts it to RGB.

    Attributes:
        wnids: the WordNet id of each class, in the order of the labels.
        wnid_to_idx: the label of each WordNet id.
        classes: the names of each class, a tuple of strings.
        class_to_idx: the label of each name.
        samples: (path, label) of every image.

    Raises:
        FileNotFoundError: a folder or file is missing; the message says how to get it.
        ValueError: an option is none of the choices, or a file is damaged; the message names it.
        DownloadError: no mirror sent a file.
    """

    classes: list[Any]
    _ARCHIVES: ClassVar = {
        "full": ("https://s3.amazonaws.com/fast-ai-imageclas/imagenette2.tgz", "fe2fc210e6bb7c5664d602c3cd71e612"),
        "320px": ("https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-320.tgz", "3df6f0d01a2c9592104656642f5e78a3"),
        "160px": ("https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-160.tgz", "e793b78cc4c9e9a4ccc0c1155377a412"),
    }
    _WNID_TO_CLASS: ClassVar = {
        "n01440764": ("tench", "Tinca tinca"),
        "n02102040": ("English springer", "English springer spaniel"),
        "n02979186": ("cassette player",),
        "n03000684": ("chain saw", "chainsaw"),
        "n03028079": ("church", "church building"),
        "n03394916": ("French horn", "horn"),
        "n03417042": ("garbage truck", "dustcart"),
        "n03425413": ("gas pump", "gasoline pump", "petrol pump", "island dispenser"),
        "n03445777": ("golf ball",),
        "n03888257": ("parachute", "chute"),
    }

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        size: str = "full",
        download: bool = False,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        loader: Callable[[str], Any] = default_loader,
    ):
        self.split = self._choice("split", split, ("train", "val"))
        self.size = self._choice("size", size, self._ARCHIVES)
        self._archive = os.path.basename(self._ARCHIVES[size][0])
        self._images = self._archive.removesuffix(".tgz")
        super().__init__(root, transform, target_transform, download, loader)
        folder = self._path(f"{self._images}/{split}/").rstrip("/")
        self.wnids = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
        if unknown := [wnid for wnid in self.wnids if wnid not in self._WNID_TO_CLASS]:
            raise ValueError(f"{folder} holds the folder {unknown[0]}, which is no class of Imagenette")
        self.wnid_to_idx = {wnid: label for label, wnid in enumerate(self.wnids)}
        self.classes = [self._WNID_TO_CLASS[wnid] for wnid in self.wnids]
        self.class_to_idx = {name: label for label, names in enumerate(self.classes) for name in names}
        self.samples = DatasetFolder.make_dataset(folder, self.wnid_to_idx, ".jpeg")

    def _resources(self) -> Sequence[Resource]:
        url, md5 = self._ARCHIVES[self.size]
        return [Resource(self._archive, [url], md5=md5, contents={f"{self._images}/": None})]
