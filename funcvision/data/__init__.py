"""Loading data: datasets and streams, the order of samples, and loaders that have batches ready ahead of use."""

from ._workers import LoadError, WorkerInfo, get_worker_info
from .collate import default_collate, list_collate, pad_collate
from .dataset import ArrayDataset, ConcatDataset, Dataset, Subset, random_split
from .loader import DataLoader, device_prefetch
from .sampler import RandomSampler, Sampler, SequentialSampler, SubsetRandomSampler, WeightedRandomSampler
from .stream import StreamLoader

__all__ = [
    "ArrayDataset",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "LoadError",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "StreamLoader",
    "Subset",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
    "WorkerInfo",
    "default_collate",
    "device_prefetch",
    "get_worker_info",
    "list_collate",
    "pad_collate",
    "random_split",
]
