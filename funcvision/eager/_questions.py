"""Functions that ask something of Tensors and dtypes."""

from typing import Any

import jax.numpy as jnp

from ._base import TensorBase
from ._elementwise import common_shape
from ._size import Size
from .dtypes import dtype, named, promoted
from .tensor import Tensor

__all__ = [
    "broadcast_shapes", "get_device", "is_floating_point", "is_inference", "is_nonzero", "is_tensor", "numel",
    "result_type", "typename",
]  # fmt: skip


def is_tensor(obj: Any) -> bool:
    """Whether this is a Tensor."""
    return isinstance(obj, Tensor)


def is_floating_point(input: Tensor) -> bool:
    """Whether the elements are floating-point numbers."""
    return input.is_floating_point()


def is_nonzero(input: Tensor) -> bool:
    """Whether the only element is not 0."""
    return input.is_nonzero()


def numel(input: Tensor) -> int:
    """The number of elements."""
    return input.numel()


def result_type(tensor1: Any, tensor2: Any) -> dtype:
    """The dtype of the result of an operation on two Tensors or Python's numbers."""
    return named(promoted([x.array if isinstance(x, TensorBase) else jnp.asarray(x) for x in (tensor1, tensor2)]))


def broadcast_shapes(*shapes: Any) -> Size:
    """The shape to which Tensors of these shapes are broadcast.

    Raises:
        RuntimeError: they cannot be broadcast.
    """
    given = [(shape,) if isinstance(shape, int) else tuple(shape) for shape in shapes]
    return Size(common_shape(given))


def get_device(input: Tensor) -> int:
    """The number of the GPU of a Tensor; -1 on the CPU."""
    return input.get_device()


def is_inference(input: Tensor) -> bool:
    """Whether a Tensor was made in inference mode."""
    return input.is_inference()


def typename(obj: Any) -> str:
    """The name of the type of a Tensor, or of any object."""
    return obj.type() if isinstance(obj, Tensor) else f"{type(obj).__module__}.{type(obj).__qualname__}"
