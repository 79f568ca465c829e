"""Cross-entropy of a linear map, which need not hold all logits at once."""

import dataclasses
import math
import re
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import lax

from ._check import integer
from ._loss_terms import Factor, reduce
from ._precision import at_least_float32
from .linear import linear
from .loss import cross_entropy

__all__ = ["LinearCrossEntropyOptions", "linear_cross_entropy"]


@dataclasses.dataclass(frozen=True)
class LinearCrossEntropyOptions:
    """Computes `linear_cross_entropy` for one part of the batch after another, which saves memory.

    Attributes:
        allow_retain_graph: without effect; a gradient can be taken any number of times.
        batch_chunk_size: rows of a part. It replaces `chunking_method`.
        chunking_method: how to find the number of rows: "aspect_ratio:N", with which the logits of a part have about as
            many numbers as the whole input, divided by N; "aspect_ratio" for N = 1; "auto" for N = 2; None for one
            part.
        acc_policy: without effect, like `acc_dtype`: losses are computed in float32 at least.
        acc_dtype: without effect.

    Raises:
        ValueError: `batch_chunk_size` is below 1, or `chunking_method` is unknown.
        TypeError: `batch_chunk_size` is not an integer.
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: Literal["accurate", "balanced", "compact", "auto"] = "auto"
    acc_dtype: Any = None

    def __post_init__(self) -> None:
        if self.batch_chunk_size is not None:
            integer(self.batch_chunk_size, "LinearCrossEntropyOptions: batch_chunk_size", 1)
        method = self.chunking_method
        if method is not None and not re.fullmatch(r"auto|aspect_ratio(:0*[1-9]\d*)?", method):
            raise ValueError(
                f"chunking_method={method!r} is unknown; give 'auto', 'aspect_ratio', 'aspect_ratio:N' or None"
            )

    def rows(self, in_features: int, logits: int, batch: int) -> int:
        """The number of rows of a part.

        Args:
            in_features: features of a row of the input.
            logits: numbers that the linear map makes of a row.
            batch: the number of rows in all.
        """
        if self.batch_chunk_size is not None:
            return min(self.batch_chunk_size, max(batch, 1))
        if self.chunking_method is None:
            return max(batch, 1)
        factor = 2 if self.chunking_method == "auto" else int(self.chunking_method.partition(":")[2] or 1)
        return max(1, min(batch, batch * in_features // max(logits * factor, 1)))


def linear_cross_entropy(
    input: jax.Array, linear_weight: jax.Array, target: jax.Array, *, linear_bias: jax.Array | None = None,
    weight: Factor = None, reduction: str = "mean", ignore_index: int | None = None, label_smoothing: float = 0.0,
    options: LinearCrossEntropyOptions | None = None,
) -> jax.Array:
    """`cross_entropy` of `input @ linear_weight + linear_bias`.

    Args:
        input: [..., in].
        linear_weight: [in, classes], or [in, *sizes, classes] for several predictions from each row of the input. In
            torch it is [classes, *sizes, in].
        target: class indices [..., *sizes], or class probabilities [..., *sizes, classes].
        linear_bias: [*sizes, classes].
        weight: [classes], a factor for each class.
        reduction: "mean", "sum" or "none", as in `cross_entropy`.
        ignore_index: positions with this target add nothing to the loss; -100 by default. Not for probabilities.
        label_smoothing: as in `cross_entropy`.
        options: compute the logits of one part of the batch after another, and again for the gradient, so that they
            are never held all at once. It pays where there are many rows and more classes than features.

    Returns:
        A scalar, or [..., *sizes] if `reduction` is "none", in the dtype of `input`.

    Raises:
        ValueError: the shapes do not fit together, or an option is out of its range.

    >>> logits_weight, target = jnp.zeros((16, 21)), jnp.ones(8, int)
    >>> print(f"{linear_cross_entropy(jnp.ones((8, 16)), logits_weight, target):.3f}")
    3.045
    """
    features, *sizes = linear_weight.shape if linear_weight.ndim else (0,)
    if linear_weight.ndim < 2 or input.shape[-1:] != (features,):
        raise ValueError(
            "linear_cross_entropy takes [..., in] and a weight [in, classes] or [in, *sizes, classes]; got shapes "
            f"{input.shape} and {linear_weight.shape}"
        )
    if linear_bias is not None and linear_bias.shape != tuple(sizes):
        raise ValueError(f"linear_cross_entropy takes a bias of shape {tuple(sizes)} here; got {linear_bias.shape}")
    lead = input.shape[:-1]
    probabilities = target.shape == (*lead, *sizes)
    if probabilities and ignore_index is not None:
        raise ValueError("linear_cross_entropy: ignore_index is for class indices, and the target has probabilities")
    if not probabilities and target.shape != (*lead, *sizes[:-1]):
        raise ValueError(
            f"linear_cross_entropy takes class indices {(*lead, *sizes[:-1])} or probabilities {(*lead, *sizes)} here; "
            f"got a target of shape {target.shape}"
        )
    flat_weight = linear_weight.reshape(features, -1)
    flat_bias = None if linear_bias is None else linear_bias.reshape(-1)
    ignored = -100 if ignore_index is None else integer(ignore_index, "linear_cross_entropy: ignore_index")

    def losses(rows: jax.Array, targets: jax.Array, reduction: str) -> jax.Array:
        logits = at_least_float32(linear(rows, flat_weight, flat_bias)).reshape(*rows.shape[:-1], *sizes)
        return cross_entropy(
            logits, targets, weight, ignore_index=ignored, reduction=reduction, label_smoothing=label_smoothing
        )

    if options is None:
        return losses(input, target, reduction).astype(input.dtype)
    batch = math.prod(lead)
    rows = options.rows(features, math.prod(sizes), batch)
    flat_input, flat_target = input.reshape(batch, features), target.reshape(batch, *target.shape[len(lead) :])
    each = _in_parts(lambda x, y: losses(x, y, "none"), flat_input, flat_target, rows).reshape(*lead, *sizes[:-1])
    total = None if probabilities else _total_weight(target, weight, ignored, each)
    return reduce(each, reduction, total).astype(input.dtype)


def _in_parts(
    losses: Callable[[jax.Array, jax.Array], jax.Array], input: jax.Array, target: jax.Array, rows: int
) -> jax.Array:
    """`losses(input, target)` of a number of rows after another. The gradient computes each part again."""
    batch = len(input)
    parts = -(-batch // rows)

    def split(x: jax.Array) -> jax.Array:
        padded = jnp.pad(x, [(0, parts * rows - batch)] + [(0, 0)] * (x.ndim - 1))
        return padded.reshape(parts, rows, *x.shape[1:])

    each = lax.map(jax.checkpoint(lambda pair: losses(*pair)), (split(input), split(target)))
    return each.reshape(parts * rows, *each.shape[2:])[:batch]


def _total_weight(target: jax.Array, weight: Factor, ignored: int, losses: jax.Array) -> jax.Array:
    """What the mean of `cross_entropy` divides by: the sum of the weights of the targets that are not ignored."""
    kept = target != ignored
    if weight is None:
        return jnp.sum(kept, dtype=losses.dtype)
    weights = jnp.asarray(weight).astype(losses.dtype)
    return jnp.sum(weights.at[target].get(mode="fill", wrap_negative_indices=False), where=kept)
