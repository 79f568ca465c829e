"""Views: Tensors that share their elements with another Tensor, as in torch.

Arrays of jax are immutable and share nothing. So a view knows the Tensor that it was made from, its base, and two
functions: `get` makes the view from the base, and `put` gives the base with the elements of the view replaced. A write
to a view writes `put(base, value)` to the base, which may be a view itself. Every write counts up a counter that a
base and all its views share; a view whose count is old is made again by `get` when it is read next.

Both functions are recorded operations. So gradients flow through writes as they flow through any other operation.

`strides` are those that torch would have, in elements. They decide whether `reshape` makes a view or a copy.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["Absent", "View", "contiguous_strides", "expanded_strides", "reshaped_strides"]


@dataclasses.dataclass(slots=True, eq=False)
class View:
    """How a Tensor is a view of another one.

    Attributes:
        base: the Tensor that it was made from.
        get: a function from the base to the view.
        put: a function from the base and a new value of the view to the new base. None if several elements of the view
            are one element of the base, so that the view cannot be written.
        strides: the strides that torch would have, or a function that computes them when they are needed.
        seen: the count of writes when the view was made last. -1 if it was not made yet.
        recorded: whether operations were recorded when the view was made.
        has_history: whether gradients flow from the view to the base. They do not for `detach` and `.data`.
        key: identifies the part of the base that the view shows, or None.
    """

    base: Any
    get: Callable[[Any], Any]
    put: Callable[[Any, Any], Any] | None
    strides: tuple[int, ...] | Callable[[], tuple[int, ...]]
    seen: int
    recorded: bool
    has_history: bool = True
    key: Any = None


@dataclasses.dataclass(frozen=True, slots=True)
class Absent:
    """Stands for the array of a view that was not made yet."""

    shape: tuple[int, ...]
    dtype: Any

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)


def contiguous_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """The strides of an array that lies in memory in the order of its axes."""
    strides, stride = [], 1
    for size in reversed(shape):
        strides.append(stride)
        stride *= max(size, 1)
    return tuple(reversed(strides))


def expanded_strides(old: Sequence[int], strides: Sequence[int], new: Sequence[int]) -> tuple[int, ...]:
    """The strides of an array that is broadcast: 0 for axes that repeat one element."""
    added = len(new) - len(old)
    kept = (stride if size == wanted else 0 for size, stride, wanted in zip(old, strides, new[added:], strict=True))
    return (0,) * added + tuple(kept)


def reshaped_strides(shape: Sequence[int], strides: Sequence[int], new: Sequence[int]) -> tuple[int, ...] | None:
    """The strides of a reshaped view. None if there is none, so that torch copies.

    Axes that lie in one block of memory can be split and merged within the block.
    """
    if 0 in shape:
        return contiguous_strides(new)
    blocks: list[list[int]] = []  # [number of elements, innermost stride], outermost block first
    for size, stride in zip(shape, strides, strict=True):
        if size == 1:
            continue
        if blocks and blocks[-1][1] == size * stride:
            blocks[-1] = [blocks[-1][0] * size, stride]
        else:
            blocks.append([size, stride])
    found: list[int] = []
    left, stride = blocks.pop() if blocks else (1, 1)
    for size in reversed(new):
        if left == 1 and size > 1 and blocks:
            left, stride = blocks.pop()
        if left % size:
            return None
        found.append(stride)
        left, stride = left // size, stride * size
    return tuple(reversed(found))
