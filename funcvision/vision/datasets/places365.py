"""Places365 (Zhou et al. 2017, http://places2.csail.mit.edu)."""

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from ._formats import Record, read_table
from ._labelled import LabelledImages
from ._published import Resource
from .folder import default_loader

__all__ = ["Places365"]


class Places365(LabelledImages):
    """Photos of 365 kinds of scene: 1.8 million for training, 8 million in the larger training set.

    `dataset[index]` is a `PIL.Image` of mode RGB and the class as an int, or None for testing.

    Args:
        root: the folder that holds the lists of files and the folders of images, such as `data_large_standard`.
        split: "train-standard", "train-challenge" (the larger training set), "val" or "test".
        small: the images of 256x256 pixels, else the larger ones.
        download: whether to fetch and unpack what is missing.
        transform: called on every image.
        target_transform: called on every target.
        loader: called on the path of an image; by default Pillow reads it and converts it to RGB.

    Attributes:
        classes: the names of the classes, sorted.
        class_to_idx: the label of each name.
        imgs: (path, label) of every image.
        targets: the label of every image.

    Raises:
        FileNotFoundError: a folder or file is missing; the message says how to get it.
        ValueError: an option is none of the choices, or a file is damaged; the message names it.
        DownloadError: no mirror sent a file.
    """

    _SPLITS: ClassVar = ("train-standard", "train-challenge", "val", "test")
    _BASE_URL: ClassVar = "http://data.csail.mit.edu/places/places365/"
    _DEVKIT_META: ClassVar = {
        "standard": ("filelist_places365-standard.tar", "35a0585fee1fa656440f3ab298f8479c"),
        "challenge": ("filelist_places365-challenge.tar", "70a8307e459c3de41690a7c76c931734"),
    }
    _CATEGORIES_META: ClassVar = ("categories_places365.txt", "06c963b85866bd0649f97cb43dd16673")
    _FILE_LIST_META: ClassVar = {
        "train-standard": ("places365_train_standard.txt", "30f37515461640559006b8329efbed1a"),
        "train-challenge": ("places365_train_challenge.txt", "b2931dc997b8c33c27e7329c073a6b57"),
        "val": ("places365_val.txt", "e9f2fd57bfd9d07630173f4e8708e4b1"),
        "test": ("places365_test.txt", "2fce8233fe493576d724142e45d93653"),
    }
    _IMAGES_META: ClassVar = {
        ("train-standard", False): ("train_large_places365standard.tar", "67e186b496a84c929568076ed01a8aa1"),
        ("train-challenge", False): ("train_large_places365challenge.tar", "605f18e68e510c82b958664ea134545f"),
        ("val", False): ("val_large.tar", "9b71c4993ad89d2d8bcbdc4aef38042f"),
        ("test", False): ("test_large.tar", "41a4b6b724b1d2cd862fb3871ed59913"),
        ("train-standard", True): ("train_256_places365standard.tar", "53ca1c756c3d1e7809517cc47c5561c5"),
        ("train-challenge", True): ("train_256_places365challenge.tar", "741915038a5e3471ec7332404dfb64ef"),
        ("val", True): ("val_256.tar", "e27b17d8d44f4af9a78502beb927f808"),
        ("test", True): ("test_256.tar", "f532f6ad7b582262a2ec8009075e186b"),
    }

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train-standard",
        small: bool = False,
        download: bool = False,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        loader: Callable[[str], Any] = default_loader,
    ):
        self.split = self._choice("split", split, self._SPLITS)
        self.small = small
        super().__init__(root, transform, target_transform, download, loader)
        categories = read_table(self._path(self._CATEGORIES_META[0]), 2)
        self.class_to_idx = {record.fields[0]: record.integer(1) for record in categories}
        self.classes = sorted(self.class_to_idx)
        records = read_table(self._path(self._FILE_LIST_META[split][0]), 1 if split == "test" else 2)
        self._path(f"{self._images}/")
        self.imgs = self.samples = [self._sample(record) for record in records]
        self.targets = [label for _, label in self.samples]

    @property
    def variant(self) -> str:
        """Which lists the split comes from, "challenge" or "standard"."""
        return "challenge" if "challenge" in self.split else "standard"

    @property
    def images_dir(self) -> str:
        """The folder of the images."""
        return os.path.join(self.root, self._images)

    def extra_repr(self) -> str:
        """The split and the size."""
        return f"Split: {self.split}\nSmall: {self.small}"

    @property
    def _images(self) -> str:
        size = "256" if self.small else "large"
        return f"data_{size}_{self.variant}" if self.split.startswith("train") else f"{self.split}_{size}"

    def _sample(self, record: Record) -> tuple[str, int | None]:
        path = os.path.join(self.images_dir, *record.fields[0].lstrip("/").split("/"))
        return path, None if self.split == "test" else record.integer(1, high=len(self.classes) - 1)

    def _resources(self) -> Sequence[Resource]:
        lists, lists_md5 = self._DEVKIT_META[self.variant]
        images, images_md5 = self._IMAGES_META[self.split, self.small]
        members = dict([self._CATEGORIES_META, self._FILE_LIST_META[self.split]])
        return [
            Resource(lists, [self._BASE_URL + lists], md5=lists_md5, contents=members),
            Resource(images, [self._BASE_URL + images], md5=images_md5, contents={f"{self._images}/": None}),
        ]

    def _unpack(self, resource: Resource, file: str) -> None:
        """Unpacks an archive. The folder `data_large` of a training archive gets the name of its variant."""
        if resource.filename.startswith("train"):
            self._unpack_renamed(file, self._images.rpartition("_")[0], self._images)
        else:
            super()._unpack(resource, file)
