"""`Tensor`: a `jax.Array` with torch's methods that records how it was computed.

Arrays are immutable, so results do not share memory. `_views` says what torch's views are and which writes raise here.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .. import functional as F
from . import _arithmetic as arithmetic
from . import _elementwise as ew
from . import _indexing, _reductions, _shapes
from ._base import TensorBase, as_array
from ._comparison import ComparisonMethods
from ._complex import ComplexMethods
from ._conversion import ConversionMethods
from ._counting import CountingMethods
from ._cumulative import CumulativeMethods
from ._draws import DrawingMethods
from ._everyday import EverydayMethods
from ._filling import from_sizes_or_data
from ._forms import add_forms
from ._gradients import GradientMethods
from ._graph import is_grad_enabled
from ._joining import unbind_on_host
from ._lift import lift
from ._limits import check_divisor, fitting
from ._math import MathMethods
from ._matrices import MatrixMethods
from ._new import NewMethods
from ._products import ProductMethods
from ._rearranging import RearrangingMethods
from ._scattering import ScatteringMethods
from ._special import SpecialMethods
from ._spectral import SpectralMethods
from ._statistics import StatisticsMethods
from ._strided import StridedMethods
from ._views import expanded_strides, reshaped_strides
from .devices import placed
from .dtypes import kind

__all__ = ["Tensor"]

Number = complex | float | int
_OPERANDS = (jax.Array, np.ndarray, np.generic, complex, float, int)


def _arithmetic(function: Callable[..., Any]) -> Callable[..., Any]:
    return lift(function, numbers=True)


def _operator(method: Callable[..., Any], swapped: bool = False) -> Callable[..., Any]:
    """A method for one of Python's operators. For operands of unknown types it returns NotImplemented."""

    def operator(self: "Tensor", other: Any) -> Any:
        if not isinstance(other, Tensor) and not isinstance(other, _OPERANDS):
            return NotImplemented
        return method(other, self) if swapped else method(self, other)

    return operator


def _in_place(method: Callable[..., Any]) -> Callable[..., Any]:
    """The in-place version of a method: the Tensor takes the value of the result."""

    def changed(self: "Tensor", *args: Any, **kwargs: Any) -> "Tensor":
        return self._become(method(self, *args, **kwargs))

    changed.__doc__ = f"`{method.__name__}` in place."
    return changed


def _permuting(method: Callable[..., Any], order: Callable[..., Any]) -> Callable[..., Any]:
    """A method that permutes axes. `order` gives their order, from their old order and the same arguments."""

    @functools.wraps(method)
    def permuted(self: "Tensor", *args: Any, **kwargs: Any) -> "Tensor":
        result, strides = method(self, *args, **kwargs), self.strides
        axes = order(np.arange(self.ndim), *args, **kwargs).tolist()
        back = tuple(int(axis) for axis in np.argsort(axes))
        return self._has_view(
            result, lambda base: method(base, *args, **kwargs), lambda base, value: _permute(value, back),
            tuple(strides[axis] for axis in axes),
        )

    return permuted


def _swapped(axes: np.ndarray, dim0: int, dim1: int) -> np.ndarray:
    if not axes.size:
        return axes
    axes[[dim0, dim1]] = axes[[dim1, dim0]]
    return axes


def _moved(axes: np.ndarray, source: Any, destination: Any) -> np.ndarray:
    """The order of the axes after `numpy.moveaxis`."""
    if not axes.size:
        return axes
    layout = np.empty((0,) * axes.size, np.int8)
    numbered = np.lib.stride_tricks.as_strided(layout, layout.shape, tuple(axes.tolist()))
    return np.array(np.moveaxis(numbered, source, destination).strides, np.int64)


