"""`Packed`: arrays that hooks of `saved_tensors_hooks` keep for the backward pass."""

from collections.abc import Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from ._base import TensorBase
from ._modes import mode

__all__ = ["Packed"]


class Packed(Sequence[Any]):
    """Arrays of which each is kept as the innermost pack hook returned it, and unpacked whenever it is read.

    Args:
        arrays: the arrays. What is no array, such as a number, is kept as it is.
    """

    def __init__(self, arrays: Iterable[Any]):
        pack, self._unpack = mode.packing[-1]
        packed: dict[int, Any] = {}
        self._items: list[tuple[bool, Any]] = []
        for array in arrays:
            is_array = hasattr(array, "dtype")
            if is_array and id(array) not in packed:
                packed[id(array)] = pack(TensorBase.result.wrap(jnp.asarray(array)))
            self._items.append((is_array, packed[id(array)] if is_array else array))

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        is_array, item = self._items[index]
        return self._array(item) if is_array else item

    def _array(self, item: Any) -> jax.Array:
        return self._unpack(item).array

    def __len__(self) -> int:
        return len(self._items)
