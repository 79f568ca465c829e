"""Building blocks of torchvision's models; the names of their children are torchvision's."""

from collections.abc import Callable, Sequence
from typing import ClassVar

import jax
import jax.numpy as jnp

from ... import nn
from ...functional._check import Padding, Size, per_axis
from ...functional._precision import accumulation_dtype
from ...nn import init

__all__ = [
    "MLP", "Conv2dNormActivation", "Conv3dNormActivation", "FrozenBatchNorm2d", "Permute", "SqueezeExcitation",
]

Layer = Callable[..., nn.Module]


class _ConvNormActivation(nn.Sequential):
    convolution: ClassVar[Layer]
    axes: ClassVar[int]

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Size = 3, stride: Size = 1,
        padding: Padding | None = None, groups: int = 1, norm_layer: Layer | None = nn.BatchNorm2d,
        activation_layer: Layer | None = nn.ReLU, dilation: Size = 1, inplace: bool | None = None,
        bias: bool | None = None,
    ):
        if padding is None:
            padding = _same(kernel_size, dilation, self.axes)
        if bias is None:
            bias = norm_layer is None
        layers = [
            type(self).convolution(
                in_channels, out_channels, kernel_size, stride, padding, dilation=dilation, groups=groups, bias=bias
            )
        ]
        layers += [norm_layer(out_channels)] if norm_layer else []
        layers += [activation_layer()] if activation_layer else []
        super().__init__(*layers)
        self.out_channels = out_channels


def _same(kernel_size: Size, dilation: Size, axes: int) -> tuple[int, ...]:
    """The padding with which a convolution of stride 1 and an odd kernel keeps the size of an image."""
    kernel, spacing = per_axis(kernel_size, axes, "kernel_size"), per_axis(dilation, axes, "dilation")
    return tuple((k - 1) // 2 * d for k, d in zip(kernel, spacing, strict=True))


class Conv2dNormActivation(_ConvNormActivation):
    """A 2-D convolution, a norm and an activation, as children `0`, `1` and `2`.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: of the convolution.
        stride: of the convolution.
        padding: of the convolution; by default `(kernel_size - 1) // 2 * dilation`, which at stride 1 keeps the size of
            the image.
        groups: of the convolution.
        norm_layer: called with a number of channels; None for no norm.
        activation_layer: called without arguments; None for no activation.
        dilation: of the convolution.
        inplace: ignored, because arrays of jax are immutable.
        bias: whether the convolution has a bias; by default only if there is no norm.
    """

    convolution, axes = nn.Conv2d, 2


class Conv3dNormActivation(_ConvNormActivation):
    """A 3-D convolution, a norm and an activation, of [batch, depth, height, width, channels].

    The arguments are those of `Conv2dNormActivation`; the default norm is `BatchNorm3d`.
    """

    convolution, axes = nn.Conv3d, 3

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Size = 3, stride: Size = 1,
        padding: Padding | None = None, groups: int = 1, norm_layer: Layer | None = nn.BatchNorm3d,
        activation_layer: Layer | None = nn.ReLU, dilation: Size = 1, inplace: bool | None = None,
        bias: bool | None = None,
    ):
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, groups, norm_layer, activation_layer, dilation,
            inplace, bias,
        )


class SqueezeExcitation(nn.Module):
    """Squeeze-and-excitation (Hu et al. 2017, https://arxiv.org/abs/1709.01507).

    It multiplies each channel by a factor, which two layers compute from the means of all channels.

    Args:
        input_channels: channels of the feature map [batch, height, width, channels].
        squeeze_channels: channels between the two layers.
        activation: after the first layer (delta in the paper's equation 3); called without arguments.
        scale_activation: after the second layer (sigma there); called without arguments.
    """

    def __init__(
        self, input_channels: int, squeeze_channels: int, activation: Layer = nn.ReLU,
        scale_activation: Layer = nn.Sigmoid,
    ):
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(input_channels, squeeze_channels, 1)
        self.fc2 = nn.Conv2d(squeeze_channels, input_channels, 1)
        self.activation = activation()
        self.scale_activation = scale_activation()

    def forward(self, x: jax.Array) -> jax.Array:
        scale = self.activation(self.fc1(self.avgpool(x)))
        return x * self.scale_activation(self.fc2(scale))


class MLP(nn.Sequential):
    """Linear layers, each followed by a norm, an activation and dropout; the last one is followed by dropout only.

    Args:
        in_channels: features of the input, on its last axis.
        hidden_channels: output features of each linear layer.
        norm_layer: called with a number of features; None for no norm.
        activation_layer: called without arguments.
        inplace: ignored, because arrays of jax are immutable.
        bias: whether the linear layers have biases.
        dropout: probability to drop an element in training.
    """

    def __init__(
        self, in_channels: int, hidden_channels: Sequence[int], norm_layer: Layer | None = None,
        activation_layer: Layer = nn.ReLU, inplace: bool | None = None, bias: bool = True, dropout: float = 0.0,
    ):
        layers: list[nn.Module] = []
        for number, channels in enumerate(hidden_channels, 1):
            layers.append(nn.Linear(in_channels, channels, bias))
            if number < len(hidden_channels):
                layers += [norm_layer(channels)] if norm_layer else []
                layers.append(activation_layer())
            layers.append(nn.Dropout(dropout))
            in_channels = channels
        super().__init__(*layers)


class Permute(nn.Module):
    """Transposes an array: axis `i` of the result is axis `dims[i]` of the input."""

    def __init__(self, dims: Sequence[int]):
        self.dims = tuple(dims)

    def forward(self, x: jax.Array) -> jax.Array:
        return x.transpose(self.dims)


class FrozenBatchNorm2d(nn.Module):
    """Batch normalisation whose statistics, weight and bias are buffers, which training does not change.

    Args:
        num_features: number of channels.
        eps: added to the variance.
    """

    def __init__(self, num_features: int, eps: float = 1e-5):
        self.num_features, self.eps = num_features, eps
        self.weight = nn.Buffer((num_features,), init.ones)
        self.bias = nn.Buffer((num_features,), init.zeros)
        self.running_mean = nn.Buffer((num_features,), init.zeros)
        self.running_var = nn.Buffer((num_features,), init.ones)

    def forward(self, x: jax.Array) -> jax.Array:
        """Maps [..., channels] to the same shape. Scale and shift are computed in float32 at least."""
        if x.shape[-1] != self.num_features:
            raise ValueError(f"FrozenBatchNorm2d normalises {self.num_features} channels, the last axis; got {x.shape}")
        wide = accumulation_dtype(x.dtype)
        arrays = self.weight, self.bias, self.running_mean, self.running_var
        weight, bias, mean, var = (array.astype(wide) for array in arrays)
        scale = weight * jax.lax.rsqrt(var + self.eps)
        shift = bias - mean * scale
        axes = tuple(range(x.ndim - 1))
        return x * jnp.expand_dims(scale.astype(x.dtype), axes) + jnp.expand_dims(shift.astype(x.dtype), axes)
