"""The primitives of jax in numpy: for each one, a function that gives the numpy function of an equation.

Results have exactly the dtypes of jax. numpy must not promote: an argument that could make it do so is cast first.
Where numpy differs from XLA in defined behaviour (division by 0, shifts beyond the width, floats beyond the range of
integers, elements out of bounds), the functions here follow XLA.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import _numpy_random as random
from ._numpy_indexing import dynamic_slice, dynamic_update_slice, gather, scatter

__all__ = ["DTYPES", "RULES", "Equation", "UnsupportedError"]

DTYPES = frozenset(map(np.dtype, ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
                                  "float32", "float64")))  # fmt: skip
_MOST_CALLED = 2048  # elements for which a function of single Python numbers is called


class UnsupportedError(Exception):
    """A function that must be compiled.

    Args:
        reason: what cannot be interpreted.
        for_all_shapes: whether this is so for arrays of any shape and dtype.
    """

    def __init__(self, reason: str, for_all_shapes: bool = False):
        super().__init__(reason)
        self.for_all_shapes = for_all_shapes


class Equation(NamedTuple):
    """An equation of a jaxpr: its parameters, and shape and dtype of its inputs and outputs."""

    params: dict[str, Any]
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]


Function = Callable[..., Any]


def _same(function: Function) -> Callable[[Equation], Function]:
    """A rule for a primitive that has one numpy function for all parameters."""
    return lambda equation: function


def _is_float(aval: Any) -> bool:
    return aval.dtype.kind == "f"


# Elementwise


def _rsqrt(x: np.ndarray) -> np.ndarray:
    return np.reciprocal(np.sqrt(x))


def _one_minus_square(x: np.ndarray) -> np.ndarray:
    one = x.dtype.type(1)
    return (one + x) * (one - x)


def _logistic(x: np.ndarray) -> np.ndarray:
    return np.reciprocal(np.exp(-x) + x.dtype.type(1))


_NEAR_0 = (  # powers of w - 2.5, the highest first
    2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 2.1858087e-04, -1.25372503e-03, -4.17768164e-03,
    0.246640727, 1.50140941,
)
_NEAR_1 = (  # powers of sqrt(w) - 3
    -2.00214257e-04, 1.00950558e-04, 1.34934322e-03, -3.67342844e-03, 5.73950773e-03, -7.6224613e-03, 9.43887047e-03,
    1.00167406, 2.83297682,
)


def _inverse_erf(equation: Equation) -> Function:
    """The inverse of the error function in float32, by polynomials of w = -log(1 - x^2) (Giles 2012)."""
    if equation.outputs[0].dtype != np.float32:
        raise UnsupportedError("the inverse of the error function beyond float32")

    def inverse_erf(x: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            w = -np.log1p(-x * x)
            near_0 = np.polyval(np.array(_NEAR_0, np.float32), w - np.float32(2.5))
            near_1 = np.polyval(np.array(_NEAR_1, np.float32), np.sqrt(w) - np.float32(3))
            return np.where(np.abs(x) == 1, x * np.float32(np.inf), np.where(w < 5, near_0, near_1) * x)

    return inverse_erf


def _integer_quotient(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The quotient rounded towards 0. XLA defines the quotient by 0 as all bits set."""
    is_zero = y == 0
    divisor = np.where(is_zero, y.dtype.type(1), y)
    quotient = np.floor_divide(x - np.fmod(x, divisor), divisor)
    return np.where(is_zero, np.invert(np.zeros_like(quotient)), quotient)


