"""`record`: an operation on Tensors runs and becomes a node of the graph."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from ._base import TensorBase, as_array
from ._graph import Node, is_grad_enabled
from ._limits import fitted, number
from ._operation import ARRAY, Form, Operation, differentiable

__all__ = ["record"]

_LEAVES = frozenset((bool, int, float, complex, str, np.ndarray, type(None)))  # classes that are no trees of arguments


def record(
    operation: Operation, args: Sequence[Any], kwargs: dict[str, Any], *, numbers: bool = False
) -> tuple[Any, Any, Node | None]:
    """Runs an operation on Tensors anywhere in its arguments.

    Args:
        operation: the operation.
        args: its positional arguments. Tensors and arrays in them are arguments of the compiled function; everything
            else is static.
        kwargs: its keyword arguments.
        numbers: whether Python numbers, and numpy's integers, are arguments of the compiled function, too.

    Returns:
        (output, aux, node). Output and aux hold arrays. The node made the differentiable outputs; it is None if no
        Tensor requires a gradient or nothing is recorded.
    """
    leaves, structure = _flatten(args, kwargs)
    recording = is_grad_enabled()
    tensors, arrays, form, chosen = [], [], [], []
    for leaf in leaves:
        tensor = None
        if isinstance(leaf, TensorBase):
            tensor, array = leaf, as_array(leaf)
        elif type(leaf) is float and numbers:
            array = leaf
        elif isinstance(leaf, np.ndarray):
            array = fitted(leaf)  # a copy, because a numpy array can change before backward
        elif isinstance(leaf, np.integer | np.bool_) and not numbers:  # a size, an axis or a flag
            form.append((type(leaf.item()), leaf.item()))
            continue
        elif isinstance(leaf, np.integer):
            array = fitted(np.asarray(leaf))
        elif isinstance(leaf, jax.Array | np.generic):
            array = leaf
        elif numbers and isinstance(leaf, complex | float | int):
            array = number(leaf, any(isinstance(other, TensorBase) and differentiable(other) for other in leaves))
        else:
            form.append((type(leaf), leaf))
            continue
        form.append(ARRAY)
        tensors.append(tensor)
        arrays.append(array)
        chosen.append(recording and tensor is not None and tensor.requires_grad)
    called = Form(structure, tuple(form))
    if True not in chosen:
        return *operation.run(called, arrays), None
    recorded = operation.record(called, arrays, tuple(chosen))
    node = Node(
        operation.name, recorded.pullback,
        edges=[tensor._edge() for tensor, pick in zip(tensors, chosen, strict=True) if pick],
        outputs=recorded.outputs,
        needed=[(tensor, tensor.version) for i in recorded.used if (tensor := tensors[i]) is not None],
        holds_arrays=recorded.holds_arrays,
    )
    return recorded.output, recorded.aux, node


def _flatten(args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Sequence[Any], Any]:
    """The leaves of the arguments and their structure; see `Form`."""
    given = (*args, *kwargs.values()) if kwargs else args
    for value in given:
        if not isinstance(value, TensorBase) and type(value) not in _LEAVES:
            return jax.tree.flatten((tuple(args), kwargs))
    return given, tuple(kwargs)
