"""The Semantic Boundaries Dataset (Hariharan et al. 2011, http://home.bharathh.info/pubs/codes/SBD/download.html)."""

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from ..archive import unpack
from ..io import open_image
from ._formats import read_mat
from ._published import PublishedDataset, Resource
from ._typed.detection import VOC_CATEGORIES

__all__ = ["SBDataset"]


class SBDataset(PublishedDataset):
    """11,355 photos of Pascal VOC 2011 with the boundaries of objects of its 20 classes.

    `dataset[index]` is a `PIL.Image` of mode RGB and the target:

    - mode "boundaries": a uint8 array `[height, width, 20]`, 1 where the boundary of a class is. Torchvision's array
      has the classes first.
    - mode "segmentation": a `PIL.Image` of mode L, 0 for the background and 1 to 20 for the classes.

    The splits differ from those of Pascal VOC: some images for training are in VOC 2012's "val". "train_noval" has none
    of those.

    Args:
        root: the folder that holds `img`, `cls` and the lists `train.txt` and `val.txt`.
        image_set: "train", "val" or "train_noval".
        mode: "boundaries" or "segmentation".
        download: whether to fetch what is missing into `root`.
        transforms: called on every pair.

    Attributes:
        images: the paths of the images.
        masks: the paths of the `.mat` files.
        num_classes: 20.

    Raises:
        FileNotFoundError: a folder or file is missing.
        ValueError: an option is none of the choices, or a file is damaged; the message names it.
        ImportError: scipy is not installed.
        DownloadError: a file could not be downloaded.
    """

    url: ClassVar = "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/benchmark.tgz"
    md5: ClassVar = "82b4d87ceb2ed10f6038a1cba92111cb"
    filename: ClassVar = "benchmark.tgz"
    voc_train_url: ClassVar = "https://www.cs.cornell.edu/~bharathh/train_noval.txt"
    voc_split_filename: ClassVar = "train_noval.txt"
    voc_split_md5: ClassVar = "79bff800c5f0b1ec6b21080a3c066722"
    _homepage = "http://home.bharathh.info/pubs/codes/SBD/download.html"
    _in_archive: ClassVar = "benchmark_RELEASE/dataset"

    def __init__(
        self,
        root: str | os.PathLike[str],
        image_set: str = "train",
        mode: str = "boundaries",
        download: bool = False,
        transforms: Callable[..., Any] | None = None,
    ):
        self.image_set = self._choice("image_set", image_set, ("train", "val", "train_noval"))
        self.mode = self._choice("mode", mode, ("segmentation", "boundaries"))
        self.num_classes = 20
        super().__init__(root, transforms, download=download)
        with open(self._path(f"{image_set}.txt"), encoding="utf-8") as file:
            names = [line.strip() for line in file]
        self.images = [os.path.join(self.root, "img", name + ".jpg") for name in names]
        self.masks = [os.path.join(self.root, "cls", name + ".mat") for name in names]

    @cached_property
    def categories(self) -> list[str]:
        """The names of the 20 classes by their numbers in segmentations, from 1; "__background__" is 0."""
        return list(VOC_CATEGORIES)

    def __len__(self) -> int:
        return len(self.images)

    def read(self, index: int) -> tuple[Any, Any]:
        """The image and its boundaries or segmentation."""
        image, path = open_image(self.images[index]), self.masks[index]
        variables = read_mat(path)
        try:
            truth = variables["GTcls"][0]
            if self.mode == "segmentation":
                return image, Image.fromarray(truth["Segmentation"][0])
            boundaries = truth["Boundaries"][0]
            planes = [boundaries[i][0].toarray() for i in range(self.num_classes)]
            return image, np.stack(planes, axis=-1)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            wanted = "'GTcls' with 'Segmentation' and 'Boundaries' of 20 classes"
            raise ValueError(f"{path} is damaged or another file: it holds no {wanted}") from error

    def extra_repr(self) -> str:
        """The image set and the mode."""
        return f"Image set: {self.image_set}\nMode: {self.mode}"

    def _resources(self) -> Sequence[Resource]:
        lists = {"train.txt": None, "val.txt": None}
        archive = Resource(self.filename, [self.url], md5=self.md5, contents={"img/": None, "cls/": None, **lists})
        if self.image_set != "train_noval":
            return [archive]
        return [archive, Resource(self.voc_split_filename, [self.voc_train_url], md5=self.voc_split_md5)]

    def _unpack(self, resource: Resource, file: str) -> None:
        """Unpacks the archive and moves what lies in its folder of data to `root`, where torchvision has it."""
        if resource.contents is None:
            return
        with tempfile.TemporaryDirectory(dir=self.root, prefix=".unpack-") as temporary:
            unpack(file, temporary)
            inner = os.path.join(temporary, self._in_archive)
            for name in sorted(os.listdir(inner)):
                target = os.path.join(self.root, name)
                if not os.path.exists(target):
                    shutil.move(os.path.join(inner, name), target)
                elif os.path.isdir(target):
                    shutil.copytree(os.path.join(inner, name), target, dirs_exist_ok=True)
