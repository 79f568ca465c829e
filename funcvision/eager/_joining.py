"""`stack`, `cat` and `unbind` in numpy. A trace of them takes a time that grows with the number of Tensors."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from ._lengths import HostFunctions

__all__ = ["cat_on_host", "stack_on_host", "unbind_on_host"]

Avals = Sequence[tuple[tuple[int, ...], np.dtype]]
OnHost = Callable[[Any, Sequence[bool], Avals], HostFunctions | None]


def stack_on_host(form: Any, mask: Sequence[bool], avals: Avals) -> HostFunctions | None:
    """The functions for one form of call, or None if there are none.

    Args:
        form: the form of the call.
        mask: for each array of the call whether to differentiate it.
        avals: shape and dtype of each array.
    """
    if not avals:
        return None
    axis = _axis_of_list(form, len(mask))
    shape, dtype = avals[0]
    if axis is None or any(aval != avals[0] for aval in avals) or not -len(shape) - 1 <= axis <= len(shape):
        return None
    axis %= len(shape) + 1
    before = (slice(None),) * axis

    def forward(arrays: Sequence[Any]) -> list[np.ndarray]:
        return [np.stack([np.asarray(array) for array in arrays], axis)]

    def pullback(cotangents: Sequence[Any]) -> list[np.ndarray]:
        whole = np.asarray(cotangents[0])
        return [whole[(*before, place, ...)] for place, pick in enumerate(mask) if pick]

    return _single(mask, (*shape[:axis], len(mask), *shape[axis:]), dtype, forward, pullback)


def cat_on_host(form: Any, mask: Sequence[bool], avals: Avals) -> HostFunctions | None:
    """The functions for one form of call, or None if there are none; see `stack_on_host`."""
    if not avals:
        return None
    axis = _axis_of_list(form, len(mask))
    shape, dtype = avals[0]
    if axis is None or not -len(shape) <= axis < len(shape):
        return None
    axis %= len(shape)
    outside = {(shape[:axis], shape[axis + 1 :], dtype) for shape, dtype in avals}
    if len(outside) > 1:
        return None
    ends = np.cumsum([shape[axis] for shape, _ in avals]).tolist()

    def forward(arrays: Sequence[Any]) -> list[np.ndarray]:
        return [np.concatenate([np.asarray(array) for array in arrays], axis)]

    def pullback(cotangents: Sequence[Any]) -> list[np.ndarray]:
        parts = np.split(np.asarray(cotangents[0]), ends[:-1], axis)
        return [part for part, pick in zip(parts, mask, strict=True) if pick]

    return _single(mask, (*shape[:axis], ends[-1], *shape[axis + 1 :]), dtype, forward, pullback)


def unbind_on_host(form: Any, mask: Sequence[bool], avals: Avals) -> HostFunctions | None:
    """The functions for one form of call, or None if there are none; see `stack_on_host`."""
    (shape, dtype), *_ = avals
    axis = form.call(lambda x, dim=0: dim, [0])
    if not -len(shape) <= axis < len(shape):
        return None
    axis %= len(shape)
    before, count = (slice(None),) * axis, shape[axis]
    if not count:
        return None

    def forward(arrays: Sequence[Any]) -> list[np.ndarray]:
        whole = np.array(arrays[0])
        return [whole[(*before, place, ...)] for place in range(count)]

    def pullback(cotangents: Sequence[Any]) -> list[np.ndarray]:
        return [np.stack([np.asarray(cotangent) for cotangent in cotangents], axis)]

    part = jax.ShapeDtypeStruct((*shape[:axis], *shape[axis + 1 :]), dtype)
    structure = jax.tree.structure(((0,) * count, None))
    return HostFunctions(structure, [], [], [part] * count if mask[0] else [], forward, pullback)


def _single(
    mask: Sequence[bool], shape: tuple[int, ...], dtype: np.dtype, forward: Callable[..., Any],
    pullback: Callable[..., Any],
) -> HostFunctions:
    """The functions of an operation with one result."""
    outputs = [jax.ShapeDtypeStruct(shape, dtype)] if any(mask) else []
    return HostFunctions(jax.tree.structure((0, None)), [], [], outputs, forward, pullback)


def _axis_of_list(form: Any, count: int) -> int | None:
    """The axis of a call `(tensors, dim=0)`; None if the list does not hold the arrays of the call alone."""
    tensors, axis = form.call(lambda tensors, dim=0: (tensors, dim), range(count))
    return axis if list(tensors) == list(range(count)) else None
