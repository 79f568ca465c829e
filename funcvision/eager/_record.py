"""`record`: an operation on Tensors runs and becomes a node of the graph."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import numpy as np
from jax import lax

from ._base import TensorBase
from ._graph import Call, Edge, Node
from ._lengths import NUMBER
from ._limits import fitted, number
from ._modes import mode
from ._operation import Operation, any_traced, differentiable
from ._packing import Packed
from ._tiered import on_device
from .dtypes import default_dtype

__all__ = ["record"]

_tuple: Callable[..., Any] = tuple.__new__  # makes a NamedTuple faster than its class

# Classes of arguments that are not trees of other arguments.
_LEAVES = frozenset((bool, int, float, complex, str, np.ndarray, type(None)))
_NUMBERS = (float, int, complex)
_HOST = (np.ndarray, np.generic, jax.Array)  # arrays that are no Tensors


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
    if mode.autocast is not None:
        args, kwargs = mode.autocast(operation.name, args, kwargs)
    leaves, structure = (args, ()) if not kwargs and _are_leaves(args) else _flatten(args, kwargs)
    trace = mode.trace
    recording = trace is None and mode.recording
    # In `key` there is for an array (shape, dtype, whether it is weak, whether it is differentiated); for a number
    # (NUMBER, class); for a static argument (class, value).
    key: list[Any] = [structure, (jax.config.jax_enable_x64, default_dtype())]  # pyright: ignore
    tensors, arrays = [], []
    is_recorded = False
    for leaf in leaves:
        if isinstance(leaf, TensorBase):
            tensor = leaf
            if trace is None and leaf._view is None:  # what the properties below would give
                array, chosen = leaf._data, recording and (leaf._node is not None or leaf._requires_grad)
            else:
                array, chosen = leaf.array, recording and leaf.requires_grad
            aval = array.aval
            key.append((aval.shape, aval.dtype, aval.weak_type, chosen))
            is_recorded = is_recorded or chosen
        else:
            array, part = _argument(leaf, leaves, numbers)
            key.append(part)
            if array is None:
                continue
            tensor = None
        tensors.append(tensor)
        arrays.append(array)
    program = operation.program(key, arrays, any_traced(arrays))
    results = program.forward(*arrays)
    node = None
    if is_recorded:
        residuals: Any = ()
        if program.sources:
            count = len(arrays)
            residuals = [arrays[i] if i < count else results[i - count] for i in program.sources]
        holds_arrays, call = bool(residuals), program
        if mode.packing:
            residuals, arrays = Packed(residuals), Packed(arrays if program.held is None else ())
        if program.held is None:
            call = _tuple(Call, (program, arrays))
        edges = []
        for i in program.chosen:
            tensor: Any = tensors[i]
            target = tensor._node
            edges.append(_tuple(Edge, (tensor, 0) if target is None else (target, tensor._index)))
        needed: Any = ()
        if program.used:
            needed = [(tensor, tensor._version[0]) for i in program.used if (tensor := tensors[i]) is not None]
        node = Node(
            operation.name, program.bound_pull, edges, program.outputs, needed, holds_arrays, call, residuals
        )
    elif trace is not None and not mode.recording:
        results = [lax.stop_gradient(leaf) if differentiable(leaf) else leaf for leaf in results]
    if program.is_single:
        result = results[0]
        return on_device(result) if type(result) is np.ndarray else result, None, node
    return *program.tree(results), node


def _argument(leaf: Any, leaves: Sequence[Any], numbers: bool) -> tuple[Any, tuple[Any, ...]]:
    """(an argument as an array or None if it is static, its part of the key)."""
    if numbers and isinstance(leaf, _NUMBERS):  # a float64 of numpy is a float, too
        if type(leaf) is int and not -(2**31) <= leaf < 2**31:
            leaf = number(leaf, any(isinstance(other, TensorBase) and differentiable(other) for other in leaves))
        return leaf, (NUMBER, type(leaf))
    if not isinstance(leaf, _HOST):
        return None, (type(leaf), leaf)
    if isinstance(leaf, np.integer | np.bool_) and not numbers:  # a size, an axis or a flag
        return None, (type(leaf.item()), leaf.item())
    if isinstance(leaf, np.ndarray | np.integer):
        leaf = fitted(np.asarray(leaf))  # a copy, because a numpy array can change before backward
    aval = jax.typeof(leaf)
    return leaf, (aval.shape, aval.dtype, aval.weak_type, False)


def _are_leaves(arguments: Iterable[Any]) -> bool:
    for value in arguments:  # noqa: SIM110 (a generator is slower)
        if type(value) not in _LEAVES and not isinstance(value, TensorBase):
            return False
    return True


def _flatten(args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Sequence[Any], Any]:
    """The leaves of the arguments and their structure; see `Form`."""
    given = (*args, *kwargs.values())
    return (given, tuple(kwargs)) if _are_leaves(given) else jax.tree.flatten((tuple(args), kwargs))
