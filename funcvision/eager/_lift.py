"""`lift`: a function of Tensors made from a pure function of arrays."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax

from ._base import TensorBase
from ._faults import in_torchs_class
from ._operation import Operation, differentiable
from ._record import record

__all__ = ["lift", "run"]

_ARRAYS: set[type] = set()  # the classes of jax arrays that were seen: this is faster than `isinstance`


def run(operation: Operation, args: Sequence[Any], kwargs: dict[str, Any], *, numbers: bool = False) -> tuple[Any, Any]:
    """Runs an operation on Tensors and adds it to the graph: (output with Tensors in it, aux with arrays in it)."""
    output, aux, node = record(operation, args, kwargs, numbers=numbers)
    if type(output) in _ARRAYS or isinstance(output, jax.Array):
        _ARRAYS.add(type(output))
        return TensorBase.result.wrap(output, node if node is not None and node.outputs else None), aux
    leaves, structure = jax.tree.flatten(output)
    wrapped, made = [], 0
    for leaf in leaves:
        by_node = node if differentiable(leaf) else None
        wrapped.append(TensorBase.result.wrap(leaf, by_node, made if by_node else 0))
        made += by_node is not None
    return jax.tree.unflatten(structure, wrapped), aux


def lift(
    function: Callable[..., Any], *, jit: bool = True, numbers: bool = False, on_host: Any = None
) -> Callable[..., Any]:
    """Makes a function of Tensors from a pure function of arrays. Each call is one node of the graph.

    Args:
        function: takes Tensors and arrays anywhere in its arguments: in lists, dicts and other trees. Other arguments
            are static and must be hashable; the function is compiled for each of their values.
        jit: whether to compile the function and its gradient. Without compilation it may inspect values.
        numbers: treat Python numbers as arrays, so that the function is not compiled again for each number.
        on_host: makes the functions that compute a call in numpy while it is not compiled; see `Operation`.

    >>> import jax.numpy as jnp
    >>> from funcvision.eager import Tensor
    >>> length = lift(lambda v: jnp.sqrt(jnp.sum(v**2)))
    >>> v = Tensor([3.0, 4.0], requires_grad=True)
    >>> length(v).backward()
    >>> v.grad
    tensor([0.6000, 0.8000])
    """
    operation = Operation(function, name=getattr(function, "__name__", "lifted function"), jit=jit, on_host=on_host)

    @functools.wraps(function)
    def lifted(*args: Any, **kwargs: Any) -> Any:
        try:
            return run(operation, args, kwargs, numbers=numbers)[0]
        except (TypeError, ValueError) as error:
            if (known := in_torchs_class(error)) is None:
                raise
            raise known from error

    return lifted
