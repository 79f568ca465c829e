"""Convolution layers. Kernels are declared in torch's axis order and stored as [*kernel, in, out], which suits XLA."""

import math
from collections.abc import Callable
from typing import ClassVar, Literal

import jax

from .. import functional as F
from ..functional._check import Padding, Size, integer, integers, padding_pairs
from . import init
from .init import Initializer
from .module import Module, Param

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]

PaddingMode = Literal["zeros", "reflect", "replicate", "circular"]

TORCH_WEIGHT = init.kaiming_uniform(a=math.sqrt(5))
"""torch's default for weights: uniform within 1 / sqrt(fan in)."""


def torch_bias(fan_in: int) -> Initializer:
    """torch's default for biases: uniform within 1 / sqrt(fan in)."""
    bound = 1 / math.sqrt(fan_in) if fan_in else 0.0
    return init.uniform(-bound, bound)


class _Conv(Module):
    axes: ClassVar[int]
    function: ClassVar[Callable[..., jax.Array]]

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Size, stride: Size = 1, padding: Padding = 0,
        dilation: Size = 1, groups: int = 1, bias: bool = True, padding_mode: PaddingMode = "zeros", *,
        weight_init: Initializer = TORCH_WEIGHT, bias_init: Initializer | None = None,
    ):
        name = type(self).__name__
        in_channels = integer(in_channels, f"{name}: in_channels", 0)
        out_channels = integer(out_channels, f"{name}: out_channels", 0)
        groups = integer(groups, f"{name}: groups", 1)
        if in_channels % groups or out_channels % groups:
            raise ValueError(f"groups={groups} must divide in_channels={in_channels} and out_channels={out_channels}")
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size = integers(kernel_size, self.axes, f"{name}: kernel_size", 1)
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups
        self.padding_mode: PaddingMode = padding_mode
        spatial = "DHW"[-self.axes :]
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        self.weight = Param(shape, weight_init, f"OI{spatial}->{spatial}IO")
        fan_in, _ = init.fans(shape)
        self.bias = Param((out_channels,), bias_init or torch_bias(fan_in)) if bias else None

    def forward(self, x: jax.Array) -> jax.Array:
        padding = self.padding
        if self.padding_mode != "zeros":
            x, padding = F.pad(x, self._border(), mode=self.padding_mode), 0
        return type(self).function(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def _border(self) -> tuple[int, ...]:
        """The padding in the order of `functional.pad`: (before, after) for each axis, the last axis first."""
        strides = integers(self.stride, self.axes, "stride", 1)
        dilations = integers(self.dilation, self.axes, "dilation", 1)
        pairs = padding_pairs(type(self).__name__, self.padding, self.kernel_size, strides, dilations)
        return tuple(end for pair in reversed(pairs) for end in pair)


class Conv1d(_Conv):
    """Convolution of [..., length, in]. Arguments are torch's; `weight` is [k, in/groups, out]."""

    axes, function = 1, F.conv1d


class Conv2d(_Conv):
    """Convolution of images [..., height, width, in]. Arguments are torch's; `weight` is [kh, kw, in/groups, out].

    `weight_init` and `bias_init` replace torch's default initialisers.

    >>> Conv2d(3, 64, 7, stride=2, padding=3).weight.stored_shape
    (7, 7, 3, 64)
    """

    axes, function = 2, F.conv2d


class Conv3d(_Conv):
    """Convolution of [..., depth, height, width, in]. Arguments are torch's; `weight`: [kd, kh, kw, in/groups, out]."""

    axes, function = 3, F.conv3d


class _ConvTranspose(Module):
    axes: ClassVar[int]
    function: ClassVar[Callable[..., jax.Array]]

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Size, stride: Size = 1, padding: Size = 0,
        output_padding: Size = 0, groups: int = 1, bias: bool = True, dilation: Size = 1, *,
        weight_init: Initializer = TORCH_WEIGHT, bias_init: Initializer | None = None,
    ):
        name = type(self).__name__
        in_channels = integer(in_channels, f"{name}: in_channels", 0)
        out_channels = integer(out_channels, f"{name}: out_channels", 0)
        groups = integer(groups, f"{name}: groups", 1)
        if in_channels % groups or out_channels % groups:
            raise ValueError(f"groups={groups} must divide in_channels={in_channels} and out_channels={out_channels}")
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size = integers(kernel_size, self.axes, f"{name}: kernel_size", 1)
        self.stride, self.padding, self.output_padding = stride, padding, output_padding
        self.groups, self.dilation = groups, dilation
        spatial = "DHW"[-self.axes :]
        shape = (in_channels, out_channels // groups, *self.kernel_size)
        self.weight = Param(shape, weight_init, f"IO{spatial}->{spatial}IO")
        fan_in, _ = init.fans(shape)  # torch counts the fan in of a transposed kernel over its output channels
        self.bias = Param((out_channels,), bias_init or torch_bias(fan_in)) if bias else None

    def forward(self, x: jax.Array, output_size: Size | None = None) -> jax.Array:
        """The output, of a given size if there is an `output_size`, which replaces `output_padding`."""
        return type(self).function(
            x, self.weight, self.bias, self.stride, self.padding, self.output_padding, self.groups, self.dilation,
            output_size=output_size,
        )


class ConvTranspose1d(_ConvTranspose):
    """Transposed convolution of [..., length, in]. `weight` is [k, in, out/groups]."""

    axes, function = 1, F.conv_transpose1d


class ConvTranspose2d(_ConvTranspose):
    """Transposed convolution of images [..., height, width, in]. `weight` is [kh, kw, in, out/groups]."""

    axes, function = 2, F.conv_transpose2d


class ConvTranspose3d(_ConvTranspose):
    """Transposed convolution of [..., depth, height, width, in]. `weight` is [kd, kh, kw, in, out/groups]."""

    axes, function = 3, F.conv_transpose3d
