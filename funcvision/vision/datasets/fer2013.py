"""FER2013: faces with seven emotions, from Kaggle's challenge in representation learning."""

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from ._formats import read_csv
from ._published import PublishedDataset, Resource

__all__ = ["FER2013"]

_SIDE, _EMOTIONS = 48, 7
_USAGES = {"train": ("Training",), "test": ("PublicTest", "PrivateTest")}


class FER2013(PublishedDataset):
    """35,887 faces, greyscale 48x48, with one of seven emotions (Goodfellow et al. 2013).

    `dataset[index]` is a `PIL.Image` of mode L and the emotion as an int: angry, disgust, fear, happy, sad, surprise,
    neutral. It is None for testing if only `test.csv` is there.

    The files come from Kaggle and cannot be downloaded. The first of these that is in `root/fer2013` is read:
    `fer2013.csv`, `icml_face_data.csv`, and `train.csv` or `test.csv`.

    Args:
        root: the folder that holds `fer2013`.
        split: "train" or "test".
        transform: called on every image.
        target_transform: called on every label.

    Attributes:
        data: the images, uint8 `[N, 48, 48]`.
        targets: the labels, a list of ints, or of None.
    """

    _folder_name: ClassVar = "fer2013"
    _homepage: ClassVar = (
        "https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge"
    )
    _RESOURCES: ClassVar = {
        "train": ("train.csv", "3f0dfb3d3fd99c811a1299cb947e3131"),
        "test": ("test.csv", "b02c2298636a634e8c2faabbf3ea9a23"),
        "fer": ("fer2013.csv", "f8428a1edbd21e88f42c73edd2a14f95"),
        "icml": ("icml_face_data.csv", "b114b9e04e6949e5fe8b6a98b3892b1d"),
    }

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
    ):
        self.split = self._choice("split", split, _USAGES)
        super().__init__(root, transform=transform, target_transform=target_transform)
        (resource,) = self._resources()
        both = resource.filename in ("fer2013.csv", "icml_face_data.csv")
        labelled = both or split == "train"
        path = self._path(resource.filename)
        columns = ["pixels", *(["emotion"] if labelled else []), *(["Usage"] if both else [])]
        records = read_csv(path, columns)
        records = [one for one in records if not both or one.fields[-1].strip() in _USAGES[split]]
        self.data = np.empty((len(records), _SIDE, _SIDE), np.uint8)
        self.targets: list[int | None] = []
        for i, one in enumerate(records):
            try:
                self.data[i] = np.array([int(pixel) for pixel in one.fields[0].split()], np.uint8).reshape(_SIDE, _SIDE)
                self.targets.append(_emotion(one.fields[1]) if labelled else None)
            except (ValueError, OverflowError) as error:
                raise one.wrong(f"the file is damaged: {error}") from error

    def __len__(self) -> int:
        return len(self.data)

    def read(self, index: int) -> tuple[Any, Any]:
        """The image and its label."""
        return Image.fromarray(self.data[index]), self.targets[index]

    def extra_repr(self) -> str:
        """The split."""
        return f"split={self.split}"

    def _resources(self) -> Sequence[Resource]:
        names = [name for name in ("fer", "icml") if self._find(self._RESOURCES[name][0])]
        filename, md5 = self._RESOURCES[(names or [self.split])[0]]
        return [Resource(filename, md5=md5)]


def _emotion(value: str) -> int:
    if (label := int(value)) not in range(_EMOTIONS):
        raise ValueError(f"emotion {label} is not from 0 to {_EMOTIONS - 1}")
    return label
