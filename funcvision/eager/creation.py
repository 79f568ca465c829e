"""Functions that make Tensors: from data, constants, random numbers or other Tensors."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from . import _shapes
from ._lift import lift
from ._limits import check_integers
from ._shapes import as_shape
from .dtypes import canonical, default_dtype
from .random import next_key
from .tensor import Tensor

__all__ = [
    "arange", "cat", "eye", "from_numpy", "full", "full_like", "linspace", "ones", "ones_like", "rand", "rand_like",
    "randint", "randn", "randn_like", "randperm", "stack", "tensor", "where", "zeros", "zeros_like",
]  # fmt: skip

Size = int | Sequence[int]

cat, stack = lift(_shapes.cat), lift(_shapes.stack)


def tensor(data: Any, dtype: Any = None, *, requires_grad: bool = False) -> Tensor:
    """A Tensor of a number, nested lists of numbers, or an array, which is copied if it is mutable.

    >>> tensor([1, 2]), tensor([1.0, 2.0]).dtype
    (tensor([1, 2]), torch.float32)
    """
    if dtype is None or isinstance(data, Tensor | jax.Array):
        made = Tensor(data)
        return (made if dtype is None else made.to(dtype)).detach().requires_grad_(requires_grad)
    array, wanted = np.asarray(data), canonical(dtype)
    if array.dtype.kind in "iu" and wanted.kind in "iu":
        check_integers(array, wanted)
    return Tensor(jnp.array(array.astype(wanted)), requires_grad)


def from_numpy(array: np.ndarray) -> Tensor:
    """A Tensor of a copy of a numpy array. Unlike in torch, later changes of the array do not change the Tensor."""
    return Tensor(array)


def where(condition: Tensor, input: Any, other: Any) -> Tensor:
    """`input` where the condition is true, `other` elsewhere. Either may be a number."""
    return Tensor.where(input, condition, other)


def full(size: Size, fill_value: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A Tensor of shape `size` filled with one value."""
    value = Tensor(fill_value).data
    return Tensor(jnp.full(as_shape((size,)), value, canonical(dtype or value.dtype)), requires_grad)


def zeros(*size: Size, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros of a shape, which is given as numbers or as one tuple. The default dtype is float32."""
    return full(as_shape(size), 0.0, dtype=dtype, requires_grad=requires_grad)


def ones(*size: Size, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones of a shape, which is given as numbers or as one tuple. The default dtype is float32."""
    return full(as_shape(size), 1.0, dtype=dtype, requires_grad=requires_grad)


def full_like(input: Tensor, fill_value: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A Tensor filled with one value, with the shape and by default the dtype of `input`."""
    return full(input.shape, fill_value, dtype=dtype or input.dtype, requires_grad=requires_grad)


def zeros_like(input: Tensor, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros with the shape and by default the dtype of `input`."""
    return full_like(input, 0, dtype=dtype, requires_grad=requires_grad)


def ones_like(input: Tensor, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones with the shape and by default the dtype of `input`."""
    return full_like(input, 1, dtype=dtype, requires_grad=requires_grad)


def arange(
    start: float, end: float | None = None, step: float = 1, *, dtype: Any = None, requires_grad: bool = False
) -> Tensor:
    """Numbers from `start` (0 if only one number is given) to `end`, which is not included."""
    numbers = np.arange(*((0, start) if end is None else (start, end)), step)
    if dtype is None and numbers.dtype.kind == "i":
        return Tensor(numbers, requires_grad)
    dtype = canonical(dtype or (default_dtype() if numbers.dtype.kind == "f" else int))
    return Tensor(jnp.asarray(numbers.astype(dtype)), requires_grad)


def linspace(start: float, end: float, steps: int, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """`steps` evenly spaced numbers from `start` to `end`, both included."""
    return Tensor(jnp.linspace(start, end, steps, dtype=canonical(dtype or default_dtype())), requires_grad)


def eye(n: int, m: int | None = None, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """The identity matrix [n, n], or [n, m]."""
    return Tensor(jnp.eye(n, m, dtype=canonical(dtype or default_dtype())), requires_grad)


def _drawn(
    draw: Callable[..., jax.Array], size: tuple[Size, ...], dtype: Any, key: jax.Array | None, requires_grad: bool
) -> Tensor:
    key = next_key() if key is None else key
    return Tensor(draw(key, as_shape(size), canonical(dtype or default_dtype())), requires_grad)


def rand(*size: Size, dtype: Any = None, key: jax.Array | None = None, requires_grad: bool = False) -> Tensor:
    """Uniform random numbers in [0, 1). Without `key` they come from the generator; see `manual_seed`."""
    return _drawn(jax.random.uniform, size, dtype, key, requires_grad)


def randn(*size: Size, dtype: Any = None, key: jax.Array | None = None, requires_grad: bool = False) -> Tensor:
    """Standard normal random numbers. Without `key` they come from the generator; see `manual_seed`."""
    return _drawn(jax.random.normal, size, dtype, key, requires_grad)


def rand_like(input: Tensor, *, dtype: Any = None, key: jax.Array | None = None, requires_grad: bool = False) -> Tensor:
    """`rand` with the shape and by default the dtype of `input`."""
    return rand(input.shape, dtype=dtype or input.dtype, key=key, requires_grad=requires_grad)


def randn_like(
    input: Tensor, *, dtype: Any = None, key: jax.Array | None = None, requires_grad: bool = False
) -> Tensor:
    """`randn` with the shape and by default the dtype of `input`."""
    return randn(input.shape, dtype=dtype or input.dtype, key=key, requires_grad=requires_grad)


def randint(low: int, high: int, size: Size, *, dtype: Any = None, key: jax.Array | None = None) -> Tensor:
    """Random integers from `low` to `high`, which is not included. Without `key` they come from the generator."""
    dtype = canonical(dtype or int)
    return Tensor(jax.random.randint(next_key() if key is None else key, as_shape((size,)), low, high, dtype))


def randperm(n: int, *, key: jax.Array | None = None) -> Tensor:
    """The integers from 0 to `n - 1` in random order. Without `key` it comes from the generator."""
    return Tensor(jax.random.permutation(next_key() if key is None else key, n))
