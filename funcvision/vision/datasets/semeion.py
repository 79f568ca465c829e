"""SEMEION: handwritten digits as bits (https://archive.ics.uci.edu/dataset/178/semeion+handwritten+digit)."""

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from ._formats import read_numbers
from ._published import PublishedDataset, Resource

__all__ = ["SEMEION"]

_PIXELS, _CLASSES = 256, 10


class SEMEION(PublishedDataset):
    """1,593 handwritten digits, black and white, 16x16.

    `dataset[index]` is a `PIL.Image` of mode L with values 0 and 255, and the digit as an int.

    Args:
        root: the folder that holds `semeion.data`.
        transform: called on every image.
        target_transform: called on every label.
        download: whether to fetch the file if it is missing or damaged. As in torchvision, this is on by default.

    Attributes:
        data: the images, uint8 `[N, 16, 16]`.
        labels: the digits, int64 `[N]`.
    """

    url: ClassVar = "http://archive.ics.uci.edu/ml/machine-learning-databases/semeion/semeion.data"
    filename: ClassVar = "semeion.data"
    md5_checksum: ClassVar = "cb545d371d2ce14ec121470795a77432"

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = True,
    ):
        super().__init__(root, transform=transform, target_transform=target_transform, download=download)
        rows = read_numbers(path := self._path(self.filename), _PIXELS + _CLASSES)
        if not len(rows) or not np.isin(rows, (0, 1)).all() or not (rows[:, _PIXELS:].sum(1) == 1).all():
            raise ValueError(f"{path} is damaged or empty: a line is not {_PIXELS} bits and one of {_CLASSES} classes")
        self.data = (rows[:, :_PIXELS] * 255).astype(np.uint8).reshape(-1, 16, 16)
        self.labels = rows[:, _PIXELS:].argmax(1)

    def __len__(self) -> int:
        return len(self.data)

    def read(self, index: int) -> tuple[Any, Any]:
        """The image and its digit."""
        return Image.fromarray(self.data[index]), int(self.labels[index])

    def _resources(self) -> Sequence[Resource]:
        return [Resource(self.filename, [self.url], md5=self.md5_checksum)]
