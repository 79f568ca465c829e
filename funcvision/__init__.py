"""funcvision: deep learning for vision on JAX, as pure functions.

`functional` holds torch's functions, `nn` its layers, `vision` torchvision's models, transforms and data sets, `data` a
loader, `train` a training loop and its parts, and `eager` a PyTorch-style face over the same models. `export` writes
models to files that run without their code, and `quantize` makes int8 models.
`enable_compilation_cache` keeps compiled programs on disk, so that the second run of a program does not compile again.

Each of these is imported when it is first used, so that a program that needs none of them, such as
`funcvision --help`, does not import JAX.
"""

import importlib

TYPE_CHECKING = False  # as in typing, whose import would take longer than everything else here
if TYPE_CHECKING:
    from . import data, eager, export, functional, nn, quantize, train, vision
    from ._compilation_cache import enable_compilation_cache

__all__ = ["data", "eager", "enable_compilation_cache", "export", "functional", "nn", "quantize", "train", "vision"]

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    if name == "enable_compilation_cache":
        from ._compilation_cache import enable_compilation_cache

        return enable_compilation_cache
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
