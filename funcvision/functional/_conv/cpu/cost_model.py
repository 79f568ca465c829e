"""Predicts whether Winograd's method is faster for a 3x3 convolution of stride 1 on a CPU, and with which tiles.

The other method is XLA's convolution for the value and `kernel_rows` for the gradient with respect to the weight.

The predicted time is a sum of terms, each a product of sizes times a cost. `benchmarks/conv_cost.py` fits the costs to
measured times. Only the ratio of two predictions matters, so the costs also hold for a faster or slower machine with a
similar balance of compute and memory.
"""

import math
import operator
from typing import NamedTuple

from ..geometry import Geometry

__all__ = ["SIZES", "VALUE", "WEIGHT_GRADIENT", "Costs", "Terms", "terms"]

Terms = tuple[float, float, float, float, float]
SIZES = 1, 2, 4
"""Rows and columns of outputs in a tile, by `Costs`; 1 is without Winograd's method."""

_MAX_TIME_RATIO = 0.9  # of Winograd's time to the other method's; a smaller gain is not worth the longer compilation
_MIN_CHANNELS = 64  # in and out; with fewer, matrix products do not fill the vector registers and the model is wrong


class Costs(NamedTuple):
    """Nanoseconds for each of `terms`, by each method, on one core with AVX-512.

    Attributes:
        direct: without Winograd's method.
        tiles_of_2: with it, in tiles of 2x2 outputs.
        tiles_of_4: in tiles of 4x4 outputs.
    """

    direct: Terms
    tiles_of_2: Terms
    tiles_of_4: Terms

    def tile_size(self, images: int, channels: int, out: int, geometry: Geometry) -> int:
        """The size of Winograd's tiles, 2 or 4, or 1 where the method is not faster by a worthwhile margin."""
        if min(channels, out) < _MIN_CHANNELS:
            return 1

        def predicted(size: int, costs: Terms) -> float:
            tiles = images * math.prod(-(-n // size) for n in geometry.out)
            return sum(map(operator.mul, costs, terms(tiles, channels, out)))

        times = {size: predicted(size, costs) for size, costs in zip(SIZES, self, strict=True)}
        best = min(times, key=times.__getitem__)
        return best if times[best] < _MAX_TIME_RATIO * times[1] else 1


# The cost of a weight with tiles of 4 was fitted as 24 and 18, on memory that had been used before. With 512 channels
# on fresh pages from the system it is about 120. A model has both, so it is set to 60 and 35.
VALUE = Costs(
    direct=(0.189, 0, 0, 7.33, 93e3), tiles_of_2=(0.406, 6.45, 6.45, 8.8, 43e3), tiles_of_4=(1.03, 18, 18, 60, 0)
)
WEIGHT_GRADIENT = Costs(
    direct=(0.199, 5.53, 5.53, 0, 0), tiles_of_2=(0.343, 17, 17, 7.26, 0), tiles_of_4=(0.854, 42.8, 42.8, 35, 0)
)


def terms(pixels: int, channels: int, out: int) -> Terms:
    """The sizes that the costs are multiplied with: multiplications, input, output, weight, and 1 for each call.

    Args:
        pixels: output pixels of all images; tiles of them for Winograd's method.
        channels: of the input.
        out: channels of the output.
    """
    return pixels * channels * out, pixels * channels, pixels * out, channels * out, 1
