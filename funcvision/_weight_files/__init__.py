"""Files of weights, read and written without torch: torch's `.pth` files and safetensors.

`torch_file` and `safetensors_file` have the two formats. Nothing that a file names is imported, called or run.
"""

from . import element_types, mapping, pickle_writer, pickles, safetensors_file, torch_file, torch_pickle

__all__ = ["element_types", "mapping", "pickle_writer", "pickles", "safetensors_file", "torch_file", "torch_pickle"]