def _reshaping(method: Callable[..., Any], copies: bool = True) -> Callable[..., Any]:
    """A method whose result is a view where the strides allow it; elsewhere it copies or, without `copies`, raises."""

    @functools.wraps(method)
    def reshaped(self: "Tensor", *args: Any, **kwargs: Any) -> "Tensor":
        result = method(self, *args, **kwargs)
        strides = reshaped_strides(self.shape, self.strides, result.shape)
        if strides is not None:
            shape = self.shape
            return self._has_view(
                result, lambda base: method(base, *args, **kwargs), lambda base, value: _reshape(value, shape), strides
            )
        if copies:
            return result
        raise RuntimeError(
            f"a Tensor of shape {tuple(self.shape)} and strides {self.strides} has no view of shape "
            f"{tuple(result.shape)}, because its elements do not lie in that order in memory: use reshape, which copies"
        )

    return reshaped


def _splitting(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method that cuts an axis into parts, which are views."""

    @functools.wraps(method)
    def parts(self: "Tensor", *args: Any, **kwargs: Any) -> Any:
        results = method(self, *args, **kwargs)
        axis = kwargs.get("dim", args[1] if len(args) > 1 else 0) % self.ndim
        start = 0
        for part in results:
            self._is_part(part, (slice(None),) * axis + (slice(start, start + part.shape[axis]),))
            start += part.shape[axis]
        return tuple(results)

    return parts


def _filled(x: jax.Array, value: Any) -> jax.Array:
    """An array like `x` filled with `value`."""
    return jnp.broadcast_to(jnp.asarray(value).astype(x.dtype), x.shape)


def _itself(x: jax.Array) -> jax.Array:
    return x


def _division(function: Callable[..., Any]) -> Callable[..., Any]:
    """A division that refuses to divide integers by 0."""

    @functools.wraps(function)
    def checked(x: Any, other: Any, **options: Any) -> Any:
        result = function(x, other, **options)
        if jnp.issubdtype(result.dtype, jnp.integer):
            check_divisor(other)
        return result

    return checked


def _reduced(function: Callable[..., Any]) -> Callable[..., Any]:
    """numpy's version of a reduction as a function of the same arguments. It keeps no axes: only values are checked."""

    def reduced(x: Any, dim: Any = None, keepdim: Any = False, *, dtype: Any = None) -> Any:
        return function(x, axis=(tuple(dim) or None) if isinstance(dim, tuple | list) else dim)

    return reduced


def _power_in_float64(x: Any, exponent: Any) -> Any:
    return np.where(np.asarray(exponent) < 0, 0, np.power(np.asarray(x, np.float64), np.abs(exponent)))


_add = fitting(_arithmetic(arithmetic.add), lambda x, other, alpha=1: x + alpha * other)
_sub = fitting(_arithmetic(arithmetic.sub), lambda x, other, alpha=1: x - alpha * other)
_mul = fitting(_arithmetic(arithmetic.mul), np.multiply)
_pow = fitting(lift(arithmetic.pow), _power_in_float64)
_left_shift = fitting(
    _arithmetic(arithmetic.left_shift), lambda x, n: np.where((n >= 0) & (n < 64), np.ldexp(x, np.int32(n)), 0)
)
_right_shift = _arithmetic(arithmetic.right_shift)
_div, _floor_divide, _remainder = (
    _division(_arithmetic(function)) for function in (arithmetic.div, arithmetic.floor_divide, arithmetic.remainder)
)
_bitwise_and, _bitwise_or, _bitwise_xor = map(_arithmetic, (ew.bitwise_and, ew.bitwise_or, ew.bitwise_xor))
_eq, _ne, _lt, _le, _gt, _ge = map(_arithmetic, (ew.eq, ew.ne, ew.lt, ew.le, ew.gt, ew.ge))
_fill, _masked_fill, _clamp, _where = map(_arithmetic, (_filled, ew.masked_fill, arithmetic.clamp, ew.where))
_element = _arithmetic(_indexing.element)
_get, _put = _arithmetic(_indexing.get), _arithmetic(_indexing.put)
_permute, _reshape = lift(_shapes.permute), lift(_shapes.reshape)
_clone = lift(_itself)
_matmul = fitting(lift(_shapes.matmul), np.matmul)
_expand, _unbind = lift(_shapes.expand), lift(_shapes.unbind, on_host=unbind_on_host)


def _starts(starts: Sequence[int], static: _indexing.Index) -> tuple[int, ...]:
    """The starts for all axes."""
    return (*starts, *(0,) * (len(static.sizes) - len(starts)))


def _shown(starts: Sequence[int], static: _indexing.Index, base: "Tensor") -> "Tensor":
    return _get(base, list(_starts(starts, static)), [], static)


def _shown_replaced(starts: Sequence[int], static: _indexing.Index, base: "Tensor", value: "Tensor") -> "Tensor":
    return _put(base, value, list(_starts(starts, static)), [], static)


def _strides_of(strides: Any, static: _indexing.Index) -> tuple[int, ...]:
    """The strides of a view at an index, from those of its base, which may be a function."""
    found: Any = strides() if callable(strides) else strides
    return static.strides(found)


class Tensor(
    ConversionMethods, DrawingMethods, EverydayMethods, NewMethods, GradientMethods, MathMethods, ComparisonMethods,
    ComplexMethods, SpecialMethods, SpectralMethods, StatisticsMethods, CumulativeMethods, CountingMethods,
    ScatteringMethods, RearrangingMethods, ProductMethods, MatrixMethods, StridedMethods,
):  # fmt: skip
    """An array that records how it was computed, if anything that it was computed from requires a gradient.

    Methods have torch's names, arguments and results.

    Args:
        data: the sizes of a Tensor of the default dtype; or a sequence or an array of numpy, which become that dtype;
            or an array of jax or a Tensor, which keep their dtypes. `eager.tensor` keeps the dtype of any data.
        requires_grad: whether `backward` stores a gradient in `grad`.
        device: where the Tensor is placed.

    >>> x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> y = (x**2).sum()
    >>> y.backward()
    >>> y.item(), x.grad
    (14.0, tensor([2., 4., 6.]))
    """

    __slots__ = ()

    def __init__(self, *data: Any, requires_grad: "bool" = False, device: Any = None):
        super().__init__(placed(from_sizes_or_data(data), device), requires_grad)

    def _become(self, result: "Tensor") -> "Tensor":
        """Takes the value of a result and, if operations are recorded, its history."""
        if is_grad_enabled():
            self._check_writable()
        if self._rare is not None:
            self._rare.check_inference("an in-place update")
        old, new = self._data, result._data
        if new.shape != old.shape:
            raise RuntimeError(f"an in-place operation cannot change the shape from {old.shape} to {new.shape}")
        if kind(new.dtype) > kind(old.dtype):
            raise RuntimeError(f"an in-place operation cannot store {new.dtype} in a Tensor of {old.dtype}")
        self._write(result.to(self.dtype))
        return self

    def _check_writable(self) -> None:
        """Raises RuntimeError if a write would give a leaf a history."""
        tensor: TensorBase = self
        while True:
            if tensor.requires_grad and tensor.is_leaf:
                what = "" if tensor is self else "a view of "
                raise RuntimeError(
                    f"{what}a leaf that requires a gradient cannot be changed in place, because the leaf would no "
                    "longer be one: make a new Tensor, `y = x + 1`, or change it under `with no_grad():`"
                )
            if tensor._view is None or not tensor._view.has_history:
                return
            tensor = tensor._view.base

    def __getattr__(self, name: str) -> Any:
        if name in ("_version", "_writes"):
            return super().__getattr__(name)
        raise AttributeError(
            f"a Tensor has no attribute {name!r}. If a function of jax arrays got this Tensor, use its version for "
            "Tensors in funcvision.eager.nn.functional, such as F.cross_entropy, or make one with "
            "funcvision.eager.lift. If a layer or a loss of funcvision.nn got it, wrap that: "
            "eager.Module(nn.CrossEntropyLoss())"
        )

    # Elements

    def __getitem__(self, index: Any) -> "Tensor":
        found = _indexing.integers(index, self._data.shape)
        if found is not None:
            return self._shows(_element(self, *found[1]), *found)
        static, starts, arrays = _indexing.parse(_arrays(index), self.shape)
        result = _get(self, starts, arrays, static)
        return result if arrays else self._shows(result, static, starts)

    def _shows(self, result: "Tensor", static: _indexing.Index, starts: Sequence[int]) -> "Tensor":
        """Makes `result` the view of the elements at an index without arrays. `starts` may leave out zeros."""
        return self._has_view(
            result, functools.partial(_shown, starts, static), functools.partial(_shown_replaced, starts, static),
            functools.partial(_strides_of, self._lazy_strides(), static), (static, _starts(starts, static)),
        )

    def _is_part(self, part: "Tensor", index: Any) -> "Tensor":
        """Makes `part`, which equals `self[index]`, a view. The index holds slices and integers."""
        static, starts, _ = _indexing.parse(index, self.shape)
        return self._shows(part, static, starts)

    def __setitem__(self, index: Any, value: Any) -> None:
        index = _arrays(index)
        if not isinstance(value, Tensor | Number):
            value = as_array(value)
        is_mask = getattr(index, "dtype", None) == np.bool_ and index.shape == self.shape[: index.ndim]
        if is_mask and np.shape(value) == ():
            mask = index.reshape(*index.shape, *(1,) * (self.ndim - index.ndim))
            self._become(self.masked_fill(mask, value))  # compiled once for all masks
            return
        static, starts, arrays = _indexing.parse(index, self.shape)
        view = value._view if isinstance(value, Tensor) else None
        if view is not None and view.base is self and view.key == (static, tuple(starts)) and not arrays:
            return  # the second half of `x[index] += 1`
        self._become(_put(self, value, starts, arrays, static))

    def __iter__(self) -> Iterator["Tensor"]:
        if not self.shape:
            raise TypeError("a Tensor without axes is not iterable")
        return iter(self.unbind())

    def masked_select(self, mask: Any) -> "Tensor":
        """The elements where the mask is true, in one axis."""
        return self[mask]


    # Operators

    __add__, __radd__ = _operator(_add), _operator(_add, swapped=True)
    __sub__, __rsub__ = _operator(_sub), _operator(_sub, swapped=True)
    __mul__, __rmul__ = _operator(_mul), _operator(_mul, swapped=True)
    __truediv__, __rtruediv__ = _operator(_div), _operator(_div, swapped=True)
    __floordiv__, __rfloordiv__ = _operator(_floor_divide), _operator(_floor_divide, swapped=True)
    __mod__, __rmod__ = _operator(_remainder), _operator(_remainder, swapped=True)
    __pow__, __rpow__ = _operator(_pow), _operator(_pow, swapped=True)
    __matmul__, __rmatmul__ = _operator(_matmul), _operator(_matmul, swapped=True)
    __lshift__, __rlshift__ = _operator(_left_shift), _operator(_left_shift, swapped=True)
    __rshift__, __rrshift__ = _operator(_right_shift), _operator(_right_shift, swapped=True)
    __and__, __rand__ = _operator(_bitwise_and), _operator(_bitwise_and, swapped=True)
    __or__, __ror__ = _operator(_bitwise_or), _operator(_bitwise_or, swapped=True)
    __xor__, __rxor__ = _operator(_bitwise_xor), _operator(_bitwise_xor, swapped=True)
    __eq__, __ne__ = _operator(_eq), _operator(_ne)
    __lt__, __le__, __gt__, __ge__ = map(_operator, (_lt, _le, _gt, _ge))
    __hash__ = TensorBase.__hash__
    __neg__, __abs__ = fitting(lift(arithmetic.neg), np.negative), fitting(lift(ew.abs), np.abs)
    __invert__ = lift(ew.bitwise_not)

    # Methods that change the Tensor

    add_, __iadd__ = _in_place(_add), _in_place(_add)
    sub_, __isub__ = _in_place(_sub), _in_place(_sub)
    mul_, __imul__ = _in_place(_mul), _in_place(_mul)
    div_, __itruediv__ = _in_place(_div), _in_place(_div)
    pow_, __ipow__ = _in_place(_pow), _in_place(_pow)
    __ifloordiv__, __imod__ = _in_place(_floor_divide), _in_place(_remainder)
    __ilshift__, __irshift__ = _in_place(_left_shift), _in_place(_right_shift)
    __iand__, __ior__, __ixor__ = map(_in_place, (_bitwise_and, _bitwise_or, _bitwise_xor))
    clamp_, masked_fill_, scatter_ = _in_place(_clamp), _in_place(_masked_fill), _in_place(ScatteringMethods.scatter)
    _take = _in_place(_fill)

    def zero_(self) -> "Tensor":
        """Fills the Tensor with 0, in place."""
        return self.fill_(0)

    # Methods that are pure functions

    add, sub, mul, div, floor_divide, remainder, pow = _add, _sub, _mul, _div, _floor_divide, _remainder, _pow
    eq, ne, lt, le, gt, ge = _eq, _ne, _lt, _le, _gt, _ge
    neg, reciprocal, sign = __neg__, lift(arithmetic.reciprocal), lift(ew.sign)
    square = fitting(lift(arithmetic.square), np.square)
    exp, expm1, log, log1p, log2 = map(lift, (ew.exp, ew.expm1, ew.log, ew.log1p, ew.log2))
    sqrt, rsqrt, sin, cos, tan, erf = map(lift, (ew.sqrt, arithmetic.rsqrt, ew.sin, ew.cos, ew.tan, ew.erf))
    tanh, sigmoid, relu = lift(ew.tanh), lift(ew.sigmoid), lift(F.relu)
    softmax, log_softmax = lift(_reductions.softmax), lift(_reductions.log_softmax)
    floor, ceil, trunc = lift(ew.floor), lift(ew.ceil), lift(ew.trunc)
    isnan, isinf, isfinite, logical_not = map(lift, (ew.isnan, ew.isinf, ew.isfinite, ew.logical_not))
    logical_and, logical_or = _arithmetic(ew.logical_and), _arithmetic(ew.logical_or)
    maximum, minimum = _arithmetic(arithmetic.maximum), _arithmetic(arithmetic.minimum)
    bitwise_and, bitwise_or, bitwise_xor, bitwise_not = _bitwise_and, _bitwise_or, _bitwise_xor, __invert__
    bitwise_left_shift, bitwise_right_shift = _left_shift, _right_shift
    clamp, masked_fill = _clamp, _masked_fill

    mean, var, std, norm = map(lift, (_reductions.mean, _reductions.var, _reductions.std, _reductions.norm))
    amax, amin, logsumexp = map(lift, (_reductions.amax, _reductions.amin, _reductions.logsumexp))
    prod, cumsum = (
        fitting(lift(_reductions.prod), _reduced(np.prod)), fitting(lift(_reductions.cumsum), _reduced(np.cumsum))
    )
    argmax, argmin, argsort = lift(_reductions.argmax), lift(_reductions.argmin), lift(_reductions.argsort)
    sort, topk = lift(_reductions.sort), lift(_reductions.topk)

    matmul = _matmul
    reshape, view = _reshaping(_reshape), _reshaping(_reshape, copies=False)
    flatten, unflatten = _reshaping(lift(_shapes.flatten)), _reshaping(lift(_shapes.unflatten))
    squeeze, unsqueeze = _reshaping(lift(_shapes.squeeze)), _reshaping(lift(_shapes.unsqueeze))
    permute = _permuting(_permute, lambda axes, *dims: axes[list(_shapes.as_shape(dims))])
    transpose = _permuting(lift(_shapes.transpose), _swapped)
    movedim = _permuting(lift(_shapes.movedim), _moved)
    swapaxes = swapdims = transpose
    moveaxis = movedim
    t = _permuting(lift(_shapes.t), lambda axes: axes[::-1])

    def expand(self, *sizes: Any) -> "Tensor":
        """The Tensor broadcast to these sizes, with new axes in front. -1 keeps the size of an axis."""
        result = _expand(self, *sizes)
        strides = expanded_strides(self.shape, self.strides, result.shape)
        repeats = any(stride == 0 and size > 1 for stride, size in zip(strides, result.shape, strict=True))
        shape = self.shape
        return self._has_view(
            result, lambda base: _expand(base, *sizes),
            None if repeats else lambda base, value: _reshape(value, shape), strides,
        )

    repeat, flip, roll = map(lift, (_shapes.repeat, _shapes.flip, _shapes.roll))
    split, chunk = _splitting(lift(_shapes.split)), _splitting(lift(_shapes.chunk))

    def unbind(self, dim: int = 0) -> tuple["Tensor", ...]:
        """The slices of one axis, as a tuple of views."""
        parts = _unbind(self, dim)
        if not parts:
            return ()
        axis = dim % self.ndim
        before, shape = (0,) * axis, self._data.shape
        static, _, _ = _indexing.parse(((slice(None),) * axis + (0,)), shape)
        for place, part in enumerate(parts):
            self._shows(part, static, (*before, place))
        return parts

    tril, triu = lift(_shapes.tril), lift(_shapes.triu)

    @property
    def T(self) -> "Tensor":  # noqa: N802
        """The Tensor with the order of its axes reversed."""
        return self.permute(tuple(reversed(range(self.ndim))))

    @property
    def mT(self) -> "Tensor":  # noqa: N802
        """The Tensor with its last two axes swapped."""
        return self.transpose(-1, -2)

    def clone(self, *, memory_format: Any = None) -> "Tensor":
        """A copy, through which gradients flow."""
        return _clone(self)

    def view_as(self, other: "Tensor") -> "Tensor":
        """The Tensor reshaped to the shape of another one."""
        return self.reshape(other.shape)

    def expand_as(self, other: "Tensor") -> "Tensor":
        """The Tensor broadcast to the shape of another one."""
        return self.expand(other.shape)

    def where(self, condition: "Tensor", other: Any) -> "Tensor":
        """The elements of this Tensor where the condition is true, of `other` elsewhere."""
        return _where(condition, self, other)

    # These come last, because in the class body they hide the built-ins of the same names

    def equal(self, other: "Tensor") -> "bool":
        """Whether the shapes and all elements are equal."""
        return self.shape == other.shape and bool(jnp.array_equal(self.array, other.array))

    def allclose(
        self, other: "Tensor", rtol: "float" = 1e-5, atol: "float" = 1e-8, equal_nan: "bool" = False
    ) -> "bool":
        """Whether all elements differ by at most `atol + rtol * |other|`. NaN is equal to NaN with `equal_nan`."""
        return bool(jnp.allclose(self.array, other.array, rtol, atol, equal_nan))

    abs, round = __abs__, lift(ew.round)
    sum = fitting(lift(_reductions.sum), _reduced(np.sum))
    max, min, all, any = map(lift, (_reductions.max, _reductions.min, _reductions.all, _reductions.any))

    # Second names

    absolute, negative, fix, multiply, divide, true_divide, subtract = abs, neg, trunc, mul, div, div, sub
    greater, greater_equal, less, less_equal, not_equal, clip = gt, ge, lt, le, ne, clamp
    unsafe_chunk, unsafe_split, unsafe_split_with_sizes = chunk, split, RearrangingMethods.split_with_sizes
    nelement, ndimension, reshape_as = TensorBase.numel, TensorBase.dim, view_as


TensorBase.result = Tensor
add_forms(Tensor, plain=(ConversionMethods, DrawingMethods, EverydayMethods, NewMethods, GradientMethods))


def _arrays(index: Any) -> Any:
    """An index with its Tensors replaced by their arrays."""
    if isinstance(index, tuple):
        return tuple(map(_arrays, index))
    return index.array if isinstance(index, Tensor) else index
