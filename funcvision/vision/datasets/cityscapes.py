"""Cityscapes (Cordts et al. 2016, https://arxiv.org/abs/1604.01685)."""

import json
import os
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

from ..io import open_image
from ._published import PublishedDataset, Resource
from ._unconverted import open_unconverted

__all__ = ["Cityscapes"]

_ENDINGS = {"instance": "instanceIds.png", "semantic": "labelIds.png", "color": "color.png", "polygon": "polygons.json"}
_SPLITS = {"fine": ("train", "test", "val"), "coarse": ("train", "train_extra", "val")}


class _CityscapesClass(NamedTuple):
    """A class of Cityscapes: names, numbers, and the colour in which it is drawn."""

    name: str
    id: int
    train_id: int
    category: str
    category_id: int
    has_instances: bool
    ignore_in_eval: bool
    color: tuple[int, int, int]


# fmt: off
_CLASSES = [
    _CityscapesClass("unlabeled", 0, 255, "void", 0, False, True, (0, 0, 0)),
    _CityscapesClass("ego vehicle", 1, 255, "void", 0, False, True, (0, 0, 0)),
    _CityscapesClass("rectification border", 2, 255, "void", 0, False, True, (0, 0, 0)),
    _CityscapesClass("out of roi", 3, 255, "void", 0, False, True, (0, 0, 0)),
    _CityscapesClass("static", 4, 255, "void", 0, False, True, (0, 0, 0)),
    _CityscapesClass("dynamic", 5, 255, "void", 0, False, True, (111, 74, 0)),
    _CityscapesClass("ground", 6, 255, "void", 0, False, True, (81, 0, 81)),
    _CityscapesClass("road", 7, 0, "flat", 1, False, False, (128, 64, 128)),
    _CityscapesClass("sidewalk", 8, 1, "flat", 1, False, False, (244, 35, 232)),
    _CityscapesClass("parking", 9, 255, "flat", 1, False, True, (250, 170, 160)),
    _CityscapesClass("rail track", 10, 255, "flat", 1, False, True, (230, 150, 140)),
    _CityscapesClass("building", 11, 2, "construction", 2, False, False, (70, 70, 70)),
    _CityscapesClass("wall", 12, 3, "construction", 2, False, False, (102, 102, 156)),
    _CityscapesClass("fence", 13, 4, "construction", 2, False, False, (190, 153, 153)),
    _CityscapesClass("guard rail", 14, 255, "construction", 2, False, True, (180, 165, 180)),
    _CityscapesClass("bridge", 15, 255, "construction", 2, False, True, (150, 100, 100)),
    _CityscapesClass("tunnel", 16, 255, "construction", 2, False, True, (150, 120, 90)),
    _CityscapesClass("pole", 17, 5, "object", 3, False, False, (153, 153, 153)),
    _CityscapesClass("polegroup", 18, 255, "object", 3, False, True, (153, 153, 153)),
    _CityscapesClass("traffic light", 19, 6, "object", 3, False, False, (250, 170, 30)),
    _CityscapesClass("traffic sign", 20, 7, "object", 3, False, False, (220, 220, 0)),
    _CityscapesClass("vegetation", 21, 8, "nature", 4, False, False, (107, 142, 35)),
    _CityscapesClass("terrain", 22, 9, "nature", 4, False, False, (152, 251, 152)),
    _CityscapesClass("sky", 23, 10, "sky", 5, False, False, (70, 130, 180)),
    _CityscapesClass("person", 24, 11, "human", 6, True, False, (220, 20, 60)),
    _CityscapesClass("rider", 25, 12, "human", 6, True, False, (255, 0, 0)),
    _CityscapesClass("car", 26, 13, "vehicle", 7, True, False, (0, 0, 142)),
    _CityscapesClass("truck", 27, 14, "vehicle", 7, True, False, (0, 0, 70)),
    _CityscapesClass("bus", 28, 15, "vehicle", 7, True, False, (0, 60, 100)),
    _CityscapesClass("caravan", 29, 255, "vehicle", 7, True, True, (0, 0, 90)),
    _CityscapesClass("trailer", 30, 255, "vehicle", 7, True, True, (0, 0, 110)),
    _CityscapesClass("train", 31, 16, "vehicle", 7, True, False, (0, 80, 100)),
    _CityscapesClass("motorcycle", 32, 17, "vehicle", 7, True, False, (0, 0, 230)),
    _CityscapesClass("bicycle", 33, 18, "vehicle", 7, True, False, (119, 11, 32)),
    _CityscapesClass("license plate", -1, -1, "vehicle", 7, False, True, (0, 0, 142)),
]
# fmt: on


