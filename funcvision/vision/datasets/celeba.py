"""CelebA: faces of celebrities with attributes (http://mmlab.ie.cuhk.edu.hk/projects/CelebA.html)."""

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from ..download import google_drive_url
from ..io import open_image
from ._formats import read_lines
from ._published import PublishedDataset, Resource

__all__ = ["CelebA"]

_SPLITS = {"train": 0, "valid": 1, "test": 2, "all": None}
_TARGETS = ("attr", "identity", "bbox", "landmarks")


class CelebA(PublishedDataset):
    """202,599 faces of 10,177 people, aligned and cropped to 178x218 (Liu et al. 2015).

    `dataset[index]` is a `PIL.Image` of mode RGB and the target: None if `target_type` is empty, a tuple if it has
    several entries.

    Args:
        root: the folder that holds `celeba`.
        split: "train", "valid", "test" or "all".
        target_type: one of these, or a list of them. "attr": whether each of 40 attributes holds, int64 `[40]`.
            "identity": the person, an int. "bbox": x, y, width and height of the face, int64 `[4]`, in the photo before
            it was aligned and cropped. "landmarks": x and y of left eye, right eye, nose, left and right corner of the
            mouth, int64 `[10]`.
        transform: called on every image.
        target_transform: called on every target.
        download: whether to fetch the files from Google Drive and unpack them, if they are missing or damaged.

    Attributes:
        filename: the names of the files, in `root/celeba/img_align_celeba`.
        attr: the attributes, int64 `[N, 40]`.
        attr_names: their names.
        identity: int64 `[N, 1]`.
        bbox: int64 `[N, 4]`.
        landmarks_align: int64 `[N, 10]`.
    """

    base_folder: ClassVar = "celeba"
    file_list: ClassVar = [
        ("0B7EVK8r0v71pZjFTYXZWM3FlRnM", "00d2c5bc6d35e252742224ab0c1e8fcb", "img_align_celeba.zip"),
        ("0B7EVK8r0v71pblRyaVFSWGxPY0U", "75e246fa4810816ffd6ee81facbd244c", "list_attr_celeba.txt"),
        ("1_ee_0u7vcNLOfNLegJRHmolfH5ICW-XS", "32bd1bd63d3c78cd57e08160ec5ed1e2", "identity_CelebA.txt"),
        ("0B7EVK8r0v71pbThiMVRxWXZ4dU0", "00566efa6fedff7a56946cd1c10f1c16", "list_bbox_celeba.txt"),
        ("0B7EVK8r0v71pd0FJY3Blby1HUTQ", "cc24ecafdb5b50baae59b03474781f8c", "list_landmarks_align_celeba.txt"),
        ("0B7EVK8r0v71pY0NSMzRuSXJEVkk", "d32c9cbf5e040fd4025c592c306e6668", "list_eval_partition.txt"),
    ]
    _folder_name: ClassVar = "celeba"
    _homepage: ClassVar = "http://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        target_type: str | list[str] = "attr",
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = False,
    ):
        self.split = split
        part = _SPLITS[self._choice("split", split.lower(), _SPLITS)]
        self.target_type = target_type if isinstance(target_type, list) else [target_type]
        for kind in self.target_type:
            self._choice("target_type", kind, _TARGETS)
        if not self.target_type and target_transform is not None:
            raise ValueError("target_transform is given and target_type is empty, so there is no target to transform")
        super().__init__(root, transform=transform, target_transform=target_transform, download=download)
        self._images = self._path("img_align_celeba/").rstrip("/")

        names, parts, _ = self._read_list("list_eval_partition.txt", 1)
        chosen = np.arange(len(names)) if part is None else np.flatnonzero(parts[:, 0] == part)
        self.filename = [names[i] for i in chosen]
        self.identity = self._read_list("identity_CelebA.txt", 1, names)[1][chosen]
        self.bbox = self._read_list("list_bbox_celeba.txt", 4, names, header=True)[1][chosen]
        self.landmarks_align = self._read_list("list_landmarks_align_celeba.txt", 10, names, header=True)[1][chosen]
        _, attributes, self.attr_names = self._read_list("list_attr_celeba.txt", None, names, header=True)
        self.attr = (attributes[chosen] + 1) // 2  # the file has -1 and 1

    def __len__(self) -> int:
        return len(self.attr)

    def read(self, index: int) -> tuple[Any, Any]:
        """The image and its target, as `target_type` says."""
        values = {"attr": self.attr, "bbox": self.bbox, "landmarks": self.landmarks_align}
        targets = [
            int(self.identity[index, 0]) if kind == "identity" else values[kind][index] for kind in self.target_type
        ]
        target = tuple(targets) if len(targets) > 1 else targets[0] if targets else None
        return open_image(os.path.join(self._images, self.filename[index])), target

    def extra_repr(self) -> str:
        """The kinds of targets and the split."""
        return f"Target type: {self.target_type}\nSplit: {self.split}"

    def _resources(self) -> Sequence[Resource]:
        return [
            Resource(
                name, [google_drive_url(file_id)], md5=md5, contents={"img_align_celeba/": None} if i == 0 else None
            )
            for i, (file_id, md5, name) in enumerate(self.file_list)
        ]

    def _read_list(
        self, filename: str, columns: int | None, names: Sequence[str] | None = None, header: bool = False
    ) -> tuple[list[str], np.ndarray, list[str]]:
        """What a list says of every image.

        Args:
            filename: the list.
            columns: the numbers in each line; None: as many as the header names.
            names: the images that it must list, in this order.
            header: whether it starts with two lines: the number of images, and the names of the columns.

        Returns:
            The names of the images, the numbers as int64 `[N, columns]`, and the names of the columns.
        """
        path = self._path(filename)
        lines = [line for line in read_lines(path) if line.strip()]
        titles: list[str] = []
        if header:
            count, titles, lines = "".join(lines[:1]).strip(), "".join(lines[1:2]).split(), lines[2:]
            if count != str(len(lines)):
                raise ValueError(f"{path} is damaged: it claims {count[:20]} images and lists {len(lines)}")
        width = len(titles) if columns is None else columns
        listed: list[str] = []
        numbers = np.empty((len(lines), width), np.int64)
        for i, line in enumerate(lines):
            name, *values = line.split()
            try:
                numbers[i] = [int(value) for value in values]
            except (ValueError, OverflowError) as error:
                raise ValueError(f"{path} is damaged: it lists {line[:60]!r}, expected {width} integers") from error
            if len(values) != width:
                raise ValueError(f"{path} is damaged: it lists {line[:60]!r}, expected {width} integers")
            listed.append(name)
        if names is not None and listed != names:
            raise ValueError(f"{path} does not list the images of list_eval_partition.txt in their order")
        return listed, numbers, titles
