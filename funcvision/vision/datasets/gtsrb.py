"""The German Traffic Sign Recognition Benchmark (Stallkamp et al. 2012, https://benchmark.ini.rub.de/)."""

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from ._formats import read_csv
from ._labelled import LabelledImages
from ._published import Resource
from .folder import DatasetFolder

__all__ = ["GTSRB"]


class GTSRB(LabelledImages):
    """39,270 photos of 43 traffic signs: 26,640 for training and 12,630 for testing.

    `dataset[index]` is a `PIL.Image` of mode RGB and the class as an int.

    Args:
        root: the folder that holds `gtsrb/GTSRB/Training`, or `gtsrb/GTSRB/Final_Test/Images` and
            `gtsrb/GT-final_test.csv`.
        split: "train" or "test".
        transform: called on every image.
        target_transform: called on every target.
        download: whether to fetch the archives of the split into `root/gtsrb` and unpack them if they are missing.

    Attributes:
        samples: (path, label) of every image.

    Raises:
        FileNotFoundError: a folder or file is missing; the message says how to get it.
        ValueError: an option is none of the choices, or a file is damaged; the message names it.
        DownloadError: no mirror sent a file.
    """

    _URL: ClassVar = "https://sid.erda.dk/public/archives/daaeac0d7ce1152aea9b61d9f1e19370/"
    _ARCHIVES: ClassVar = {
        "train": [("GTSRB-Training_fixed.zip", "513f3c79a4c5141765e10e952eaa2478", "GTSRB/Training/")],
        "test": [
            ("GTSRB_Final_Test_Images.zip", "c7e4e6327067d32654124b0fe9e82185", "GTSRB/Final_Test/Images/"),
            ("GTSRB_Final_Test_GT.zip", "fe31e9c9270bbcd7b84b7f21a9d9d9e5", "GT-final_test.csv"),
        ],
    }
    _folder_name = "gtsrb"

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = False,
    ):
        self.split = self._choice("split", split, ("train", "test"))
        super().__init__(root, transform, target_transform, download)
        if split == "train":
            folder = self._path("GTSRB/Training/").rstrip("/")
            names = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
            labels = {name: label for label, name in enumerate(names)}
            self.samples = DatasetFolder.make_dataset(folder, labels, ".ppm")
        else:
            folder = self._path("GTSRB/Final_Test/Images/")
            records = read_csv(self._path("GT-final_test.csv"), ["Filename", "ClassId"], delimiter=";")
            self.samples = [(os.path.join(folder, record.fields[0]), record.integer(1)) for record in records]

    def _resources(self) -> Sequence[Resource]:
        return [
            Resource(name, [self._URL + name], md5=md5, contents={content: None})
            for name, md5, content in self._ARCHIVES[self.split]
        ]
