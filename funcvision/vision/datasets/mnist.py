"""MNIST and the data sets that are published in its format with its file names: Fashion-MNIST and KMNIST.

A file is looked for in `root/<class name>/raw`, where torchvision keeps it, plain, as `.gz` or as `.xz`. MNIST, EMNIST
and QMNIST are also found directly in `root`. Fashion-MNIST and KMNIST are not, because their files have the names of
MNIST's.

A download must have the published digest. A file that is there already is checked for what it is: its header, its
exact length, the checksum of its compression, as many labels as images, every label a class. The published digests are
those of the compressed files, and a file that was compressed again has another although it holds the same images.
"""

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from ._formats import read_idx
from ._published import PublishedDataset, Resource, compressed_files

__all__ = ["KMNIST", "MNIST", "FashionMNIST"]

_DIGITS = [
    "0 - zero", "1 - one", "2 - two", "3 - three", "4 - four",
    "5 - five", "6 - six", "7 - seven", "8 - eight", "9 - nine",
]  # fmt: skip
_FASHION = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
_KUZUSHIJI = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]


class MNIST(PublishedDataset):
    """70,000 handwritten digits, greyscale 28x28 (LeCun et al. 1998, http://yann.lecun.com/exdb/mnist/).

    `dataset[index]` is a `PIL.Image` of mode L and the digit as an int.

    Args:
        root: the folder that holds `MNIST/raw/train-images-idx3-ubyte` and the other files, plain or `.gz`;
            they may also lie directly in it.
        train: the 60,000 images for training, else the 10,000 for testing.
        transform: called on every image.
        target_transform: called on every label.
        download: whether to fetch what is missing into `root/MNIST/raw`.

    Attributes:
        data: the images, uint8 `[N, 28, 28]`.
        targets: the labels, int64 `[N]`.
        classes: the names of the classes, in the order of their labels.
        class_to_idx: the label of each name.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is damaged; the message names it and what is wrong with it.
        DownloadError: no mirror sent a file.
    """

    mirrors: ClassVar = ["https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"]
    resources: ClassVar = [
        ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
        ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
        ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
    ]
    classes: list[str] = _DIGITS
    _endings: ClassVar = ("", ".gz", ".xz")
    _also_in_root: ClassVar = True

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
        self.data, self.targets = self._load()

    @property
    def folder(self) -> str:
        """The folder of the files, as in torchvision's layout."""
        return os.path.join(self.root, type(self).__name__, "raw")

    @property
    def raw_folder(self) -> str:
        """Torchvision's name for `folder`."""
        return self.folder

    def __len__(self) -> int:
        return len(self.data)

    def read(self, index: int) -> tuple[Any, Any]:
        """The image and its target."""
        return Image.fromarray(self.data[index]), self._target(index)

    def _resources(self) -> Sequence[Resource]:
        return compressed_files(self.mirrors, self.resources)

    def _folders(self) -> Sequence[str]:
        return [self.folder, self.root] if self._also_in_root else [self.folder]

    def _files(self) -> tuple[str, str]:
        """The names of this split's images and labels."""
        split = "train" if self.train else "t10k"
        return f"{split}-images-idx3-ubyte", f"{split}-labels-idx1-ubyte"

    def _target(self, index: int) -> Any:
        """The target of a sample."""
        return int(self.targets[index])

    def _load(self) -> tuple[np.ndarray, np.ndarray]:
        """Images and labels of this split."""
        images_path, labels_path = (self._path(name) for name in self._files())
        images, labels = read_idx(images_path), read_idx(labels_path)
        if images.dtype != np.uint8 or images.ndim != 3:
            raise ValueError(f"{images_path} holds {images.dtype} {images.shape}, expected images: uint8 [N, 28, 28]")
        if len(images) != len(labels):
            raise ValueError(f"{images_path} holds {len(images)} images and {labels_path} {len(labels)} labels")
        return images, self._checked(labels, labels_path)

    def _checked(self, labels: np.ndarray, path: str) -> np.ndarray:
        """The labels as int64; ValueError unless they have the form of this data set's labels."""
        if labels.dtype != np.uint8 or labels.ndim != 1:
            raise ValueError(f"{path} holds {labels.dtype} {labels.shape}, expected labels: uint8 [N]")
        return self._within_classes(labels, path)

    def _within_classes(self, labels: np.ndarray, path: str) -> np.ndarray:
        """The labels as int64; ValueError unless each is the number of a class. Of several columns the first counts."""
        numbers = labels.reshape(len(labels), -1)[:, :1]
        if numbers.size and not (numbers.min() >= 0 and numbers.max() < len(self.classes)):
            raise ValueError(
                f"{path} holds labels from {numbers.min()} to {numbers.max()}, expected 0 to {len(self.classes) - 1}"
            )
        return labels.astype(np.int64)


class FashionMNIST(MNIST):
    """70,000 pictures of clothes in MNIST's format and splits (Xiao et al. 2017, https://arxiv.org/abs/1708.07747).

    The files lie in `root/FashionMNIST/raw`; everything else is as in `MNIST`.
    """

    mirrors: ClassVar = ["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"]
    resources: ClassVar = [
        ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
        ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
        ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
    ]
    classes = _FASHION
    _also_in_root: ClassVar = False


class KMNIST(MNIST):
    """70,000 cursive Japanese characters in MNIST's format (Clanuwat et al. 2018, https://arxiv.org/abs/1812.01718).

    The files lie in `root/KMNIST/raw`; everything else is as in `MNIST`.
    """

    mirrors: ClassVar = ["http://codh.rois.ac.jp/kmnist/dataset/kmnist/"]
    resources: ClassVar = [
        ("train-images-idx3-ubyte.gz", "bdb82020997e1d708af4cf47b453dcf7"),
        ("train-labels-idx1-ubyte.gz", "e144d726b3acfaa3e44228e80efcd344"),
        ("t10k-images-idx3-ubyte.gz", "5c965bf0a639b31b8f53240b1b52f4d7"),
        ("t10k-labels-idx1-ubyte.gz", "7320c461ea6c1c855c0b718fb2a4b134"),
    ]
    classes = _KUZUSHIJI
    _also_in_root: ClassVar = False
