"""Modules that call one function with fixed options."""

from collections.abc import Callable
from typing import Any, ClassVar

import jax

from .module import Module

__all__ = ["Function"]


class Function(Module):
    """Calls `function` with the attributes of the module as options.

    It declares no arrays, so it can also be called directly, outside `apply`.
    """

    function: ClassVar[Callable[..., jax.Array]]

    def forward(self, *args: Any, **kwargs: Any) -> jax.Array:
        options = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        return type(self).function(*args, **kwargs, **options)
