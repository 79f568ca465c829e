"""CLEVR (Johnson et al. 2017, https://cs.stanford.edu/people/jcjohns/clevr/)."""

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from ._formats import read_json
from ._labelled import LabelledImages
from ._published import Resource
from .folder import default_loader

__all__ = ["CLEVRClassification"]


class CLEVRClassification(LabelledImages):
    """100,000 rendered scenes of simple solids; the label is the number of objects in the scene.

    `dataset[index]` is a `PIL.Image` of mode RGB and the number of objects as an int, or None for testing.

    Args:
        root: the folder that holds `clevr/CLEVR_v1.0/images` and `clevr/CLEVR_v1.0/scenes`.
        split: "train" (70,000 images), "val" (15,000) or "test" (15,000, without labels).
        transform: called on every image.
        target_transform: called on every target.
        download: whether to fetch the archive into `root/clevr` and unpack it if it is missing.
        loader: called on the path of an image; by default Pillow reads it and converts it to RGB.

    Attributes:
        samples: (path, number of objects) of every image, sorted by path.

    Raises:
        FileNotFoundError: a folder or file is missing; the message says how to get it.
        ValueError: an option is none of the choices, or a file is damaged; the message names it.
        DownloadError: no mirror sent a file.
    """

    _URL: ClassVar = "https://dl.fbaipublicfiles.com/clevr/CLEVR_v1.0.zip"
    _MD5: ClassVar = "b11922020e72d0cd9154779b2d3d07d2"
    _folder_name = "clevr"

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = False,
        loader: Callable[[str], Any] = default_loader,
    ):
        self.split = self._choice("split", split, ("train", "val", "test"))
        super().__init__(root, transform, target_transform, download, loader)
        folder = self._path(f"CLEVR_v1.0/images/{split}/")
        counts = None if split == "test" else self._counts(f"CLEVR_v1.0/scenes/CLEVR_{split}_scenes.json")
        self.samples = []
        for name in sorted(os.listdir(folder)):
            if counts is not None and name not in counts:
                raise ValueError(f"CLEVR_{split}_scenes.json does not describe the image {folder}{name}")
            self.samples.append((os.path.join(folder, name), None if counts is None else counts[name]))

    def extra_repr(self) -> str:
        """The split."""
        return f"split={self.split}"

    def _counts(self, file: str) -> dict[str, int]:
        """The number of objects in each image."""
        path = self._path(file)
        match read_json(path):
            case {"scenes": list(scenes)}:
                pass
            case _:
                raise ValueError(f"{path} holds no list of scenes")
        counts = {}
        for number, scene in enumerate(scenes):
            match scene:
                case {"image_filename": str(name), "objects": list(objects)}:
                    counts[name] = len(objects)
                case _:
                    raise ValueError(f"{path}: scene {number} has no image_filename or no list of objects")
        return counts

    def _resources(self) -> Sequence[Resource]:
        return [Resource("CLEVR_v1.0.zip", [self._URL], md5=self._MD5, contents={"CLEVR_v1.0/": None})]
