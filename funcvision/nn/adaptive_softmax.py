"""Adaptive softmax (Grave et al. 2016, https://arxiv.org/abs/1609.04309)."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from .. import functional as F
from ..functional._check import integer
from .containers import ModuleList, Sequential
from .linear import Linear
from .module import Module

__all__ = ["AdaptiveLogSoftmaxWithLoss", "TargetLogProbs"]


class TargetLogProbs(NamedTuple):
    """What `AdaptiveLogSoftmaxWithLoss` returns.

    Attributes:
        output: the log-probability of each target, [batch] or a scalar.
        loss: the mean of their negatives, a scalar.
    """

    output: jax.Array
    loss: jax.Array


class AdaptiveLogSoftmaxWithLoss(Module):
    """A softmax over many classes that are sorted by frequency, in which rare classes have fewer features.

    The head is a softmax over the classes below the first cutoff and one number for each cluster of rarer classes. Each
    cluster has a softmax of its own. As shapes are static, every cluster is computed for every row; torch computes a
    cluster only for the rows whose target is in it.

    Args:
        in_features: features of the input.
        n_classes: the number of classes.
        cutoffs: the first class of each cluster, in increasing order, from 1 to `n_classes - 1`.
        div_value: the input is projected to `in_features / div_value ** (i + 1)` features for cluster i.
        head_bias: whether the head has a bias.

    It is called with inputs [batch, in_features] and targets [batch], or with one input and one target, and returns
    `TargetLogProbs`. Called without targets, it returns `log_prob(input)`. A target that is no class has the
    log-probability NaN, because traced values cannot be checked.

    Raises:
        ValueError: the cutoffs are not as described; on a call, the shapes do not fit together.

    >>> layer = AdaptiveLogSoftmaxWithLoss(16, 100, [10, 40])
    >>> params, state = layer.init(jax.random.key(0))
    >>> (output, loss), _ = layer.apply(params, state, jnp.ones((4, 16)), jnp.array([3, 20, 99, 0]))
    >>> log_prob, _ = layer.apply(params, state, jnp.ones((4, 16)))
    >>> output.shape, loss.shape, log_prob.shape
    ((4,), (), (4, 100))
    """

    def __init__(
        self, in_features: int, n_classes: int, cutoffs: Sequence[int], div_value: float = 4.0, head_bias: bool = False
    ):
        name = type(self).__name__
        bounds = [integer(cutoff, f"{name}: cutoffs", 1) for cutoff in cutoffs]
        if not bounds or any(a >= b for a, b in itertools.pairwise([*bounds, n_classes])):
            raise ValueError(
                f"{name} takes one or more cutoffs in increasing order, from 1 to n_classes - 1 = {n_classes - 1}; got "
                f"{bounds}"
            )
        self.in_features, self.n_classes, self.div_value, self.head_bias = in_features, n_classes, div_value, head_bias
        self.cutoffs = (*bounds, n_classes)
        self.shortlist_size, self.n_clusters = bounds[0], len(bounds)
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, bias=head_bias)
        hidden = [int(in_features // div_value ** (i + 1)) for i in range(self.n_clusters)]
        sizes = [b - a for a, b in itertools.pairwise(self.cutoffs)]
        self.tail = ModuleList([
            Sequential(Linear(in_features, h, bias=False), Linear(h, size, bias=False))
            for h, size in zip(hidden, sizes, strict=True)
        ])

    def forward(self, input: jax.Array, target: jax.Array | None = None) -> TargetLogProbs | jax.Array:
        if target is None:
            return self.log_prob(input)
        if input.ndim not in (1, 2) or input.shape[-1] != self.in_features or target.shape != input.shape[:-1]:
            raise ValueError(
                f"AdaptiveLogSoftmaxWithLoss takes [batch, {self.in_features}] with targets [batch], or one input and "
                f"one target; got shapes {input.shape} and {target.shape}"
            )
        head = F.log_softmax(self.head(input))
        output = _at(head, target)
        for i, (low, high) in enumerate(itertools.pairwise(self.cutoffs)):
            in_cluster = head[..., self.shortlist_size + i] + _at(F.log_softmax(self.tail[i](input)), target - low)
            output = jnp.where((target >= low) & (target < high), in_cluster, output)
        output = jnp.where((target >= 0) & (target < self.n_classes), output, jnp.nan)
        return TargetLogProbs(output, -jnp.mean(output))

    def log_prob(self, input: jax.Array) -> jax.Array:
        """The log-probabilities of all classes, [..., n_classes]. For use within a `forward`; see the class."""
        head = F.log_softmax(self.head(input))
        parts = [head[..., : self.shortlist_size]]
        for i, cluster in enumerate(self.tail):
            parts.append(head[..., self.shortlist_size + i, None] + F.log_softmax(cluster(input)))
        return jnp.concatenate(parts, -1)

    def predict(self, input: jax.Array) -> jax.Array:
        """The most probable class of each input, [...]. For use within a `forward`; see the class."""
        return jnp.argmax(self.log_prob(input), -1)


def _at(log_probs: jax.Array, index: jax.Array) -> jax.Array:
    """`log_probs[..., index]`; another number where the index is out of range."""
    index = jnp.clip(index, 0, log_probs.shape[-1] - 1)
    return jnp.take_along_axis(log_probs, index[..., None], axis=-1, mode="clip")[..., 0]
