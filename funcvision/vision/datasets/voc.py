"""Pascal VOC 2007 to 2012 (Everingham et al. 2010, http://host.robots.ox.ac.uk/pascal/VOC/)."""

import os
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, ClassVar
from xml.etree.ElementTree import Element

from ..io import open_image
from ._formats import read_voc_xml, voc_dict
from ._published import PublishedDataset, Resource
from ._typed.detection import VOC_CATEGORIES
from ._unconverted import open_unconverted

__all__ = ["VOCDetection", "VOCSegmentation"]

_MIRRORS = ("https://thor.robots.ox.ac.uk/pascal/VOC/", "http://host.robots.ox.ac.uk/pascal/VOC/")
_ARCHIVES = {  # the archive of each year, its digest, and the folder that it unpacks to
    "2012": ("voc2012/VOCtrainval_11-May-2012.tar", "6cd6e144f989b92b3379bac3b3de84fd", "VOCdevkit/VOC2012"),
    "2011": ("voc2011/VOCtrainval_25-May-2011.tar", "6c3384ef61512963050cb5d687e5bf1e", "TrainVal/VOCdevkit/VOC2011"),
    "2010": ("voc2010/VOCtrainval_03-May-2010.tar", "da459979d0c395079b5c75ee67908abb", "VOCdevkit/VOC2010"),
    "2009": ("voc2009/VOCtrainval_11-May-2009.tar", "a3e00b113cfcfebf17e343f59da3caa1", "VOCdevkit/VOC2009"),
    "2008": ("voc2008/VOCtrainval_14-Jul-2008.tar", "2629fa636546599198acfcfbfcf1904a", "VOCdevkit/VOC2008"),
    "2007": ("voc2007/VOCtrainval_06-Nov-2007.tar", "c52e279531787c972589f7e41ab4ae64", "VOCdevkit/VOC2007"),
    "2007-test": ("voc2007/VOCtest_06-Nov-2007.tar", "b6e924de25625d8de591ea690078ad9f", "VOCdevkit/VOC2007"),
}


class _VOC(PublishedDataset):
    """What both kinds of targets have in common: years, lists of images, archives."""

    _homepage = "http://host.robots.ox.ac.uk/pascal/VOC/"
    _lists: ClassVar[str]  # the folder of the lists of images
    _targets: ClassVar[tuple[str, str]]  # the folder of the targets, and the ending of their names

    def __init__(
        self,
        root: str | os.PathLike[str],
        year: str = "2012",
        image_set: str = "train",
        download: bool = False,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        transforms: Callable[..., Any] | None = None,
    ):
        self.year = self._choice("year", year, [str(number) for number in range(2007, 2013)])
        sets = ["train", "trainval", "val", *(["test"] if year == "2007" else [])]
        self.image_set = self._choice("image_set", image_set, sets)
        self._archive, self.md5, self._base = _ARCHIVES["2007-test" if image_set == "test" else year]
        self.url, self.filename = _MIRRORS[0] + self._archive, os.path.basename(self._archive)
        super().__init__(root, transforms, transform, target_transform, download=download)

        base = self._path(self._base + "/")
        with open(self._path(self._list), encoding="utf-8") as file:
            names = [line.strip() for line in file]
        folder, ending = self._targets
        self.images = [os.path.join(base, "JPEGImages", name + ".jpg") for name in names]
        self.targets = [os.path.join(base, folder, name + ending) for name in names]

    @cached_property
    def categories(self) -> list[str]:
        """The names of the 20 classes by their numbers in segmentations, from 1; "__background__" is 0."""
        return list(VOC_CATEGORIES)

    def __len__(self) -> int:
        return len(self.images)

    @property
    def _list(self) -> str:
        """The file that lists the images of the set."""
        return f"{self._base}/ImageSets/{self._lists}/{self.image_set}.txt"

    def _resources(self) -> Sequence[Resource]:
        urls = [mirror + self._archive for mirror in _MIRRORS]
        # The parts of 2007 share a folder, so the list of the set tells whether this part is there.
        return [Resource(self.filename, urls, md5=self.md5, contents={self._list: None, self._base + "/": None})]

    def _path(self, name: str) -> str:
        return super()._path(name).rstrip("/")


class VOCSegmentation(_VOC):
    """Photos with a class for every pixel: 20 classes of Pascal VOC.

    `dataset[index]` is a `PIL.Image` of mode RGB and a `PIL.Image` of mode P: 0 is the background, 1 to 20 are the
    classes in alphabetical order, 255 is the border of an object, which counts for nothing.

    Args:
        root: the folder that holds `VOCdevkit` (for 2011, `TrainVal/VOCdevkit`).
        year: "2007" to "2012".
        image_set: "train", "val", "trainval", or, in 2007, "test".
        download: whether to fetch and unpack the archive of the year into `root` if the image set is missing.
        transform: called on every image.
        target_transform: called on every target.
        transforms: called on every pair; excludes the other two.

    Attributes:
        images: the paths of the images.
        masks: the paths of the segmentations; `targets` is the same list.

    Raises:
        FileNotFoundError: a folder or file is missing.
        ValueError: an option is none of the choices, or a file is damaged; the message names it.
        DownloadError: no mirror sent the archive.
    """

    _lists = "Segmentation"
    _targets = ("SegmentationClass", ".png")

    @property
    def masks(self) -> list[str]:
        """The paths of the segmentations."""
        return self.targets

    def read(self, index: int) -> tuple[Any, Any]:
        """The image and its segmentation."""
        return open_image(self.images[index]), open_unconverted(self.targets[index])


class VOCDetection(_VOC):
    """Photos with boxes around objects of the 20 classes of Pascal VOC.

    `dataset[index]` is a `PIL.Image` of mode RGB and the XML file as nested dicts of strings:
    `target["annotation"]["object"]` is a list, empty if there are no objects, of dicts with `name` and `bndbox`
    (`xmin`, `ymin`, `xmax`, `ymax`; the first pixel is 1). Arguments are those of `VOCSegmentation`.

    Attributes:
        images: the paths of the images.
        annotations: the paths of the XML files; `targets` is the same list.
    """

    _lists = "Main"
    _targets = ("Annotations", ".xml")

    @property
    def annotations(self) -> list[str]:
        """The paths of the XML files."""
        return self.targets

    @staticmethod
    def parse_voc_xml(node: Element) -> dict[str, Any]:
        """An element of an XML tree as nested dicts."""
        return voc_dict(node)

    def read(self, index: int) -> tuple[Any, Any]:
        """The image and its annotation."""
        return open_image(self.images[index]), read_voc_xml(self.targets[index])
