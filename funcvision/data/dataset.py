"""Map-style datasets: anything with `__len__` and `__getitem__`; here are the ones made of arrays and of each other."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import jax
import numpy as np

__all__ = ["ArrayDataset", "ConcatDataset", "Dataset", "Subset", "random_split"]


class Dataset(Protocol):
    """What a loader reads: `len(dataset)` samples, and sample `index` as `dataset[index]`.

    A sample is a pytree (tuples, dicts, named tuples) of numpy arrays and numbers. A dataset that can gather a whole
    batch at once may also have `load_batch(indices) -> batch`; a loader without a transform then calls that instead.
    Workers that are threads read one dataset at the same time, so `__getitem__` may not share a file position.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


class ArrayDataset:
    """Samples are the rows of a pytree of arrays of equal length, as torch's `TensorDataset` for numpy.

    >>> digits = ArrayDataset({"image": np.zeros((10, 28, 28, 1), np.uint8), "label": np.arange(10)})
    >>> len(digits), digits[3]["image"].shape, int(digits[3]["label"])
    (10, (28, 28, 1), 3)

    Raises ValueError if there is no array, an array has no axis, or the lengths differ.
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
        """The samples `indices` stacked: one gather per array, no Python per sample."""
        return jax.tree.map(lambda a: a[indices], self.arrays)


class Subset:
    """The samples `indices` of a dataset, in that order. Raises IndexError if one lies outside of it."""

    def __init__(self, dataset: Dataset, indices: Sequence[int] | np.ndarray):
        self.dataset = dataset
        self.indices = np.asarray(indices, np.int64)
        outside = (self.indices < 0) | (self.indices >= len(dataset))
        if outside.any():
            raise IndexError(f"sample {self.indices[outside][0]} is not in a dataset of {len(dataset)} samples")

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Any:
        return self.dataset[int(self.indices[index])]

    @property
    def load_batch(self) -> Callable[[np.ndarray], Any]:
        """The whole-batch gather of the dataset below. Raises AttributeError if that has none."""
        gather = self.dataset.load_batch  # type: ignore[attr-defined]  # and hasattr tells the loader the truth
        return lambda indices: gather(self.indices[indices])


class ConcatDataset:
    """Datasets one after another. Raises ValueError if there is none."""

    def __init__(self, datasets: Sequence[Dataset]):
        if not datasets:
            raise ValueError("ConcatDataset takes at least one dataset and got none")
        self.datasets = list(datasets)
        self._ends = np.cumsum([len(d) for d in self.datasets])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> Any:
        index = range(len(self))[index]  # counts negative numbers from the end and raises IndexError beyond it
        which = int(np.searchsorted(self._ends, index, side="right"))
        return self.datasets[which][index - int(self._ends[which]) + len(self.datasets[which])]


def random_split(dataset: Dataset, lengths: Sequence[float], *, seed: int = 0) -> list[Subset]:
    """Parts of a dataset that have no sample in common, drawn at random from `seed`.

    `lengths` are numbers of samples that sum to `len(dataset)`, or fractions that sum to 1; what fractions leave over
    by rounding down goes one sample each to the first parts, as in torch. Raises ValueError for any other sum.

    >>> train, val = random_split(ArrayDataset(np.arange(10)), [0.8, 0.2], seed=1)
    >>> len(train), len(val)
    (8, 2)
    """
    total = len(dataset)
    if np.isclose(sum(lengths), 1) and all(0 <= part <= 1 for part in lengths):
        sizes = np.floor(np.asarray(lengths) * total).astype(int)
        left_over = total - sizes.sum()
        sizes += np.arange(len(sizes)) < left_over
    else:
        sizes = np.asarray(lengths)
    if sizes.sum() != total or (sizes < 0).any() or sizes.dtype.kind != "i":
        raise ValueError(
            f"lengths={list(lengths)} sum to {sum(lengths)}; give whole numbers of samples that sum to {total}, "
            f"or fractions that sum to 1"
        )
    order = np.random.default_rng(seed).permutation(total)
    return [Subset(dataset, part) for part in np.split(order, np.cumsum(sizes)[:-1])]
