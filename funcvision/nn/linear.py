"""Dense layers, embeddings, and layers that reshape."""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp

from .. import functional as F
from ..functional._check import integer
from . import init
from .conv import TORCH_WEIGHT, torch_bias
from .init import Initializer
from .module import Module, Param

__all__ = ["Bilinear", "Embedding", "Flatten", "Linear", "Unflatten"]


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


class Embedding(Module):
    """A table of vectors that are looked up by integers: from [...] to [..., embedding_dim].

    The row `padding_idx` is initialised with zeros and gets no gradient. The other options are those of
    `functional.embedding`. With `max_norm`, the parameter keeps its rows, unlike in torch: see there.
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None, max_norm: float | None = None,
        norm_type: float = 2.0, scale_grad_by_freq: bool = False, sparse: bool = False, *,
        weight_init: Initializer | None = None,
    ):
        if sparse:
            raise ValueError("Embedding: sparse=True asks for a sparse gradient, which JAX does not have; leave it out")
        num_embeddings = integer(num_embeddings, "Embedding: num_embeddings", 0)
        embedding_dim = integer(embedding_dim, "Embedding: embedding_dim", 0)
        padding_idx = None if padding_idx is None else integer(padding_idx, "Embedding: padding_idx")
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ValueError(f"padding_idx={padding_idx} is no row of a table of {num_embeddings} rows")
        self.num_embeddings, self.embedding_dim, self.padding_idx = num_embeddings, embedding_dim, padding_idx
        self.max_norm, self.norm_type, self.scale_grad_by_freq = max_norm, norm_type, scale_grad_by_freq
        default = init.normal() if padding_idx is None else _NormalWithZeroRow(padding_idx)
        self.weight = Param((num_embeddings, embedding_dim), weight_init or default)

    def forward(self, x: jax.Array) -> jax.Array:
        return F.embedding(
            x, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq
        )


@dataclasses.dataclass(frozen=True)
class _NormalWithZeroRow:
    row: int

    def __call__(self, key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
        return jax.random.normal(key, shape, dtype).at[self.row].set(0)


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
