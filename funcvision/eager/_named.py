"""Pure functions as functions of Tensors under torch's names, and axes counted as torch counts them."""

from collections.abc import Callable
from typing import Any

import jax

from ._lift import lift
from ._out import with_out

__all__ = ["axis_of", "named"]


def named(function: Callable[..., Any], name: str, **options: Any) -> Callable[..., Any]:
    """Lifts a function, under this name and with the argument `out`. The options are those of `lift`."""
    function.__name__ = function.__qualname__ = name
    return with_out(lift(function, **options))


def axis_of(x: jax.Array, dim: int) -> int:
    """The number of an axis, counted from the front. A number without axes has the axis 0, as in torch.

    Raises:
        IndexError: there is no such axis.
    """
    count = max(x.ndim, 1)
    if not -count <= dim < count:
        raise IndexError(f"axis {dim} is out of range for an array of shape {tuple(x.shape)}")
    return dim % count
