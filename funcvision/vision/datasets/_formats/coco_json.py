"""The JSON annotations of COCO (https://cocodataset.org/#format-data).

The annotations of `instances_train2017.json` take 450 MB as text and five times as much as Python's objects. So all of
the file is parsed once, to find damage and where each annotation starts and ends, and only the text is kept. The
annotations of an image are parsed again when they are asked for.
"""

import itertools
import json
import os
import re
import zlib
from array import array
from collections.abc import Iterable
from functools import cached_property
from typing import Any

__all__ = ["CocoAnnotations"]

_SPACE = re.compile(r"[ \t\n\r]*")
_BOM = b"\xef\xbb\xbf"
_DECODER = json.JSONDecoder()


class CocoAnnotations:
    """The images, categories and annotations in a file of COCO.

    It has the attributes and methods of `pycocotools.coco.COCO` that data sets and their users need. It pickles without
    the text: whoever loads it reads the file again.

    Args:
        path: the JSON file.

    Attributes:
        imgs: the entry of each image, by its id.
        cats: the entry of each category, by its id.

    Raises:
        ValueError: the file is damaged or holds no annotations of COCO; the message names it.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self._name = os.path.abspath(path)
        content = _content(path)
        size = len(content)
        self._starts, self._ends = array("q"), array("q")  # of the text of each annotation
        self._of_image: dict[Any, list[int]] = {}  # the numbers of its annotations, by the id of an image
        try:
            self._is_ascii = content.isascii()
            if not self._is_ascii:
                content.decode("utf-8")
            # With one character a byte, text of any language takes one byte a character. See _parsed.
            self._text = content.decode("latin-1")
            del content
            entries = self._walk()
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{self._name} ({size} bytes) is damaged or no JSON file of COCO: {error}") from error
        if "images" not in entries:
            raise ValueError(f"{self._name} holds no 'images' and is no file of COCO's annotations")
        self.imgs = _by_id(entries["images"], "images", self._name)
        self.cats = _by_id(entries.get("categories", []), "categories", self._name)

    def __getstate__(self) -> dict[str, Any]:
        # Not the text: each process that gets a pickled copy reads the file for itself.
        state = {name: value for name, value in self.__dict__.items() if name not in ("_text", "dataset", "anns")}
        state.pop("imgToAnns", None)
        return state | {"_checksum": zlib.crc32(self._text.encode("latin-1"))}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        content = _content(self._name)
        if zlib.crc32(content) != self.__dict__.pop("_checksum"):
            raise ValueError(f"{self._name} has changed since the data set was opened; open it again")
        self._text = content.decode("latin-1")

    def annotations_of(self, image_id: Any) -> list[dict[str, Any]]:
        """The annotations of an image, in the order of the file."""
        return [self._annotation(number) for number in self._of_image.get(image_id, ())]

    @cached_property
    def dataset(self) -> dict[str, Any]:
        """All that the file holds."""
        return self._parsed(0, len(self._text))

    @cached_property
    def imgToAnns(self) -> dict[Any, list[dict[str, Any]]]:  # noqa: N802, pycocotools' name
        """The annotations of each image that has any, by the id of the image."""
        return {image_id: self.annotations_of(image_id) for image_id in self._of_image}

    @cached_property
    def anns(self) -> dict[Any, dict[str, Any]]:
        """The annotations by their id."""
        return _by_id([self._annotation(number) for number in range(len(self._starts))], "annotations", self._name)

    def loadAnns(self, ids: Any) -> list[dict[str, Any]]:  # noqa: N802
        """Annotations, by an id or by several."""
        return [self.anns[one] for one in _listed(ids)]

    def loadImgs(self, ids: Any) -> list[dict[str, Any]]:  # noqa: N802
        """The entries of images, by an id or by several."""
        return [self.imgs[one] for one in _listed(ids)]

    def loadCats(self, ids: Any) -> list[dict[str, Any]]:  # noqa: N802
        """The entries of categories, by an id or by several."""
        return [self.cats[one] for one in _listed(ids)]

    def getImgIds(self) -> list[Any]:  # noqa: N802
        """The ids of all images, in the order of the file."""
        return list(self.imgs)

    def getCatIds(self) -> list[Any]:  # noqa: N802
        """The ids of all categories, in the order of the file."""
        return list(self.cats)

    def getAnnIds(self, imgIds: Any = (), catIds: Any = (), iscrowd: bool | None = None) -> list[Any]:  # noqa: N802
        """The ids of the annotations of some images (of all if none are given), in the order of the file.

        Args:
            imgIds: the id of an image, or several.
            catIds: the id of a category to take, or several; all if none are given.
            iscrowd: take crowds only, or everything else only; None takes both.
        """
        images, categories = _listed(imgIds), set(_listed(catIds))
        chosen = itertools.chain.from_iterable(self.annotations_of(one) for one in images)
        return [
            one["id"]
            for one in (chosen if images else self.anns.values())
            if (not categories or one["category_id"] in categories) and iscrowd in (None, one.get("iscrowd"))
        ]

    def _walk(self) -> dict[str, Any]:
        """The members of the outermost object but "annotations", of which the places are noted."""
        text, entries = self._text, {}
        position = _after(text, 0, "{")
        while text[position : position + 1] != "}":
            key, end = _DECODER.raw_decode(text, position)
            if not isinstance(key, str):
                raise ValueError(f"it has no name at byte {position}")
            position = _after(text, end, ":")
            if key == "annotations":
                end = self._note_annotations(position)
            else:
                _, end = _DECODER.raw_decode(text, position)
                entries[key] = self._parsed(position, end)
            position = _next(text, end, "}")
        if _skip(text, position + 1) != len(text):
            raise ValueError(f"there is something after its end, at byte {position + 1}")
        return entries

    def _note_annotations(self, position: int) -> int:
        """Notes where the annotations are in the text, and whose they are; returns the position after their list."""
        text, starts, ends, of_image = self._text, self._starts, self._ends, self._of_image
        position = _after(text, position, "[")
        while text[position : position + 1] != "]":
            annotation, end = _DECODER.raw_decode(text, position)
            image_id = annotation.get("image_id") if isinstance(annotation, dict) else None
            if not isinstance(image_id, int | str):
                raise ValueError(f"an entry of its 'annotations' has no 'image_id', at byte {position}")
            of_image.setdefault(image_id, []).append(len(starts))
            starts.append(position)
            ends.append(end)
            position = _next(text, end, "]")
        return position + 1

    def _annotation(self, number: int) -> dict[str, Any]:
        return self._parsed(self._starts[number], self._ends[number])

    def _parsed(self, start: int, end: int) -> Any:
        """The value that a part of the text describes. Its characters stand for bytes, which are UTF-8."""
        part = self._text[start:end]
        return json.loads(part if self._is_ascii else part.encode("latin-1"))


def _content(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file, without the mark at the beginning of some."""
    with open(path, "rb") as file:
        return file.read().removeprefix(_BOM)


