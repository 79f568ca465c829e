"""torch's oldest constructors, `FloatTensor(2, 3)` and the like, which are also the types of Tensors."""

from typing import Any

from ._conversion import TYPES
from ._filling import from_sizes_or_data
from .dtypes import named
from .tensor import Tensor

__all__ = [
    "BFloat16Tensor", "BoolTensor", "ByteTensor", "CharTensor", "DoubleTensor", "FloatTensor", "HalfTensor",
    "IntTensor", "LongTensor", "ShortTensor", "TensorType",
]  # fmt: skip


class TensorType:
    """The type of the Tensors of one dtype: a constructor, and what `isinstance` takes.

    >>> FloatTensor([1, 2]), isinstance(FloatTensor(2, 3), FloatTensor)
    (tensor([1., 2.]), True)
    """

    def __init__(self, name: str):
        self.name, self.dtype = name, named(TYPES[name])

    def __call__(self, *data: Any) -> Tensor:
        return Tensor.wrap(from_sizes_or_data(data, self.dtype))

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, Tensor) and instance.dtype == self.dtype

    def __repr__(self) -> str:
        return f"torch.{self.name}"


FloatTensor, DoubleTensor, HalfTensor = TensorType("FloatTensor"), TensorType("DoubleTensor"), TensorType("HalfTensor")
BFloat16Tensor, BoolTensor = TensorType("BFloat16Tensor"), TensorType("BoolTensor")
ByteTensor, CharTensor, ShortTensor = TensorType("ByteTensor"), TensorType("CharTensor"), TensorType("ShortTensor")
IntTensor, LongTensor = TensorType("IntTensor"), TensorType("LongTensor")
