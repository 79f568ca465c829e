"""The number of operations of a model."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn

from .... import nn

__all__ = ["count_operations"]


def count_operations(model: nn.Module, *inputs: Any) -> int:
    """The number of multiply-adds of the convolutions and matrix products in one evaluation of a model.

    The model is only traced, not computed. torchvision publishes the same number as operations.

    Args:
        model: a description.
        inputs: the arguments of `forward`, or their shapes: `jax.ShapeDtypeStruct((1, 224, 224, 3), "float32")`.

    >>> count_operations(nn.Linear(3, 5), jax.ShapeDtypeStruct((2, 3), "float32"))
    30
    """
    arrays = jax.eval_shape(model.init, jax.random.key(0))
    return _count(jax.make_jaxpr(model.apply)(*arrays, *inputs).jaxpr)


def _count(jaxpr: Jaxpr) -> int:
    return sum(_count_equation(equation) for equation in jaxpr.eqns)


def _count_equation(equation: JaxprEqn) -> int:
    name = equation.primitive.name
    a, b, out = _shape(equation.invars, 0), _shape(equation.invars, 1), _shape(equation.outvars, 0)
    if name == "dot_general":
        (contracted, _), _ = equation.params["dimension_numbers"]
        return math.prod(out) * math.prod(a[axis] for axis in contracted)
    if name == "conv_general_dilated":
        return math.prod(out) * math.prod(b) // b[equation.params["dimension_numbers"].rhs_spec[0]]
    if name == "conv_value":  # operands: image, kernel [..., in, out]
        return math.prod(out) * math.prod(b[:-1])
    if name == "conv_input_gradient":  # operands: output, kernel; also a transposed convolution
        return math.prod(a) * math.prod(b[:-1])
    if name == "conv_weight_gradient":  # operands: image, output
        return math.prod(b) * math.prod(out[:-1])
    inside = [_count(jaxpr) for jaxpr in _programs(equation.params)]
    if name == "cond":
        return max(inside)
    return sum(inside) * equation.params.get("length", 1)  # the iterations of a scan


def _shape(variables: Sequence[Any], i: int) -> tuple[int, ...]:
    return getattr(variables[i].aval, "shape", ()) if i < len(variables) else ()


def _programs(params: dict[str, Any]) -> Iterator[Jaxpr]:
    """The programs inside an operation, such as the body of a loop."""
    for value in params.values():
        for item in value if isinstance(value, tuple | list) else (value,):
            if isinstance(item, ClosedJaxpr):
                yield item.jaxpr
            elif isinstance(item, Jaxpr):
                yield item
