"""Caltech-101 (Fei-Fei et al. 2004) and Caltech-256 (Griffin et al. 2007), https://data.caltech.edu/records/20086."""

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from ._formats import read_mat
from ._published import PublishedDataset, Resource
from ._unconverted import open_unconverted

__all__ = ["Caltech101", "Caltech256"]


class _Caltech(PublishedDataset):
    """JPEG files in a folder for each category."""

    _images: ClassVar[str]
    _left_out: ClassVar[Sequence[str]] = ()
    """The folders that are no categories."""
    categories: list[str]  # pyright: ignore[reportIncompatibleVariableOverride], never None here

    def _list_images(self) -> None:
        """Sets `categories`, `index`, `y` and the paths of the images, each category's sorted by name."""
        folder = self._path(f"{self._images}/")
        folders = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
        self.categories = [name for name in folders if name not in self._left_out]
        self.index: list[int] = []
        self.y: list[int] = []
        self._paths: list[str] = []
        for label, name in enumerate(self.categories):
            photos = sorted(file for file in os.listdir(os.path.join(folder, name)) if file.endswith(".jpg"))
            self._paths += [os.path.join(folder, name, file) for file in photos]
            self.index += range(1, len(photos) + 1)
            self.y += [label] * len(photos)

    def __len__(self) -> int:
        return len(self.index)

    def read(self, index: int) -> tuple[Any, Any]:
        """The image, in the mode of its file, and the target."""
        return open_unconverted(self._paths[index]), self._target(index)

    def _target(self, index: int) -> Any:
        return self.y[index]


class Caltech101(_Caltech):
    """8,677 photos of 101 categories of objects, with an outline of each object.

    `dataset[index]` is a `PIL.Image` in the mode of its file, RGB or grey ("L"), and the target. Outlines are `.mat`
    files; reading them needs the extra `datasets`.

    Args:
        root: the folder that holds `caltech101/101_ObjectCategories` and, for outlines, `caltech101/Annotations`.
        target_type: "category", the class as an int; "annotation", the outline, float64 `[2, points]` of x and y; or
            a list of both for a tuple.
        transform: called on every image.
        target_transform: called on every target.
        download: whether to fetch the archive into `root/caltech101` and unpack it if it is missing.

    Attributes:
        categories: the names of the classes, in the order of their labels.
        annotation_categories: the folder of each class in `Annotations`.
        y: the label of every image.
        index: the number of every image in its class, from 1.

    Raises:
        FileNotFoundError: a folder or file is missing; the message says how to get it.
        ValueError: an option is none of the choices, or a file is damaged; the message names it.
        DownloadError: no mirror sent a file.
    """

    _images: ClassVar = "101_ObjectCategories"
    _left_out: ClassVar = ("BACKGROUND_Google",)
    _OTHER_NAMES: ClassVar = {
        "Faces": "Faces_2", "Faces_easy": "Faces_3", "Motorbikes": "Motorbikes_16", "airplanes": "Airplanes_Side_2",
    }  # fmt: skip

    def __init__(
        self,
        root: str | os.PathLike[str],
        target_type: Sequence[str] | str = "category",
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = False,
    ):
        types = [target_type] if isinstance(target_type, str) else list(target_type)
        self.target_type = [self._choice("target_type", one, ("category", "annotation")) for one in types]
        if not types:
            raise ValueError("target_type is empty; give 'category', 'annotation' or a list of them")
        root = os.path.join(os.path.expanduser(root), "caltech101")
        super().__init__(root, transform=transform, target_transform=target_transform, download=download)
        self._list_images()
        self.annotation_categories = [self._OTHER_NAMES.get(name, name) for name in self.categories]
        if "annotation" in self.target_type:
            self._path("Annotations/")

    def extra_repr(self) -> str:
        """The kinds of target."""
        return f"Target type: {self.target_type}"

    def _target(self, index: int) -> Any:
        targets = [self.y[index] if kind == "category" else self._outline(index) for kind in self.target_type]
        return tuple(targets) if len(targets) > 1 else targets[0]

    def _outline(self, index: int) -> Any:
        folder = self.annotation_categories[self.y[index]]
        path = self._path(f"Annotations/{folder}/annotation_{self.index[index]:04d}.mat")
        outline = read_mat(path).get("obj_contour")
        if outline is None:
            raise ValueError(f"{path} holds no outline, a variable obj_contour")
        return outline

    def _resources(self) -> Sequence[Resource]:
        url = "https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip"
        contents: dict[str, str | None] = {"101_ObjectCategories/": None}
        if "annotation" in self.target_type:
            contents["Annotations/"] = None
        md5 = "3138e1922a9193bfa496528edbbc45d0"
        return [Resource("caltech-101.zip", [url], md5=md5, contents=contents, inner="caltech-101/*.tar*")]


class Caltech256(_Caltech):
    """30,607 photos of 256 categories of objects and of clutter.

    `dataset[index]` is a `PIL.Image` in the mode of its file, RGB or grey ("L"), and the class as an int.

    Args:
        root: the folder that holds `caltech256/256_ObjectCategories`.
        transform: called on every image.
        target_transform: called on every target.
        download: whether to fetch the archive into `root/caltech256` and unpack it if it is missing.

    Attributes:
        categories: the names of the classes, in the order of their labels.
        y: the label of every image.
        index: the number of every image in its class, from 1.

    Raises:
        FileNotFoundError: a folder or file is missing; the message says how to get it.
        ValueError: an option is none of the choices, or a file is damaged; the message names it.
        DownloadError: no mirror sent a file.
    """

    _images: ClassVar = "256_ObjectCategories"

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = False,
    ):
        root = os.path.join(os.path.expanduser(root), "caltech256")
        super().__init__(root, transform=transform, target_transform=target_transform, download=download)
        self._list_images()

    def _resources(self) -> Sequence[Resource]:
        url = "https://data.caltech.edu/records/nyy15-4j048/files/256_ObjectCategories.tar"
        md5 = "67b4f42ca05d46448c6bb8ecd2220f6d"
        return [Resource("256_ObjectCategories.tar", [url], md5=md5, contents={f"{self._images}/": None})]
