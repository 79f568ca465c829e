"""Predicts whether Winograd's method is the faster one for a 3x3 convolution of stride 1 on a CPU.

The other method is XLA's convolution for the value and `kernel_rows` for the gradient with respect to the weight.

The predicted time is a sum of terms, each a product of sizes times a cost. `benchmarks/conv_cost.py` fits the costs to
measured times. Only the ratio of two predictions matters, so the costs also hold for a faster or slower machine with a
similar balance of compute and memory.
"""

import math
from typing import NamedTuple

from ..geometry import Geometry

__all__ = ["VALUE", "WEIGHT_GRADIENT", "Costs", "Terms", "terms"]

Terms = tuple[float, float, float, float, float]

_MAX_TIME_RATIO = 0.9  # of Winograd's time to the other method's; a smaller gain is not worth the longer compilation
_MIN_CHANNELS = 64  # in and out; with fewer, matrix products do not fill the vector registers and the model is wrong


class Costs(NamedTuple):
    """Nanoseconds for each of `terms`, by each method, on two cores with AVX-512.

    Attributes:
        direct: without Winograd's method.
        winograd: with it.
    """

    direct: Terms
    winograd: Terms

    def prefer_winograd(self, images: int, channels: int, out: int, geometry: Geometry) -> bool:
        """Whether Winograd's method is predicted to be faster by a worthwhile margin."""
        if min(channels, out) < _MIN_CHANNELS:
            return False
        pixels = images * math.prod(geometry.out)
        tiles = images * math.prod(-(-n // 2) for n in geometry.out)
        winograd, direct = _time(self.winograd, tiles, channels, out), _time(self.direct, pixels, channels, out)
        return winograd < _MAX_TIME_RATIO * direct


VALUE = Costs(direct=(0.082, 2.07, 2.07, 5.31, 165e3), winograd=(0.167, 6.03, 6.03, 9.48, 280e3))
# `direct` was fitted to XLA's gradient with respect to the weight, before `kernel_rows` took its place.
WEIGHT_GRADIENT = Costs(direct=(0.0785, 3.44, 3.44, 15.6, 0), winograd=(0.155, 13.8, 13.8, 12.2, 0))


def terms(pixels: int, channels: int, out: int) -> Terms:
    """The sizes that the costs are multiplied with: multiplications, input, output, weight, and 1 for each call.

    Args:
        pixels: output pixels of all images; tiles of 2x2 of them for Winograd's method.
        channels: of the input.
        out: channels of the output.
    """
    return pixels * channels * out, pixels * channels, pixels * out, channels * out, 1


def _time(costs: Terms, pixels: int, channels: int, out: int) -> float:
    """Nanoseconds."""
    return sum(cost * term for cost, term in zip(costs, terms(pixels, channels, out), strict=True))
