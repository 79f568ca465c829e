"""The gradients that the `backward` of a `Function` returned, checked and brought into the form of the inputs."""

from collections.abc import Sequence
from typing import Any

from .._base import TensorBase

__all__ = ["returned_gradients"]


def returned_gradients(name: str, result: Any, expected: Sequence[Any]) -> list[Any]:
    """For each input that needs a gradient, a Tensor of its shape and dtype, or None.

    Args:
        name: the name of the node, for errors.
        result: what `backward` returned.
        expected: for each argument shape and dtype of its gradient, or None if it needs none.

    Raises:
        RuntimeError: there are too few or too many gradients, or one has another shape.
        TypeError: a gradient is neither a Tensor nor None.
    """
    results = list(result) if isinstance(result, tuple | list) else [result]
    extra = results[len(expected) :]
    if len(results) < len(expected) or any(gradient is not None for gradient in extra):
        raise RuntimeError(
            f"function {name} returned an incorrect number of gradients (expected {len(expected)}, got {len(results)})"
        )
    return [
        gradient if gradient is None else _fitted(name, number, gradient, like)
        for number, (gradient, like) in enumerate(zip(results, expected, strict=False)) if like is not None
    ]


def _fitted(name: str, number: int, gradient: Any, like: Any) -> Any:
    if not isinstance(gradient, TensorBase):
        raise TypeError(
            f"function {name} returned a {type(gradient).__name__} at index {number}: a gradient is a Tensor or None"
        )
    result: Any = gradient
    if result.array.shape != like.shape:
        result = _summed(name, number, result, like.shape)
    return result if result.array.dtype == like.dtype else result.to(like.dtype)


def _summed(name: str, number: int, gradient: Any, shape: tuple[int, ...]) -> Any:
    """A gradient summed over the axes along which the input would be broadcast to its shape."""
    given = tuple(gradient.array.shape)
    added = len(given) - len(shape)
    kept = tuple(zip(given[max(added, 0) :], shape, strict=False))
    if added < 0 or any(wanted not in (1, size) for size, wanted in kept):
        raise RuntimeError(
            f"Function {name} returned an invalid gradient at index {number} - got {list(given)} but expected shape "
            f"compatible with {list(shape)}"
        )
    axes = [*range(added), *(added + i for i, (size, wanted) in enumerate(kept) if size != wanted)]
    return gradient.sum(axes, keepdim=True).reshape(shape)
