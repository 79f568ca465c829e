"""Pure functions as functions of Tensors, under torch's names."""

from collections.abc import Callable
from typing import Any

from ._lift import lift
from ._out import with_out

__all__ = ["named"]


def named(function: Callable[..., Any], name: str, **options: Any) -> Callable[..., Any]:
    """Lifts a function, under this name and with the argument `out`. The options are those of `lift`."""
    function.__name__ = function.__qualname__ = name
    return with_out(lift(function, **options))
