"""The shape of a Tensor."""

import math
from collections.abc import Iterable
from typing import Any

__all__ = ["Size"]


class Size(tuple[int, ...]):
    """A shape: a tuple of sizes, which slices and sums keep.

    >>> Size([2, 3]).numel(), Size([2, 3])[1:] + (4,)
    (6, torch.Size([3, 4]))
    """

    __slots__ = ()

    def numel(self) -> int:
        """The number of elements of a Tensor of this shape."""
        return math.prod(self)

    def __getitem__(self, index: Any) -> Any:
        found = tuple.__getitem__(self, index)
        return Size(found) if isinstance(index, slice) else found

    def __add__(self, other: Iterable[int]) -> "Size":  # pyright: ignore[reportIncompatibleMethodOverride]
        return Size((*self, *other))

    def __radd__(self, other: Iterable[int]) -> "Size":
        return Size((*other, *self))

    def __mul__(self, times: Any) -> "Size":
        return Size(tuple.__mul__(self, times))

    __rmul__ = __mul__

    def __repr__(self) -> str:
        return f"torch.Size([{', '.join(map(str, self))}])"

    def __reduce__(self) -> Any:
        return Size, (tuple(self),)
