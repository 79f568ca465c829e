"""USPS: digits from envelopes (https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass.html#usps)."""

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from ._formats import read_libsvm
from ._published import PublishedDataset, Resource

__all__ = ["USPS"]

_MIRROR = "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/"


class USPS(PublishedDataset):
    """9,298 digits that the postal service of the United States scanned, greyscale 16x16 (Hull 1994).

    `dataset[index]` is a `PIL.Image` of mode L and the digit as an int.

    Args:
        root: the folder that holds `usps.bz2` and `usps.t.bz2`.
        train: the 7,291 images for training, else the 2,007 for testing.
        transform: called on every image.
        target_transform: called on every label.
        download: whether to fetch the file if it is missing or damaged.

    Attributes:
        data: the images, uint8 `[N, 16, 16]`.
        targets: the digits, a list of ints.
    """

    split_list: ClassVar = {
        "train": [f"{_MIRROR}usps.bz2", "usps.bz2", "ec16c51db3855ca6c91edd34d0e9b197"],
        "test": [f"{_MIRROR}usps.t.bz2", "usps.t.bz2", "8ea070ee2aca1ac39742fdd1ef5ed118"],
    }

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
        (resource,) = self._resources()
        labels, values = read_libsvm(path := self._path(resource.filename), 256)
        if not np.isin(labels, np.arange(1, 11)).all() or (values.size and np.abs(values).max() > 1):
            raise ValueError(f"{path} is damaged: a label is not from 1 to 10, or a value not from -1 to 1")
        self.data = ((values + 1) / 2 * 255).astype(np.uint8).reshape(-1, 16, 16)
        self.targets = [int(label) - 1 for label in labels]

    def __len__(self) -> int:
        return len(self.data)

    def read(self, index: int) -> tuple[Any, Any]:
        """The image and its digit."""
        return Image.fromarray(self.data[index]), self.targets[index]

    def extra_repr(self) -> str:
        """Nothing, as in torchvision."""
        return ""

    def _resources(self) -> Sequence[Resource]:
        url, filename, md5 = self.split_list["train" if self.train else "test"]
        return [Resource(filename, [url], md5=md5)]
