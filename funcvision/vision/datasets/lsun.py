"""LSUN: scenes in databases, one for each category and split (https://github.com/fyu/lsun)."""

import bisect
import io
import os
from collections.abc import Callable, Iterable
from typing import Any

from PIL import Image

from ._formats import LMDB
from .dataset import VisionDataset

__all__ = ["LSUN", "LSUNClass"]

_CATEGORIES = [
    "bedroom", "bridge", "church_outdoor", "classroom", "conference_room", "dining_room", "kitchen", "living_room",
    "restaurant", "tower",
]  # fmt: skip
_SPLITS = ["train", "val", "test"]


class LSUNClass(VisionDataset):
    """One database of LSUN: images without labels.

    `dataset[index]` is a `PIL.Image` of mode RGB and None. The images are in the order of their keys. Needs lmdb:
    `pip install "funcvision[datasets]"`. torchvision keeps the keys in a pickle `_cache_*` in the working folder; that
    is neither read nor written here.

    Args:
        root: the database, a folder that holds `data.mdb`.
        transform: called on every image.
        target_transform: called on None.

    Attributes:
        keys: the key of every image, bytes.
        length: the number of images.

    Raises:
        FileNotFoundError: the database is missing; the message says where to get it.
        ImportError: lmdb is not installed.
        ValueError: the database, or an image in it, is damaged; the message names it.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
    ):
        super().__init__(root, transform=transform, target_transform=target_transform)
        if not os.path.isfile(os.path.join(self.root, "data.mdb")):
            raise FileNotFoundError(
                f"{type(self).__name__} needs the file data.mdb in {self.root}: fetch the database with the script of "
                "https://github.com/fyu/lsun and unpack it there"
            )
        self._database = LMDB(self.root)
        self.keys = self._database.keys()
        self.length = len(self.keys)

    def __len__(self) -> int:
        return self.length

    def read(self, index: int) -> tuple[Any, Any]:
        """The image and None."""
        key = self.keys[index]
        content = self._database[key]
        try:
            return Image.open(io.BytesIO(content)).convert("RGB"), None
        except Exception as error:  # on damaged images Pillow's readers raise exceptions of any type
            raise ValueError(f"{self.root} is damaged at key {key[:100]!r}: {error}") from error


class LSUN(VisionDataset):
    """Millions of photos of ten categories of scenes (Yu et al. 2015).

    `dataset[index]` is a `PIL.Image` of mode RGB and the position of the category in `classes` as an int. Needs lmdb:
    `pip install "funcvision[datasets]"`.

    Args:
        root: the folder that holds the databases `bedroom_train_lmdb` and so on.
        classes: "train" or "val", all ten categories of that split; "test", which has no categories; or names of
            databases, such as `["bedroom_train", "church_outdoor_val"]`.
        transform: called on every image.
        target_transform: called on every label.

    Attributes:
        classes: the names of the databases, in the order of their labels.
        dbs: the `LSUNClass` of each.
        indices: how many images there are up to each database and in it.
        length: the number of images.

    Raises:
        FileNotFoundError: a database is missing; the message says where to get it.
        ImportError: lmdb is not installed.
        ValueError: a name in `classes` is unknown, or a database is damaged.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        classes: str | Iterable[str] = "train",
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
    ):
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.classes = _databases(classes)
        self.dbs = [LSUNClass(os.path.join(self.root, f"{name}_lmdb"), transform) for name in self.classes]
        self.indices: list[int] = []
        self.length = 0
        for database in self.dbs:
            self.length += len(database)
            self.indices.append(self.length)

    def __len__(self) -> int:
        return self.length

    def read(self, index: int) -> tuple[Any, Any]:
        """The image and its label."""
        position = range(self.length)[index]
        label = bisect.bisect_right(self.indices, position)
        start = self.indices[label - 1] if label else 0
        return self.dbs[label].read(position - start)[0], label

    def extra_repr(self) -> str:
        """The names of the databases."""
        return f"Classes: {self.classes}"


def _databases(classes: str | Iterable[str]) -> list[str]:
    """The names of the databases that the option `classes` stands for."""
    if classes == "test":
        return ["test"]
    if isinstance(classes, str) and classes in _SPLITS:
        return [f"{category}_{classes}" for category in _CATEGORIES]
    known = [f"{category}_{split}" for category in _CATEGORIES for split in _SPLITS]
    names = [classes] if isinstance(classes, str) or not isinstance(classes, Iterable) else list(classes)
    if unknown := [name for name in names if name not in known]:
        raise ValueError(
            f"classes has {unknown[0]!r}: give train, val, test, or a list of names such as bedroom_train, made of a "
            f"category ({', '.join(_CATEGORIES)}) and a split"
        )
    return names