class Cityscapes(PublishedDataset):
    """Street scenes of 50 cities with a class and an instance for every pixel.

    `dataset[index]` is a `PIL.Image` of mode RGB and the target, or a tuple of targets if several types are asked for:

    - "instance": a `PIL.Image` of 16 bits. Values below 1000 are ids of classes without instances. Others are 1000
      times the id of a class plus the number of the instance.
    - "semantic": a `PIL.Image` of mode L of the ids of classes.
    - "color": a `PIL.Image` of mode RGBA in the colours of classes.
    - "polygon": a dict of the JSON file.

    Cities and images are sorted by name; torchvision takes them in the order of the file system.

    Args:
        root: the folder that holds `leftImg8bit` and `gtFine` or `gtCoarse`. Archives that lie there in their place are
            unpacked.
        split: "train", "val" or "test" if the mode is "fine"; "train", "train_extra" or "val" if it is "coarse".
        mode: "fine" or "coarse" annotations.
        target_type: one type of target, or a list of them.
        transform: called on every image.
        target_transform: called on every target.
        transforms: called on every pair; excludes the other two.

    Attributes:
        classes: the classes, named tuples with `name`, `id`, `train_id` and more.
        images: the paths of the images.
        targets: for each image, the paths of its targets.

    Raises:
        FileNotFoundError: a folder or file is missing.
        ValueError: an option is none of the choices, or a file is damaged; the message names it.
    """

    CityscapesClass: ClassVar = _CityscapesClass
    classes: list[_CityscapesClass] = _CLASSES  # pyright: ignore[reportIncompatibleVariableOverride]
    _homepage = "https://www.cityscapes-dataset.com/downloads/"

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        mode: str = "fine",
        target_type: list[str] | str = "instance",
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        transforms: Callable[..., Any] | None = None,
    ):
        self._choice("mode", mode, tuple(_SPLITS))
        self.mode = "gtFine" if mode == "fine" else "gtCoarse"
        self.split = self._choice("split", split, _SPLITS[mode])
        self.target_type = target_type if isinstance(target_type, list) else [target_type]
        for one in self.target_type:
            self._choice("target_type", one, tuple(_ENDINGS))
        super().__init__(root, transforms, transform, target_transform)
        self.images_dir = self._path(f"leftImg8bit/{split}/").rstrip("/")
        self.targets_dir = self._path(f"{self.mode}/{split}/").rstrip("/")
        self.images: list[str] = []
        self.targets: list[list[str]] = []
        for city in sorted(os.listdir(self.images_dir)):
            for name in sorted(os.listdir(os.path.join(self.images_dir, city))):
                stem = os.path.join(self.targets_dir, city, name.split("_leftImg8bit")[0])
                self.images.append(os.path.join(self.images_dir, city, name))
                self.targets.append([f"{stem}_{self.mode}_{_ENDINGS[one]}" for one in self.target_type])

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def categories(self) -> list[str]:
        """The names of the classes, in the order of their ids from 0; that of licence plates, -1, is left out."""
        return [one.name for one in self.classes if one.id >= 0]

    @cached_property
    def class_to_idx(self) -> dict[str, int]:
        """The id of each class, by its name."""
        return {one.name: one.id for one in self.classes}

    def read(self, index: int) -> tuple[Any, Any]:
        """The image and its targets."""
        targets = [_read_target(path) for path in self.targets[index]]
        return open_image(self.images[index]), targets[0] if len(targets) == 1 else tuple(targets)

    def extra_repr(self) -> str:
        """The split, the mode and the types of target."""
        return f"Split: {self.split}\nMode: {self.mode}\nType: {self.target_type}"

    def _resources(self) -> Sequence[Resource]:
        images = "leftImg8bit_trainextra.zip" if self.split == "train_extra" else "leftImg8bit_trainvaltest.zip"
        targets = "gtFine_trainvaltest.zip" if self.mode == "gtFine" else "gtCoarse.zip"
        return [
            Resource(images, contents={f"leftImg8bit/{self.split}/": None}),
            Resource(targets, contents={f"{self.mode}/{self.split}/": None}),
        ]


def _read_target(path: str) -> Any:
    """The target in a file: a dict if it is a JSON file, an image otherwise."""
    if not path.endswith(".json"):
        return open_unconverted(path)
    with open(path, "rb") as file:
        content = file.read()
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} ({len(content)} bytes) is damaged or no JSON file: {error}") from error
