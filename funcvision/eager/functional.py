"""`funcvision.functional` for Tensors: every function, with the same name, arguments and results.

    from funcvision.eager import functional as F
    loss = F.cross_entropy(net(images), labels)

Without a key, functions that draw random numbers use the generator of the eager face; see `manual_seed`.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from .. import functional as pure
from ._lift import run
from ._operation import Operation
from .random import next_key

__all__ = list(pure.__all__)  # pyright: ignore[reportUnsupportedDunderAll]

KEYS = ("key", "dropout_key")
NEED_VALUES = ("one_hot",)  # the shape of their result depends on the values of their input, so they are not compiled
WITH_STATISTICS = ("batch_norm", "instance_norm")  # their second result is not differentiated, as in torch


def __getattr__(name: str) -> Callable[..., Any]:
    """Lifts a function at its first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    lifted = globals()[name] = _lifted(getattr(pure, name))
    return lifted


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _lifted(function: Callable[..., Any]) -> Callable[..., Any]:
    has_aux = function.__name__ in WITH_STATISTICS
    operation = Operation(function, name=function.__name__, has_aux=has_aux, jit=function.__name__ not in NEED_VALUES)
    parameters = inspect.signature(function).parameters.values()
    # Attention has a `key` that is not random. It is positional.
    keys = [p.name for p in parameters if p.name in KEYS and p.kind is p.KEYWORD_ONLY]

    @functools.wraps(function)
    def lifted(*args: Any, **kwargs: Any) -> Any:
        for name in keys:
            if kwargs.get(name) is None:
                kwargs[name] = next_key()
        output, aux = run(operation, args, kwargs)
        return (output, aux) if has_aux else output

    return lifted
