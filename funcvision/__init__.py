"""funcvision: deep learning for vision on JAX, as pure functions.

`functional` has torch's functions, `nn` its layers, `vision` torchvision's models, transforms and data sets, `data` a
loader, and `eager` a PyTorch-style face for the same models. The last three are imported at their first use.
`enable_compilation_cache` stores compiled programs on disk, so that later runs of a program do not compile again.
"""

import importlib
from typing import TYPE_CHECKING, Any

from . import functional, nn
from ._compilation_cache import enable_compilation_cache

if TYPE_CHECKING:
    from . import data, eager, vision

__all__ = ["data", "eager", "enable_compilation_cache", "functional", "nn", "vision"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
