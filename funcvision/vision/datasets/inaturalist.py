"""iNaturalist's competitions (Van Horn et al. 2018, 2021, https://github.com/visipedia/inat_comp)."""

import os
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, ClassVar

from ._labelled import LabelledImages
from ._published import Resource
from ._unconverted import open_unconverted

__all__ = ["INaturalist"]

_RANKS = ("kingdom", "phylum", "class", "order", "family", "genus")
_URL = "https://ml-inat-competition-datasets.s3.amazonaws.com/"


class INaturalist(LabelledImages):
    """Photos of up to 10,000 species, 2.7 million in the largest version.

    `dataset[index]` is a `PIL.Image` in the mode of its file and the target. The images of a species are sorted by
    name; torchvision takes them in the order of the file system. Files of annotations are not needed.

    Args:
        root: the folder that holds a folder named after the version, with the folders of the species in it.
        version: "2017", "2018", "2019", "2021_train", "2021_train_mini" or "2021_valid".
        target_type: "full", the species; from 2021 on "kingdom", "phylum", "class", "order", "family" or "genus", and
            before that "super", such as "Amphibians". Each is an int. A list of them gives a tuple.
        transform: called on every image.
        target_transform: called on every target.
        download: whether to fetch the archive into `root` and unpack it if it is missing.
        loader: called on the path of an image; by default Pillow reads it.

    Attributes:
        all_categories: the folder of each species, in the order of the labels.
        categories_index: the number of each name of a rank, by rank.
        categories_map: for each species, its number in each rank.
        index: (species, file name) of every image.

    Raises:
        FileNotFoundError: a folder or file is missing; the message says how to get it.
        ValueError: an option is none of the choices, or a file is damaged; the message names it.
        DownloadError: no mirror sent a file.
    """

    _ARCHIVES: ClassVar = {
        "2017": (f"{_URL}2017/train_val_images.tar.gz", "7c784ea5e424efaec655bd392f87301f"),
        "2018": (f"{_URL}2018/train_val2018.tar.gz", "b1c6952ce38f31868cc50ea72d066cc3"),
        "2019": (f"{_URL}2019/train_val2019.tar.gz", "c60a6e2962c9b8ccbd458d12c8582644"),
        "2021_train": (f"{_URL}2021/train.tar.gz", "e0526d53c7f7b2e3167b2b43bb2690ed"),
        "2021_train_mini": (f"{_URL}2021/train_mini.tar.gz", "db6ed8330e634445efc8fec83ae81442"),
        "2021_valid": (f"{_URL}2021/val.tar.gz", "f6f6e0e242e3d4c9569ba56400938afc"),
    }

    def __init__(
        self,
        root: str | os.PathLike[str],
        version: str = "2021_train",
        target_type: list[str] | str = "full",
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = False,
        loader: Callable[[str], Any] | None = None,
    ):
        self.version = self._choice("version", version, self._ARCHIVES)
        types = target_type if isinstance(target_type, list) else [target_type]
        of_2021 = version.startswith("2021")
        choices = ("full", *_RANKS) if of_2021 else ("full", "super")
        self.target_type = [self._choice("target_type", one, choices) for one in types]
        if not types:
            raise ValueError(f"target_type is empty; give one of {', '.join(choices)}, or a list of them")
        self._base = os.path.expanduser(root)
        root = os.path.join(self._base, version)
        super().__init__(root, transform, target_transform, download, loader or open_unconverted)
        self._path(f"{version}/")
        self.all_categories: list[str] = []
        self.categories_index: dict[str, dict[str, int]] = {}
        self.categories_map: list[dict[str, int]] = []
        if of_2021:
            self._read_ranks()
        else:
            self._read_super_categories()
        if not self.all_categories:
            raise FileNotFoundError(f"{self.root} has no folders in it; expected those of the species")
        self.index = [
            (label, name)
            for label, folder in enumerate(self.all_categories)
            for name in sorted(os.listdir(os.path.join(self.root, folder)))
        ]
        self.samples = [
            (os.path.join(self.root, self.all_categories[label], name), self._target(label))
            for label, name in self.index
        ]

    @cached_property
    def categories(self) -> list[str] | None:
        """The folder of each species, in the order of the labels; None where the target is another rank or several."""
        return self.all_categories if self.target_type == ["full"] else None

    @property
    def folder(self) -> str:
        """The folder of the versions, which the archives are unpacked into."""
        return self._base

    def category_name(self, category_type: str, category_id: int) -> str:
        """The name of a category.

        Args:
            category_type: a rank, "super" or "full".
            category_id: its number in that rank.

        Raises:
            ValueError: the version has no such rank, or the rank no such number.
        """
        if category_type == "full":
            names = dict(enumerate(self.all_categories))
        elif category_type in self.categories_index:
            names = {number: name for name, number in self.categories_index[category_type].items()}
        else:
            raise ValueError(f"category_type={category_type!r} is none of {self.version}'s")
        if category_id not in names:
            raise ValueError(f"category_id={category_id!r} is not in range({len(names)}), the {category_type} ones")
        return names[category_id]

    def _target(self, label: int) -> Any:
        numbers = [label if kind == "full" else self.categories_map[label][kind] for kind in self.target_type]
        return tuple(numbers) if len(numbers) > 1 else numbers[0]

    def _read_ranks(self) -> None:
        """Reads folders such as `00003_Animalia_Annelida_Clitellata_Haplotaxida_Lumbricidae_Lumbricus_terrestris`."""
        self.all_categories = _folders(self.root)
        self.categories_index = {rank: {} for rank in _RANKS}
        for label, folder in enumerate(self.all_categories):
            number, *names = folder.split("_")
            if len(names) != 7 or number != f"{label:05d}":
                expected = f"expected {label:05d} and seven names"
                raise ValueError(f"{self.root}/{folder} is no folder of a species: {expected}")
            numbers = {}
            for rank, name in zip(_RANKS, names, strict=False):  # the seventh name is the species' own
                known = self.categories_index[rank]
                numbers[rank] = known.setdefault(name, len(known))
            self.categories_map.append(numbers)

    def _read_super_categories(self) -> None:
        """Reads folders such as `Amphibians/153`; in 2017 the second has a name in place of a number."""
        above = _folders(self.root)
        self.categories_index = {"super": {name: number for number, name in enumerate(above)}}
        pairs = [(name, species) for name in above for species in _folders(os.path.join(self.root, name))]
        if self.version == "2017":
            ordered = dict(enumerate(pairs))
        else:
            if wrong := [pair for pair in pairs if not (pair[1].isascii() and pair[1].isdigit())]:
                raise ValueError(f"{os.path.join(self.root, *wrong[0])} is no folder of a species: expected a number")
            ordered = {int(pair[1]): pair for pair in pairs}
        if set(ordered) != set(range(len(pairs))):
            raise ValueError(f"the folders of the species in {self.root} are not numbered from 0 to {len(pairs) - 1}")
        for label in range(len(pairs)):
            self.all_categories.append(os.path.join(*ordered[label]))
            self.categories_map.append({"super": self.categories_index["super"][ordered[label][0]]})

    def _resources(self) -> Sequence[Resource]:
        url, md5 = self._ARCHIVES[self.version]
        return [Resource(f"{self.version}.tgz", [url], md5=md5, contents={f"{self.version}/": None})]

    def _unpack(self, resource: Resource, file: str) -> None:
        """Unpacks the archive. The folder in it gets the name of the version."""
        packed = os.path.basename(self._ARCHIVES[self.version][0]).removesuffix(".tar.gz")
        self._unpack_renamed(file, packed, self.version)


def _folders(folder: str) -> list[str]:
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
