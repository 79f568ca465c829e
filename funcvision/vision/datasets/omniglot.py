"""Omniglot (Lake et al. 2015, https://github.com/brendenlake/omniglot)."""

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from PIL import Image

from ._labelled import LabelledImages
from ._published import Resource
from ._unconverted import open_unconverted

__all__ = ["Omniglot"]


class Omniglot(LabelledImages):
    """32,460 drawings of 1,623 characters from 50 alphabets, 105x105, each drawn by 20 people.

    `dataset[index]` is a `PIL.Image` of mode L (grey) and the character as an int. Alphabets, characters and drawings
    are sorted by name; torchvision takes them in the order of the file system, and needs the archive beside them.

    Args:
        root: the folder that holds `omniglot-py/images_background` or `omniglot-py/images_evaluation`.
        background: the 30 alphabets to learn from, else the 20 to evaluate on.
        transform: called on every image.
        target_transform: called on every target.
        download: whether to fetch the archive into `root/omniglot-py` and unpack it if it is missing.
        loader: called on the path of an image; by default Pillow reads it and converts it to grey.

    Attributes:
        samples: (path, label) of every drawing.

    Raises:
        FileNotFoundError: a folder or file is missing; the message says how to get it.
        ValueError: an option is none of the choices, or a file is damaged; the message names it.
        DownloadError: no mirror sent a file.
    """

    download_url_prefix: ClassVar = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python"
    zips_md5: ClassVar = {
        "images_background": "68d2efa1b9178cc56df9314c21c6e718",
        "images_evaluation": "6b91aef0f799c5bb55b94e3f2daec811",
    }

    def __init__(
        self,
        root: str | os.PathLike[str],
        background: bool = True,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = False,
        loader: Callable[[str], Any] | None = None,
    ):
        self.background = background
        self._part = "images_background" if background else "images_evaluation"
        root = os.path.join(os.path.expanduser(root), "omniglot-py")
        super().__init__(root, transform, target_transform, download, loader or _grey)
        self.target_folder = self._path(f"{self._part}/").rstrip("/")
        characters = [
            os.path.join(self.target_folder, alphabet, character)
            for alphabet in _folders(self.target_folder)
            for character in _folders(os.path.join(self.target_folder, alphabet))
        ]
        self.samples = [
            (os.path.join(character, name), label)
            for label, character in enumerate(characters)
            for name in sorted(os.listdir(character))
            if name.endswith(".png")
        ]

    def _resources(self) -> Sequence[Resource]:
        url, md5 = f"{self.download_url_prefix}/{self._part}.zip", self.zips_md5[self._part]
        return [Resource(f"{self._part}.zip", [url], md5=md5, contents={f"{self._part}/": None})]


def _folders(folder: str) -> list[str]:
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())


def _grey(path: str) -> Image.Image:
    return open_unconverted(path).convert("L")
