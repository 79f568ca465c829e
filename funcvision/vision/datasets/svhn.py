"""Street View House Numbers: digits cut out of photos (http://ufldl.stanford.edu/housenumbers/)."""

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from ._formats import read_mat
from ._published import PublishedDataset, Resource

__all__ = ["SVHN"]


class SVHN(PublishedDataset):
    """Digits of house numbers, 32x32 in colour (Netzer et al. 2011).

    `dataset[index]` is a `PIL.Image` of mode RGB and the digit as an int; the file's label 10 becomes 0. Needs scipy:
    `pip install "funcvision[datasets]"`.

    Args:
        root: the folder that holds `train_32x32.mat` and so on.
        split: "train" (73,257 images), "test" (26,032) or "extra" (531,131).
        transform: called on every image.
        target_transform: called on every label.
        download: whether to fetch the file of the split if it is missing or damaged.

    Attributes:
        data: the images, uint8 `[N, 32, 32, 3]`; torchvision has the channels first.
        labels: the digits, int64 `[N]`.

    Raises:
        ImportError: scipy is not installed.
    """

    split_list: ClassVar = {
        name: [f"http://ufldl.stanford.edu/housenumbers/{name}_32x32.mat", f"{name}_32x32.mat", md5]
        for name, md5 in {
            "train": "e26dedcc434d2e4c54c9b2d4a06d8373",
            "test": "eb5a983be6a315427106f1b164d9cef3",
            "extra": "a93ce644f1a588dc4d68dda5feec44a7",
        }.items()
    }

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = False,
    ):
        self.split = self._choice("split", split, self.split_list)
        self.url, self.filename, self.file_md5 = self.split_list[split]
        super().__init__(root, transform=transform, target_transform=target_transform, download=download)
        self.data, self.labels = self._load()

    def __len__(self) -> int:
        return len(self.data)

    def read(self, index: int) -> tuple[Any, Any]:
        """The image and its digit."""
        return Image.fromarray(self.data[index]), int(self.labels[index])

    def extra_repr(self) -> str:
        """The split."""
        return f"Split: {self.split}"

    def _resources(self) -> Sequence[Resource]:
        return [Resource(self.filename, [self.url], md5=self.file_md5)]

    def _load(self) -> tuple[np.ndarray, np.ndarray]:
        path = self._path(self.filename)
        variables = read_mat(path)
        images, labels = (np.asarray(variables.get(name)) for name in ("X", "y"))
        if images.dtype != np.uint8 or images.shape[:3] != (32, 32, 3) or images.ndim != 4:
            raise ValueError(f"{path} holds X: {images.dtype} {images.shape}, expected images: uint8 (32, 32, 3, N)")
        if labels.dtype.kind not in "uif" or labels.size != images.shape[3]:
            raise ValueError(f"{path} holds y: {labels.dtype} {labels.shape}, expected a label for each image")
        digits = labels.astype(np.int64).reshape(-1)
        if not np.array_equal(digits, labels.reshape(-1)) or not np.isin(digits, np.arange(11)).all():
            raise ValueError(f"{path} is damaged: its labels are not from 0 to 10")
        return images.transpose(3, 0, 1, 2), digits % 10
