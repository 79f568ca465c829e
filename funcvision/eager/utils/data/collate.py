"""How a list of samples becomes one batch of Tensors, as in `torch.utils.data`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from ..._base import as_array
from ...creation import stack
from ...tensor import Tensor

__all__ = ["as_tensors", "default_collate", "default_convert", "stacked", "unconverted"]


def default_collate(batch: Sequence[Any]) -> Any:
    """The samples as one batch: Tensors, arrays and numbers are stacked along a new first axis and become Tensors.

    Dicts, tuples and lists of them are taken apart; tuples become lists. Strings and bytes stay a list. Python's floats
    become float64 under `jax_enable_x64`, as in torch, and float32 without it.

    Raises:
        TypeError: a leaf is something else, such as a PIL image.
        RuntimeError: Tensors or lists that differ in size.

    >>> default_collate([{"x": 1.0, "name": "a"}, {"x": 2.0, "name": "b"}])["name"]
    ['a', 'b']
    """
    return as_tensors(_collated(batch, _stacked_tensors))


def default_convert(data: Any) -> Any:
    """Arrays in a sample become Tensors, and tuples lists; everything else stays what it is."""
    return as_tensors(unconverted(data))


def stacked(batch: Sequence[Any]) -> Any:
    """`default_collate` with arrays in place of Tensors: what a worker sends."""
    return _collated(batch, lambda tensors: _joined([np.asarray(as_array(tensor)) for tensor in tensors]))


def unconverted(data: Any) -> Any:
    """`default_convert` with arrays in place of Tensors: what a worker sends."""
    def one(leaf: Any) -> Any:
        return np.asarray(as_array(leaf)) if isinstance(leaf, Tensor | jax.Array) else leaf

    return _mapped(one, data, tuples=list)


def as_tensors(data: Any) -> Any:
    """Arrays of numbers become Tensors; everything else stays what it is."""
    return _mapped(lambda leaf: Tensor.wrap(as_array(leaf)) if _is_array(leaf) else leaf, data)


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) or (isinstance(leaf, np.ndarray | np.generic) and leaf.dtype.kind not in "USO")


def _mapped(function: Callable[[Any], Any], data: Any, tuples: type = tuple) -> Any:
    """The function applied to the leaves of dicts, lists and tuples; `tuples` is what becomes of tuples."""
    if isinstance(data, Mapping):
        return _like(data, {key: _mapped(function, value, tuples) for key, value in data.items()})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(_mapped(function, value, tuples) for value in data))
    if isinstance(data, tuple):
        return tuples(_mapped(function, value, tuples) for value in data)
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return _like(data, [_mapped(function, value, tuples) for value in data])
    return function(data)


def _like(original: Any, made: Any) -> Any:
    """The dict or list in the type of another one, if that can be made of it."""
    if type(original) is type(made):
        return made
    try:
        return type(original)(made)
    except TypeError:  # the type takes other arguments
        return made


def _collated(batch: Sequence[Any], join: Callable[[Sequence[Tensor]], Any]) -> Any:
    first = batch[0]
    if isinstance(first, Tensor):
        return join(batch)
    if isinstance(first, np.ndarray | np.generic | jax.Array) and _is_array(first):
        return _joined([np.asarray(one) for one in batch])
    if isinstance(first, float):
        return np.array(batch, np.float64 if jax.config.read("jax_enable_x64") else np.float32)
    if isinstance(first, bool | int):
        return np.array(batch)
    if isinstance(first, str | bytes):
        return batch
    if isinstance(first, Mapping):
        return _like(first, {key: _collated([sample[key] for sample in batch], join) for key in first})
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*(_collated(column, join) for column in zip(*batch, strict=True)))
    if isinstance(first, Sequence):
        if any(len(sample) != len(first) for sample in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        columns = [_collated(column, join) for column in zip(*batch, strict=True)]
        return columns if isinstance(first, tuple) else _like(first, columns)
    raise TypeError(
        f"default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {type(first)}"
    )


def _joined(arrays: Sequence[np.ndarray]) -> np.ndarray:
    if len({array.shape for array in arrays}) > 1:
        raise RuntimeError(
            f"stack expects each tensor to be equal size, but got {[array.shape for array in arrays]} in one batch"
        )
    return np.stack(arrays)


def _stacked_tensors(tensors: Sequence[Tensor]) -> Any:
    """Tensors that require a gradient are stacked by a recorded operation."""
    if any(tensor.requires_grad for tensor in tensors):
        return stack(list(tensors))
    return _joined([np.asarray(as_array(tensor)) for tensor in tensors])
