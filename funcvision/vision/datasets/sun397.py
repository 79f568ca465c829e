"""SUN397 (Xiao et al. 2010, https://vision.princeton.edu/projects/2010/SUN/)."""

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from ._formats import read_table
from ._labelled import LabelledImages
from ._published import Resource
from .folder import default_loader

__all__ = ["SUN397"]


class SUN397(LabelledImages):
    """108,754 photos of 397 kinds of scene.

    `dataset[index]` is a `PIL.Image` of mode RGB and the class as an int. The images are sorted by path; torchvision
    takes them in the order of the file system.

    Args:
        root: the folder that holds `SUN397/ClassName.txt` and the folders of images.
        transform: called on every image.
        target_transform: called on every target.
        download: whether to fetch the archive into `root` and unpack it if it is missing.
        loader: called on the path of an image; by default Pillow reads it and converts it to RGB.

    Attributes:
        classes: the names of the classes, such as "abbey" and "apartment_building/outdoor".
        class_to_idx: the label of each name.
        samples: (path, label) of every image.

    Raises:
        FileNotFoundError: a folder or file is missing; the message says how to get it.
        ValueError: an option is none of the choices, or a file is damaged; the message names it.
        DownloadError: no mirror sent a file.
    """

    _URL: ClassVar = "http://vision.princeton.edu/projects/2010/SUN/SUN397.tar.gz"
    _MD5: ClassVar = "8ca2778205c41d23104230ba66911c7a"

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = False,
        loader: Callable[[str], Any] = default_loader,
    ):
        super().__init__(root, transform, target_transform, download, loader)
        folder = self._path("SUN397/").rstrip("/")
        records = read_table(self._path("SUN397/ClassName.txt"), 1, spaces_in_last=True)
        self.classes = [record.fields[0][3:] for record in records]  # "/a/abbey" without the letter's folder
        self.samples = [(path, self._label(path, folder)) for path in sorted(_photos(folder))]

    def _label(self, path: str, folder: str) -> int:
        """The label of a photo in `folder/<letter>/<class>`."""
        name = "/".join(path[len(folder) + 1 :].split(os.sep)[1:-1])
        label = self.class_to_idx.get(name)
        if label is None:
            raise ValueError(f"{path} is in a folder that {folder}/ClassName.txt does not list")
        return label

    def _resources(self) -> Sequence[Resource]:
        return [Resource("SUN397.tar.gz", [self._URL], md5=self._MD5, contents={"SUN397/": None})]


def _photos(folder: str) -> list[str]:
    """The paths of all files `sun_*.jpg` in a folder and the folders in it."""
    return [
        os.path.join(parent, name)
        for parent, _, names in os.walk(folder)
        for name in names
        if name.startswith("sun_") and name.endswith(".jpg")
    ]
