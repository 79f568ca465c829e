"""MNIST and the data sets published in its format: Fashion-MNIST, KMNIST, EMNIST, QMNIST.

A file is looked for in `root/<class name>/raw`, where torchvision keeps it, plain, as `.gz` or as `.xz`. MNIST,
EMNIST and QMNIST are also found directly in `root`; Fashion-MNIST and KMNIST are not, because their files have the
names of MNIST's.

What is downloaded must have the published digest. What is there already is checked for what it is: the header, the
exact length, the checksum of its compression, as many labels as images, every label a class. The published digests
are those of the compressed files, and a file that was compressed anew has another although it holds the same images.
"""

import os
import string
import tempfile
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from ..archive import decompress, extract_archive
from ..download import download_url
from ._formats import read_idx
from .dataset import VisionDataset

__all__ = ["EMNIST", "KMNIST", "MNIST", "QMNIST", "FashionMNIST"]

_DIGITS = [
    "0 - zero", "1 - one", "2 - two", "3 - three", "4 - four",
    "5 - five", "6 - six", "7 - seven", "8 - eight", "9 - nine",
]  # fmt: skip
_FASHION = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
_KUZUSHIJI = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]
# EMNIST's merged classes: letters whose capital and small form look alike count as the capital.
_MERGED = sorted(set(string.digits + string.ascii_letters) - set("cijklmopsuvwxyz"))


class MNIST(VisionDataset):
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
        DownloadError: no mirror handed out a file.
    """

    mirrors: ClassVar = ["https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"]
    resources: ClassVar = [
        ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
        ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
        ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
    ]
    classes: list[str] = _DIGITS
    _also_in_root: ClassVar = True

    def __init__(
        self,
        root: str | os.PathLike[str],
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ):
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        if download:
            self.download()
        self.data, self.targets = self._load()

    @property
    def raw_folder(self) -> str:
        """Where the files lie, as torchvision lays them out, and where they are downloaded to."""
        return os.path.join(self.root, type(self).__name__, "raw")

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The label of each class name."""
        return {name: label for label, name in enumerate(self.classes)}

    def __len__(self) -> int:
        return len(self.data)

    def read(self, index: int) -> tuple[Any, Any]:
        """The image and its target."""
        return Image.fromarray(self.data[index]), self._target(index)

    def extra_repr(self) -> str:
        """The split."""
        return f"Split: {'Train' if self.train else 'Test'}"

    def download(self) -> None:
        """Fetches every file that is missing into `raw_folder` and decompresses it there."""
        for urls, md5 in self._sources():
            archive = os.path.join(self.raw_folder, os.path.basename(urls[0]))
            name = os.path.splitext(archive)[0]
            if self._find(os.path.basename(name)) is None:
                download_url(urls, archive, md5=md5)
                decompress(archive, name)

    def _sources(self) -> Iterator[tuple[list[str], str]]:
        """Of every file, its mirrors and its MD5 digest."""
        for name, md5 in self.resources:
            yield [mirror + name for mirror in self.mirrors], md5

    def _files(self) -> tuple[str, str]:
        """The names of this split's images and labels."""
        split = "train" if self.train else "t10k"
        return f"{split}-images-idx3-ubyte", f"{split}-labels-idx1-ubyte"

    def _target(self, index: int) -> Any:
        return int(self.targets[index])

    def _load(self) -> tuple[np.ndarray, np.ndarray]:
        images_path, labels_path = (self._required(name) for name in self._files())
        images, labels = read_idx(images_path), read_idx(labels_path)
        if images.dtype != np.uint8 or images.ndim != 3:
            raise ValueError(f"{images_path} holds {images.dtype} {images.shape}, expected images: uint8 [N, 28, 28]")
        if len(images) != len(labels):
            raise ValueError(f"{images_path} holds {len(images)} images and {labels_path} {len(labels)} labels")
        return images, self._checked(labels, labels_path)

    def _checked(self, labels: np.ndarray, path: str) -> np.ndarray:
        """The labels as int64, if they are of this data set's form."""
        if labels.dtype != np.uint8 or labels.ndim != 1:
            raise ValueError(f"{path} holds {labels.dtype} {labels.shape}, expected labels: uint8 [N]")
        return self._within_classes(labels, path)

    def _within_classes(self, labels: np.ndarray, path: str) -> np.ndarray:
        """The labels as int64, if each is the number of a class; of several columns, the first is the class."""
        numbers = labels.reshape(len(labels), -1)[:, :1]
        if numbers.size and not (numbers.min() >= 0 and numbers.max() < len(self.classes)):
            raise ValueError(
                f"{path} holds labels from {numbers.min()} to {numbers.max()}, expected 0 to {len(self.classes) - 1}"
            )
        return labels.astype(np.int64)

    def _find(self, name: str) -> str | None:
        """The path of a file that is there, plain or compressed, or None."""
        folders = [self.raw_folder, self.root] if self._also_in_root else [self.raw_folder]
        paths = (os.path.join(folder, name + suffix) for folder in folders for suffix in ("", ".gz", ".xz"))
        return next(filter(os.path.isfile, paths), None)

    def _required(self, name: str) -> str:
        path = self._find(name)
        if path is None:
            places = self.raw_folder + (f" or {self.root}" if self._also_in_root else "")
            raise FileNotFoundError(
                f"{type(self).__name__} needs the file {name} (plain, .gz or .xz) in {places}; "
                "pass download=True to fetch it"
            )
        return path


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