def _skip(text: str, position: int) -> int:
    """The position after white space."""
    return _SPACE.match(text, position).end()  # pyright: ignore[reportOptionalMemberAccess], it matches nothing too


def _after(text: str, position: int, mark: str) -> int:
    """The position after a mark and the white space on both sides of it."""
    position = _skip(text, position)
    if text[position : position + 1] != mark:
        raise ValueError(f"it has no {mark!r} at byte {position}")
    return _skip(text, position + 1)


def _next(text: str, position: int, close: str) -> int:
    """The position of what comes after an element: the next one, after a comma, or the closing mark."""
    position = _skip(text, position)
    if text[position : position + 1] == close:
        return position
    position = _after(text, position, ",")
    if text[position : position + 1] == close:
        raise ValueError(f"it has {close!r} after a comma, at byte {position}")
    return position


def _by_id(entries: Any, kind: str, name: str) -> dict[Any, dict[str, Any]]:
    """Entries by their id."""
    ids = [entry.get("id") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else None
    if ids is None or len(ids) != len(entries) or not all(isinstance(one, int | str) for one in ids):
        raise ValueError(f"{name} is damaged: its {kind!r} are no list of entries with an 'id' each")
    return dict(zip(ids, entries))


def _listed(ids: Any) -> list[Any]:
    """Ids as a list; a single id as a list of one."""
    return list(ids) if isinstance(ids, Iterable) and not isinstance(ids, str) else [ids]
