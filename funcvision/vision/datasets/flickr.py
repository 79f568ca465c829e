"""Flickr8k and Flickr30k: photos of Flickr with five captions each, written for research."""

import html.parser
import os
from collections.abc import Callable
from typing import Any

from ._formats import read_lines
from .dataset import VisionDataset
from .folder import default_loader

__all__ = ["Flickr8k", "Flickr30k"]


class _Captions(VisionDataset):
    """What both share: photos in a folder and a file of captions.

    `dataset[index]` is what `loader` returns, a `PIL.Image` of mode RGB, and a list of captions.
    """

    _homepage = ""

    def __init__(
        self,
        root: str | os.PathLike[str],
        ann_file: str | os.PathLike[str],
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        loader: Callable[[str], Any] = default_loader,
    ):
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.ann_file = os.path.expanduser(os.fspath(ann_file))
        self.loader = loader
        for kind, path, there in (("folder of photos", self.root, os.path.isdir), ("file", ann_file, os.path.isfile)):
            if not there(path):
                raise FileNotFoundError(
                    f"{type(self).__name__} needs the {kind} {os.fspath(path)}; it cannot be downloaded: get it from "
                    f"{self._homepage} and put it there"
                )
        self.annotations = self._read_captions()
        self.ids = sorted(self.annotations)

    def __len__(self) -> int:
        return len(self.ids)

    def read(self, index: int) -> tuple[Any, Any]:
        """The image and its captions."""
        name = self.ids[index]
        return self.loader(os.path.join(self.root, name)), self.annotations[name]

    def _read_captions(self) -> dict[str, list[str]]:
        """The captions of every photo."""
        raise NotImplementedError


class Flickr8k(_Captions):
    """8,092 photos with five captions each (Hodosh et al. 2013).

    `dataset[index]` is what `loader` returns, a `PIL.Image` of mode RGB, and a list of captions.

    Args:
        root: the folder of the photos.
        ann_file: the web page that lists photos and captions.
        transform: called on every image.
        target_transform: called on every list of captions.
        loader: called on the path of an image; by default Pillow reads it and converts it to RGB.

    Attributes:
        annotations: the captions of every photo, by its path.
        ids: the paths, sorted.

    Raises:
        FileNotFoundError: the photos or the page are missing; the message says where to get them.
        ValueError: the page is damaged; the message names it.
    """

    _homepage = "http://hockenmaier.cs.illinois.edu/8k-pictures.html"

    def _read_captions(self) -> dict[str, list[str]]:
        page = _Page()
        page.feed("\n".join(read_lines(self.ann_file)) + "\n")
        photos: dict[str, str] = {}  # the first file "<number>_<anything>.jpg" by its number
        for name in sorted(os.listdir(self.root), reverse=True):
            if name.endswith(".jpg"):
                photos |= {name[:i]: name for i, character in enumerate(name) if character == "_"}
        annotations = {}
        for link, captions in page.captions:
            parts = link.split("/")
            if len(parts) < 2:
                raise ValueError(f"{self.ann_file} is damaged: it links to {link[:60]!r}, expected a page of a photo")
            if parts[-2] not in photos:
                raise FileNotFoundError(f"{self.root} has no photo {parts[-2]}_*.jpg, which {self.ann_file} lists")
            annotations[os.path.join(self.root, photos[parts[-2]])] = captions
        return annotations


class _Page(html.parser.HTMLParser):
    """The web page of Flickr8k: a table of links to photos, each followed by a list of captions.

    Attributes:
        captions: the address of every photo, and its captions.
    """

    def __init__(self):
        super().__init__()
        self.captions: list[tuple[str, list[str]]] = []
        self._in_table = False
        self._element = ""  # the innermost element that was opened last and not closed
        self._has_photo = False

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        """Notes which element starts."""
        self._element = tag
        self._in_table = self._in_table or tag == "table"

    def handle_endtag(self, tag: str) -> None:
        """Notes that an element ends."""
        self._element = ""
        self._in_table = self._in_table and tag != "table"

    def handle_data(self, data: str) -> None:
        """Takes a link or a caption."""
        if not self._in_table:
            return
        if data == "Image Not Found":  # the captions that follow have no photo
            self._has_photo = False
        elif self._element == "a":
            self._has_photo = True
            self.captions.append((data, []))
        elif self._element == "li" and self._has_photo:
            self.captions[-1][1].append(data.strip())


class Flickr30k(_Captions):
    """31,783 photos with five captions each (Young et al. 2014).

    `dataset[index]` is what `loader` returns, a `PIL.Image` of mode RGB, and a list of captions.

    Args:
        root: the folder of the photos.
        ann_file: the file of captions, `results_20130124.token`.
        transform: called on every image.
        target_transform: called on every list of captions.
        loader: called on the path of an image; by default Pillow reads it and converts it to RGB.

    Attributes:
        annotations: the captions of every photo, by its name.
        ids: the names, sorted.

    Raises:
        FileNotFoundError: the photos or the captions are missing; the message says where to get them.
        ValueError: the file of captions is damaged; the message names it.
    """

    _homepage = "https://shannon.cs.illinois.edu/DenotationGraph/"

    def _read_captions(self) -> dict[str, list[str]]:
        annotations: dict[str, list[str]] = {}
        for number, line in enumerate(read_lines(self.ann_file), 1):
            fields = line.strip().split("\t")
            if len(fields) != 2 or fields[0][-2:-1] != "#":
                raise ValueError(f"{self.ann_file} is damaged: line {number} is not <photo>#<number>, a tab, a caption")
            annotations.setdefault(fields[0][:-2], []).append(fields[1])
        return annotations
