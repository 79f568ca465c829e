"""KITTI's detection benchmark (Geiger et al. 2012, https://www.cvlibs.net/datasets/kitti/eval_object.php)."""

import os
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, ClassVar

from ._published import PublishedDataset, Resource
from ._typed.detection import KITTI_CATEGORIES
from ._unconverted import open_unconverted

__all__ = ["Kitti"]


class Kitti(PublishedDataset):
    """Photos from a car with boxes around cars, pedestrians and cyclists: 7,481 for training and 7,518 for testing.

    `dataset[index]` is a `PIL.Image` in the mode of its file and the target: a list of dicts, or None for testing.
    Each dict has `type` (a string), `truncated` (0 to 1), `occluded` (0 to 3), `alpha` (radians), `bbox` (left, top,
    right, bottom in pixels), `dimensions` (height, width, length in metres), `location` (x, y, z in metres) and
    `rotation_y` (radians). Images are sorted by name; torchvision takes them in the order of the file system.

    Args:
        root: the folder that holds `Kitti/raw/training/image_2` and so on.
        train: the part for training, else the one for testing, which has no targets.
        transform: called on every image.
        target_transform: called on every target.
        transforms: called on every pair; excludes the other two.
        download: whether to fetch what is missing into `root/Kitti/raw`.

    Attributes:
        images: the paths of the images.
        targets: the paths of the text files; empty for testing.

    Raises:
        FileNotFoundError: a folder or file is missing.
        ValueError: a file is damaged; the message names it.
        DownloadError: an archive could not be downloaded.
    """

    data_url: ClassVar = "https://s3.eu-central-1.amazonaws.com/avg-kitti/"
    resources: ClassVar = ["data_object_image_2.zip", "data_object_label_2.zip"]
    image_dir_name: ClassVar = "image_2"
    labels_dir_name: ClassVar = "label_2"
    _folder_name = "Kitti/raw"
    _homepage = "https://www.cvlibs.net/datasets/kitti/eval_object.php"

    def __init__(
        self,
        root: str | os.PathLike[str],
        train: bool = True,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        transforms: Callable[..., Any] | None = None,
        download: bool = False,
    ):
        self.train = train
        self._location = "training" if train else "testing"
        super().__init__(root, transforms, transform, target_transform, download=download)
        images = self._path(f"{self._location}/{self.image_dir_name}/")
        names = sorted(os.listdir(images))
        self.images = [os.path.join(images, name) for name in names]
        self.targets: list[str] = []
        if train:
            labels = self._path(f"{self._location}/{self.labels_dir_name}/")
            self.targets = [os.path.join(labels, name.split(".")[0] + ".txt") for name in names]

    @cached_property
    def categories(self) -> list[str]:
        """The names of the types, in the order of the labels that `typed` gives."""
        return list(KITTI_CATEGORIES)

    def __len__(self) -> int:
        return len(self.images)

    def read(self, index: int) -> tuple[Any, Any]:
        """The image and the objects in it."""
        return open_unconverted(self.images[index]), _objects(self.targets[index]) if self.train else None

    def extra_repr(self) -> str:
        """Nothing, as in torchvision."""
        return ""

    def _resources(self) -> Sequence[Resource]:
        folders = [self.image_dir_name, *([self.labels_dir_name] if self.train else [])]
        return [
            Resource(name, [self.data_url + name], contents={f"{self._location}/{folder}/": None})
            for name, folder in zip(self.resources, folders)
        ]

    def _path(self, name: str) -> str:
        return super()._path(name).rstrip("/")


def _objects(path: str) -> list[dict[str, Any]]:
    """The objects in a text file, one a line of 15 numbers and words."""
    with open(path, "rb") as file:
        content = file.read()
    try:
        return [_object(line.split()) for line in content.decode("ascii").splitlines() if line.strip()]
    except ValueError as error:
        raise ValueError(f"{path} ({len(content)} bytes) is damaged or no annotation of KITTI: {error}") from error


def _object(words: list[str]) -> dict[str, Any]:
    if len(words) not in (15, 16):  # results of a detector have a score at the end
        raise ValueError(f"a line has {len(words)} words, expected 15")
    numbers = [float(word) for word in words[1:]]
    return {
        "type": words[0],
        "truncated": numbers[0],
        "occluded": int(words[2]),
        "alpha": numbers[2],
        "bbox": numbers[3:7],
        "dimensions": numbers[7:10],
        "location": numbers[10:13],
        "rotation_y": numbers[13],
    }
