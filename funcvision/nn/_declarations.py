"""`Param` and `Buffer`: what a module declares in place of the arrays that it will compute with."""

import dataclasses
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from ..functional._precision import accumulation_dtype
from . import init as initializers
from .init import Initializer

__all__ = ["Buffer", "Declaration", "Param"]


@dataclasses.dataclass(frozen=True)
class Declaration:
    """An array that a module needs.

    Attributes:
        shape: in torch's axis order.
        init: `init(key, shape, dtype)` returns the initial value, in torch's axis order.
        layout: the axes in torch's order and in the order in which funcvision stores them, such as "OIHW->HWIO".
            None means that the two orders are the same.
        dtype: None means the dtype in which the model is initialised.
    """

    shape: tuple[int, ...]
    init: Initializer = initializers.zeros
    layout: str | None = None
    dtype: Any = None

    @property
    def axes(self) -> tuple[int, ...]:
        """The permutation from torch's axis order to the stored one: `stored = torch_array.transpose(axes)`."""
        if self.layout is None:
            return tuple(range(len(self.shape)))
        torch_order, stored_order = self.layout.split("->")
        return tuple(torch_order.index(axis) for axis in stored_order)

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """The shape of the array in `params` or `state`."""
        return tuple(self.shape[axis] for axis in self.axes)

    def dtype_for(self, dtype: Any) -> np.dtype:
        """The dtype of the array in a model that is initialised in `dtype`."""
        return np.dtype(self.dtype or dtype)


class Param(Declaration):
    """Declares a trained array. Inside `forward` the attribute is the array itself.

    >>> from funcvision import nn
    >>> nn.Param((64, 3, 7, 7), nn.init.kaiming_normal(), "OIHW->HWIO").stored_shape
    (7, 7, 3, 64)
    """

    if TYPE_CHECKING:  # type checkers see `self.weight` as the array that it is inside `forward`

        def __new__(cls, *args: Any, **kwargs: Any) -> jax.Array: ...


class Buffer(Declaration):
    """Declares an array that is not trained, such as a running statistic. `forward` updates it by assignment."""

    if TYPE_CHECKING:

        def __new__(cls, *args: Any, **kwargs: Any) -> jax.Array: ...

    def dtype_for(self, dtype: Any) -> np.dtype:
        """The dtype of the array; float32 at least, because bfloat16 is too coarse to update a running mean."""
        return np.dtype(self.dtype or accumulation_dtype(dtype))
