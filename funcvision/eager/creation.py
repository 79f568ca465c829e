"""Functions that make Tensors of data and constants. `sampling` has those that draw random numbers."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from . import _shapes
from ._base import as_array
from ._filling import converted, filled
from ._joining import cat_on_host, stack_on_host
from ._lift import lift
from ._limits import fitted
from ._out import as_function, with_out
from ._shapes import as_shape
from ._tiered import on_device
from .devices import placed
from .dtypes import canonical, default_dtype
from .tensor import Tensor

__all__ = [
    "arange", "as_tensor", "asarray", "cat", "concat", "concatenate", "creates", "empty",
    "empty_like", "empty_strided", "eye", "from_dlpack", "from_numpy", "frombuffer", "full", "full_like", "linspace",
    "logspace", "made", "ones", "ones_like", "range", "scalar_tensor", "stack", "tensor",
    "tril_indices", "triu_indices", "vander", "where", "zeros", "zeros_like",
]  # fmt: skip

Size = int | Sequence[int]


def made(array: jax.Array, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A new leaf of this array."""
    new = Tensor.wrap(placed(array, device))
    if requires_grad:
        new.requires_grad = True
    return new


def creates(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the arguments of torch's creating functions: `out`; `size` by name; and some that say how to store elements.

    `layout`, `memory_format`, `pin_memory` and `names` are accepted and have no effect.
    """

    @functools.wraps(function)
    def creating(
        *args: Any, layout: Any = None, memory_format: Any = None, pin_memory: bool = False, names: Any = None,
        **kwargs: Any,
    ) -> Any:
        if "size" in kwargs and takes_sizes:
            args = (kwargs.pop("size"),)
        return function(*args, **kwargs)

    takes_sizes = function.__code__.co_flags & 0x04 and function.__code__.co_varnames[-1] == "size"
    return with_out(creating)


# Of data


@creates
def tensor(data: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A Tensor of a number, nested lists of numbers, or an array, which is copied if it is mutable.

    >>> tensor([1, 2]), tensor([1.0, 2.0]).dtype
    (tensor([1, 2]), torch.float32)
    """
    return made(converted(data, dtype), device, requires_grad)


@creates
def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """The Tensor itself if it has this dtype and device; else a Tensor of the data, through which gradients flow."""
    if isinstance(data, Tensor):
        return data.to(device=device, dtype=dtype)
    return tensor(data, dtype=dtype, device=device)


@creates
def asarray(
    obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None, requires_grad: bool = False
) -> Tensor:
    """`as_tensor`, with a copy if `copy` is set."""
    found = as_tensor(obj, dtype=dtype, device=device)
    found = found.clone() if copy and found is obj else found
    return found.detach() if found.requires_grad and not requires_grad else found.requires_grad_(requires_grad)


@creates
def scalar_tensor(s: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A Tensor without axes, by default of the default dtype."""
    return tensor(s, dtype=dtype or default_dtype(), device=device, requires_grad=requires_grad)


def from_numpy(array: np.ndarray) -> Tensor:
    """A Tensor of a copy of a numpy array. Unlike in torch, later changes of the array do not change the Tensor."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy takes an array of numpy; got {type(array).__name__}: use tensor")
    return made(fitted(array))


def from_dlpack(ext_tensor: Any) -> Tensor:
    """A Tensor of an array of another library that has `__dlpack__`."""
    return made(jnp.from_dlpack(ext_tensor))


def frombuffer(buffer: Any, *, dtype: Any, count: int = -1, offset: int = 0, requires_grad: bool = False) -> Tensor:
    """A Tensor of a copy of the bytes of a buffer.

    Args:
        buffer: an object with Python's buffer protocol, such as bytes.
        dtype: the dtype of the elements. Elements of int64 are read as 64 bits, whatever their storage.
        count: the number of elements; -1 for all.
        offset: the number of bytes to skip.
        requires_grad: whether `backward` stores a gradient in `grad`.
    """
    name = getattr(dtype, "name", None) or np.dtype(dtype).name
    wanted = np.dtype(jnp.bfloat16) if name == "bfloat16" else np.dtype(name)
    return made(fitted(np.frombuffer(buffer, wanted, count, offset).copy()), None, requires_grad)


# Of constants


@creates
def full(
    size: Size, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A Tensor of shape `size` filled with one value."""
    value = as_array(fill_value)
    wanted = canonical(value.dtype if dtype is None else dtype)
    array = filled(as_shape((size,)), value if isinstance(fill_value, Tensor) else fill_value, wanted)
    return made(array, device, requires_grad)


@creates
def zeros(*size: Size, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros of a shape, which is given as numbers or as one tuple."""
    return made(filled(as_shape(size), 0, canonical(dtype or default_dtype())), device, requires_grad)


@creates
def ones(*size: Size, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones of a shape, which is given as numbers or as one tuple."""
    return made(filled(as_shape(size), 1, canonical(dtype or default_dtype())), device, requires_grad)


@creates
def empty(*size: Size, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A Tensor of a shape, whose values are not to be used. They are 0."""
    return made(filled(as_shape(size), 0, canonical(dtype or default_dtype())), device, requires_grad)


@creates
def empty_strided(
    size: Size, stride: Size, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """`empty`. The strides have no effect: XLA chooses the order of elements in memory."""
    return empty(size, dtype=dtype, device=device, requires_grad=requires_grad)


@creates
def full_like(
    input: Tensor, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A Tensor filled with one value, with the shape and by default the dtype and device of `input`."""
    return full(
        input.shape, fill_value, dtype=dtype or input.dtype, device=input.device if device is None else device,
        requires_grad=requires_grad,
    )  # fmt: skip


@creates
def zeros_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros with the shape and by default the dtype and device of `input`."""
    return full_like(input, 0, dtype=dtype, device=device, requires_grad=requires_grad)


@creates
def ones_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones with the shape and by default the dtype and device of `input`."""
    return full_like(input, 1, dtype=dtype, device=device, requires_grad=requires_grad)


@creates
def empty_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """`empty` with the shape and by default the dtype and device of `input`."""
    return full_like(input, 0, dtype=dtype, device=device, requires_grad=requires_grad)


@creates
def arange(
    start: Any = 0, end: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Numbers from `start` (0 if only one number is given) to `end`, which is not included."""
    start, end = (0, start) if end is None else (start, end)
    start, end, step = (x.item() if isinstance(x, Tensor | np.ndarray | jax.Array) else x for x in (start, end, step))
    if step == 0 or (end - start) * (1 if step > 0 else -1) < 0:
        raise RuntimeError(f"arange cannot go from {start} to {end} in steps of {step}")
    numbers = np.arange(start, end, step)
    if dtype is None and numbers.dtype.kind == "i":
        return made(fitted(numbers), device, requires_grad)
    wanted = canonical(dtype or (default_dtype() if numbers.dtype.kind == "f" else int))
    return made(on_device(numbers.astype(wanted)), device, requires_grad)


def range(start: Any = 0, end: Any = None, step: Any = 1, **options: Any) -> Tensor:
    """Numbers from `start` to `end`, which is included, in the default dtype. `arange` is to be preferred."""
    start, end = (0, start) if end is None else (start, end)
    count = int((end - start) / step) + 1
    return arange(0, count, dtype=options.pop("dtype", default_dtype()), **options) * step + start


@creates
def linspace(
    start: Any, end: Any, steps: int, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """`steps` evenly spaced numbers from `start` to `end`, both included."""
    start, end = (x.item() if isinstance(x, Tensor) else x for x in (start, end))
    numbers = np.linspace(start, end, steps)
    usual = np.complex64 if numbers.dtype.kind == "c" else default_dtype()
    return made(on_device(numbers.astype(canonical(dtype or usual))), device, requires_grad)


@creates
def logspace(
    start: Any, end: Any, steps: int, base: float = 10.0, *, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """`base` to `steps` evenly spaced powers from `start` to `end`, both included."""
    start, end = (x.item() if isinstance(x, Tensor) else x for x in (start, end))
    numbers = np.logspace(start, end, steps, base=base)
    return made(on_device(numbers.astype(canonical(dtype or default_dtype()))), device, requires_grad)


@creates
def eye(
    n: int, m: int | None = None, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """The identity matrix [n, n], or [n, m]."""
    if n < 0 or (m or 0) < 0:
        raise RuntimeError(f"sizes cannot be negative; got {(n, m)}")
    return made(jnp.eye(n, m, dtype=canonical(dtype or default_dtype())), device, requires_grad)


@creates
def tril_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None) -> Tensor:
    """The indices [2, count] of the elements of a matrix on and below a diagonal."""
    return made(on_device(np.stack(np.tril_indices(row, offset, col)).astype(canonical(dtype or int))), device)


@creates
def triu_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None) -> Tensor:
    """The indices [2, count] of the elements of a matrix on and above a diagonal."""
    return made(on_device(np.stack(np.triu_indices(row, offset, col)).astype(canonical(dtype or int))), device)


# Of other Tensors


def _vander(x: jax.Array, N: int | None = None, increasing: bool = False) -> jax.Array:
    """The matrix [n, N] of the powers of each element of `x` [n], which fall from N - 1 to 0, or rise."""
    return jnp.vander(x, N, increasing)


cat = concat = concatenate = as_function(lift(_shapes.cat, on_host=cat_on_host))
stack = as_function(lift(_shapes.stack, on_host=stack_on_host))
vander = lift(_vander)


def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """`input` where the condition is true, `other` elsewhere. Without these: where it is true, axis by axis."""
    if input is None and other is None:
        return condition.nonzero(as_tuple=True)
    return Tensor.where(input, condition, other)  # pyright: ignore[reportArgumentType]
