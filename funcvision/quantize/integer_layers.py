"""Layers of integer models: their arrays are int8 weights, scales and zero points, and their inputs are `QTensor`s.

The names of their arrays are those of torch's quantised modules. A weight's scale is beside it as `weight_scale`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from .. import nn
from ..nn import init
from . import fbgemm
from .fbgemm import QTensor

__all__ = [
    "Add", "Cat", "DeQuantStub", "Dequantize", "Mean", "Mul", "QuantStub", "Quantize", "QuantizedAdaptiveAvgPool2d",
    "QuantizedAdd", "QuantizedAvgPool2d", "QuantizedCat", "QuantizedConv2d", "QuantizedFlatten",
    "QuantizedHardsigmoid", "QuantizedHardswish", "QuantizedLinear", "QuantizedMaxPool2d", "QuantizedMean",
    "QuantizedMul", "QuantizedReLU", "on_values",
]


def on_values(function: Callable[[jax.Array], Any], x: jax.Array | QTensor) -> Any:
    """A function that moves elements and computes nothing, applied to an array or to the integers of a `QTensor`."""
    return x.map(function) if isinstance(x, QTensor) else function(x)


class QuantStub(nn.Identity):
    """Marks where a model takes real numbers. It becomes `Quantize`."""


class DeQuantStub(nn.Identity):
    """Marks where a model returns real numbers. It becomes `Dequantize`."""


class _Output(nn.Module):
    """A layer whose output has a scale and a zero point of its own."""

    def __init__(self, shape: tuple[int, ...] = ()):
        self.scale = nn.Buffer(shape, init.ones, dtype=jnp.float32)
        self.zero_point = nn.Buffer(shape, init.zeros, dtype=jnp.int32)


class Quantize(_Output):
    """Real numbers to integers. Training raises ValueError, because integers have no gradients."""

    def __init__(self):
        super().__init__((1,))

    def forward(self, x: jax.Array) -> QTensor:
        if self.training:
            raise ValueError("a model of integers is for inference: train the floating-point model, quantize=False")
        return fbgemm.quantize(x, self.scale[0], self.zero_point[0])


class Dequantize(nn.Module):
    """Integers to real numbers."""

    def forward(self, x: QTensor) -> jax.Array:
        return fbgemm.dequantize(x)


class QuantizedConv2d(_Output):
    """A 2-D convolution of integers, with a ReLU if `relu` is set.

    Args:
        conv: the floating-point layer whose sizes and options it has.
        per_channel: whether the weight has a scale for each output channel, not one for all.
        relu: apply a ReLU.

    Raises:
        ValueError: `conv` pads with something else than zeros.
    """

    def __init__(self, conv: nn.Conv2d, per_channel: bool = True, *, relu: bool = False):
        if conv.padding_mode != "zeros":
            raise ValueError(f"QuantizedConv2d pads with zeros; got padding_mode={conv.padding_mode!r}")
        super().__init__()
        out = conv.weight.shape[0]
        self.stride, self.padding, self.dilation, self.groups = conv.stride, conv.padding, conv.dilation, conv.groups
        self.relu = relu
        self.weight = nn.Param(conv.weight.shape, init.zeros, "OIHW->HWIO", dtype=jnp.int8)
        self.bias = nn.Param((out,), init.zeros, dtype=jnp.float32)
        self.weight_scale = nn.Buffer((out,) if per_channel else (), init.ones, dtype=jnp.float32)

    def forward(self, x: QTensor) -> QTensor:
        return fbgemm.quantized_conv2d(
            x, self.weight, self.weight_scale, self.bias, self.stride, self.padding, self.dilation, self.groups,
            scale=self.scale, zero_point=self.zero_point, relu=self.relu,
        )


class QuantizedLinear(_Output):
    """A linear layer of integers; the arguments are those of `QuantizedConv2d`."""

    def __init__(self, linear: nn.Linear, per_channel: bool = True, *, relu: bool = False):
        super().__init__()
        out = linear.weight.shape[0]
        self.relu = relu
        self.weight = nn.Param(linear.weight.shape, init.zeros, "OI->IO", dtype=jnp.int8)
        self.bias = nn.Param((out,), init.zeros, dtype=jnp.float32)
        self.weight_scale = nn.Buffer((out,) if per_channel else (), init.ones, dtype=jnp.float32)

    def forward(self, x: QTensor) -> QTensor:
        return fbgemm.quantized_linear(
            x, self.weight, self.weight_scale, self.bias, scale=self.scale, zero_point=self.zero_point, relu=self.relu
        )


class Add(nn.Module):
    """The sum of two arrays, with a ReLU if `relu` is set. It is a layer so that it can become `QuantizedAdd`."""

    def __init__(self, *, relu: bool = False):
        self.relu = relu

    def forward(self, x: jax.Array, y: jax.Array) -> jax.Array:
        return jax.nn.relu(x + y) if self.relu else x + y


class QuantizedAdd(_Output):
    """`Add` of integers."""

    def __init__(self, *, relu: bool = False):
        super().__init__()
        self.relu = relu

    def forward(self, x: QTensor, y: QTensor) -> QTensor:
        return fbgemm.quantized_add(x, y, scale=self.scale, zero_point=self.zero_point, relu=self.relu)


class Mul(nn.Module):
    """The product of two arrays. It is a layer so that it can become `QuantizedMul`."""

    def forward(self, x: jax.Array, y: jax.Array) -> jax.Array:
        return x * y


class QuantizedMul(_Output):
    """`Mul` of integers."""

    def forward(self, x: QTensor, y: QTensor) -> QTensor:
        return fbgemm.quantized_mul(x, y, scale=self.scale, zero_point=self.zero_point)


class Cat(nn.Module):
    """The concatenation of arrays along the channels. It is a layer so that it can become `QuantizedCat`."""

    def forward(self, parts: Sequence[jax.Array]) -> jax.Array:
        return jnp.concatenate(parts, axis=-1)


class QuantizedCat(_Output):
    """`Cat` of integers."""

    def forward(self, parts: Sequence[QTensor]) -> QTensor:
        return fbgemm.quantized_cat(parts, scale=self.scale, zero_point=self.zero_point)


class Mean(nn.Module):
    """The mean over height and width, [batch, channels]. It is a layer so that it can become `QuantizedMean`."""

    def forward(self, x: jax.Array) -> jax.Array:
        return jnp.mean(x, axis=(-3, -2))


class QuantizedMean(nn.Module):
    """`Mean` of integers."""

    def forward(self, x: QTensor) -> QTensor:
        return fbgemm.quantized_mean(x)


class QuantizedReLU(nn.Module):
    """`ReLU` of integers."""

    def forward(self, x: QTensor) -> QTensor:
        return fbgemm.quantized_relu(x)


class QuantizedHardswish(_Output):
    """`Hardswish` of integers."""

    def forward(self, x: QTensor) -> QTensor:
        return fbgemm.quantized_hardswish(x, scale=self.scale, zero_point=self.zero_point)


class QuantizedHardsigmoid(nn.Module):
    """`Hardsigmoid` of integers."""

    def forward(self, x: QTensor) -> QTensor:
        return fbgemm.quantized_hardsigmoid(x)


class QuantizedMaxPool2d(nn.Module):
    """Max pooling of integers with the options of a floating-point layer."""

    def __init__(self, pool: nn.MaxPool2d):
        self.pool = pool

    def forward(self, x: QTensor) -> QTensor:
        return fbgemm.quantized_max_pool2d(x, self.pool)


class QuantizedAvgPool2d(nn.Module):
    """Average pooling of integers with the options of a floating-point layer."""

    def __init__(self, pool: nn.Module):
        self.pool = pool

    def forward(self, x: QTensor) -> QTensor:
        return fbgemm.quantized_avg_pool2d(x, self.pool)


class QuantizedAdaptiveAvgPool2d(nn.Module):
    """The mean over height and width, [batch, 1, 1, channels]."""

    def forward(self, x: QTensor) -> QTensor:
        return fbgemm.quantized_adaptive_avg_pool2d(x)


class QuantizedFlatten(nn.Module):
    """`Flatten` of integers."""

    def __init__(self, flatten: nn.Flatten):
        self.flatten = flatten

    def forward(self, x: QTensor) -> QTensor:
        return x.map(self.flatten)
