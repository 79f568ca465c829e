"""Modules whose parameters have no initial values yet."""

import inspect
from typing import Any

from ..module import Module

__all__ = ["skip_init"]


def skip_init(module_cls: type[Module], *args: Any, **kwargs: Any) -> Module:
    """A module whose parameters are to be loaded or initialised later.

    The parameters have the values of the constructor, because arrays of jax always have values; torch leaves them
    uninitialised.

    Raises:
        RuntimeError: the class is no module, or its constructor takes no `device`.
    """
    if not issubclass(module_cls, Module):
        raise RuntimeError(f"skip_init takes a class of modules; got {module_cls.__name__}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError(f"skip_init takes a module whose constructor has a device; {module_cls.__name__} has none")
    return module_cls(*args, **kwargs)
