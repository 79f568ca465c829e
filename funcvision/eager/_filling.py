"""Arrays of constants and of data, from which Tensors are made."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._base import TensorBase, as_array
from ._limits import check_integers
from ._size import Size
from ._tiered import on_device
from .dtypes import canonical, default_dtype

__all__ = ["converted", "filled", "from_sizes_or_data"]

_SMALL = 1 << 16  # up to so many elements an array is made by numpy, because XLA compiles for each new shape


def filled(shape: tuple[int, ...], value: Any, dtype: np.dtype) -> jax.Array:
    """An array of one value.

    Raises:
        RuntimeError: a size is negative.
        TypeError: a size is no integer.
    """
    if not all(hasattr(size, "__index__") for size in shape):
        raise TypeError(f"sizes are integers; got {shape}")
    if any(size < 0 for size in shape):
        raise RuntimeError(f"sizes cannot be negative; got {shape}")
    if isinstance(value, jax.Array) or np.prod(shape, dtype=np.int64) > _SMALL:
        return jnp.full(shape, jnp.asarray(value).astype(dtype))
    return on_device(np.full(shape, value, dtype))


def converted(data: Any, dtype: Any) -> jax.Array:
    """An array of a number, nested lists of numbers and Tensors, an array or a Tensor, in a dtype if one is given."""
    data = _without_tensors(data)
    if dtype is None:
        return as_array(data)
    if isinstance(data, jax.Array):
        return TensorBase.result.wrap(data).to(dtype).array  # pyright: ignore[reportAttributeAccessIssue]
    array, wanted = np.asarray(data), canonical(dtype)
    if array.dtype.kind in "iu" and wanted.kind in "iu":
        check_integers(array, wanted)
    return on_device(array.astype(wanted))


def _without_tensors(data: Any) -> Any:
    """The data with arrays in place of Tensors, and numbers in place of Tensors in lists."""
    if isinstance(data, TensorBase):
        return data.array
    if isinstance(data, list | tuple) and any(isinstance(item, list | tuple | TensorBase) for item in data):
        return [item.tolist() if isinstance(item, TensorBase) else _without_tensors(item) for item in data]
    return data


def from_sizes_or_data(given: tuple[Any, ...], dtype: Any = None) -> jax.Array:
    """The array of torch's oldest constructors: `Tensor(2, 3)` has this shape, `Tensor([2, 3])` has these elements.

    Args:
        given: the arguments: sizes, or one sequence, array or Tensor.
        dtype: the dtype. None: the default one for sequences and numpy's arrays, their own for other arrays.
    """
    if all(isinstance(size, int | np.integer) and not isinstance(size, bool) for size in given):
        return filled(given or (0,), 0, canonical(dtype or default_dtype()))
    (data,) = given if len(given) == 1 else (None,)
    if isinstance(data, Size):
        return filled(data, 0, canonical(dtype or default_dtype()))
    if isinstance(data, TensorBase | jax.Array):
        return converted(data, dtype)
    if not isinstance(data, list | tuple | np.ndarray):
        raise TypeError(f"a Tensor is made of sizes, or of one sequence or array; got {given}: for a number use tensor")
    if dtype is None and np.iscomplexobj(data):
        raise TypeError("a Tensor made of a sequence is real: for complex numbers use tensor")
    return converted(data, dtype or default_dtype())