def _integer_remainder(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The remainder with the sign of `x`. XLA defines the remainder by 0 as `x`."""
    is_zero = y == 0
    return np.where(is_zero, x, np.fmod(x, np.where(is_zero, y.dtype.type(1), y)))


def _divide(equation: Equation) -> Function:
    return np.true_divide if _is_float(equation.outputs[0]) else _integer_quotient


def _remainder(equation: Equation) -> Function:
    return np.fmod if _is_float(equation.outputs[0]) else _integer_remainder


def _power(equation: Equation) -> Function:
    dtype = equation.outputs[0].dtype
    if dtype.kind != "f":
        raise UnsupportedError("an integer power")
    return lambda x, y: np.power(x, y.astype(dtype))


def _integer_power(equation: Equation) -> Function:
    exponent, dtype = equation.params["y"], equation.outputs[0].dtype
    if dtype.kind != "f" and exponent < 0:
        raise UnsupportedError("a negative power of integers")
    exponent = dtype.type(exponent)
    return lambda x: np.power(x, exponent)


def _round(equation: Equation) -> Function:
    if equation.params["rounding_method"].name == "TO_NEAREST_EVEN":
        return np.rint
    return lambda x: np.copysign(np.floor(np.abs(x) + x.dtype.type(0.5)), x)


def _clamp(low: np.ndarray, x: np.ndarray, high: np.ndarray) -> np.ndarray:
    return np.minimum(np.maximum(x, low), high)


def _shift(
    function: Function, fill: Callable[[np.ndarray], Any], logical: bool = False
) -> Callable[[Equation], Function]:
    """A shift. Where the distance is not between 0 and the number of bits, the result is `fill` of the operand."""

    def rule(equation: Equation) -> Function:
        dtype = equation.outputs[0].dtype
        bits = 8 * dtype.itemsize
        unsigned = np.dtype(f"u{dtype.itemsize}")

        def shift(x: np.ndarray, distance: np.ndarray) -> np.ndarray:
            inside = (distance >= 0) & (distance < bits)
            kept = np.where(inside, distance, distance.dtype.type(0))
            if logical:
                shifted = function(np.asarray(x).view(unsigned), kept.astype(unsigned)).view(dtype)
            else:
                shifted = function(x, kept)
            return np.where(inside, shifted, fill(x))

        return shift

    return rule


def _no_bits(x: np.ndarray) -> Any:
    return x.dtype.type(0)


def _sign_bits(x: np.ndarray) -> Any:
    return np.where(x < 0, np.invert(x.dtype.type(0)), x.dtype.type(0))


def _convert(equation: Equation) -> Function:
    source, dtype = equation.inputs[0].dtype, equation.outputs[0].dtype
    if dtype.kind == "b":
        return lambda x: x != 0
    if source.kind != "f" or dtype.kind == "f":
        return lambda x: x.astype(dtype)
    info = np.iinfo(dtype)
    low, high = source.type(info.min), source.type(info.max)  # `high` may be rounded up, so it is compared with >=

    def saturated(x: np.ndarray) -> np.ndarray:
        inside = (x > low) & (x < high)
        beyond = np.where(x >= high, dtype.type(info.max), np.where(x <= low, dtype.type(info.min), dtype.type(0)))
        return np.where(inside, np.where(inside, x, source.type(0)).astype(dtype), beyond)

    return saturated


def _one_by_one(function: Callable[[float], float]) -> Callable[[Equation], Function]:
    """A rule for a function of single Python floats."""
    of_objects = np.frompyfunc(function, 1, 1)

    def rule(equation: Equation) -> Function:
        dtype = equation.outputs[0].dtype
        if math.prod(equation.outputs[0].shape) > _MOST_CALLED:
            raise UnsupportedError("many calls of a Python function")
        return lambda x: np.asarray(of_objects(x.astype(np.float64))).astype(dtype)

    return rule


def _lgamma(x: float) -> float:
    if x == math.floor(x) and x <= 0:
        return math.inf
    return math.lgamma(x)


def _select(equation: Equation) -> Function:
    if len(equation.inputs) != 3 or equation.inputs[0].dtype != np.bool_:
        raise UnsupportedError("a selection among more than two arrays")
    return lambda which, on_false, on_true: np.where(which, on_true, on_false)


# Shapes


def _broadcast(equation: Equation) -> Function:
    shape, dtype = equation.params["shape"], equation.outputs[0].dtype
    spread = [1] * len(shape)
    for axis, size in zip(equation.params["broadcast_dimensions"], equation.inputs[0].shape, strict=True):
        spread[axis] = size

    def broadcast(x: np.ndarray) -> np.ndarray:  # faster than np.broadcast_to for small arrays
        result = np.empty(shape, dtype)
        result[...] = x.reshape(spread)
        return result

    return broadcast


def _reshape(equation: Equation) -> Function:
    shape, order = equation.outputs[0].shape, equation.params.get("dimensions")
    return lambda x: x.reshape(shape) if order is None else x.transpose(order).reshape(shape)


def _squeeze(equation: Equation) -> Function:
    shape = equation.outputs[0].shape
    return lambda x: x.reshape(shape)


def _transpose(equation: Equation) -> Function:
    order = equation.params["permutation"]
    return lambda x: x.transpose(order)


def _slice(equation: Equation) -> Function:
    starts, ends = equation.params["start_indices"], equation.params["limit_indices"]
    steps = equation.params["strides"] or (1,) * len(starts)
    index = tuple(map(slice, starts, ends, steps))
    return lambda x: x[index]


def _reverse(equation: Equation) -> Function:
    axes = equation.params["dimensions"]
    index = tuple(slice(None, None, -1 if axis in axes else 1) for axis in range(len(equation.inputs[0].shape)))
    return lambda x: x[index]


def _pad(equation: Equation) -> Function:
    """Padding at both ends and between elements. Negative padding removes elements."""
    config, shape, dtype = equation.params["padding_config"], equation.outputs[0].shape, equation.outputs[0].dtype
    source, target = [], []
    for size, length, (low, _, between) in zip(equation.inputs[0].shape, shape, config, strict=True):
        step = between + 1
        first = max(0, -(low // step))  # the first element that is not removed
        count = max(0, min(size - first, -((low + first * step - length) // step)))
        source.append(slice(first, first + count))
        start = low + first * step
        target.append(slice(start, start + count * step, step) if count else slice(0, 0))
    kept, places = tuple(source), tuple(target)

    def pad(x: np.ndarray, value: np.ndarray) -> np.ndarray:
        result = np.empty(shape, dtype)
        result[...] = value
        result[places] = x[kept]
        return result

    return pad


def _concatenate(equation: Equation) -> Function:
    axis = equation.params["dimension"]
    return lambda *parts: np.concatenate(parts, axis)


def _stack(equation: Equation) -> Function:
    axis = equation.params["axis"]
    return lambda *parts: np.stack(parts, axis)


def _unstack(equation: Equation) -> Function:
    axis, count = equation.params["axis"], len(equation.outputs)
    before = (slice(None),) * axis
    return lambda x: [x[(*before, i)] for i in range(count)]


def _tile(equation: Equation) -> Function:
    repeats = equation.params["reps"]
    return lambda x: np.tile(x, repeats)


def _bitcast(equation: Equation) -> Function:
    source, dtype = equation.inputs[0].dtype, equation.outputs[0].dtype
    if source.itemsize != dtype.itemsize:
        raise UnsupportedError("elements that are split or joined")
    return lambda x: np.ascontiguousarray(x).reshape(x.shape).view(dtype)


def _split(equation: Equation) -> Function:
    places, axis = np.cumsum(equation.params["sizes"])[:-1].tolist(), equation.params["axis"]
    return lambda x: np.split(x, places, axis)


def _iota(equation: Equation) -> Function:
    (aval,), axis = equation.outputs, equation.params["dimension"]
    if len(equation.inputs) > 0:
        raise UnsupportedError("a shape that is computed")
    along = np.arange(aval.shape[axis]).astype(aval.dtype)
    result = np.empty(aval.shape, aval.dtype)
    result[...] = along.reshape(tuple(-1 if i == axis else 1 for i in range(len(aval.shape))))
    return lambda: result


def _size(equation: Equation) -> Function:
    """A size, which was a symbol when the equation was traced."""
    result = np.asarray(equation.params["dim"], equation.outputs[0].dtype)
    return lambda: result


# Reductions


def _reduction(ufunc: Any, empty: Callable[[np.dtype], Any] | None = None) -> Callable[[Equation], Function]:
    """A reduction over axes. `empty` gives the result for no elements, if numpy has none."""

    def rule(equation: Equation) -> Function:
        axes, dtype = tuple(equation.params["axes"]), equation.outputs[0].dtype
        if empty is not None and math.prod(equation.inputs[0].shape) == 0:
            initial = empty(dtype)
            return lambda x: ufunc.reduce(x, axes, dtype, initial=initial)
        return lambda x: ufunc.reduce(x, axes, dtype)

    return rule


def _lowest(dtype: np.dtype) -> Any:
    return False if dtype.kind == "b" else -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


def _highest(dtype: np.dtype) -> Any:
    return True if dtype.kind == "b" else np.inf if dtype.kind == "f" else np.iinfo(dtype).max


def _place(function: Callable[..., np.ndarray]) -> Callable[[Equation], Function]:
    """argmax or argmin."""

    def rule(equation: Equation) -> Function:
        (axis,), dtype = equation.params["axes"], equation.outputs[0].dtype
        if equation.inputs[0].shape[axis] == 0:
            raise UnsupportedError("no elements")
        return lambda x: function(x, axis).astype(dtype)

    return rule


def _accumulation(ufunc: Any) -> Callable[[Equation], Function]:
    def rule(equation: Equation) -> Function:
        axis, dtype, ndim = equation.params["axis"], equation.outputs[0].dtype, len(equation.inputs[0].shape)
        if not equation.params["reverse"]:
            return lambda x: ufunc.accumulate(x, axis, dtype)
        backwards = tuple(slice(None, None, -1 if i == axis else 1) for i in range(ndim))
        return lambda x: ufunc.accumulate(x[backwards], axis, dtype)[backwards]

    return rule


def _sort(equation: Equation) -> Function:
    """Sorts several arrays by the first one. NaN comes last, as in XLA; equal elements keep their order."""
    axis = equation.params["dimension"]
    if equation.params["num_keys"] != 1:
        raise UnsupportedError("a sort by several keys")
    if len(equation.inputs) == 1:
        return lambda x: [np.sort(x, axis)]

    def sort(*arrays: np.ndarray) -> list[np.ndarray]:
        order = np.argsort(arrays[0], axis, kind="stable")
        return [np.take_along_axis(array, order, axis) for array in arrays]

    return sort


# Products


def _dot(equation: Equation) -> Function:
    """A product of matrices with the axes in any order, as `np.matmul` of two stacks of matrices."""
    (left_sum, right_sum), (left_batch, right_batch) = equation.params["dimension_numbers"]
    (left, right), (result,) = equation.inputs, equation.outputs
    if not left.dtype == right.dtype == result.dtype or left.dtype == np.bool_:
        raise UnsupportedError("a product of several dtypes")
    left_free = [i for i in range(len(left.shape)) if i not in (*left_sum, *left_batch)]
    right_free = [i for i in range(len(right.shape)) if i not in (*right_sum, *right_batch)]
    batch = tuple(left.shape[i] for i in left_batch)
    summed = math.prod(left.shape[i] for i in left_sum)
    left_order, right_order = (*left_batch, *left_free, *left_sum), (*right_batch, *right_sum, *right_free)
    left_shape = (*batch, math.prod(left.shape[i] for i in left_free), summed)
    right_shape = (*batch, summed, math.prod(right.shape[i] for i in right_free))
    shape = result.shape

    def dot(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        x, y = x.transpose(left_order).reshape(left_shape), y.transpose(right_order).reshape(right_shape)
        return np.matmul(x, y).reshape(shape)

    return dot


def _top_k(equation: Equation) -> Function:
    """The largest elements. Of equal ones the first comes first, and NaN is the largest."""
    axis, count, indices = equation.params["axis"], equation.params["k"], equation.outputs[1].dtype
    if not _is_float(equation.inputs[0]):
        raise UnsupportedError("the largest of integers")

    def top_k(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        order = np.lexsort((-x, ~np.isnan(x)), axis).take(np.arange(count), axis)
        return np.take_along_axis(x, order, axis), order.astype(indices)

    return top_k


def _random(rule: Callable[[Equation], Function]) -> Callable[[Equation], Function]:
    """The rule, if it can be applied to the equation."""

    def checked(equation: Equation) -> Function:
        if not random.is_supported(equation):
            raise UnsupportedError("several keys")
        return rule(equation)

    return checked


def _identity(x: np.ndarray) -> np.ndarray:
    return x


def _identities(*arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    return arrays


RULES: dict[str, Callable[[Equation], Function]] = {
    "abs": _same(np.abs), "acos": _same(np.arccos), "acosh": _same(np.arccosh), "add": _same(np.add),
    "add_any": _same(np.add), "and": _same(np.bitwise_and), "argmax": _place(np.argmax), "argmin": _place(np.argmin),
    "asin": _same(np.arcsin), "asinh": _same(np.arcsinh), "atan": _same(np.arctan), "atan2": _same(np.arctan2),
    "atanh": _same(np.arctanh), "bitcast_convert_type": _bitcast,
    "broadcast_in_dim": _broadcast, "cbrt": _same(np.cbrt), "ceil": _same(np.ceil),
    "clamp": _same(_clamp), "concatenate": _concatenate, "convert_element_type": _convert, "copy": _same(_identity),
    "cos": _same(np.cos), "cosh": _same(np.cosh),
    "cumlogsumexp": _accumulation(np.logaddexp), "cummax": _accumulation(np.maximum),
    "cummin": _accumulation(np.minimum), "cumprod": _accumulation(np.multiply),
    "cumsum": _accumulation(np.add), "dim_as_value": _size, "div": _divide, "dot_general": _dot,
    "dynamic_slice": dynamic_slice,
    "dynamic_update_slice": dynamic_update_slice, "eq": _same(np.equal), "erf": _one_by_one(math.erf),
    "erfc": _one_by_one(math.erfc), "exp": _same(np.exp), "exp2": _same(np.exp2),
    "erf_inv": _inverse_erf, "expm1": _same(np.expm1), "floor": _same(np.floor), "gather": gather,
    "ge": _same(np.greater_equal),
    "gt": _same(np.greater), "integer_pow": _integer_power, "iota": _iota, "is_finite": _same(np.isfinite),
    "le": _same(np.less_equal), "lgamma": _one_by_one(_lgamma), "log": _same(np.log), "log1p": _same(np.log1p),
    "log2": _same(np.log2), "logistic": _same(_logistic), "lt": _same(np.less), "max": _same(np.maximum),
    "min": _same(np.minimum),
    "mul": _same(np.multiply), "ne": _same(np.not_equal), "name": _same(_identity), "neg": _same(np.negative),
    "nextafter": _same(np.nextafter), "not": _same(np.invert), "one_minus_square": _same(_one_minus_square),
    "optimization_barrier": _same(_identities), "or": _same(np.bitwise_or), "pad": _pad, "pow": _power,
    "random_bits": _random(random.random_bits), "random_fold_in": _random(random.random_fold_in),
    "random_split": _random(random.random_split), "random_unwrap": _same(_identity), "random_wrap": _same(_identity),
    "reduce_and": _reduction(np.bitwise_and), "reduce_max": _reduction(np.maximum, _lowest),
    "reduce_min": _reduction(np.minimum, _highest), "reduce_or": _reduction(np.bitwise_or),
    "reduce_prod": _reduction(np.multiply), "reduce_sum": _reduction(np.add), "reduce_xor": _reduction(np.bitwise_xor),
    "rem": _remainder, "reshape": _reshape, "rev": _reverse, "round": _round, "rsqrt": _same(_rsqrt),
    "scatter": scatter(None), "scatter-add": scatter(np.add), "scatter-max": scatter(np.maximum),
    "scatter-min": scatter(np.minimum), "scatter-mul": scatter(np.multiply),
    "scatter-sub": scatter(np.subtract), "stack": _stack, "tile": _tile, "top_k": _top_k, "unstack": _unstack,
    "select_n": _select, "shift_left": _shift(np.left_shift, _no_bits),
    "shift_right_arithmetic": _shift(np.right_shift, _sign_bits),
    "shift_right_logical": _shift(np.right_shift, _no_bits, logical=True), "sign": _same(np.sign),
    "sin": _same(np.sin), "sinh": _same(np.sinh), "slice": _slice, "sort": _sort, "split": _split,
    "sqrt": _same(np.sqrt), "square": _same(np.square), "squeeze": _squeeze, "stop_gradient": _same(_identity),
    "sub": _same(np.subtract), "tan": _same(np.tan), "tanh": _same(np.tanh), "transpose": _transpose,
    "xor": _same(np.bitwise_xor),
}  # fmt: skip
