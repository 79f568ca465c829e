"""Activation layers: `functional`'s activations with their options.

`inplace` is an argument where it is one in torch, so that code written for torch runs. It is ignored: arrays are
immutable, and XLA reuses memory on its own.
"""

import jax

from .. import functional as F
from . import init as initializers
from ._function import Function
from .module import Module, Param

__all__ = [
    "CELU", "ELU", "GELU", "GLU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU", "LogSigmoid",
    "LogSoftmax", "Mish", "PReLU", "RReLU", "ReLU", "ReLU6", "SELU", "SiLU", "Sigmoid", "Softmax", "Softmax2d",
    "Softmin", "Softplus", "Softshrink", "Softsign", "Tanh", "Tanhshrink", "Threshold",
]


class _InPlace(Function):
    def __init__(self, inplace: bool = False):
        pass


class ReLU(_InPlace):
    """See `functional.relu`. `inplace` is ignored: arrays are immutable."""

    function = F.relu


class ReLU6(_InPlace):
    """See `functional.relu6`. `inplace` is ignored: arrays are immutable."""

    function = F.relu6


class SELU(_InPlace):
    """See `functional.selu`. `inplace` is ignored: arrays are immutable."""

    function = F.selu


class SiLU(_InPlace):
    """See `functional.silu`. `inplace` is ignored: arrays are immutable."""

    function = F.silu


class Mish(_InPlace):
    """See `functional.mish`. `inplace` is ignored: arrays are immutable."""

    function = F.mish


class Hardsigmoid(_InPlace):
    """See `functional.hardsigmoid`. `inplace` is ignored: arrays are immutable."""

    function = F.hardsigmoid


class Hardswish(_InPlace):
    """See `functional.hardswish`. `inplace` is ignored: arrays are immutable."""

    function = F.hardswish


class Sigmoid(Function):
    """See `functional.sigmoid`."""

    function = F.sigmoid


class LogSigmoid(Function):
    """See `functional.logsigmoid`."""

    function = F.logsigmoid


class Tanh(Function):
    """See `functional.tanh`."""

    function = F.tanh


class Tanhshrink(Function):
    """See `functional.tanhshrink`."""

    function = F.tanhshrink


class Softsign(Function):
    """See `functional.softsign`."""

    function = F.softsign


class ELU(Function):
    """See `functional.elu`. `inplace` is ignored: arrays are immutable."""

    function = F.elu

    def __init__(self, alpha: float = 1.0, inplace: bool = False):
        self.alpha = alpha


class CELU(Function):
    """See `functional.celu`. `inplace` is ignored: arrays are immutable."""

    function = F.celu

    def __init__(self, alpha: float = 1.0, inplace: bool = False):
        self.alpha = alpha


class GELU(Function):
    """See `functional.gelu`."""

    function = F.gelu

    def __init__(self, approximate: str = "none"):
        self.approximate = approximate


class LeakyReLU(Function):
    """See `functional.leaky_relu`. `inplace` is ignored: arrays are immutable."""

    function = F.leaky_relu

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False):
        self.negative_slope = negative_slope


class Threshold(Function):
    """See `functional.threshold`. `inplace` is ignored: arrays are immutable."""

    function = F.threshold

    def __init__(self, threshold: float, value: float, inplace: bool = False):
        self.threshold, self.value = threshold, value


class Hardtanh(Function):
    """See `functional.hardtanh`. `inplace` is ignored: arrays are immutable."""

    function = F.hardtanh

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False):
        self.min_val, self.max_val = min_val, max_val


class Softplus(Function):
    """See `functional.softplus`."""

    function = F.softplus

    def __init__(self, beta: float = 1.0, threshold: float = 20.0):
        self.beta, self.threshold = beta, threshold


class Softshrink(Function):
    """See `functional.softshrink`."""

    function = F.softshrink

    def __init__(self, lambd: float = 0.5):
        self.lambd = lambd


class Hardshrink(Function):
    """See `functional.hardshrink`."""

    function = F.hardshrink

    def __init__(self, lambd: float = 0.5):
        self.lambd = lambd


class _AlongAxis(Function):
    def __init__(self, dim: int = -1):
        self.dim = dim


class GLU(_AlongAxis):
    """See `functional.glu`."""

    function = F.glu


class Softmax(_AlongAxis):
    """See `functional.softmax`. The default axis is the last, the channels of an image."""

    function = F.softmax


class Softmax2d(Function):
    """Softmax over the channels of images [..., height, width, channels]."""

    function = F.softmax

    def forward(self, x: jax.Array) -> jax.Array:
        if x.ndim not in (3, 4):
            raise ValueError(f"Softmax2d takes [..., height, width, channels] and got an array of shape {x.shape}")
        return super().forward(x)


class LogSoftmax(_AlongAxis):
    """See `functional.log_softmax`. The default axis is the last, the channels of an image."""

    function = F.log_softmax


class Softmin(_AlongAxis):
    """See `functional.softmin`. The default axis is the last, the channels of an image."""

    function = F.softmin


class PReLU(Module):
    """Leaky ReLU with one learned slope, or one for each of `num_parameters` channels; see `functional.prelu`."""

    def __init__(self, num_parameters: int = 1, init: float = 0.25):
        self.num_parameters = num_parameters
        self.weight = Param((num_parameters,), initializers.constant(init))

    def forward(self, x: jax.Array) -> jax.Array:
        return F.prelu(x, self.weight)


class RReLU(Module):
    """Leaky ReLU with random slopes in training; see `functional.rrelu`. `inplace` is ignored: arrays are immutable."""

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3, inplace: bool = False):
        self.lower, self.upper = lower, upper

    def forward(self, x: jax.Array) -> jax.Array:
        key = self.random_key() if self.training else None
        return F.rrelu(x, self.lower, self.upper, self.training, key=key)
