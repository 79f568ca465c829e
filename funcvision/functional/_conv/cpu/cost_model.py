"""What a 3x3 convolution of stride 1 takes on a CPU by Winograd's method and without it: which of them is used.

The other method is lax's for the value and `_conv_rows` for the kernel gradient.

The time is taken to be a sum of products of sizes, whose costs `benchmarks/conv_cost.py` fits to a sweep of shapes.
Only ratios of them matter, so that machines of other speed but like build choose alike.
"""

import math
from typing import NamedTuple

from ..geometry import Geometry

__all__ = ["WEIGHT_GRADIENT", "VALUE", "Costs", "Terms", "terms"]

Terms = tuple[float, float, float, float, float]

_MARGIN = 0.9  # a doubtful gain is not worth the compilation
_NARROWEST = 64  # channels, on either side: the costs do not hold for fewer, whose products fill no register


class Costs(NamedTuple):
    """Costs in nanoseconds, on two cores with AVX-512; those of the kernel gradient were fitted beside lax's."""

    direct: Terms
    winograd: Terms

    def prefer_winograd(self, images: int, channels: int, out: int, geometry: Geometry) -> bool:
        if min(channels, out) < _NARROWEST:
            return False
        pixels = images * math.prod(geometry.out)
        tiles = images * math.prod(-(-n // 2) for n in geometry.out)
        return _cost(self.winograd, tiles, channels, out) < _MARGIN * _cost(self.direct, pixels, channels, out)


VALUE = Costs(direct=(0.082, 2.07, 2.07, 5.31, 165e3), winograd=(0.167, 6.03, 6.03, 9.48, 280e3))
WEIGHT_GRADIENT = Costs(direct=(0.0785, 3.44, 3.44, 15.6, 0), winograd=(0.155, 13.8, 13.8, 12.2, 0))


def terms(pixels: int, channels: int, out: int) -> Terms:
    """What the costs are multiplied with: products, image, output, kernel, and one for beginning at all."""
    return pixels * channels * out, pixels * channels, pixels * out, channels * out, 1


def _cost(costs: Terms, pixels: int, channels: int, out: int) -> float:
    return sum(cost * term for cost, term in zip(costs, terms(pixels, channels, out), strict=True))
