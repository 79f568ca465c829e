"""`torch.nn` for Tensors: stateful modules in torch's layouts, over the layers of `funcvision.nn`.

Each layer of `funcvision.nn` is here under its name, as a class that holds Tensors; see `layers`.
"""

from ...nn import LinearCrossEntropyOptions
from . import functional, init, parameter, utils
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
from .layers import *  # noqa: F403
from .layers import __all__ as _layers
from .module import Module
from .parameter import Buffer, Parameter

__all__ = [
    "Buffer", "Flatten", "Identity", "LinearCrossEntropyOptions", "Module", "ModuleDict", "ModuleList", "Parameter",
    "ParameterDict", "ParameterList", "Sequential", "Unflatten", "functional", "init", "parameter", "utils", *_layers,
]  # fmt: skip
