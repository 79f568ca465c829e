"""Losses on distances between embeddings. Precision, shapes and `reduction` are those of `loss.py`."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from ._kinks import hinge
from ._loss_terms import operands, reduce
from .distance import pairwise_distance

__all__ = [
    "cosine_embedding_loss", "hinge_embedding_loss", "margin_ranking_loss", "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]

Distance = Callable[[jax.Array, jax.Array], jax.Array]


def cosine_embedding_loss(
    input1: jax.Array, input2: jax.Array, target: jax.Array, margin: float = 0.0, *, reduction: str = "mean"
) -> jax.Array:
    """`1 - cos` where `target` is 1 (alike), and `max(0, cos - margin)` where it is -1 (unlike).

    Args:
        input1: [..., features].
        input2: of the same shape.
        target: 1 or -1, [...].
        margin: cosine up to which unlike pairs cost nothing, from -1 to 1.
        reduction: "mean", "sum" or "none".

    Raises:
        ValueError: the shapes do not fit together, or `reduction` is unknown.
    """
    x1, x2 = operands("cosine_embedding_loss", input1, input2)
    if target.shape != input1.shape[:-1]:
        raise ValueError(f"cosine_embedding_loss takes a target of shape {input1.shape[:-1]} and got {target.shape}")
    square1, square2 = (jnp.sum(jnp.square(x), -1) + 1e-12 for x in (x1, x2))
    cosine = jnp.sum(x1 * x2, -1) / jnp.sqrt(square1 * square2)
    loss = jnp.where(target == 1, 1 - cosine, 0) + jnp.where(target == -1, hinge(cosine - margin), 0)
    return reduce(loss, reduction).astype(input1.dtype)


def hinge_embedding_loss(
    input: jax.Array, target: jax.Array, margin: float = 1.0, *, reduction: str = "mean"
) -> jax.Array:
    """`input` where `target` is 1 (alike), and `max(0, margin - input)` where it is -1 (unlike).

    Args:
        input: distances, [...].
        target: 1 or -1, of the same shape.
        margin: distance from which unlike pairs cost nothing.
        reduction: "mean", "sum" or "none".

    Raises:
        ValueError: the shapes differ, or `reduction` is unknown.
    """
    x, y = operands("hinge_embedding_loss", input, target)
    loss = jnp.where(y != 1, hinge(margin - x), 0) + jnp.where(y != -1, x, 0)
    return reduce(loss, reduction).astype(input.dtype)


def margin_ranking_loss(
    input1: jax.Array, input2: jax.Array, target: jax.Array, margin: float = 0.0, *, reduction: str = "mean"
) -> jax.Array:
    """`max(0, margin - target * (input1 - input2))`.

    Args:
        input1: scores, [...].
        input2: scores of the same shape.
        target: 1 where `input1` should be larger, -1 where `input2` should; of the same shape.
        margin: by how much it should be larger.
        reduction: "mean", "sum" or "none".

    Raises:
        ValueError: the shapes differ, or `reduction` is unknown.
    """
    x1, x2, y = operands("margin_ranking_loss", input1, input2, target)
    return reduce(hinge(margin - y * (x1 - x2)), reduction).astype(input1.dtype)


def triplet_margin_loss(
    anchor: jax.Array, positive: jax.Array, negative: jax.Array, margin: float = 1.0, p: float = 2.0, *,
    eps: float = 1e-6, swap: bool = False, reduction: str = "mean",
) -> jax.Array:
    """`max(0, margin + d(anchor, positive) - d(anchor, negative))`, where d is `pairwise_distance`.

    See Balntas et al. 2016, http://www.bmva.org/bmvc/2016/papers/paper119/index.html.

    Args:
        anchor: [..., features].
        positive: of the same shape.
        negative: of the same shape.
        margin: by how much the negative should be farther away than the positive, above 0.
        p: order of the norm, above 0.
        eps: added to each difference, as in `pairwise_distance`.
        swap: replace d(anchor, negative) by d(positive, negative) where that is smaller.
        reduction: "mean", "sum" or "none".

    Raises:
        ValueError: the shapes differ, `margin` or `p` is not positive, or `reduction` is unknown.
    """
    if margin <= 0:
        raise ValueError(f"triplet_margin_loss takes a positive margin; it is {margin}")
    a, b, c = operands("triplet_margin_loss", anchor, positive, negative)
    near, far = pairwise_distance(a, b, p, eps=eps), pairwise_distance(a, c, p, eps=eps)
    if swap:
        far = jnp.minimum(far, pairwise_distance(b, c, p, eps=eps))
    return reduce(hinge(margin + near - far), reduction).astype(anchor.dtype)


def triplet_margin_with_distance_loss(
    anchor: jax.Array, positive: jax.Array, negative: jax.Array, *, distance_function: Distance | None = None,
    margin: float = 1.0, swap: bool = False, reduction: str = "mean",
) -> jax.Array:
    """`max(0, margin + d(anchor, positive) - d(anchor, negative))` for any distance d.

    Args:
        anchor: of any shape that `distance_function` takes, [..., features] by default.
        positive: of the same shape.
        negative: of the same shape.
        distance_function: the distance d of two arrays of this shape; `pairwise_distance` by default.
        margin: by how much the negative should be farther away than the positive, above 0.
        swap: replace d(anchor, negative) by d(positive, negative) where that is smaller.
        reduction: "mean", "sum" or "none".

    Raises:
        ValueError: the shapes differ, `margin` is not positive, or `reduction` is unknown.
    """
    if margin <= 0:
        raise ValueError(f"triplet_margin_with_distance_loss takes a positive margin; it is {margin}")
    a, b, c = operands("triplet_margin_with_distance_loss", anchor, positive, negative)
    distance = pairwise_distance if distance_function is None else distance_function
    near, far = distance(a, b), distance(a, c)
    if swap:
        far = jnp.minimum(far, distance(b, c))
    return reduce(hinge(margin + near - far), reduction).astype(anchor.dtype)
