"""The `out` argument: a result is written into a Tensor that is given."""

import functools
from collections.abc import Callable
from typing import Any

from ._graph import is_grad_enabled
from .dtypes import can_cast

__all__ = ["with_out", "write_out"]


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
