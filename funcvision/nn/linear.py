"""Dense layers, and layers that reshape."""

import math

import jax
import jax.numpy as jnp

from .. import functional as F
from ..functional._check import integer
from .conv import TORCH_WEIGHT, torch_bias
from .init import Initializer
from .module import Module, Param

__all__ = ["Bilinear", "Flatten", "Linear", "Unflatten"]


class Linear(Module):
    """The affine map from [..., in] to [..., out]. `weight` is stored as [in, out]."""

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, *,
        weight_init: Initializer = TORCH_WEIGHT, bias_init: Initializer | None = None,
    ):
        in_features = integer(in_features, "Linear: in_features", 0)
        out_features = integer(out_features, "Linear: out_features", 0)
        self.in_features, self.out_features = in_features, out_features
        self.weight = Param((out_features, in_features), weight_init, "OI->IO")
        self.bias = Param((out_features,), bias_init or torch_bias(in_features)) if bias else None

    def forward(self, x: jax.Array) -> jax.Array:
        return F.linear(x, self.weight, self.bias)


class Bilinear(Module):
    """`y[o] = x1 @ weight[o] @ x2 + bias[o]`. `weight` is [out, in1, in2], as in torch."""

    def __init__(self, in1_features: int, in2_features: int, out_features: int, bias: bool = True):
        self.in1_features, self.in2_features, self.out_features = in1_features, in2_features, out_features
        bound = torch_bias(in1_features)
        self.weight = Param((out_features, in1_features, in2_features), bound)
        self.bias = Param((out_features,), bound) if bias else None

    def forward(self, x1: jax.Array, x2: jax.Array) -> jax.Array:
        return F.bilinear(x1, x2, self.weight, self.bias)


class Flatten(Module):
    """From [batch, height, width, channels] to [batch, channels * height * width], in torch's order (channels first).

    So the weights of torch's dense layer after a feature map fit unchanged. Axes before `start_dim` are kept.
    """

    def __init__(self, start_dim: int = 1):
        self.start_dim = start_dim

    def forward(self, x: jax.Array) -> jax.Array:
        kept = x.shape[: self.start_dim]
        return jnp.moveaxis(x, -1, self.start_dim).reshape(*kept, math.prod(x.shape[self.start_dim :]))


class Unflatten(Module):
    """Splits axis `dim` into axes of the sizes `unflattened_size`. One size may be -1, which means what is left."""

    def __init__(self, dim: int, unflattened_size: tuple[int, ...]):
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, x: jax.Array) -> jax.Array:
        dim = self.dim % x.ndim
        known = math.prod(size for size in self.unflattened_size if size != -1)
        missing = self.unflattened_size.count(-1)
        if missing > 1 or (x.shape[dim] % known if missing else x.shape[dim] != known):
            raise ValueError(f"axis {dim} of {x.shape} does not split into {self.unflattened_size}")
        sizes = tuple(x.shape[dim] // known if size == -1 else size for size in self.unflattened_size)
        return x.reshape(*x.shape[:dim], *sizes, *x.shape[dim + 1 :])
