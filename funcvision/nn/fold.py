"""Layers that take images apart into windows, and put them together again."""

from .. import functional as F
from ..functional._check import Size
from ._function import Function

__all__ = ["Fold", "Unfold"]


class Unfold(Function):
    """Images [..., height, width, channels] to [..., windows, channels * kh * kw]; see `functional.unfold`."""

    function = F.unfold

    def __init__(self, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1):
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride


class Fold(Function):
    """[..., windows, channels * kh * kw] to images, by sums where windows overlap; see `functional.fold`."""

    function = F.fold

    def __init__(
        self, output_size: Size, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1
    ):
        self.output_size, self.kernel_size, self.dilation = output_size, kernel_size, dilation
        self.padding, self.stride = padding, stride
