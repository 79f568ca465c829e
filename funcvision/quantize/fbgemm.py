"""Inference in 8-bit integers, with the results of FBGEMM, the library that torch's quantised models run on x86 CPUs.

An array of real numbers is stored as `QTensor`: integers from 0 to 255 with one scale and one zero point,
`real = (values - zero_point) * scale`. Weights are integers from -128 to 127 with a scale for each output channel or
one for all, and their zero point is 0. Products are summed exactly in int32. The sum becomes an output integer thus:

    round((sum + bias / (input_scale * weight_scale)) * (input_scale * weight_scale / output_scale)) + zero_point

in float32, with halves rounded to the even integer. With one scale for all channels, the bias is multiplied by the
inverse of its divisor. Other operations compute on real numbers in float32 and quantise
the result. `quantize` adds the zero point before it rounds, all other operations after it. This matters for halves.
(https://github.com/pytorch/FBGEMM, `src/QuantUtils.cc`; `aten/src/ATen/native/quantized/cpu` in torch.)

One difference is intended: FBGEMM's depthwise kernels add pairs of products in 16 bits, where large values saturate.
Here they do not.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from ..functional._check import Padding, Size, integers, padding_pairs
from ._products import integer_conv2d, integer_product

__all__ = [
    "QTensor", "dequantize", "quantize", "quantized_adaptive_avg_pool2d", "quantized_add", "quantized_avg_pool2d",
    "quantized_cat", "quantized_conv2d", "quantized_hardsigmoid", "quantized_hardswish", "quantized_linear",
    "quantized_max_pool2d", "quantized_mean", "quantized_mul", "quantized_relu",
]

_LARGEST = 255
_SHIFT = 128  # from the integers 0..255 of activations to the integers -128..127 that int8 holds
_HARDSIGMOID_SCALE = 1 / 256  # of the output, whose values are from 0 to 1; torch fixes it


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class QTensor:
    """Real numbers as 8-bit integers: `(values - zero_point) * scale`.

    Attributes:
        values: uint8.
        scale: a float32 scalar.
        zero_point: the integer that stands for 0, an int32 scalar from 0 to 255.
    """

    values: jax.Array
    scale: jax.Array
    zero_point: jax.Array

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of `values`."""
        return self.values.shape

    def map(self, function: Callable[[jax.Array], jax.Array]) -> "QTensor":
        """The QTensor with a function applied to `values`, such as a transposition; scale and zero point stay."""
        return QTensor(function(self.values), self.scale, self.zero_point)


def quantize(x: Any, scale: Any, zero_point: Any) -> QTensor:
    """The nearest integers to `x / scale + zero_point`, clipped to 0..255; like `torch.quantize_per_tensor`.

    Args:
        x: floating-point, of any shape.
        scale: a positive scalar.
        zero_point: an integer from 0 to 255.

    >>> dequantize(quantize(jnp.array([-1.0, 0.26, 3.0]), 0.5, 10))
    Array([-1. ,  0.5,  3. ], dtype=float32)
    """
    scale, zero_point = jnp.asarray(scale, jnp.float32), jnp.asarray(zero_point, jnp.int32)
    steps = jnp.asarray(x, jnp.float32) * (1 / scale) + zero_point.astype(jnp.float32)
    return QTensor(jnp.clip(jnp.round(steps), 0, _LARGEST).astype(jnp.uint8), scale, zero_point)


def dequantize(x: QTensor) -> jax.Array:
    """The real numbers, in float32."""
    return _centred(x) * x.scale


def quantized_conv2d(
    x: QTensor, weight: Any, weight_scale: Any, bias: Any | None, stride: Size = 1, padding: Padding = 0,
    dilation: Size = 1, groups: int = 1, *, scale: Any, zero_point: Any, relu: bool = False,
) -> QTensor:
    """A 2-D convolution of integers, like `torch.ops.quantized.conv2d` with the engine "fbgemm".

    Args:
        x: images [batch, height, width, in].
        weight: int8 [kernel height, kernel width, in/groups, out].
        weight_scale: float32, a scalar or [out].
        bias: float32 [out], or None.
        stride: as in `functional.conv2d`.
        padding: as in `functional.conv2d`; what is added stands for 0.
        dilation: as in `functional.conv2d`.
        groups: as in `functional.conv2d`.
        scale: of the output, a scalar.
        zero_point: of the output, a scalar.
        relu: apply a ReLU to the output.

    Returns:
        [batch, height', width', out].
    """
    weight = _int8(weight, "quantized_conv2d", 4)
    if x.values.ndim != 4 or x.shape[-1] != weight.shape[-2] * groups:
        raise ValueError(
            f"quantized_conv2d takes images [batch, height, width, {weight.shape[-2] * groups}] for a weight of shape "
            f"{weight.shape} and groups={groups}; got {x.shape}"
        )
    strides, spacing = integers(stride, 2, "stride", 1), integers(dilation, 2, "dilation", 1)
    (top, bottom), (left, right) = padding_pairs("quantized_conv2d", padding, weight.shape[:2], strides, spacing)
    edges = ((0, 0, 0), (top, bottom, 0), (left, right, 0), (0, 0, 0))
    padded = jax.lax.pad(_shifted(x), (x.zero_point - _SHIFT).astype(jnp.int8), edges)
    total = integer_conv2d(padded, weight, strides, spacing, groups)
    return _requantized(total, x, weight, weight_scale, bias, scale, zero_point, relu)


