"""Tables of vectors that are looked up by integers."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from .. import functional as F
from ..functional._check import integer
from ..functional.embedding import Mode
from . import init
from .init import Initializer
from .module import Module, Param

__all__ = ["Embedding", "EmbeddingBag"]


class _Table(Module):
    """A table of `num_embeddings` rows."""

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None, max_norm: float | None,
        norm_type: float, scale_grad_by_freq: bool, sparse: bool, weight_init: Initializer | None,
    ):
        name = type(self).__name__
        if sparse:
            raise ValueError(f"{name}: sparse=True asks for a sparse gradient, which JAX does not have; leave it out")
        num_embeddings = integer(num_embeddings, f"{name}: num_embeddings", 0)
        embedding_dim = integer(embedding_dim, f"{name}: embedding_dim", 0)
        padding_idx = None if padding_idx is None else integer(padding_idx, f"{name}: padding_idx")
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ValueError(f"padding_idx={padding_idx} is no row of a table of {num_embeddings} rows")
        self.num_embeddings, self.embedding_dim, self.padding_idx = num_embeddings, embedding_dim, padding_idx
        self.max_norm, self.norm_type, self.scale_grad_by_freq = max_norm, norm_type, scale_grad_by_freq
        default = init.normal() if padding_idx is None else _NormalWithZeroRow(padding_idx)
        self.weight = Param((num_embeddings, embedding_dim), weight_init or default)


class Embedding(_Table):
    """A table of vectors that are looked up by integers: from [...] to [..., embedding_dim].

    The row `padding_idx` is initialised with zeros and gets no gradient. The other options are those of
    `functional.embedding`. With `max_norm`, the parameter keeps its rows, unlike in torch: see there.
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None, max_norm: float | None = None,
        norm_type: float = 2.0, scale_grad_by_freq: bool = False, sparse: bool = False, *,
        weight_init: Initializer | None = None,
    ):
        super().__init__(
            num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse, weight_init
        )

    def forward(self, x: jax.Array) -> jax.Array:
        return F.embedding(
            x, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq
        )


class EmbeddingBag(_Table):
    """Looks up rows of a table and reduces those of each bag to one vector; see `functional.embedding_bag`.

    It is called with indices [bags, length], or with all bags one after another and `offsets`, and optionally with
    `per_sample_weights`. The row `padding_idx` is initialised with zeros and left out of every bag.

    >>> bags = EmbeddingBag(10, 3, mode="sum")
    >>> params, state = bags.init(jax.random.key(0))
    >>> y, _ = bags.apply(params, state, jnp.array([1, 2, 4, 5, 4]), jnp.array([0, 2]))
    >>> y.shape
    (2, 3)
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, max_norm: float | None = None, norm_type: float = 2.0,
        scale_grad_by_freq: bool = False, mode: Mode = "mean", sparse: bool = False, *,
        include_last_offset: bool = False, padding_idx: int | None = None, weight_init: Initializer | None = None,
    ):
        super().__init__(
            num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse, weight_init
        )
        self.mode: Mode = mode
        self.include_last_offset = include_last_offset

    def forward(
        self, input: jax.Array, offsets: jax.Array | None = None, per_sample_weights: jax.Array | None = None
    ) -> jax.Array:
        return F.embedding_bag(
            input, self.weight, offsets, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.mode,
            per_sample_weights=per_sample_weights, include_last_offset=self.include_last_offset,
            padding_idx=self.padding_idx,
        )


@dataclasses.dataclass(frozen=True)
class _NormalWithZeroRow:
    row: int

    def __call__(self, key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
        return jax.random.normal(key, shape, dtype).at[self.row].set(0)
