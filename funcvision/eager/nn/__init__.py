"""`torch.nn` for Tensors: stateful modules in torch's layouts, over the layers of `funcvision.nn`.

Each layer of `funcvision.nn` is here under its name, as a class that holds Tensors; see `_lifted`.
"""

from typing import Any

from ...nn import LinearCrossEntropyOptions
from . import functional, init, parameter, utils
from ._additions import lazy_layers
from ._lifted import lifted_layers
from .containers import (
    Flatten,
    Identity,
    ModuleDict,
    ModuleList,
    ParameterDict,
    ParameterList,
    Sequential,
    Unflatten,
)
from .module import Module
from .parameter import Buffer, Parameter

_layers = {**lifted_layers(), **lazy_layers(lifted_layers())}

__all__ = [
    "Buffer", "Flatten", "Identity", "LinearCrossEntropyOptions", "Module", "ModuleDict", "ModuleList", "Parameter", "ParameterDict",
    "ParameterList", "Sequential", "Unflatten", "functional", "init", "parameter", "utils", *_layers,
]  # fmt: skip

globals().update(_layers)


def __getattr__(name: str) -> Any:
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
