"""The JSON annotations of COCO (https://cocodataset.org/#format-data)."""

import contextlib
import gc
import itertools
import json
import os
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

__all__ = ["CocoAnnotations"]


class CocoAnnotations:
    """Images, categories and annotations in a file of COCO: the part of `pycocotools.coco.COCO` that data sets need.

    Args:
        path: the JSON file.

    Attributes:
        dataset: all that the file holds.
        imgs: the entry of each image, by its id.
        cats: the entry of each category, by its id.
        imgToAnns: the annotations of each image that has any, by the id of the image, in the order of the file.

    Raises:
        ValueError: the file is damaged or holds no annotations of COCO; the message names it.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self._name = name = os.fspath(path)
        with open(path, "rb") as file, _no_garbage_collection():
            self.dataset = _parsed(file.read(), name)
        if not isinstance(self.dataset, dict) or "images" not in self.dataset:
            raise ValueError(f"{name} holds no 'images' and is no file of COCO's annotations")
        self.imgs = _by_id(self.dataset["images"], "images", name)
        self.cats = _by_id(self.dataset.get("categories", []), "categories", name)
        self.imgToAnns: dict[int, list[dict[str, Any]]] = {}
        annotations = self.dataset.get("annotations", [])
        try:
            for annotation in annotations:
                self.imgToAnns.setdefault(annotation["image_id"], []).append(annotation)
        except (KeyError, TypeError) as error:
            raise ValueError(f"{name} is damaged: an entry of its 'annotations' has no 'image_id'") from error

    @cached_property
    def anns(self) -> dict[int, dict[str, Any]]:
        """The annotations by their id."""
        return _by_id(self.dataset.get("annotations", []), "annotations", self._name)

    def loadAnns(self, ids: int | Iterable[int]) -> list[dict[str, Any]]:  # noqa: N802, pycocotools' name
        """Annotations."""
        return [self.anns[one] for one in _listed(ids)]

    def getAnnIds(  # noqa: N802
        self, imgIds: int | Iterable[int] = (), catIds: int | Iterable[int] = (), iscrowd: bool | None = None
    ) -> list[int]:
        """The ids of the annotations of some images (of all if none are given), in the order of the file.

        Args:
            imgIds: the ids of the images.
            catIds: the ids of the categories to take; all if none are given.
            iscrowd: take crowds only, or everything else only; None takes both.
        """
        images, categories = _listed(imgIds), set(_listed(catIds))
        chosen = itertools.chain.from_iterable(self.imgToAnns.get(one, []) for one in images)
        return [
            one["id"]
            for one in (chosen if images else self.dataset.get("annotations", []))
            if (not categories or one["category_id"] in categories) and iscrowd in (None, one.get("iscrowd"))
        ]

    def loadImgs(self, ids: int | Iterable[int]) -> list[dict[str, Any]]:  # noqa: N802
        """The entries of images."""
        return [self.imgs[one] for one in _listed(ids)]

    def loadCats(self, ids: int | Iterable[int]) -> list[dict[str, Any]]:  # noqa: N802
        """The entries of categories."""
        return [self.cats[one] for one in _listed(ids)]

    def getImgIds(self) -> list[int]:  # noqa: N802
        """The ids of all images, in the order of the file."""
        return list(self.imgs)

    def getCatIds(self) -> list[int]:  # noqa: N802
        """The ids of all categories, in the order of the file."""
        return list(self.cats)


def _parsed(content: bytes, name: str) -> Any:
    """What a JSON text describes."""
    size = len(content)
    try:
        text = content.decode("utf-8-sig")
        del content
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name} ({size} bytes) is damaged or no JSON file: {error}") from error


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Pauses the search for cycles, which takes as long again as parsing itself and finds none in what a file holds."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _by_id(entries: Any, kind: str, name: str) -> dict[int, dict[str, Any]]:
    """Entries by their id."""
    if not isinstance(entries, list) or not all(isinstance(e, dict) and type(e.get("id")) is int for e in entries):
        raise ValueError(f"{name} is damaged: its {kind!r} are no list of entries with an 'id' each")
    return {entry["id"]: entry for entry in entries}


def _listed(ids: int | Iterable[int]) -> list[int]:
    return [ids] if isinstance(ids, int) else list(ids)
