"""WIDER FACE: photos of events with a box around every face (http://shuoyang1213.me/WIDERFACE/)."""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from ..download import google_drive_url
from ..io import open_image
from ._formats import read_lines
from ._published import PublishedDataset, Resource

__all__ = ["WIDERFace"]

_FLAGS = ("blur", "expression", "illumination", "occlusion", "pose", "invalid")


class WIDERFace(PublishedDataset):
    """32,203 photos with 393,703 faces (Yang et al. 2016).

    `dataset[index]` is a `PIL.Image` of mode RGB and a dict: "bbox", int64 `[faces, 4]`, x, y, width and height of each
    face in pixels; "blur", "expression", "illumination", "occlusion", "pose" and "invalid", int64 `[faces]`. The files
    list one face of zeros for a photo without faces, and so does the dict. The target is None for testing.

    Args:
        root: the folder that holds `widerface`.
        split: "train", "val" or "test".
        transform: called on every image.
        target_transform: called on every target.
        download: whether to fetch the images of the split from Google Drive, and the annotations, if they are missing.

    Attributes:
        img_info: of every photo a dict of its path, "img_path", and, but for testing, of its target, "annotations".
    """

    BASE_FOLDER: ClassVar = "widerface"
    FILE_LIST: ClassVar = [
        ("15hGDLhsx8bLgLcIRD5DhYt5iBxnjNF1M", "3fedf70df600953d25982bcd13d91ba2", "WIDER_train.zip"),
        ("1GUCogbp16PMGa39thoMMeWxp7Rp5oM8Q", "dfa7d7e790efa35df3788964cf0bbaea", "WIDER_val.zip"),
        ("1HIfDbVEWKmsYKJZm4lchTBDLW5N7dY5T", "e5d8f4248ed24c334bbd12f49c29dd40", "WIDER_test.zip"),
    ]
    ANNOTATIONS_FILE: ClassVar = (
        "http://shuoyang1213.me/WIDERFACE/support/bbx_annotation/wider_face_split.zip",
        "0e3767bcf0e326556d407bf5bff5d27c",
        "wider_face_split.zip",
    )
    _homepage: ClassVar = "http://shuoyang1213.me/WIDERFACE/"

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = False,
    ):
        self.split = self._choice("split", split, ("train", "val", "test"))
        root = os.path.join(root, self.BASE_FOLDER)
        super().__init__(root, transform=transform, target_transform=target_transform, download=download)
        images = os.path.join(os.path.abspath(self._path(f"WIDER_{split}/")), "images")
        name = "wider_face_test_filelist.txt" if split == "test" else f"wider_face_{split}_bbx_gt.txt"
        path = self._path(f"wider_face_split/{name}")
        lines = [line.rstrip() for line in read_lines(path)]
        self.img_info: list[dict[str, Any]] = []
        if split == "test":
            self.img_info = [{"img_path": os.path.join(images, line)} for line in lines]
            return
        try:
            for photo, faces in _annotations(iter(lines)):
                self.img_info.append({"img_path": os.path.join(images, photo), "annotations": faces})
        except (ValueError, OverflowError) as error:
            message = f"{path} is damaged after {len(self.img_info)} photos: {error}"
            raise ValueError(message) from error

    def __len__(self) -> int:
        return len(self.img_info)

    def read(self, index: int) -> tuple[Any, Any]:
        """The image and its faces."""
        info = self.img_info[index]
        return open_image(info["img_path"]), info.get("annotations")

    def extra_repr(self) -> str:
        """The split."""
        return f"Split: {self.split}"

    def _resources(self) -> Sequence[Resource]:
        (file_id, md5, name), *_ = [entry for entry in self.FILE_LIST if entry[2] == f"WIDER_{self.split}.zip"]
        url, annotations_md5, annotations = self.ANNOTATIONS_FILE
        return [
            Resource(name, [google_drive_url(file_id)], md5=md5, contents={f"WIDER_{self.split}/": None}),
            Resource(annotations, [url], md5=annotations_md5, contents={"wider_face_split/": None}),
        ]


def _annotations(lines: Iterator[str]) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Every photo and its faces: a line with its path, one with a count, and one of ten numbers for each face."""
    for photo in lines:
        count = int(_next(lines))
        rows = [[int(value) for value in _next(lines).split()] for _ in range(max(count, 1))]
        if count < 0 or any(len(row) != 4 + len(_FLAGS) for row in rows):
            raise ValueError(f"{photo[:60]!r} has faces that are not {4 + len(_FLAGS)} numbers")
        faces = np.array(rows, np.int64)
        yield photo, {"bbox": faces[:, :4].copy()} | {name: faces[:, 4 + i].copy() for i, name in enumerate(_FLAGS)}


def _next(lines: Iterator[str]) -> str:
    line = next(lines, None)
    if line is None:
        raise ValueError("it ends early")
    return line
