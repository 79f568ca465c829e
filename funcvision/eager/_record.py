"""`record`: an operation on Tensors runs and becomes a node of the graph."""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax import lax
from jax.core import Tracer

from ._base import TensorBase
from ._graph import Node
from ._limits import fitted, number
from ._modes import mode
from ._operation import Operation, differentiable
from ._packing import Packed
from ._tiered import on_device

__all__ = ["record"]

# Classes of arguments that are not trees of other arguments.
_LEAVES = frozenset((bool, int, float, complex, str, np.ndarray, type(None)))
_NUMBERS = (float, int, complex)
_HOST = (np.ndarray, np.generic, jax.Array)  # arrays that are no Tensors
_NUMBER = object()  # marks a Python number that is an argument of the compiled function


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
    leaves, structure = _flatten(args, kwargs)
    recording = mode.recording and mode.trace is None
    # In `key` there is for an array (shape, dtype, whether it is weak, whether it is differentiated); for a number
    # (_NUMBER, class); for a static argument (class, value).
    key: list[Any] = [structure, jax.config.jax_enable_x64]  # pyright: ignore[reportAttributeAccessIssue]
    tensors, arrays = [], []
    is_traced = is_recorded = False
    for leaf in leaves:
        if isinstance(leaf, TensorBase):
            array, tensor = leaf.array, leaf
            aval, chosen = array.aval, recording and leaf.requires_grad
            key.append((aval.shape, aval.dtype, aval.weak_type, chosen))
            is_recorded = is_recorded or chosen
        else:
            array, part = _argument(leaf, leaves, numbers)
            key.append(part)
            if array is None:
                continue
            tensor = None
        is_traced = is_traced or isinstance(array, Tracer)
        tensors.append(tensor)
        arrays.append(array)
    program = operation.program(key, arrays, is_traced)
    results = program.forward(*arrays)
    node = None
    if is_recorded:
        count = len(arrays)
        residuals = [arrays[i] if i < count else results[i - count] for i in program.sources]
        if mode.packing:
            residuals, arrays = Packed(residuals), Packed(arrays if program.held is None else ())
        node = Node(
            operation.name, functools.partial(program.pull, residuals), [tensors[i]._edge() for i in program.chosen],
            program.outputs, [(tensor, tensor.version) for i in program.used if (tensor := tensors[i]) is not None],
            bool(residuals), program.call(arrays, residuals),
        )
    elif mode.trace is not None and not mode.recording:
        results = [lax.stop_gradient(leaf) if differentiable(leaf) else leaf for leaf in results]
    if program.is_single:
        return on_device(results[0]), None, node
    return *program.tree(results), node


def _argument(leaf: Any, leaves: Sequence[Any], numbers: bool) -> tuple[Any, tuple[Any, ...]]:
    """(an argument as an array or None if it is static, its part of the key)."""
    if numbers and isinstance(leaf, _NUMBERS):  # a float64 of numpy is a float, too
        if type(leaf) is int and not -(2**31) <= leaf < 2**31:
            leaf = number(leaf, any(isinstance(other, TensorBase) and differentiable(other) for other in leaves))
        return leaf, (_NUMBER, type(leaf))
    if not isinstance(leaf, _HOST):
        return None, (type(leaf), leaf)
    if isinstance(leaf, np.integer | np.bool_) and not numbers:  # a size, an axis or a flag
        return None, (type(leaf.item()), leaf.item())
    if isinstance(leaf, np.ndarray | np.integer):
        leaf = fitted(np.asarray(leaf))  # a copy, because a numpy array can change before backward
    aval = jax.typeof(leaf)
    return leaf, (aval.shape, aval.dtype, aval.weak_type, False)


def _flatten(args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Sequence[Any], Any]:
    """The leaves of the arguments and their structure; see `Form`."""
    given = (*args, *kwargs.values()) if kwargs else args
    for value in given:
        if not isinstance(value, TensorBase) and type(value) not in _LEAVES:
            return jax.tree.flatten((tuple(args), kwargs))
    return given, tuple(kwargs)
