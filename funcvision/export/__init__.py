"""Models in files that run without the code of the model.

`save` writes a model, `save_function` any pure function with its arrays, and `load` returns a callable that needs jax
and numpy only. `predictor` adds the preparation of images and the names of classes. A file holds programs in StableHLO,
as `jax.export` makes them, and the arrays once. `docs/deploy.md` shows how to use it.
"""

from ._file import ExportError
from .loading import LoadedFunction, load
from .onnx_file import save_onnx
from .predictors import Classifier, Detector, Prepared, Segmenter, predictor
from .saving import save, save_function

__all__ = [
    "Classifier", "Detector", "ExportError", "LoadedFunction", "Prepared", "Segmenter", "load", "predictor", "save",
    "save_function", "save_onnx",
]
