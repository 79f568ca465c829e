"""All parameters as one vector, and back."""

from collections.abc import Iterable

from ...creation import cat
from ...tensor import Tensor

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """The elements of all parameters as one vector, through which gradients flow."""
    return cat([parameter.reshape(-1) for parameter in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Assigns the parts of a vector to the parameters, in the order of `parameters_to_vector`.

    Raises:
        TypeError: `vec` is no Tensor.
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"vector_to_parameters takes a Tensor; got {type(vec).__name__}")
    end = 0
    for parameter in parameters:
        begin, end = end, end + parameter.numel()
        parameter.data = vec[begin:end].reshape(tuple(parameter.shape)).data
