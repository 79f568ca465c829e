"""Map-style datasets: the protocol of a dataset, and datasets made of arrays or of other datasets."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import jax
import numpy as np

from ._numbers import index_array, whole_number

__all__ = ["ArrayDataset", "ConcatDataset", "Dataset", "Subset", "random_split"]


class Dataset(Protocol):
    """What a loader reads: `len(dataset)` samples, and sample `index` as `dataset[index]`.

    A sample is a pytree (tuples, dicts, named tuples) of numpy arrays and numbers. Workers that are threads read one
    dataset at the same time, so `__getitem__` may not share a file position.

    A dataset may have two more methods, which a loader calls in place of `dataset[index]`:

    - `load_sample(index, *, key) -> sample`, if something is random in how a sample is read, such as an augmentation.
      `key` is a `numpy.random.Generator` that depends on the loader's seed, the epoch, the sample's number and how
      often the sample was drawn before in this epoch. It is independent of the key that the loader's own transform
      gets.
    - `load_batch(indices) -> batch`, if a whole batch can be gathered at once. A loader calls it if it has no transform
      and no `collate_fn` of its own, and the dataset has no `load_sample`.

    A loader asks for them with `hasattr`, so a property that raises `AttributeError` may say that an instance lacks
    one.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


class ArrayDataset:
    """Rows of a pytree of arrays of equal length as samples; torch's `TensorDataset` for numpy.

    Args:
        arrays: a pytree of arrays whose first axes have one length.

    Raises:
        ValueError: there is no array, an array has no axis, or the lengths differ.

    >>> digits = ArrayDataset({"image": np.zeros((10, 28, 28, 1), np.uint8), "label": np.arange(10)})
    >>> len(digits), digits[3]["image"].shape, int(digits[3]["label"])
    (10, (28, 28, 1), 3)
    """

    def __init__(self, arrays: Any):
        self.arrays = jax.tree.map(np.asarray, arrays)
        shapes = [a.shape for a in jax.tree.leaves(self.arrays)]
        if len({shape[:1] for shape in shapes}) != 1 or () in shapes:
            raise ValueError(
                f"ArrayDataset takes a pytree of arrays of equal length, such as (images, labels), and got arrays of "
                f"shapes {shapes}"
            )
        self._length = shapes[0][0]

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Any:
        return jax.tree.map(lambda a: a[index], self.arrays)

    def load_batch(self, indices: np.ndarray) -> Any:
        """The samples `indices`, stacked. This costs one gather per array, and no Python code per sample."""
        return jax.tree.map(lambda a: a[indices], self.arrays)


class Subset:
    """Some samples of a dataset, in a given order.

    Args:
        dataset: the dataset.
        indices: the numbers of the samples.

    Raises:
        IndexError: a number is negative, or not less than `len(dataset)`.
        TypeError: the indices are no whole numbers, such as a mask of booleans.
    """

    def __init__(self, dataset: Dataset, indices: Sequence[int] | np.ndarray):
        self.dataset = dataset
        self.indices = index_array(indices, "indices")
        outside = (self.indices < 0) | (self.indices >= len(dataset))
        if outside.any():
            raise IndexError(f"sample {self.indices[outside][0]} is not in a dataset of {len(dataset)} samples")

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Any:
        return self.dataset[int(self.indices[index])]

    @property
    def load_batch(self) -> Callable[[np.ndarray], Any]:
        """The `load_batch` of the dataset below. Raises AttributeError if that has none."""
        gather = self.dataset.load_batch  # type: ignore[attr-defined]
        return lambda indices: gather(self.indices[indices])

    @property
    def load_sample(self) -> Callable[..., Any]:
        """The `load_sample` of the dataset below. Raises AttributeError if that has none."""
        load = self.dataset.load_sample  # type: ignore[attr-defined]
        return lambda index, *, key: load(int(self.indices[index]), key=key)


class ConcatDataset:
    """Datasets one after another.

    Args:
        datasets: the datasets, at least one.

    Raises:
        ValueError: there is no dataset.
    """

    def __init__(self, datasets: Sequence[Dataset]):
        if not datasets:
            raise ValueError("ConcatDataset takes at least one dataset and got none")
        self.datasets = list(datasets)
        self._ends = np.cumsum([len(d) for d in self.datasets])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> Any:
        dataset, index = self._locate(index)
        return dataset[index]

    @property
    def load_sample(self) -> Callable[..., Any]:
        """Calls the `load_sample` of the datasets that have one. Raises AttributeError if none has."""
        if not any(hasattr(dataset, "load_sample") for dataset in self.datasets):
            raise AttributeError("none of these datasets has load_sample")
        return self._load_sample

    def _load_sample(self, index: int, *, key: np.random.Generator) -> Any:
        dataset, index = self._locate(index)
        load = getattr(dataset, "load_sample", None)
        return dataset[index] if load is None else load(index, key=key)

    def _locate(self, index: int) -> tuple[Dataset, int]:
        """The dataset that holds a sample, and the sample's number there."""
        index = range(len(self))[index]  # counts negative numbers from the end, and raises IndexError outside
        which = int(np.searchsorted(self._ends, index, side="right"))
        return self.datasets[which], index - int(self._ends[which]) + len(self.datasets[which])


def random_split(dataset: Dataset, lengths: Sequence[float], *, seed: int = 0) -> list[Subset]:
    """Splits a dataset at random into parts that have no sample in common.

    Args:
        dataset: the dataset.
        lengths: numbers of samples that sum to `len(dataset)`, or fractions that sum to 1. Fractions are rounded down
            to whole samples; the remaining samples go to the first parts, one each, as in torch.
        seed: decides which sample goes where.

    Returns:
        One subset for each length.

    Raises:
        ValueError: the lengths have any other sum, or the seed is no whole number, or is negative.

    >>> train, val = random_split(ArrayDataset(np.arange(10)), [0.8, 0.2], seed=1)
    >>> len(train), len(val)
    (8, 2)
    """
    total = len(dataset)
    if np.isclose(sum(lengths), 1) and all(0 <= part <= 1 for part in lengths):
        sizes = np.floor(np.asarray(lengths) * total).astype(int)
        remaining = total - sizes.sum()
        sizes += np.arange(len(sizes)) < remaining
    else:
        sizes = np.asarray(lengths)
    if sizes.sum() != total or (sizes < 0).any() or sizes.dtype.kind not in "iu":
        raise ValueError(
            f"lengths={list(lengths)} sum to {sum(lengths)}; give whole numbers of samples that sum to {total}, "
            f"or fractions that sum to 1"
        )
    order = np.random.default_rng(whole_number("seed", seed, 0)).permutation(total)
    return [Subset(dataset, part) for part in np.split(order, np.cumsum(sizes)[:-1])]
