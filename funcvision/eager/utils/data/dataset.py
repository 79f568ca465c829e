"""Datasets, as in `torch.utils.data`. A data set of `funcvision.vision` or `funcvision.data` may stand in for each."""

import bisect
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from ....data import dataset as _datasets
from ..._base import as_array
from ...tensor import Tensor
from ._seeds import drawn_seed

__all__ = [
    "ChainDataset", "ConcatDataset", "Dataset", "IterableDataset", "StackDataset", "Subset", "TensorDataset",
    "random_split",
]  # fmt: skip


class Dataset:
    """The base of datasets whose samples have keys: `dataset[key]`, and mostly `len(dataset)`.

    A subclass may define `__getitems__(keys)`, which returns a list of samples at once.
    """

    def __class_getitem__(cls, item: Any) -> type:
        return cls

    def __getitem__(self, index: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} defines no __getitem__")

    def __add__(self, other: Any) -> "ConcatDataset":
        return ConcatDataset([self, other])


class IterableDataset(Dataset):
    """The base of datasets that are streams: `iter(dataset)` gives the samples.

    Each worker of a loader iterates a copy. So that they share the samples out, `__iter__` asks `get_worker_info`.
    """

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(f"{type(self).__name__} defines no __iter__")

    def __add__(self, other: Any) -> "ChainDataset":  # type: ignore[override]
        return ChainDataset([self, other])


class TensorDataset(Dataset):
    """Rows of Tensors as samples: sample `i` is the tuple of each Tensor's `[i]`.

    Args:
        *tensors: Tensors whose first axes have one length.

    Raises:
        AssertionError: the lengths differ, or there is no Tensor.

    >>> len(TensorDataset(Tensor(np.zeros((4, 2))), Tensor(np.arange(4))))
    4
    """

    tensors: tuple[Tensor, ...]

    def __init__(self, *tensors: Tensor):
        if len({tensor.shape[0] for tensor in tensors}) != 1:
            raise AssertionError(f"Size mismatch between tensors: their shapes are {[t.shape for t in tensors]}")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        return self.tensors[0].shape[0]

    def load_batch(self, indices: Sequence[int]) -> list[Any]:
        """The rows of each Tensor, gathered at once."""
        chosen = np.asarray(indices, np.int64)
        return [_rows(as_array(tensor), chosen) for tensor in self.tensors]


def _rows(array: jax.Array, indices: np.ndarray) -> Any:
    """Rows of an array: on the host if it lies there, which costs less than a call of a compiled function."""
    on_host = all(device.platform == "cpu" for device in array.devices())
    return np.asarray(array)[indices] if on_host else array[indices]


class StackDataset(Dataset):
    """Datasets of equal length side by side: a sample is a tuple, or a dict, of a sample of each.

    Args:
        *args: the datasets of samples that are tuples.
        **kwargs: in place of them, the datasets of samples that are dicts.

    Raises:
        ValueError: the lengths differ, both kinds are given, or there is no dataset.
    """

    datasets: tuple[Any, ...] | dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any):
        if args and kwargs:
            raise ValueError("Supported either tuple- (via args) or dict- (via kwargs) like input, but both are given")
        if not args and not kwargs:
            raise ValueError("At least one dataset should be passed")
        self.datasets = args or kwargs
        parts = args or tuple(kwargs.values())
        self._length = len(parts[0])
        if any(len(part) != self._length for part in parts):
            raise ValueError("Size mismatch between datasets")

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self.datasets, dict):
            return {name: dataset[index] for name, dataset in self.datasets.items()}
        return tuple(dataset[index] for dataset in self.datasets)

    def __getitems__(self, indices: Sequence[Any]) -> list[Any]:
        """Several samples."""
        if not isinstance(self.datasets, dict):
            return list(zip(*(_several(dataset, indices) for dataset in self.datasets), strict=True))
        columns = [_several(dataset, indices) for dataset in self.datasets.values()]
        return [dict(zip(self.datasets, row, strict=True)) for row in zip(*columns, strict=True)]

    def __len__(self) -> int:
        return self._length


def _several(dataset: Any, indices: Sequence[Any]) -> Sequence[Any]:
    """Several samples of a dataset."""
    many = getattr(dataset, "__getitems__", None)
    samples = [dataset[index] for index in indices] if many is None else many(indices)
    if len(samples) != len(indices):
        raise ValueError(
            f"Nested dataset's output size mismatch. Expected {len(indices)}, got {len(samples)} "
            f"from {type(dataset).__name__}.__getitems__"
        )
    return samples


class ConcatDataset(_datasets.ConcatDataset, Dataset):
    """Datasets one after another; `first + second` makes one.

    Args:
        datasets: the datasets, at least one.

    Raises:
        AssertionError: there is no dataset, or one is a stream.
    """

    def __init__(self, datasets: Iterable[Any]):
        datasets = list(datasets)
        if not datasets:
            raise AssertionError("datasets should not be an empty iterable")
        if any(isinstance(dataset, IterableDataset) for dataset in datasets):
            raise AssertionError("ConcatDataset does not support IterableDataset")
        super().__init__(datasets)
        self.cumulative_sizes: list[int] = self._ends.tolist()

    def __getitem__(self, index: int) -> Any:
        index = int(index)
        if index < -len(self):
            raise ValueError("absolute value of index should not exceed dataset length")
        place = index + len(self) if index < 0 else index
        which = bisect.bisect_right(self.cumulative_sizes, place)
        return self.datasets[which][place - (self.cumulative_sizes[which - 1] if which else 0)]


class ChainDataset(IterableDataset):
    """Streams one after another; `first + second` makes one.

    Args:
        datasets: the streams.
    """

    def __init__(self, datasets: Iterable[Any]):
        self.datasets = datasets

    def __iter__(self) -> Iterator[Any]:
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise AssertionError("ChainDataset only supports IterableDataset")
            yield from dataset

    def __len__(self) -> int:
        return sum(len(dataset) for dataset in self.datasets)  # type: ignore[arg-type]


class Subset(_datasets.Subset, Dataset):
    """Some samples of a dataset, in a given order.

    Args:
        dataset: the dataset.
        indices: the keys of the samples.
    """

    indices: Sequence[Any]  # type: ignore[assignment]

    def __init__(self, dataset: Any, indices: Sequence[Any]):
        self.dataset, self.indices = dataset, indices

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, list):
            return self.dataset[[self.indices[one] for one in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: Sequence[Any]) -> Sequence[Any]:
        """Several samples."""
        return _several(self.dataset, [self.indices[index] for index in indices])

    @property
    def load_batch(self) -> Callable[[Sequence[int]], Any]:
        """The `load_batch` of the dataset below. Raises AttributeError if that has none."""
        gather = self.dataset.load_batch  # type: ignore[attr-defined]
        return lambda indices: gather(np.array([self.indices[index] for index in indices]))


def random_split(dataset: Any, lengths: Sequence[float], generator: Any = None) -> list[Subset]:
    """Splits a dataset at random into parts that have no sample in common.

    Args:
        dataset: the dataset.
        lengths: numbers of samples that sum to `len(dataset)`, or fractions that sum to 1. Fractions are rounded down
            to whole samples; the remaining samples go to the first parts, one each.
        generator: decides which sample goes where; by default the global generator.

    Raises:
        ValueError: the lengths have any other sum.
    """
    parts = _datasets.random_split(dataset, lengths, seed=drawn_seed(generator))
    return [Subset(dataset, part.indices.tolist()) for part in parts]
