"""What the typed leaves have in common."""

import abc
import dataclasses
from collections.abc import Mapping
from typing import Any, Self

import numpy as np

__all__ = ["TVTensor"]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class TVTensor(abc.ABC):
    """An array whose type says what it is.

    A new kind of leaf is a subclass with the two decorators below. Fields with the metadata `static` become part of
    the structure of the pytree, all others are children. A kernel learns what to do with it by `@kernel.register`.

    The constructor must not look at arrays: JAX also calls it with placeholders, with tracers, and with arrays that
    have another number of axes.

    >>> import jax
    >>> from funcvision.vision import tv_tensors
    >>> @jax.tree_util.register_dataclass
    ... @dataclasses.dataclass(frozen=True, eq=False, repr=False)
    ... class Depth(tv_tensors.Mask):
    ...     unit: str = dataclasses.field(default="m", kw_only=True, metadata={"static": True})
    >>> Depth(np.zeros((4, 5)))
    Depth(array=float64[4, 5], unit='m')

    Attributes:
        array: the array, of numpy or jax.
    """

    array: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.array.shape

    @property
    def ndim(self) -> int:
        """Number of axes of the array."""
        return self.array.ndim

    @property
    def dtype(self) -> Any:
        """Element type of the array."""
        return self.array.dtype

    def replace(self, **changes: Any) -> Self:
        """A copy with other values for some fields: `boxes.replace(array=array)`."""
        return dataclasses.replace(self, **changes)

    @abc.abstractmethod
    def extent(self) -> dict[str, int]:
        """Sizes that may differ between the samples of a batch, by name; see `data.pad_collate`."""

    @abc.abstractmethod
    def pad_to(self, extent: Mapping[str, int], fill: float = 0) -> Self:
        """The leaf, padded at the end of its axes to the sizes given; see `data.pad_collate`."""

    def __repr__(self) -> str:
        fields = [f"{field.name}={_summary(getattr(self, field.name))}" for field in dataclasses.fields(self)]
        return f"{type(self).__name__}({', '.join(fields)})"


def _summary(value: Any) -> str:
    """Dtype and shape of an array, because its values would fill the screen; repr of anything else."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{value.dtype}[{', '.join(map(str, value.shape))}]"
    return repr(value)


def pad_axes(array: Any, lengths: Mapping[int, int], fill: float = 0) -> np.ndarray:
    """The array on the host, with some of its axes (by their number) padded at their end with `fill`."""
    array = np.asarray(array)
    widths = [(0, 0)] * array.ndim
    for axis, length in lengths.items():
        widths[axis] = (0, length - array.shape[axis])
    return np.pad(array, widths, constant_values=fill)
