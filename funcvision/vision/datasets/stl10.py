"""STL-10: photos for learning with few labels (https://cs.stanford.edu/~acoates/stl10/)."""

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from ._formats import read_lines, read_stl10_images, read_stl10_labels
from ._published import PublishedDataset, Resource

__all__ = ["STL10"]


class STL10(PublishedDataset):
    """13,000 labelled photos of 10 classes and 100,000 without labels, 96x96 in colour (Coates et al. 2011).

    `dataset[index]` is a `PIL.Image` of mode RGB and the class as an int, -1 for images without a label.

    Args:
        root: the folder that holds `stl10_binary`.
        split: "train" (5,000 images), "test" (8,000), "unlabeled" or "train+unlabeled".
        folds: one of the 10 published choices of 1,000 images for training, 0 to 9; None takes all.
        transform: called on every image.
        target_transform: called on every label.
        download: whether to fetch the archive into `root` and unpack it if a file is missing or damaged.

    Attributes:
        data: the images, uint8 `[N, 96, 96, 3]`; torchvision has the channels first.
        labels: the labels, `[N]`.
        classes: the names of the classes, if `class_names.txt` is there.
    """

    base_folder: ClassVar = "stl10_binary"
    url: ClassVar = "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz"
    filename: ClassVar = "stl10_binary.tar.gz"
    tgz_md5: ClassVar = "91f7769df0f17e558f3565bffb0c7dfb"
    class_names_file: ClassVar = "class_names.txt"
    folds_list_file: ClassVar = "fold_indices.txt"
    train_list: ClassVar = [
        ["train_X.bin", "918c2871b30a85fa023e0c44e0bee87f"],
        ["train_y.bin", "5a34089d4802c674881badbb80307741"],
        ["unlabeled_X.bin", "5242ba1fed5e4be9e1e742405eb56ca4"],
    ]
    test_list: ClassVar = [
        ["test_X.bin", "7f263ba9f9e0b06b93213547f721ac82"],
        ["test_y.bin", "36f9794fa4beb8a2c72628de14fa638e"],
    ]
    splits: ClassVar = ("train", "train+unlabeled", "unlabeled", "test")

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        folds: int | None = None,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = False,
    ):
        self.split = self._choice("split", split, self.splits)
        if folds is not None and folds not in range(10):
            raise ValueError(f"folds={folds!r} is not from 0 to 9, nor None")
        self.folds = folds
        super().__init__(root, transform=transform, target_transform=target_transform, download=download)
        parts = [self._read_part(name) for name in split.split("+")]
        self.data = parts[0][0] if len(parts) == 1 else np.concatenate([images for images, _ in parts])
        self.labels = np.concatenate([labels for _, labels in parts])
        if self._find(names := f"{self.base_folder}/{self.class_names_file}"):
            self.classes = read_lines(self._path(names))

    def __len__(self) -> int:
        return len(self.data)

    def read(self, index: int) -> tuple[Any, Any]:
        """The image and its label."""
        return Image.fromarray(self.data[index]), int(self.labels[index])

    def extra_repr(self) -> str:
        """The split."""
        return f"Split: {self.split}"

    def _resources(self) -> Sequence[Resource]:
        files = [*self.train_list, *self.test_list, (self.class_names_file, None), (self.folds_list_file, None)]
        contents = {f"{self.base_folder}/{name}": md5 for name, md5 in files}
        return [Resource(self.filename, [self.url], md5=self.tgz_md5, contents=contents)]

    def _read_part(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The images and labels of "train", of which `folds` may choose some, of "test" or of "unlabeled"."""
        images = read_stl10_images(self._path(f"{self.base_folder}/{name}_X.bin"))
        if name == "unlabeled":
            return images, np.full(len(images), -1)
        labels = read_stl10_labels(path := self._path(f"{self.base_folder}/{name}_y.bin"))
        if len(labels) != len(images):
            raise ValueError(f"{path} is damaged: it holds {len(labels)} labels for {len(images)} images")
        if name == "test" or self.folds is None:
            return images, labels
        chosen = self._fold(len(images))
        return images[chosen], labels[chosen]

    def _fold(self, count: int) -> np.ndarray:
        """The indices of the images in the chosen fold, each below `count`."""
        lines = read_lines(path := self._path(f"{self.base_folder}/{self.folds_list_file}"))
        try:
            indices = np.array([int(index) for index in lines[self.folds or 0].split()])
        except (IndexError, ValueError) as error:
            raise ValueError(f"{path} is damaged: it has no fold {self.folds}: {error}") from error
        if indices.size == 0 or not 0 <= indices.min() <= indices.max() < count:
            raise ValueError(f"{path} is damaged: fold {self.folds} does not choose among {count} images")
        return indices
