"""Loading data: map-style datasets, the order of their samples, and a loader that has batches ready ahead of use."""

from .collate import default_collate, list_collate, pad_collate
from .dataset import ArrayDataset, ConcatDataset, Dataset, Subset, random_split
from .loader import DataLoader, device_prefetch
from .sampler import RandomSampler, Sampler, SequentialSampler

__all__ = [
    "ArrayDataset",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "Subset",
    "default_collate",
    "device_prefetch",
    "list_collate",
    "pad_collate",
    "random_split",
]