def quantized_linear(
    x: QTensor, weight: Any, weight_scale: Any, bias: Any | None, *, scale: Any, zero_point: Any, relu: bool = False
) -> QTensor:
    """A product with an int8 matrix, like `torch.ops.quantized.linear` with the engine "fbgemm".

    Args:
        x: [..., in].
        weight: int8 [in, out].
        weight_scale: float32, a scalar or [out].
        bias: float32 [out], or None.
        scale: of the output, a scalar.
        zero_point: of the output, a scalar.
        relu: apply a ReLU to the output.

    Returns:
        [..., out].
    """
    weight = _int8(weight, "quantized_linear", 2)
    if x.shape[-1:] != weight.shape[:1]:
        raise ValueError(f"quantized_linear takes [..., {weight.shape[0]}]; got {x.shape}")
    total = integer_product(_shifted(x), weight)
    return _requantized(total, x, weight, weight_scale, bias, scale, zero_point, relu)


def quantized_add(x: QTensor, y: QTensor, *, scale: Any, zero_point: Any, relu: bool = False) -> QTensor:
    """The sum, quantised anew; like `torch.ops.quantized.add` and `add_relu`."""
    total = _scaled(x) + _scaled(y)
    return _quantised_anew(jnp.maximum(total, 0) if relu else total, scale, zero_point)


def quantized_mul(x: QTensor, y: QTensor, *, scale: Any, zero_point: Any) -> QTensor:
    """The product, quantised anew; like `torch.ops.quantized.mul`. Shapes broadcast."""
    scale, zero_point = jnp.asarray(scale, jnp.float32), jnp.asarray(zero_point, jnp.int32)
    product = _centred(x) * _centred(y)
    return QTensor(_rounded(product * (x.scale * y.scale * (1 / scale)), zero_point), scale, zero_point)


def quantized_cat(parts: Sequence[QTensor], axis: int = -1, *, scale: Any, zero_point: Any) -> QTensor:
    """The concatenation, quantised anew; like `torch.ops.quantized.cat`."""
    same = [_quantised_anew(dequantize(part), scale, zero_point) for part in parts]
    return QTensor(jnp.concatenate([part.values for part in same], axis), same[0].scale, same[0].zero_point)


def quantized_relu(x: QTensor) -> QTensor:
    """A ReLU: no integer is below the zero point."""
    return x.map(lambda values: jnp.maximum(values, x.zero_point.astype(jnp.uint8)))


def quantized_hardswish(x: QTensor, *, scale: Any, zero_point: Any) -> QTensor:
    """`x * min(max(x + 3, 0), 6) / 6`, quantised anew; like `torch.ops.quantized.hardswish`."""
    real = dequantize(x)
    return _quantised_anew(real * jnp.clip(real + 3, 0, 6) / 6, scale, zero_point)


def quantized_hardsigmoid(x: QTensor) -> QTensor:
    """`min(max(x + 3, 0), 6) / 6` with the scale 1/256 and the zero point 0, as torch fixes them."""
    return _quantised_anew(jnp.clip(dequantize(x) + 3, 0, 6) / 6, _HARDSIGMOID_SCALE, 0)


def quantized_max_pool2d(x: QTensor, pool: Callable[[jax.Array], jax.Array]) -> QTensor:
    """Max pooling of [batch, height, width, channels] by a function of the integers."""
    return x.map(pool)


def quantized_avg_pool2d(x: QTensor, pool: Callable[[jax.Array], jax.Array]) -> QTensor:
    """Average pooling of [batch, height, width, channels] by a function of float32 arrays; scale and zero point stay.

    Windows may reach into padding, which stands for 0.
    """
    return QTensor(_rounded(pool(_centred(x)), x.zero_point), x.scale, x.zero_point)


