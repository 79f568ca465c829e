"""Pooling layers for channels-last arrays: `functional`'s pools with their options."""

from collections.abc import Callable
from typing import ClassVar

import jax

from .. import functional as F
from ..functional._check import Size
from ..functional.fractional_pool import Ratio
from ..functional.pool import OutputSize, ValuesAndIndices
from ._function import Function
from .module import Module

__all__ = [
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d", "AdaptiveMaxPool2d", "AdaptiveMaxPool3d",
    "AvgPool1d", "AvgPool2d", "AvgPool3d", "LPPool1d", "LPPool2d", "LPPool3d", "MaxPool1d", "MaxPool2d", "MaxPool3d",
    "FractionalMaxPool2d", "FractionalMaxPool3d", "MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d",
]


class _MaxPool(Function):
    def __init__(
        self, kernel_size: Size, stride: Size | None = None, padding: Size = 0, dilation: Size = 1,
        return_indices: bool = False, ceil_mode: bool = False,
    ):
        self.kernel_size, self.stride, self.padding, self.dilation = kernel_size, stride, padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode


class MaxPool1d(_MaxPool):
    """The largest element of each window of [..., length, channels]; see `functional.max_pool2d`."""

    function = F.max_pool1d


class MaxPool2d(_MaxPool):
    """The largest element of each window of images [..., height, width, channels]; see `functional.max_pool2d`."""

    function = F.max_pool2d


class MaxPool3d(_MaxPool):
    """The largest element of each window of [..., depth, height, width, channels]; see `functional.max_pool2d`."""

    function = F.max_pool3d


class _FractionalMaxPool(Module):
    function: ClassVar[Callable[..., ValuesAndIndices]]

    def __init__(
        self, kernel_size: Size, output_size: Size | None = None, output_ratio: Ratio | None = None,
        return_indices: bool = False,
    ):
        if (output_size is None) == (output_ratio is None):
            raise ValueError(
                f"{type(self).__name__} takes output_size or output_ratio, one of them; got {output_size=} and "
                f"{output_ratio=}"
            )
        self.kernel_size, self.output_size, self.output_ratio = kernel_size, output_size, output_ratio
        self.return_indices = return_indices

    def forward(self, x: jax.Array, _random_samples: jax.Array | None = None) -> ValuesAndIndices:
        key = self.random_key() if _random_samples is None else None
        return type(self).function(
            x, self.kernel_size, self.output_size, self.output_ratio, self.return_indices, _random_samples, key=key
        )


class FractionalMaxPool2d(_FractionalMaxPool):
    """The largest element of each window of [..., height, width, channels], at random distances.

    It draws them also in evaluation, so `apply` always needs a key. See `functional.fractional_max_pool2d`.
    """

    function = F.fractional_max_pool2d


class FractionalMaxPool3d(_FractionalMaxPool):
    """The largest element of each window of [..., depth, height, width, channels]; like `FractionalMaxPool2d`."""

    function = F.fractional_max_pool3d


class _MaxUnpool(Module):
    function: ClassVar[Callable[..., jax.Array]]

    def __init__(self, kernel_size: Size, stride: Size | None = None, padding: Size = 0):
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding

    def forward(self, x: jax.Array, indices: jax.Array, output_size: Size | None = None) -> jax.Array:
        return type(self).function(x, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool1d(_MaxUnpool):
    """Puts the maxima of [..., length, channels] back in their places; see `functional.max_unpool2d`."""

    function = F.max_unpool1d


class MaxUnpool2d(_MaxUnpool):
    """Puts the maxima of [..., height, width, channels] back in their places; see `functional.max_unpool2d`."""

    function = F.max_unpool2d


class MaxUnpool3d(_MaxUnpool):
    """Puts the maxima of [..., depth, height, width, channels] back in their places; see `functional.max_unpool2d`."""

    function = F.max_unpool3d


class AvgPool1d(Function):
    """The mean of each window of [..., length, channels]; see `functional.avg_pool2d`."""

    function = F.avg_pool1d

    def __init__(
        self, kernel_size: Size, stride: Size | None = None, padding: Size = 0, ceil_mode: bool = False,
        count_include_pad: bool = True,
    ):
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad


class _AvgPool(Function):
    def __init__(
        self, kernel_size: Size, stride: Size | None = None, padding: Size = 0, ceil_mode: bool = False,
        count_include_pad: bool = True, divisor_override: int | None = None,
    ):
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.ceil_mode, self.count_include_pad, self.divisor_override = ceil_mode, count_include_pad, divisor_override


class AvgPool2d(_AvgPool):
    """The mean of each window of images [..., height, width, channels]; see `functional.avg_pool2d`."""

    function = F.avg_pool2d


class AvgPool3d(_AvgPool):
    """The mean of each window of [..., depth, height, width, channels]; see `functional.avg_pool2d`."""

    function = F.avg_pool3d


class _LPPool(Function):
    def __init__(self, norm_type: float, kernel_size: Size, stride: Size | None = None, ceil_mode: bool = False):
        self.norm_type, self.kernel_size, self.stride, self.ceil_mode = norm_type, kernel_size, stride, ceil_mode


class LPPool1d(_LPPool):
    """The p-norm of each window of [..., length, channels]; see `functional.lp_pool2d`."""

    function = F.lp_pool1d


class LPPool2d(_LPPool):
    """The p-norm of each window of images [..., height, width, channels]; see `functional.lp_pool2d`."""

    function = F.lp_pool2d


class LPPool3d(_LPPool):
    """The p-norm of each window of [..., depth, height, width, channels]; see `functional.lp_pool2d`."""

    function = F.lp_pool3d


class _AdaptivePool(Function):
    def __init__(self, output_size: OutputSize):
        self.output_size = output_size


class AdaptiveAvgPool1d(_AdaptivePool):
    """[..., length, channels] to [..., output_size, channels] by means; see `functional.adaptive_avg_pool2d`."""

    function = F.adaptive_avg_pool1d


class AdaptiveAvgPool2d(_AdaptivePool):
    """Images [..., height, width, channels] to [..., *output_size, channels] by means.

    See `functional.adaptive_avg_pool2d`.
    """

    function = F.adaptive_avg_pool2d


class AdaptiveAvgPool3d(_AdaptivePool):
    """[..., depth, height, width, channels] to [..., *output_size, channels] by means.

    See `functional.adaptive_avg_pool2d`.
    """

    function = F.adaptive_avg_pool3d


class _AdaptiveMaxPool(Function):
    def __init__(self, output_size: OutputSize, return_indices: bool = False):
        self.output_size, self.return_indices = output_size, return_indices


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """[..., length, channels] to [..., output_size, channels] by maxima; see `functional.adaptive_max_pool2d`."""

    function = F.adaptive_max_pool1d


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """Images [..., height, width, channels] to [..., *output_size, channels] by maxima.

    See `functional.adaptive_max_pool2d`.
    """

    function = F.adaptive_max_pool2d


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """[..., depth, height, width, channels] to [..., *output_size, channels] by maxima.

    See `functional.adaptive_max_pool2d`.
    """

    function = F.adaptive_max_pool3d