class EMNIST(MNIST):
    """814,255 handwritten digits and letters in six splits (Cohen et al. 2017, https://arxiv.org/abs/1702.05373).

    The published images are transposed (rows are columns), and are given as they are, like torchvision's. The
    labels of `letters` start at 1, and its class 0 is called "N/A".

    Args:
        root: the folder that holds `EMNIST/raw/emnist-balanced-train-images-idx3-ubyte` and so on.
        split: "byclass" (62 classes), "bymerge" and "balanced" (47), "letters" (26), "digits" or "mnist" (10).
        train: the images for training, else those for testing.
        transform: called on every image.
        target_transform: called on every label.
        download: whether to fetch all splits into `root/EMNIST/raw` (0.5 GB, 1.8 GB unpacked) if this one is missing.

    The attributes and errors are those of `MNIST`.
    """

    url: ClassVar = "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip"
    md5: ClassVar = "58c8d27c78d21e728a6bc7b3cc06412e"
    splits: ClassVar = ("byclass", "bymerge", "balanced", "letters", "digits", "mnist")
    classes_split_dict: ClassVar = {
        "byclass": sorted(string.digits + string.ascii_letters),
        "bymerge": _MERGED,
        "balanced": _MERGED,
        "letters": ["N/A", *string.ascii_lowercase],
        "digits": list(string.digits),
        "mnist": list(string.digits),
    }

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str,
        *,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ):
        if split not in self.splits:
            raise ValueError(f"split={split!r} is none of EMNIST's: {', '.join(self.splits)}")
        self.split = split
        self.classes = self.classes_split_dict[split]
        super().__init__(root, train, transform, target_transform, download)

    def download(self) -> None:
        """Fetches the archive of all splits and unpacks it into `raw_folder`, unless this split is there."""
        if all(self._find(name) for name in self._files()):
            return
        archive = os.path.join(self.raw_folder, "gzip.zip")
        download_url(self.url, archive, md5=self.md5)
        with tempfile.TemporaryDirectory(dir=self.raw_folder, prefix=".unpack-") as folder:
            extract_archive(archive, folder)
            packed = os.path.join(folder, "gzip")
            for name in os.listdir(packed):
                if name.endswith(".gz"):
                    decompress(os.path.join(packed, name), os.path.join(self.raw_folder, name[: -len(".gz")]))

    def _files(self) -> tuple[str, str]:
        prefix = f"emnist-{self.split}-{'train' if self.train else 'test'}"
        return f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"