def quantized_adaptive_avg_pool2d(x: QTensor) -> QTensor:
    """The mean over height and width, [batch, 1, 1, channels]; scale and zero point stay.

    It is that of the integers, rounded, like `torch.nn.functional.adaptive_avg_pool2d`.
    """
    count = x.shape[-3] * x.shape[-2]
    total = jnp.sum(x.values, axis=(-3, -2), keepdims=True, dtype=jnp.int32)
    below, rest = total // count, total % count  # a division in float32 by a constant is not exact: XLA multiplies
    up = (2 * rest > count) | ((2 * rest == count) & (below % 2 == 1))
    return QTensor((below + up.astype(jnp.int32)).astype(jnp.uint8), x.scale, x.zero_point)


def quantized_mean(x: QTensor) -> QTensor:
    """The mean over height and width, [batch, channels]; scale and zero point stay.

    It is that of the real numbers, quantised, like `torch.mean`. It differs from `quantized_adaptive_avg_pool2d` where
    the mean is halfway between two integers. There it may also differ from torch's, which adds in another order.
    """
    return quantize(jnp.mean(dequantize(x), axis=(-3, -2)), x.scale, x.zero_point)


def _int8(weight: Any, who: str, axes: int) -> jax.Array:
    weight = jnp.asarray(weight)
    if weight.dtype != jnp.int8 or weight.ndim != axes:
        raise ValueError(f"{who} takes an int8 weight of {axes} axes; got {weight.dtype}{weight.shape}")
    return weight


def _shifted(x: QTensor) -> jax.Array:
    """The integers, less 128, as int8: the type for which XLA has fast products."""
    return (x.values.astype(jnp.int16) - _SHIFT).astype(jnp.int8)


def _centred(x: QTensor) -> jax.Array:
    """The integers less the zero point, in float32."""
    return x.values.astype(jnp.float32) - x.zero_point.astype(jnp.float32)


def _scaled(x: QTensor) -> jax.Array:
    """The real numbers as torch's sum has them.

    It multiplies and adds with one rounding. XLA compiles these two operations to the same instruction of a CPU.
    """
    return x.values.astype(jnp.float32) * x.scale + (-x.scale * x.zero_point.astype(jnp.float32))


def _rounded(x: jax.Array, zero_point: jax.Array, *, relu: bool = False) -> jax.Array:
    """Numbers in units of the output's scale as integers 0..255."""
    zero = zero_point.astype(jnp.float32)
    return jnp.clip(jnp.round(x) + zero, zero if relu else 0, _LARGEST).astype(jnp.uint8)


def _quantised_anew(real: jax.Array, scale: Any, zero_point: Any) -> QTensor:
    """The result of an operation on real numbers."""
    scale, zero_point = jnp.asarray(scale, jnp.float32), jnp.asarray(zero_point, jnp.int32)
    return QTensor(_rounded(real * (1 / scale), zero_point), scale, zero_point)


def _requantized(
    total: jax.Array, x: QTensor, weight: jax.Array, weight_scale: Any, bias: Any | None, scale: Any, zero_point: Any,
    relu: bool,
) -> QTensor:
    """The output of a layer from the sums of products [..., out] of its shifted input."""
    scale, zero_point = jnp.asarray(scale, jnp.float32), jnp.asarray(zero_point, jnp.int32)
    unit = x.scale * jnp.asarray(weight_scale, jnp.float32)  # what 1 in a sum stands for
    # Exact up to 2^17 weights for each output channel. A sum of int8 in int32 takes ten times as long on a CPU.
    of_weights = jnp.sum(weight.astype(jnp.float32), axis=tuple(range(weight.ndim - 1))).astype(jnp.int32)

    def along_channels(array: jax.Array) -> jax.Array:
        return jnp.broadcast_to(array, (total.shape[-1],)).reshape((1,) * (total.ndim - 1) + (-1,))

    exact = total + along_channels((_SHIFT - x.zero_point) * of_weights)
    real = exact.astype(jnp.float32)
    if bias is not None:
        bias = jnp.asarray(bias, jnp.float32)
        # With one scale, FBGEMM multiplies by its inverse and adds, with one rounding; XLA compiles it so too.
        real = real + (along_channels(bias / unit) if unit.ndim else along_channels(bias) * (1 / unit))
    # Where XLA sees that the divisor is one number, it may multiply by the inverse, which rounds otherwise.
    factor = unit / jax.lax.optimization_barrier(jnp.broadcast_to(scale, unit.shape))
    return QTensor(_rounded(real * along_channels(factor), zero_point, relu=relu), scale, zero_point)
