"""ImageNet's classification task of 2012 (Russakovsky et al. 2015, https://image-net.org)."""

import os
import re
import tempfile
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ..._weight_files.torch_file import TorchFile
from ..archive import extract_archive, move_into
from ._formats import read_mat, read_table
from ._published import PublishedDataset, Resource
from .folder import ImageFolder

__all__ = ["ImageNet"]

_Meta = tuple[dict[str, tuple[str, ...]], list[str]]
"""The names of each class by its WordNet id, and the WordNet id of each image for validation."""


class ImageNet(PublishedDataset, ImageFolder):
    """1,281,167 photos of 1,000 classes for training and 50,000 for validation.

    `dataset[index]` is a `PIL.Image` of mode RGB and the class as an int. The files cannot be downloaded by a program:
    register at https://image-net.org/challenges/LSVRC/2012/2012-downloads.php, and put `ILSVRC2012_devkit_t12.tar.gz`
    and `ILSVRC2012_img_train.tar` or `ILSVRC2012_img_val.tar` into `root`. They are unpacked at the first use, for
    which `root` needs room for the archive a second time.

    The classes are read from torchvision's `meta.bin` if it is there, without running anything in it, and else from
    the devkit, which needs the extra `datasets`. No `meta.bin` is written.

    Args:
        root: the folder that holds the archives, or `train` and `val` with a folder for each class.
        split: "train" or "val".
        **options: those of `ImageFolder`, such as `transform` and `loader`.

    Attributes:
        wnids: the WordNet id of each class, in the order of the labels.
        wnid_to_idx: the label of each WordNet id.
        classes: the names of each class, a tuple of strings.
        class_to_idx: the label of each name. Where two classes have the same name, it is the later one's.
        split_folder: the folder of the split.

    Raises:
        FileNotFoundError: an archive is missing; the message says where to get it.
        ValueError: a file is damaged; the message names it.
    """

    classes: list[Any]
    _homepage = "https://image-net.org/challenges/LSVRC/2012/2012-downloads.php"
    _ARCHIVES: ClassVar = {
        "train": ("ILSVRC2012_img_train.tar", "1d675b47d978889d74fa0da5fadfb00e"),
        "val": ("ILSVRC2012_img_val.tar", "29b22e2961454d5413ddabcf34fc5622"),
        "devkit": ("ILSVRC2012_devkit_t12.tar.gz", "fa75699e90414af021442c21a62c3abf"),
    }

    def __init__(self, root: str | os.PathLike[str], split: str = "train", **options: Any):
        self.split = self._choice("split", split, ("train", "val"))
        self.root = os.path.expanduser(root)
        names, self._val_wnids = self._read_meta()
        PublishedDataset.__init__(self, root)
        self._path(f"{split}/")
        root = self.root
        ImageFolder.__init__(self, self.split_folder, **options)
        self.root = root
        self.wnids, self.wnid_to_idx = self.classes, self.class_to_idx
        if unknown := [wnid for wnid in self.wnids if wnid not in names]:
            raise ValueError(f"{self.split_folder} holds the folder {unknown[0]}, which is no class of ImageNet")
        self.classes = [names[wnid] for wnid in self.wnids]
        self.class_to_idx = {name: label for label, names in enumerate(self.classes) for name in names}

    @property
    def split_folder(self) -> str:
        """The folder of the split."""
        return os.path.join(self.root, self.split)

    def extra_repr(self) -> str:
        """The split."""
        return f"Split: {self.split}"

    def _resources(self) -> Sequence[Resource]:
        images, images_md5 = self._ARCHIVES[self.split]
        devkit, devkit_md5 = self._ARCHIVES["devkit"]
        return [
            Resource(images, md5=images_md5, contents={f"{self.split}/": None}),
            Resource(devkit, md5=devkit_md5),
        ]

    def _read_meta(self) -> _Meta:
        if meta := self._find("meta.bin"):
            return _read_meta_bin(meta)
        devkit = self._path(self._ARCHIVES["devkit"][0])
        with tempfile.TemporaryDirectory() as temporary:
            extract_archive(devkit, temporary)
            data = os.path.join(temporary, "ILSVRC2012_devkit_t12", "data")
            try:
                return _read_devkit(data)
            except (ValueError, FileNotFoundError) as error:
                raise ValueError(f"{devkit} is damaged or another file: {error}") from error

    def _unpack(self, resource: Resource, file: str) -> None:
        """Unpacks the archive of a split into a folder for each class."""
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".unpack-") as temporary:
            packed, sorted_out = os.path.join(temporary, "packed"), os.path.join(temporary, self.split)
            os.mkdir(sorted_out)
            extract_archive(file, packed)
            names = sorted(os.listdir(packed))
            if self.split == "train":
                for name in names:  # "n01440764.tar"
                    extract_archive(os.path.join(packed, name), os.path.join(sorted_out, os.path.splitext(name)[0]))
                    os.remove(os.path.join(packed, name))
            elif len(names) != len(self._val_wnids):
                raise ValueError(f"{file} holds {len(names)} images, and the devkit has {len(self._val_wnids)} labels")
            else:
                for name, wnid in zip(names, self._val_wnids, strict=True):
                    os.makedirs(os.path.join(sorted_out, wnid), exist_ok=True)
                    os.rename(os.path.join(packed, name), os.path.join(sorted_out, wnid, name))
            os.makedirs(self.split_folder, exist_ok=True)
            move_into(sorted_out, self.split_folder)


def _read_meta_bin(path: str) -> _Meta:
    """The classes in the file that torchvision writes."""
    match TorchFile(path).content:
        case (dict(names), list(wnids)) if all(
            isinstance(wnid, str) and isinstance(of_one, tuple) and all(isinstance(name, str) for name in of_one)
            for wnid, of_one in names.items()
        ) and all(map(_is_wnid, wnids)):
            return names, wnids
    raise ValueError(f"{path} holds no classes of ImageNet; delete it, and the classes are read from the devkit")


def _read_devkit(folder: str) -> _Meta:
    """The classes in `meta.mat`, and the labels of the images for validation in a text file."""
    path = os.path.join(folder, "meta.mat")
    synsets = read_mat(path, squeeze=True).get("synsets")
    fields = {"ILSVRC2012_ID", "WNID", "words", "num_children"}
    if not isinstance(synsets, np.ndarray) or not fields <= set(synsets.dtype.names or ()):
        raise ValueError(f"meta.mat holds no synsets with the fields {', '.join(sorted(fields))}")
    leaves = [synset for synset in np.atleast_1d(synsets).ravel() if synset["num_children"] == 0]
    if not all(_is_wnid(synset["WNID"]) and isinstance(synset["words"], str) for synset in leaves):
        raise ValueError("meta.mat holds a synset without WordNet id or without names")
    names = {str(synset["WNID"]): tuple(str(synset["words"]).split(", ")) for synset in leaves}
    wnids = {int(synset["ILSVRC2012_ID"]): str(synset["WNID"]) for synset in leaves}
    of_images = []
    for record in read_table(os.path.join(folder, "ILSVRC2012_validation_ground_truth.txt"), 1):
        if (number := record.integer(0)) not in wnids:
            raise record.wrong(f"{number} is no class of meta.mat")
        of_images.append(wnids[number])
    return names, of_images


def _is_wnid(value: Any) -> bool:
    """Whether a value is a WordNet id. It becomes the name of a folder."""
    return isinstance(value, str) and re.fullmatch(r"n\d{1,20}", value) is not None
