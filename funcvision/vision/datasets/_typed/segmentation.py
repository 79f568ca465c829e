"""Adapters of data sets with a value for every pixel."""

from typing import Any

import numpy as np

from ... import tv_tensors
from .registry import adapter, image_leaf

__all__: list[str] = []


@adapter("VOCSegmentation")
def voc_segmentation(dataset: Any, index: int, sample: Any, wanted: frozenset[str]) -> dict[str, Any]:
    """Classes of pixels."""
    image, mask = sample
    return {"image": image_leaf(image), "masks": tv_tensors.Mask(np.array(mask))}


@adapter("SBDataset")
def sbd(dataset: Any, index: int, sample: Any, wanted: frozenset[str]) -> dict[str, Any]:
    """Classes of pixels, or one plane of boundaries for each class."""
    if dataset.mode == "segmentation":
        return voc_segmentation(dataset, index, sample, wanted)
    image, boundaries = sample
    planes = np.ascontiguousarray(np.moveaxis(boundaries, -1, 0))
    return {"image": image_leaf(image), "boundaries": tv_tensors.Mask(planes)}


@adapter("Cityscapes")
def cityscapes(dataset: Any, index: int, sample: Any, wanted: frozenset[str]) -> dict[str, Any]:
    """Instances and classes of pixels: what `target_type` asks for."""
    image, targets = sample
    types = dataset.target_type
    found: dict[str, Any] = {"image": image_leaf(image)}
    for kind, target in zip(types, targets if len(types) > 1 else [targets]):
        if kind == "instance":
            ids = np.asarray(target).astype(np.int64)
            numbers = np.unique(ids)
            found["masks"] = tv_tensors.Mask((ids == numbers[:, None, None]).astype(np.uint8))
            found["labels"] = np.where(numbers >= 1000, numbers // 1000, numbers)
        elif kind == "semantic":
            found["semantic"] = tv_tensors.Mask(np.array(target))
        else:
            raise ValueError(f"typed makes leaves of Cityscapes' 'instance' and 'semantic', not of {kind!r}")
    return found


@adapter("OxfordIIITPet")
def oxford_iiit_pet(dataset: Any, index: int, sample: Any, wanted: frozenset[str]) -> dict[str, Any]:
    """Breeds, species and trimaps: what `target_types` asks for."""
    image, targets = sample
    types = dataset.target_types
    found: dict[str, Any] = {"image": image_leaf(image)}
    for kind, target in zip(types, targets if len(types) > 1 else [targets]):
        if kind == "segmentation":
            found["masks"] = tv_tensors.Mask(np.array(target))
        else:
            found["label" if kind == "category" else "binary_label"] = target
    return found
