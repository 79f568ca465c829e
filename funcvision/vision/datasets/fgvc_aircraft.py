"""FGVC-Aircraft (Maji et al. 2013, https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft/)."""

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from ._formats import read_table
from ._labelled import LabelledImages
from ._published import Resource
from .folder import default_loader

__all__ = ["FGVCAircraft"]


class FGVCAircraft(LabelledImages):
    """10,000 photos of aircraft, labelled by variant, family or manufacturer.

    `dataset[index]` is a `PIL.Image` of mode RGB and the class as an int.

    Args:
        root: the folder that holds `fgvc-aircraft-2013b`.
        split: "train", "val", "trainval" or "test".
        annotation_level: "variant" (100 classes), "family" (70) or "manufacturer" (30).
        transform: called on every image.
        target_transform: called on every target.
        download: whether to fetch the archive into `root` and unpack it if it is missing.
        loader: called on the path of an image; by default Pillow reads it and converts it to RGB.

    Attributes:
        classes: the names of the classes, in the order of their labels.
        class_to_idx: the label of each name.
        samples: (path, label) of every image.

    Raises:
        FileNotFoundError: a folder or file is missing; the message says how to get it.
        ValueError: an option is none of the choices, or a file is damaged; the message names it.
        DownloadError: no mirror sent a file.
    """

    _URL: ClassVar = "https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft/archives/fgvc-aircraft-2013b.tar.gz"
    _CLASS_FILES: ClassVar = {"variant": "variants", "family": "families", "manufacturer": "manufacturers"}

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "trainval",
        annotation_level: str = "variant",
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = False,
        loader: Callable[[str], Any] = default_loader,
    ):
        self.split = self._choice("split", split, ("train", "val", "trainval", "test"))
        self.annotation_level = self._choice("annotation_level", annotation_level, self._CLASS_FILES)
        super().__init__(root, transform, target_transform, download, loader)
        data = "fgvc-aircraft-2013b/data"
        classes = read_table(self._path(f"{data}/{self._CLASS_FILES[annotation_level]}.txt"), 1, spaces_in_last=True)
        self.classes = [record.fields[0] for record in classes]
        images = self._path(f"{data}/images/")
        file = self._path(f"{data}/images_{annotation_level}_{split}.txt")
        self.samples = []
        for record in read_table(file, 2, separator=" ", spaces_in_last=True):
            name, class_name = record.fields
            if class_name not in self.class_to_idx:
                raise record.wrong(f"{class_name[:60]!r} is no {annotation_level} of the data set")
            self.samples.append((os.path.join(images, f"{name}.jpg"), self.class_to_idx[class_name]))

    def _resources(self) -> Sequence[Resource]:
        return [Resource("fgvc-aircraft-2013b.tar.gz", [self._URL], contents={"fgvc-aircraft-2013b/": None})]
