"""Adapters of data sets of optical flow and stereo."""

from typing import Any

import numpy as np

from ... import tv_tensors
from .registry import adapter, image_leaf

__all__: list[str] = []


@adapter("FlowDataset")
def flow(dataset: Any, index: int, sample: Any, wanted: frozenset[str]) -> dict[str, Any]:
    """Two images and the flow between them. Without a mask in the files, a pixel is valid whose flow is finite."""
    first, second, motion, mask = sample
    found: dict[str, Any] = {"image1": image_leaf(first), "image2": image_leaf(second)}
    if motion is not None:
        valid = np.isfinite(motion).all(axis=-1) if mask is None else mask
        found |= {"flow": motion, "valid": tv_tensors.Mask(valid)}
    return found


@adapter("StereoMatchingDataset")
def stereo(dataset: Any, index: int, sample: Any, wanted: frozenset[str]) -> dict[str, Any]:
    """Two images and the disparity of the left one.

    Without a mask in the files, a pixel is valid whose disparity is finite and positive.
    """
    (left, right), (disparity, _), (mask, _) = sample
    found: dict[str, Any] = {"left": image_leaf(left), "right": image_leaf(right)}
    if disparity is not None:
        valid = (np.isfinite(disparity) & (disparity > 0))[:, :, 0] if mask is None else mask
        found |= {"disparity": disparity.astype(np.float32), "valid": tv_tensors.Mask(valid)}
    return found
