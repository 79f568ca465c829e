"""Food-101 (Bossard et al. 2014, https://data.vision.ee.ethz.ch/cvl/datasets_extra/food-101/)."""

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from ._formats import read_json
from ._labelled import LabelledImages
from ._published import Resource
from .folder import default_loader

__all__ = ["Food101"]


class Food101(LabelledImages):
    """101,000 photos of 101 dishes.

    `dataset[index]` is a `PIL.Image` of mode RGB and the class as an int.

    Args:
        root: the folder that holds `food-101/meta` and `food-101/images`.
        split: "train" (750 images a class) or "test" (250).
        transform: called on every image.
        target_transform: called on every target.
        download: whether to fetch the archive into `root` and unpack it if it is missing.
        loader: called on the path of an image; by default Pillow reads it and converts it to RGB.

    Attributes:
        classes: the names of the classes, in the order of their labels.
        class_to_idx: the label of each name.
        samples: (path, label) of every image, in the order of the file `meta/<split>.json`.

    Raises:
        FileNotFoundError: a folder or file is missing; the message says how to get it.
        ValueError: an option is none of the choices, or a file is damaged; the message names it.
        DownloadError: no mirror sent a file.
    """

    _URL: ClassVar = "http://data.vision.ee.ethz.ch/cvl/food-101.tar.gz"
    _MD5: ClassVar = "85eeb15f3717b99a5da872d97d918f87"

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = False,
        loader: Callable[[str], Any] = default_loader,
    ):
        self.split = self._choice("split", split, ("train", "test"))
        super().__init__(root, transform, target_transform, download, loader)
        images, path = self._path("food-101/images/"), self._path(f"food-101/meta/{split}.json")
        names = read_json(path)
        if not isinstance(names, dict) or not all(map(_is_list_of_names, names.values())):
            raise ValueError(f"{path} holds no list of image names for each class")
        self.classes = sorted(names)
        self.samples = [
            (os.path.join(images, *f"{name}.jpg".split("/")), self.class_to_idx[class_name])
            for class_name, members in names.items()
            for name in members
        ]

    def extra_repr(self) -> str:
        """The split."""
        return f"split={self.split}"

    def _resources(self) -> Sequence[Resource]:
        contents = {"food-101/meta/": None, "food-101/images/": None}
        return [Resource("food-101.tar.gz", [self._URL], md5=self._MD5, contents=contents)]


def _is_list_of_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)
