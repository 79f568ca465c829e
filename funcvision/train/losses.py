"""Losses for `make_step`: functions of the model's output and the labels, which may be soft targets."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from .. import functional as F
from ..functional._precision import accumulation_dtype

__all__ = ["binary_cross_entropy", "cross_entropy"]

Loss = Callable[[jax.Array, jax.Array], jax.Array]


def cross_entropy(*, label_smoothing: float = 0.0) -> Loss:
    """The mean of `functional.cross_entropy` over a batch.

    Args:
        label_smoothing: the share of each target that is spread evenly over the classes, from 0 to 1.

    Returns:
        `loss(output, labels)` of logits [n, classes] and of labels that are ints [n], or probabilities [n, classes] as
        MixUp and CutMix make them.

    Raises:
        ValueError: `label_smoothing` is not from 0 to 1.

    >>> print(cross_entropy()(jnp.zeros((2, 4)), jnp.array([0, 3])).round(4))
    1.3863
    """
    _check_share(label_smoothing)

    def loss(output: jax.Array, labels: jax.Array) -> jax.Array:
        return F.cross_entropy(output, labels, label_smoothing=label_smoothing)

    return loss


def binary_cross_entropy(*, label_smoothing: float = 0.0) -> Loss:
    """The mean over samples and classes of the binary cross entropy of each class against all others.

    Args:
        label_smoothing: the share of each target that is spread evenly over the classes, from 0 to 1.

    Returns:
        `loss(output, labels)` of logits [n, classes] and of labels that are ints [n], or one number from 0 to 1 for
        each class [n, classes].

    Raises:
        ValueError: `label_smoothing` is not from 0 to 1.

    >>> print(binary_cross_entropy()(jnp.zeros((2, 4)), jnp.array([0, 3])).round(4))
    0.6931
    """
    _check_share(label_smoothing)

    def loss(output: jax.Array, labels: jax.Array) -> jax.Array:
        classes = output.shape[-1]
        dtype = accumulation_dtype(output.dtype)
        if jnp.issubdtype(labels.dtype, jnp.integer) and labels.ndim == output.ndim - 1:
            labels = jax.nn.one_hot(labels, classes, dtype=dtype)
        targets = labels.astype(dtype) * (1 - label_smoothing) + label_smoothing / classes
        return F.binary_cross_entropy_with_logits(output, targets)

    return loss


def _check_share(label_smoothing: float) -> None:
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"label_smoothing is a share from 0 to 1; it is {label_smoothing}")
