"""Models in files that run without the code of the model.

`save` writes a model, `save_function` any pure function with its arrays, and `load` returns a callable that needs jax
and numpy only. A file holds programs in StableHLO, as `jax.export` makes them, and the arrays once. `docs/deploy.md`
shows how to use it.
"""

from ._file import ExportError
from .loading import LoadedFunction, load
from .saving import save, save_function

__all__ = ["ExportError", "LoadedFunction", "load", "save", "save_function"]
