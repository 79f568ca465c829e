"""Adapters of data sets of photos with captions."""

from typing import Any

from .registry import adapter, image_leaf

__all__: list[str] = []


@adapter("CocoCaptions", "Flickr30k", "Flickr8k")
def captions(dataset: Any, index: int, sample: Any, wanted: frozenset[str]) -> dict[str, Any]:
    """Several captions for each image."""
    return {"image": image_leaf(sample[0]), "captions": sample[1]}


@adapter("SBU")
def caption(dataset: Any, index: int, sample: Any, wanted: frozenset[str]) -> dict[str, Any]:
    """One caption for each image."""
    return {"image": image_leaf(sample[0]), "caption": sample[1]}
