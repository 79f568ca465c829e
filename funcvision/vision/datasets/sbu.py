"""SBU: photos of Flickr with the captions of their owners (https://www.cs.rice.edu/~vo9/sbucaptions/)."""

import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from ..download import DownloadError, download_url
from ._formats import read_lines
from ._published import PublishedDataset, Resource
from .folder import default_loader

__all__ = ["SBU"]

_URLS = "dataset/SBU_captioned_photo_dataset_urls.txt"
_CAPTIONS = "dataset/SBU_captioned_photo_dataset_captions.txt"


class SBU(PublishedDataset):
    """Up to a million photos with captions (Ordonez et al. 2011): those that are still at Flickr.

    `dataset[index]` is what `loader` returns, a `PIL.Image` of mode RGB, and the caption.

    Args:
        root: the folder that holds `dataset`, with two lists and the photos.
        transform: called on every image.
        target_transform: called on every caption.
        download: whether to fetch the lists if they are missing, and then the photos. As in torchvision, this is on by
            default. If it is interrupted, `download_photos` continues.
        loader: called on the path of an image; by default Pillow reads it and converts it to RGB.

    Attributes:
        photos: the names of the photos that are there.
        captions: their captions.
    """

    url: ClassVar = "https://www.cs.rice.edu/~vo9/sbucaptions/SBUCaptionedPhotoDataset.tar.gz"
    filename: ClassVar = "SBUCaptionedPhotoDataset.tar.gz"
    md5_checksum: ClassVar = "9aec147b3488753cf758b4d493422285"

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = True,
        loader: Callable[[str], Any] = default_loader,
    ):
        super().__init__(root, transform=transform, target_transform=target_transform, download=download)
        self.loader = loader
        self._folder = os.path.join(self.root, "dataset")
        self.photos: list[str] = []
        self.captions: list[str] = []
        urls, captions = read_lines(self._path(_URLS)), read_lines(path := self._path(_CAPTIONS))
        if len(urls) != len(captions):
            raise ValueError(f"{path} is damaged: it holds {len(captions)} captions for {len(urls)} photos")
        there = set(os.listdir(self._folder))
        for url, caption in zip(urls, captions, strict=True):
            if (photo := os.path.basename(url.rstrip())) in there:
                self.photos.append(photo)
                self.captions.append(caption.rstrip())

    def __len__(self) -> int:
        return len(self.photos)

    def read(self, index: int) -> tuple[Any, Any]:
        """The image and its caption."""
        return self.loader(os.path.join(self._folder, self.photos[index])), self.captions[index]

    def download(self) -> None:
        """Fetches the lists if they are missing, and then the photos."""
        new = not all(map(self._has, self._resources()))
        super().download()
        if new:
            self.download_photos()

    def download_photos(self) -> None:
        """Fetches the photos that are missing. A warning says how many are no longer published."""
        urls, gone = [line.rstrip() for line in read_lines(self._path(_URLS))], 0
        for url in urls:
            path = os.path.join(self.root, "dataset", os.path.basename(url))
            try:
                download_url(url, path, progress=False)
            except DownloadError:
                gone += 1
        if gone:
            warnings.warn(f"{gone} of SBU's {len(urls)} photos could not be downloaded", stacklevel=2)

    def _resources(self) -> Sequence[Resource]:
        contents = {_URLS: None, _CAPTIONS: None}
        return [Resource(self.filename, [self.url], md5=self.md5_checksum, contents=contents)]
