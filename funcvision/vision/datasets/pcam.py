"""PatchCamelyon: patches of lymph nodes under the microscope (https://github.com/basveeling/pcam)."""

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from ..download import google_drive_url
from ._formats import HDF5Array
from ._published import PublishedDataset, Resource

__all__ = ["PCAM"]


class PCAM(PublishedDataset):
    """327,680 patches of tissue, 96x96 in colour, with or without metastases in the centre (Veeling et al. 2018).

    `dataset[index]` is a `PIL.Image` of mode RGB and the label as an int: 1 with metastases, else 0. Images are read
    from the file one by one. Needs h5py: `pip install "funcvision[datasets]"`.

    Args:
        root: the folder that holds `pcam`.
        split: "train", "val" or "test".
        transform: called on every image.
        target_transform: called on every label.
        download: whether to fetch the files of the split from Google Drive and unpack them, if they are missing.

    Raises:
        ImportError: h5py is not installed.
    """

    _folder_name: ClassVar = "pcam"
    _homepage: ClassVar = "https://github.com/basveeling/pcam"
    _FILES: ClassVar = {
        "train": {
            "images": (
                "camelyonpatch_level_2_split_train_x.h5",
                "1Ka0XfEMiwgCYPdTI-vv6eUElOBnKFKQ2",
                "1571f514728f59376b705fc836ff4b63",
            ),
            "targets": (
                "camelyonpatch_level_2_split_train_y.h5",
                "1269yhu3pZDP8UYFQs-NYs3FPwuK-nGSG",
                "35c2d7259d906cfc8143347bb8e05be7",
            ),
        },
        "test": {
            "images": (
                "camelyonpatch_level_2_split_test_x.h5",
                "1qV65ZqZvWzuIVthK8eVDhIwrbnsJdbg_",
                "d8c2d60d490dbd479f8199bdfa0cf6ec",
            ),
            "targets": (
                "camelyonpatch_level_2_split_test_y.h5",
                "17BHrSrwWKjYsOgTMmoqrIjDy6Fa2o_gP",
                "60a7035772fbdb7f34eb86d4420cf66a",
            ),
        },
        "val": {
            "images": (
                "camelyonpatch_level_2_split_valid_x.h5",
                "1hgshYGWK8V-eGRy8LToWJJgDU_rXWVJ3",
                "d5b63470df7cfa627aeec8b9dc0c066e",
            ),
            "targets": (
                "camelyonpatch_level_2_split_valid_y.h5",
                "1bH8ZRbhSVAhScTS0p9-ZzGnX91cHT3uO",
                "2b85f58b927af9964a4c15b8f7e8f179",
            ),
        },
    }

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = False,
    ):
        self.split = self._choice("split", split, self._FILES)
        super().__init__(root, transform=transform, target_transform=target_transform, download=download)
        images, labels = (self._path(self._FILES[split][kind][0]) for kind in ("images", "targets"))
        self._images, self._labels = HDF5Array(images, "x"), HDF5Array(labels, "y")
        count = self._images.shape[0]
        if self._images.dtype != np.uint8 or self._images.shape[1:] != (96, 96, 3):
            raise ValueError(f"{images} holds {self._images.dtype} {self._images.shape}, expected uint8 (N, 96, 96, 3)")
        if self._labels.dtype.kind not in "ui" or self._labels.shape != (count, 1, 1, 1):
            raise ValueError(f"{labels} holds {self._labels.dtype} {self._labels.shape}, expected ({count}, 1, 1, 1)")

    def __len__(self) -> int:
        return len(self._images)

    def read(self, index: int) -> tuple[Any, Any]:
        """The image and its label."""
        return Image.fromarray(self._images[index]), int(self._labels[index][0, 0, 0])

    def _resources(self) -> Sequence[Resource]:
        return [
            Resource(f"{name}.gz", [google_drive_url(file_id)], md5=md5, contents={name: None})
            for name, file_id, md5 in self._FILES[self.split].values()
        ]
