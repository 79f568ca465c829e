"""`Parameter` and `Buffer`: Tensors that a module registers when they are assigned to an attribute."""

from typing import Any

from .._base import as_array
from .._operation import differentiable
from ..tensor import Tensor

__all__ = ["Buffer", "Parameter"]


class Parameter(Tensor):
    """A Tensor that is trained. A module registers it as a parameter.

    Args:
        data: a Tensor, an array or numbers. The parameter is a leaf and has the value of `data`.
        requires_grad: whether `backward` stores a gradient.
    """

    def __init__(self, data: Any = (), requires_grad: bool = True):
        self._start(as_array(data))
        if requires_grad and not differentiable(self._data):
            raise RuntimeError(
                f"only floating-point Tensors can require a gradient; got {self._data.dtype}: pass requires_grad=False"
            )
        self._requires_grad = requires_grad

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


class Buffer(Tensor):
    """A Tensor that is not trained. A module registers it as a buffer.

    Args:
        data: a Tensor, an array or numbers.
        persistent: whether `state_dict` holds it.
    """

    def __init__(self, data: Any = (), *, persistent: bool = True):
        self._start(as_array(data))
        self.persistent = persistent
