"""COCO: objects with boxes, masks and key points, and captions (Lin et al. 2014, https://arxiv.org/abs/1405.0312)."""

import os
from collections.abc import Callable
from functools import cached_property
from typing import Any

from ..io import open_image
from ._formats import CocoAnnotations
from .dataset import VisionDataset

__all__ = ["CocoCaptions", "CocoDetection"]

_LARGEST_LISTED = 100_000  # category_id: a list by number would be long and mostly empty beyond


class CocoDetection(VisionDataset):
    """Photos with objects: any file of COCO's annotations, "instances", "person_keypoints" or "stuff".

    `dataset[index]` is a `PIL.Image` of mode RGB and the list of its annotations, dicts as the file has them: `bbox`
    (left, top, width, height in pixels), `category_id`, `segmentation` (polygons or run lengths), `area`, `iscrowd`,
    `image_id`, `id`. The list is empty if the image has none. `typed` makes boxes and masks of them.

    Args:
        root: the folder of the images, such as `train2017`.
        annFile: the JSON file, such as `annotations/instances_train2017.json`.
        transform: called on every image.
        target_transform: called on every list of annotations.
        transforms: called on every pair; excludes the other two.

    Attributes:
        ids: the ids of the images, sorted: the order of the data set.
        coco: the annotations. `coco.imgs` and `coco.cats` are the images and categories by their ids.

    Raises:
        FileNotFoundError: the JSON file or an image is missing.
        ValueError: the JSON file or an image is damaged; the message names it.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        annFile: str | os.PathLike[str],  # torchvision's name
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        transforms: Callable[..., Any] | None = None,
    ):
        super().__init__(root, transforms, transform, target_transform)
        self.coco = CocoAnnotations(annFile)
        self.ids = sorted(self.coco.imgs)

    @cached_property
    def categories(self) -> list[str] | None:
        """The name of each `category_id`: 0 is "__background__", and numbers that the file does not use are "N/A".

        None if the file has no categories, or numbers them beyond 100,000.
        """
        names = {number: str(one.get("name", "N/A")) for number, one in self.coco.cats.items()}
        numbers = [number for number in names if isinstance(number, int) and 0 <= number <= _LARGEST_LISTED]
        if not names or len(numbers) < len(names):
            return None
        return [names.get(number, "N/A" if number else "__background__") for number in range(max(numbers) + 1)]

    def __len__(self) -> int:
        return len(self.ids)

    def read(self, index: int) -> tuple[Any, Any]:
        """The image and what is annotated in it."""
        entry = self.coco.imgs[self.ids[index]]
        if not isinstance(entry.get("file_name"), str):
            raise ValueError(f"the annotations of {self.root} give no 'file_name' for the image {self.ids[index]}")
        return open_image(os.path.join(self.root, entry["file_name"])), self._target(self.ids[index])

    def _target(self, image_id: int) -> list[Any]:
        """The target of an image."""
        return self.coco.annotations_of(image_id)


class CocoCaptions(CocoDetection):
    """Photos with sentences that describe them: COCO's files "captions" (Chen et al. 2015).

    `dataset[index]` is a `PIL.Image` of mode RGB and a list of strings. Arguments are those of `CocoDetection`.

    Reference: https://arxiv.org/abs/1504.00325
    """

    def _target(self, image_id: int) -> list[Any]:
        captions = [annotation.get("caption") for annotation in super()._target(image_id)]
        if not all(isinstance(caption, str) for caption in captions):
            raise ValueError(f"an annotation of the image {image_id} has no 'caption': take a file of COCO's captions")
        return captions
