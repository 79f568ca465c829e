"""How the samples of each data set become typed leaves: a registry of adapters, and the adapters by kind of target."""

from . import captions, classification, detection, matching, segmentation, video
from .registry import Adapter, adapter, find_adapter

__all__ = [
    "Adapter", "adapter", "captions", "classification", "detection", "find_adapter", "matching", "segmentation",
    "video",
]  # fmt: skip