class QMNIST(MNIST):
    """MNIST rebuilt from NIST's digits, with 60,000 for testing (Yadav and Bottou 2019, https://arxiv.org/abs/1905.10498).

    Args:
        root: the folder that holds `QMNIST/raw/qmnist-train-images-idx3-ubyte` and so on.
        what: "train"; "test" (60,000); "test10k", those of MNIST's own test split; "test50k", the others; or
            "nist", all 402,953 digits. None: "train" or "test", as `train` says.
        compat: whether a target is the digit as an int; else all eight numbers of it, int64 `[8]`: the digit,
            NIST's series, the writer, the digit's index for that writer, NIST's class code, the digit's index in
            NIST's file, whether it is a duplicate, and an unused one.
        train: what to read when `what` is None.
        transform: called on every image.
        target_transform: called on every target.
        download: whether to fetch the files of `what` into `root/QMNIST/raw` if they are missing.

    `targets` is int64 `[N, 8]`; the other attributes and the errors are those of `MNIST`.
    """

    subsets: ClassVar = {"train": "train", "test": "test", "test10k": "test", "test50k": "test", "nist": "nist"}
    mirrors: ClassVar = ["https://raw.githubusercontent.com/facebookresearch/qmnist/master/"]
    resources: ClassVar = {
        "train": [
            ("qmnist-train-images-idx3-ubyte.gz", "ed72d4157d28c017586c42bc6afe6370"),
            ("qmnist-train-labels-idx2-int.gz", "0058f8dd561b90ffdd0f734c6a30e5e4"),
        ],
        "test": [
            ("qmnist-test-images-idx3-ubyte.gz", "1394631089c404de565df7b7aeaf9412"),
            ("qmnist-test-labels-idx2-int.gz", "5b5b05890a5e13444e108efe57b788aa"),
        ],
        "nist": [
            ("xnist-images-idx3-ubyte.xz", "7f124b3b8ab81486c9d8c2749c17f834"),
            ("xnist-labels-idx2-int.xz", "5ed0e788978e45d4a8bd4b7caec3d79d"),
        ],
    }

    def __init__(
        self,
        root: str | os.PathLike[str],
        what: str | None = None,
        compat: bool = True,
        train: bool = True,
        *,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ):
        self.what = ("train" if train else "test") if what is None else what
        if self.what not in self.subsets:
            raise ValueError(f"what={what!r} is none of QMNIST's subsets: {', '.join(self.subsets)}")
        self.compat = compat
        super().__init__(root, train, transform, target_transform, download)

    def extra_repr(self) -> str:
        """The subset."""
        return f"Split: {self.what}"

    def _sources(self) -> Iterator[tuple[list[str], str]]:
        for name, md5 in self.resources[self.subsets[self.what]]:
            yield [mirror + name for mirror in self.mirrors], md5

    def _files(self) -> tuple[str, str]:
        (images, _), (labels, _) = self.resources[self.subsets[self.what]]
        return os.path.splitext(images)[0], os.path.splitext(labels)[0]

    def _target(self, index: int) -> Any:
        return int(self.targets[index, 0]) if self.compat else self.targets[index]

    def _load(self) -> tuple[np.ndarray, np.ndarray]:
        part = {"test10k": slice(10_000), "test50k": slice(10_000, None)}.get(self.what, slice(None))
        images, targets = super()._load()
        return images[part], targets[part]

    def _checked(self, labels: np.ndarray, path: str) -> np.ndarray:
        if labels.dtype != np.int32 or labels.shape[1:] != (8,):
            raise ValueError(f"{path} holds {labels.dtype} {labels.shape}, expected labels: int32 [N, 8]")
        return self._within_classes(labels, path)
