"""A convolution and its two gradients on a CPU; `choose.py` picks the method by the shapes."""

from .choose import input_gradient, value, weight_gradient

__all__ = ["input_gradient", "value", "weight_gradient"]
