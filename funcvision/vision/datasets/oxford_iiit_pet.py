"""The Oxford-IIIT Pet Dataset (Parkhi et al. 2012, https://www.robots.ox.ac.uk/~vgg/data/pets/)."""

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from ._formats import read_table
from ._published import PublishedDataset, Resource
from ._unconverted import open_unconverted
from .folder import default_loader

__all__ = ["OxfordIIITPet"]


class OxfordIIITPet(PublishedDataset):
    """7,349 photos of 37 breeds of cats and dogs, with a segmentation of each animal.

    `dataset[index]` is a `PIL.Image` of mode RGB and the target.

    Args:
        root: the folder that holds `oxford-iiit-pet/images` and `oxford-iiit-pet/annotations`.
        split: "trainval" (3,680 images) or "test" (3,669).
        target_types: "category", the breed as an int; "binary-category", 0 for a cat and 1 for a dog;
            "segmentation", a `PIL.Image` of 1 (animal), 2 (background) and 3 (neither for certain); or a sequence of
            them for a tuple. An empty sequence: the target is None.
        transforms: called on every pair of image and target; excludes the other two.
        transform: called on every image.
        target_transform: called on every target.
        download: whether to fetch the archives into `root/oxford-iiit-pet` and unpack them if they are missing.

    Attributes:
        classes: the names of the breeds, in the order of their labels.
        class_to_idx: the label of each name.
        bin_classes: "Cat" and "Dog".
        bin_class_to_idx: the label of each.

    Raises:
        FileNotFoundError: a folder or file is missing; the message says how to get it.
        ValueError: an option is none of the choices, or a file is damaged; the message names it.
        DownloadError: no mirror sent a file.
    """

    _RESOURCES: ClassVar = (
        ("https://www.robots.ox.ac.uk/~vgg/data/pets/data/images.tar.gz", "5c4f3ee8e5d25df40f4fd59a7f44e54c"),
        ("https://www.robots.ox.ac.uk/~vgg/data/pets/data/annotations.tar.gz", "95a8c909bbe2e81eed6a22bccdf3f68f"),
    )
    _VALID_TARGET_TYPES: ClassVar = ("category", "binary-category", "segmentation")
    _folder_name = "oxford-iiit-pet"

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "trainval",
        target_types: Sequence[str] | str = "category",
        transforms: Callable[..., Any] | None = None,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = False,
    ):
        self.split = self._choice("split", split, ("trainval", "test"))
        types = [target_types] if isinstance(target_types, str) else target_types
        self.target_types = [self._choice("target_types", one, self._VALID_TARGET_TYPES) for one in types]
        super().__init__(root, transforms, transform, target_transform, download=download)
        self._images = self._path("images/")
        self._trimaps = os.path.join(self._path("annotations/"), "trimaps")
        records = read_table(self._path(f"annotations/{split}.txt"), 4)
        self._names = [record.fields[0] for record in records]
        self._labels = [record.integer(1, low=1) - 1 for record in records]
        self._species = [record.integer(2, low=1, high=2) - 1 for record in records]
        breeds = {(label, name.rpartition("_")[0]) for label, name in zip(self._labels, self._names, strict=True)}
        self.classes = [" ".join(word.title() for word in breed.split("_")) for _, breed in sorted(breeds)]
        self.bin_classes = ["Cat", "Dog"]
        self.bin_class_to_idx = {"Cat": 0, "Dog": 1}

    def __len__(self) -> int:
        return len(self._names)

    def read(self, index: int) -> tuple[Any, Any]:
        """The image and the target."""
        targets = tuple(self._target(kind, index) for kind in self.target_types)
        image = default_loader(os.path.join(self._images, f"{self._names[index]}.jpg"))
        return image, targets if len(targets) > 1 else targets[0] if targets else None

    def _target(self, kind: str, index: int) -> Any:
        if kind == "segmentation":
            return open_unconverted(os.path.join(self._trimaps, f"{self._names[index]}.png"))
        return (self._labels if kind == "category" else self._species)[index]

    def _resources(self) -> Sequence[Resource]:
        return [
            Resource(f"{name}.tar.gz", [url], md5=md5, contents={f"{name}/": None})
            for name, (url, md5) in zip(("images", "annotations"), self._RESOURCES, strict=True)
        ]
