"""The arguments of torch's functions besides those of the method: `input`, `out`, and numpy's names of others."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from ._graph import is_grad_enabled
from .dtypes import can_cast

__all__ = ["as_function", "with_out", "write_out"]


SPREAD = ("dims", "repeats", "shape", "size", "sizes")
"""The names under which a method that takes sizes or axes one by one takes them as one sequence."""

NUMPYS_NAMES = {"axis": "dim", "keepdims": "keepdim"}
"""numpy's names of arguments, which torch takes, too."""


def write_out(out: Any, result: Any) -> Any:
    """Writes a result, or several, into Tensors and returns these. A Tensor of another shape takes that of the result.

    Raises:
        RuntimeError: the result requires a gradient, or it cannot be cast to the dtype of the Tensor.
    """
    if isinstance(out, tuple | list):
        written = [write_out(one, made) for one, made in zip(out, result, strict=True)]
        return type(result)(*written) if hasattr(result, "_fields") else tuple(written)
    if is_grad_enabled() and (out.requires_grad or result.requires_grad):
        raise RuntimeError("functions with out=... are not differentiated, but an argument requires a gradient")
    if not can_cast(result.dtype, out.dtype):
        raise RuntimeError(f"the result has {result.dtype}, which cannot be cast to {out.dtype}, the dtype of out")
    if out.shape == result.shape:
        out.copy_(result)
    else:
        out.data = result.to(out.dtype)
    return out


def with_out(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with the argument `out`."""

    @functools.wraps(function)
    def written(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        return result if out is None else write_out(out, result)

    return written


def as_function(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method with the arguments of torch's functions: `input`, `out`, and numpy's names of others."""
    if getattr(method, "takes_all_arguments", False):
        return method
    kinds = {parameter.kind for parameter in inspect.signature(method).parameters.values()}
    spread = SPREAD if inspect.Parameter.VAR_POSITIONAL in kinds else ()

    @functools.wraps(method)
    def function(*args: Any, **kwargs: Any) -> Any:
        if not kwargs:
            return method(*args)
        out = kwargs.pop("out", None)
        if "input" in kwargs:
            args = (kwargs.pop("input"), *args)
        for name in spread:
            args = (*args, kwargs.pop(name)) if name in kwargs else args
        result = method(*args, **{NUMPYS_NAMES.get(name, name): value for name, value in kwargs.items()})
        return result if out is None else write_out(out, result)

    function.takes_all_arguments = True  # pyright: ignore[reportFunctionMemberAccess]
    return function
