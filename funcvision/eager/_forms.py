"""Forms that torch has of many methods: in place, and with the further arguments of its functions."""

import inspect
from collections.abc import Callable
from typing import Any

from ._out import as_function

__all__ = ["add_forms", "in_place"]

IN_PLACE = (
    "abs", "acos", "acosh", "add", "addbmm", "addcdiv", "addcmul", "addmm", "addmv", "addr", "asin", "asinh", "atan",
    "atan2", "atanh", "baddbmm", "bitwise_and", "bitwise_left_shift", "bitwise_not", "bitwise_or",
    "bitwise_right_shift", "bitwise_xor", "ceil", "clamp", "clamp_max", "clamp_min", "conj_physical", "copysign", "cos",
    "cosh", "cumprod", "cumsum", "deg2rad", "digamma", "div", "eq", "erf", "erfc", "erfinv", "exp", "exp2", "expm1",
    "float_power", "floor", "floor_divide", "fmod", "frac", "gcd", "ge", "gt", "heaviside", "hypot", "i0", "igamma",
    "igammac", "index_add", "index_copy", "index_fill", "index_put", "index_reduce", "lcm", "ldexp", "le", "lerp",
    "lgamma", "log", "log10", "log1p", "log2", "logical_and", "logical_not", "logical_or", "logical_xor", "logit", "lt",
    "masked_fill", "masked_scatter", "mul", "mvlgamma", "nan_to_num", "ne", "neg", "nextafter", "polygamma", "pow",
    "put", "rad2deg", "reciprocal", "relu", "remainder", "renorm", "round", "rsqrt", "scatter", "scatter_add",
    "scatter_reduce", "sgn", "sigmoid", "sign", "sin", "sinc", "sinh", "sqrt", "square", "sub", "tan", "tanh", "tril",
    "triu", "trunc", "xlogy",
)  # fmt: skip
"""The methods that write their result into the Tensor under their name and an underscore."""

OF_AXES = ("as_strided", "squeeze", "swapaxes", "swapdims", "t", "transpose", "unsqueeze")
"""The methods that change the axes or the strides of the Tensor itself under their name and an underscore."""

ALIASES = {
    "absolute": "abs", "arccos": "acos", "arccosh": "acosh", "arcsin": "asin", "arcsinh": "asinh", "arctan": "atan",
    "arctan2": "atan2", "arctanh": "atanh", "clip": "clamp", "divide": "div", "fix": "trunc", "greater": "gt",
    "greater_equal": "ge", "less": "lt", "less_equal": "le", "multiply": "mul", "negative": "neg", "not_equal": "ne",
    "subtract": "sub", "true_divide": "div",
}  # fmt: skip
"""Second names of methods, which their forms in place have, too."""


def in_place(method: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The form of a method that writes its result into the Tensor."""

    def changed(self: Any, *args: Any, **kwargs: Any) -> Any:
        return self._become(method(self, *args, **kwargs))

    changed.__name__ = changed.__qualname__ = f"{name}_"
    changed.__doc__ = f"`{name}` in place."
    return changed


def _of_axes_in_place(method: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The form of a method that makes the Tensor a view of what it was."""

    def changed(self: Any, *args: Any, **kwargs: Any) -> Any:
        return self._turn_into(lambda former: method(former, *args, **kwargs))

    changed.__name__ = changed.__qualname__ = f"{name}_"
    changed.__doc__ = f"`{name}` in place: the axes or the strides of this Tensor change."
    return changed


def add_forms(cls: type, plain: tuple[type, ...]) -> None:
    """Adds the forms to a class, for the methods that it has.

    Args:
        cls: the class.
        plain: its bases whose methods are no functions of torch, and get no further arguments.
    """
    others = {name for base in plain for name in dir(base)}
    for name in dir(cls):
        if not name.startswith("_") and name not in others and inspect.isfunction(method := getattr(cls, name)):
            setattr(cls, name, as_function(method))
    for names, form in ((IN_PLACE, in_place), (OF_AXES, _of_axes_in_place)):
        for name in names:
            if hasattr(cls, name) and not hasattr(cls, f"{name}_"):
                setattr(cls, f"{name}_", form(getattr(cls, name), name))
    for alias, name in ALIASES.items():
        if hasattr(cls, f"{name}_") and not hasattr(cls, f"{alias}_"):
            setattr(cls, f"{alias}_", getattr(cls, f"{name}_"))
