"""Every layer of `funcvision.nn` as a class that holds Tensors, under its name, and the lazy layers of torch."""

from ._additions import lazy_layers
from ._lifted import lifted_layers

_layers = {**lifted_layers(), **lazy_layers(lifted_layers())}
globals().update(_layers)

__all__ = list(_layers)  # pyright: ignore[reportUnsupportedDunderAll]
