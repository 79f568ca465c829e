"""The XML annotations of Pascal VOC (http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/)."""

import os
import xml.etree.ElementTree as ElementTree
from typing import Any

__all__ = ["read_voc_xml", "voc_dict"]

_DEEPEST = 20  # levels of elements; annotations have 4


def read_voc_xml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The annotation in a file as nested dicts; see `voc_dict`.

    Raises:
        ValueError: the file is damaged, declares a document type, or is no annotation of VOC. The message names it.
    """
    with open(path, "rb") as file:
        content = file.read()
    try:
        if b"<!DOCTYPE" in content:  # entities are declared there, and may grow to any size
            raise ValueError("it declares a document type")
        parsed = voc_dict(ElementTree.fromstring(content))
        if not isinstance(parsed.get("annotation"), dict):
            raise ValueError("its outermost element is no <annotation> with elements in it")
        return parsed
    except (ValueError, ElementTree.ParseError, LookupError) as error:
        message = f"{os.fspath(path)} ({len(content)} bytes) is damaged or no VOC annotation: {error}"
        raise ValueError(message) from error


def voc_dict(node: ElementTree.Element) -> dict[str, Any]:
    """An element as `{tag: content}`, in torchvision's form.

    The content of a leaf is its text. A leaf without text gives `{}`. The content of another element is a dict of its
    children, where a tag that occurs more than once has a list. `annotation` always has a list `object`, which may be
    empty.

    Raises:
        ValueError: the elements are nested too deeply.
    """
    return _element(node, 1)


def _element(node: ElementTree.Element, level: int) -> dict[str, Any]:
    if level > _DEEPEST:
        raise ValueError(f"its elements are nested more than {_DEEPEST} levels deep")
    if len(node) == 0:
        return {node.tag: node.text.strip()} if node.text else {}
    children: dict[str, list[Any]] = {}
    for child in node:
        for tag, content in _element(child, level + 1).items():
            children.setdefault(tag, []).append(content)
    merged: dict[str, Any] = {tag: found[0] if len(found) == 1 else found for tag, found in children.items()}
    if node.tag == "annotation":
        merged["object"] = children.get("object", [])
    return {node.tag: merged}
