"""Which results share memory in torch. Arrays of jax do not, so a write that torch shows elsewhere must raise.

A view knows the Tensors that it is a view of. Three rules follow:

- A method that changes a view in place raises as long as one of these Tensors exists.
- An augmented assignment to a view (`x[0] += 1`) is allowed, because Python then assigns the view: `x[0] = view`. If no
  such assignment follows, the next use of `x` raises.
- The use of a view raises if a Tensor that it is a view of was changed after the view was made.

`strides` are those that torch would have, in elements. They decide whether `reshape` makes a view or a copy.
"""

import dataclasses
import math
import weakref
from collections.abc import Sequence
from typing import Any

__all__ = ["Sharing", "contiguous_strides", "expanded_strides", "reshaped_strides"]


@dataclasses.dataclass
class Sharing:
    """What a Tensor shares with others.

    Attributes:
        bases: the Tensors that it is a view of, with their counters of changes and the counts when the view was made.
        strides: of a view.
        writer: a view that an augmented assignment has changed, while this Tensor was not.
    """

    bases: tuple[tuple[weakref.ref[Any], list[int], int], ...] = ()
    strides: tuple[int, ...] | None = None
    writer: Any = None

    def check_read(self) -> None:
        """Raises RuntimeError if torch would show a value here that was written elsewhere."""
        if self.writer is not None:
            raise RuntimeError(
                "a view of this Tensor was changed by an augmented assignment such as `view += 1`, which torch would "
                "show here: write to the Tensor itself, `x[index] += 1`, or change a copy, `view.clone()`"
            )
        if any(changes[0] != count for _, changes, count in self.bases):
            raise RuntimeError(
                "this Tensor is a view in torch, and what it is a view of was changed after it was made. Make the view "
                "again after the change, or take a copy by .clone() before it"
            )

    def living(self) -> list[Any]:
        """The Tensors that it is a view of, as far as they exist."""
        return [base for reference, _, _ in self.bases if (base := reference()) is not None]


def contiguous_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """The strides of an array that lies in memory in the order of its axes."""
    return tuple(math.prod(max(size, 1) for size in shape[axis + 1 :]) for axis in range(len(shape)))


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
