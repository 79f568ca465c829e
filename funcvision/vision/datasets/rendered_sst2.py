"""Rendered SST2 (Radford et al. 2021, https://github.com/openai/CLIP/blob/main/data/rendered-sst2.md)."""

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from ._labelled import LabelledImages
from ._published import Resource
from .folder import DatasetFolder, default_loader

__all__ = ["RenderedSST2"]


class RenderedSST2(LabelledImages):
    """9,613 images of sentences from film reviews, which praise the film or do not.

    `dataset[index]` is a `PIL.Image` of mode RGB and the class as an int.

    Args:
        root: the folder that holds `rendered-sst2`.
        split: "train" (6,920 images), "val" (872) or "test" (1,821).
        transform: called on every image.
        target_transform: called on every target.
        download: whether to fetch the archive into `root` and unpack it if it is missing.
        loader: called on the path of an image; by default Pillow reads it and converts it to RGB.

    Attributes:
        classes: "negative" and "positive".
        class_to_idx: the label of each.
        samples: (path, label) of every image.

    Raises:
        FileNotFoundError: a folder or file is missing; the message says how to get it.
        ValueError: an option is none of the choices, or a file is damaged; the message names it.
        DownloadError: no mirror sent a file.
    """

    _URL: ClassVar = "https://openaipublic.azureedge.net/clip/data/rendered-sst2.tgz"
    _MD5: ClassVar = "2384d08e9dcfa4bd55b324e610496ee5"
    _FOLDERS: ClassVar = {"train": "train", "val": "valid", "test": "test"}

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = False,
        loader: Callable[[str], Any] = default_loader,
    ):
        self.split = self._choice("split", split, self._FOLDERS)
        self._images = f"rendered-sst2/{self._FOLDERS[split]}"
        self.classes = ["negative", "positive"]
        super().__init__(root, transform, target_transform, download, loader)
        folders = [self._path(f"{self._images}/{name}/") for name in self.classes]
        self.samples = DatasetFolder.make_dataset(os.path.dirname(folders[0][:-1]), self.class_to_idx, "png")

    def extra_repr(self) -> str:
        """The split."""
        return f"split={self.split}"

    def _resources(self) -> Sequence[Resource]:
        contents = {f"{self._images}/{name}/": None for name in self.classes}
        return [Resource("rendered-sst2.tgz", [self._URL], md5=self._MD5, contents=contents)]
