"""CIFAR-10 and CIFAR-100, read from the batches as which they are published.

Reference: https://www.cs.toronto.edu/~kriz/cifar.html
"""

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from ._formats import read_cifar_batch
from ._published import PublishedDataset, Resource

__all__ = ["CIFAR10", "CIFAR100"]


class CIFAR10(PublishedDataset):
    """60,000 photos of 10 classes, 32x32 in colour (Krizhevsky 2009).

    `dataset[index]` is a `PIL.Image` of mode RGB and the class as an int. The files are pickles. Each must have the
    published digest, and is read without running anything that it names.

    Args:
        root: the folder that holds `cifar-10-batches-py`.
        train: the 50,000 images for training, else the 10,000 for testing.
        transform: called on every image.
        target_transform: called on every label.
        download: whether to fetch the archive into `root` and unpack it if a file is missing or damaged.

    Attributes:
        data: the images, uint8 `[N, 32, 32, 3]`.
        targets: the labels, a list of ints.
        classes: the names of the classes, in the order of their labels.
        class_to_idx: the label of each name.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is damaged; the message names it and what is wrong with it.
        DownloadError: the archive could not be downloaded.
    """

    base_folder: ClassVar = "cifar-10-batches-py"
    url: ClassVar = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    filename: ClassVar = "cifar-10-python.tar.gz"
    tgz_md5: ClassVar = "c58f30108f718f92721af3b95e74349a"
    train_list: ClassVar = [
        ["data_batch_1", "c99cafc152244af753f735de768cd75f"],
        ["data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"],
        ["data_batch_3", "54ebc095f3ab1f0389bbae665268c751"],
        ["data_batch_4", "634d18415352ddfa80567beed471001a"],
        ["data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"],
    ]
    test_list: ClassVar = [["test_batch", "40351d587109b95175f43aff81a1287e"]]
    meta: ClassVar = {
        "filename": "batches.meta",
        "key": "label_names",
        "md5": "5ff9c542aee3614f3951f8cda6e48888",
    }
    _labels_key: ClassVar = "labels"

    def __init__(
        self,
        root: str | os.PathLike[str],
        train: bool = True,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = False,
    ):
        self.train = train
        super().__init__(root, transform=transform, target_transform=target_transform, download=download)
        self.classes = self._read_classes()
        batches = [self._read_batch(name) for name, _ in (self.train_list if train else self.test_list)]
        planes = np.concatenate([images for images, _ in batches])
        self.data = np.ascontiguousarray(planes.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        self.targets: list[int] = [label for _, labels in batches for label in labels]

    def __len__(self) -> int:
        return len(self.data)

    def read(self, index: int) -> tuple[Any, Any]:
        """The image and its label."""
        return Image.fromarray(self.data[index]), self.targets[index]

    def _resources(self) -> Sequence[Resource]:
        files = [*self.train_list, *self.test_list, (self.meta["filename"], self.meta["md5"])]
        contents = {f"{self.base_folder}/{name}": md5 for name, md5 in files}
        return [Resource(self.filename, [self.url], md5=self.tgz_md5, contents=contents)]

    def _read(self, name: str) -> tuple[str, dict[str, Any]]:
        """The path of a file and the dict in it."""
        path = self._path(f"{self.base_folder}/{name}")
        with open(path, "rb") as file:
            content = file.read()
        try:
            return path, read_cifar_batch(content)
        except ValueError as error:
            raise ValueError(f"{path} ({len(content)} bytes) is damaged or no batch of CIFAR: {error}") from error

    def _read_classes(self) -> list[str]:
        path, entries = self._read(self.meta["filename"])
        names = entries.get(self.meta["key"])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError(f"{path} holds no list of names {self.meta['key']!r}")
        return names

    def _read_batch(self, name: str) -> tuple[np.ndarray, list[int]]:
        """Images, uint8 [N, 3072], and their labels."""
        path, entries = self._read(name)
        images, labels = entries.get("data"), entries.get(self._labels_key)
        if not isinstance(images, np.ndarray) or images.shape[1:] != (3072,):
            raise ValueError(f"{path} holds no images 'data' of shape [N, 3072]")
        if not isinstance(labels, list) or len(labels) != len(images):
            raise ValueError(f"{path} holds no list {self._labels_key!r} of one label per image")
        if not all(type(label) is int and 0 <= label < len(self.classes) for label in labels):
            raise ValueError(f"{path} holds labels that are not among the {len(self.classes)} classes")
        return images, labels


class CIFAR100(CIFAR10):
    """CIFAR-10's sibling with 100 classes of 600 photos each (Krizhevsky 2009), in `root/cifar-100-python`.

    The labels are the fine ones; everything else is as in `CIFAR10`.
    """

    base_folder: ClassVar = "cifar-100-python"
    url: ClassVar = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
    filename: ClassVar = "cifar-100-python.tar.gz"
    tgz_md5: ClassVar = "eb9058c3a382ffc7106e4002c42a8d85"
    train_list: ClassVar = [["train", "16019d7e3df5f24257cddd939b257f8d"]]
    test_list: ClassVar = [["test", "f0ef6b0ae62326f3e7ffdfab6717acfc"]]
    meta: ClassVar = {
        "filename": "meta",
        "key": "fine_label_names",
        "md5": "7973b15100ade9c7d40fb424638fde48",
    }
    _labels_key: ClassVar = "fine_labels"
