"""The Describable Textures Dataset (Cimpoi et al. 2014, https://www.robots.ox.ac.uk/~vgg/data/dtd/)."""

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from ._formats import read_table
from ._labelled import LabelledImages
from ._published import Resource
from .folder import default_loader

__all__ = ["DTD"]


class DTD(LabelledImages):
    """5,640 photos of 47 textures, in ten partitions into three splits of equal size.

    `dataset[index]` is a `PIL.Image` of mode RGB and the class as an int.

    Args:
        root: the folder that holds `dtd/dtd/labels` and `dtd/dtd/images`.
        split: "train", "val" or "test".
        partition: which of the ten partitions, from 1 to 10.
        transform: called on every image.
        target_transform: called on every target.
        download: whether to fetch the archive into `root/dtd` and unpack it if it is missing.
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

    _URL: ClassVar = "https://www.robots.ox.ac.uk/~vgg/data/dtd/download/dtd-r1.0.1.tar.gz"
    _MD5: ClassVar = "fff73e5086ae6bdbea199a49dfb8a4c1"
    _folder_name = "dtd"

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        partition: int = 1,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = False,
        loader: Callable[[str], Any] = default_loader,
    ):
        self.split = self._choice("split", split, ("train", "val", "test"))
        if partition not in range(1, 11):
            raise ValueError(f"partition={partition!r} is none of DTD's: an int from 1 to 10")
        self.partition = partition
        super().__init__(root, transform, target_transform, download, loader)
        images = self._path("dtd/images/")
        records = read_table(self._path(f"dtd/labels/{split}{partition}.txt"), 2, separator="/")
        self.classes = sorted({record.fields[0] for record in records})
        self.samples = [
            (os.path.join(images, *record.fields), self.class_to_idx[record.fields[0]]) for record in records
        ]

    def extra_repr(self) -> str:
        """The split and the partition."""
        return f"split={self.split}, partition={self.partition}"

    def _resources(self) -> Sequence[Resource]:
        return [Resource("dtd-r1.0.1.tar.gz", [self._URL], md5=self._MD5, contents={"dtd/": None})]
