"""Stanford Cars (Krause et al. 2013). The authors' page and files are gone."""

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from ._formats import read_mat
from ._labelled import LabelledImages
from ._published import Resource
from .folder import default_loader

__all__ = ["StanfordCars"]


class StanfordCars(LabelledImages):
    """16,185 photos of 196 models of cars: 8,144 for training and 8,041 for testing.

    `dataset[index]` is a `PIL.Image` of mode RGB and the class as an int. The labels are `.mat` files; reading them
    needs the extra `datasets`. No published address is left: copies of the files have to be put in place by hand.

    Args:
        root: the folder that holds `stanford_cars/devkit/cars_meta.mat`, and for training `devkit/cars_train_annos.mat`
            and `cars_train` in it, or for testing `cars_test_annos_withlabels.mat` and `cars_test`.
        split: "train" or "test".
        transform: called on every image.
        target_transform: called on every target.
        download: has no effect, since there is nothing to download from.
        loader: called on the path of an image; by default Pillow reads it and converts it to RGB.

    Attributes:
        classes: the names of the classes, in the order of their labels.
        class_to_idx: the label of each name.
        samples: (path, label) of every image.

    Raises:
        FileNotFoundError: a folder or file is missing; the message says how to get it.
        ValueError: an option is none of the choices, or a file is damaged; the message names it.
        DownloadError: no mirror sent a file.
    """

    _folder_name = "stanford_cars"
    _homepage = "one of the copies that https://github.com/pytorch/vision/issues/7545 names"
    _FILES: ClassVar = {
        "train": ("devkit/cars_train_annos.mat", "cars_train/"),
        "test": ("cars_test_annos_withlabels.mat", "cars_test/"),
    }

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = False,
        loader: Callable[[str], Any] = default_loader,
    ):
        self.split = self._choice("split", split, self._FILES)
        super().__init__(root, transform, target_transform, download, loader)
        annotations, images = map(self._path, self._FILES[split])
        self.classes = _class_names(self._path("devkit/cars_meta.mat"))
        self.samples = [(os.path.join(images, name), label) for name, label in self._labels(annotations)]

    def _labels(self, path: str) -> list[tuple[str, int]]:
        """File name and label of every image."""
        entries = read_mat(path, squeeze=True).get("annotations")
        if not isinstance(entries, np.ndarray) or not {"fname", "class"} <= set(entries.dtype.names or ()):
            raise ValueError(f"{path} holds no annotations with the fields fname and class")
        labels = []
        for number, entry in enumerate(np.atleast_1d(entries).ravel()):
            name, label = entry["fname"], entry["class"]
            if not isinstance(name, str) or label not in range(1, len(self.classes) + 1):
                problem = f"has no file name or no class from 1 to {len(self.classes)}"
                raise ValueError(f"{path}: annotation {number} {problem}")
            labels.append((str(name), int(label) - 1))
        return labels

    def _resources(self) -> Sequence[Resource]:
        return []


def _class_names(path: str) -> list[str]:
    names = np.atleast_1d(read_mat(path, squeeze=True).get("class_names", 0)).ravel()
    if not all(isinstance(name, str) for name in names):
        raise ValueError(f"{path} holds no class_names, a cell of strings")
    return [str(name) for name in names]
