"""Losses with torch's values and derivatives.

Each loss is computed in float32, or in float64 if `input` is float64, whatever the dtypes of the other arguments. The
result has the dtype of `input`. `reduction` is "mean", "sum" or "none"; "none" returns the loss of each element, the
others a scalar. Arrays that are compared must have the same shape: nothing is broadcast, except `weight` where the
docstring says so. Each function raises ValueError for shapes that do not fit and for an unknown `reduction`, and
TypeError if `input` is not floating-point.
"""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ._check import integer
from ._kinks import absolute, at_least
from ._loss_terms import Factor, factor, operands, reduce, same_shape
from ._mesh import broadcast_to
from ._precision import at_least_float32
from .activation import log_softmax, logsigmoid

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "gaussian_nll_loss", "huber_loss",
    "kl_div", "l1_loss", "mse_loss", "multi_margin_loss", "nll_loss", "poisson_nll_loss", "smooth_l1_loss",
    "soft_margin_loss",
]


# Classes


def cross_entropy(
    input: jax.Array, target: jax.Array, weight: Factor = None, *, ignore_index: int = -100,
    reduction: str = "mean", label_smoothing: float = 0.0,
) -> jax.Array:
    """The negative log-likelihood of classes under `softmax(input)`.

    Args:
        input: logits [..., classes]. Classes are the last axis; in torch they are the second.
        target: class indices, integers [...], or class probabilities [..., classes].
        weight: [classes], a factor for each class.
        ignore_index: positions with this target add nothing to the loss and get no gradient.
        reduction: "mean", "sum" or "none". As in torch, the mean divides by the sum of the targets' weights, or by the
            number of positions if targets are probabilities. It is NaN if all positions are ignored.
        label_smoothing: this share of each target, from 0 to 1, is spread evenly over the classes (Szegedy et al. 2015,
            https://arxiv.org/abs/1512.00567).

    Returns:
        A scalar, or [...] if `reduction` is "none". A target that is neither a class nor ignored makes the loss NaN,
        because traced values cannot be checked.

    Raises:
        ValueError: shapes or options do not fit together, or the classes of `input` are the second axis.

    >>> logits, target = jnp.zeros((8, 32, 32, 21)), jnp.ones((8, 32, 32), int)  # 21 classes for each pixel
    >>> print(f"{cross_entropy(logits, target):.3f}")
    3.045
    """
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"label_smoothing is a share from 0 to 1; it is {label_smoothing}")
    log_probs = log_softmax(at_least_float32(input))
    if target.shape != input.shape:
        return _class_loss(
            "cross_entropy", log_probs, target, weight, ignore_index, reduction, label_smoothing
        ).astype(input.dtype)
    if not jnp.issubdtype(target.dtype, jnp.floating) or ignore_index >= 0:
        raise ValueError(
            f"a target of the input's shape {input.shape} holds class probabilities: it must be floating-point "
            f"({target.dtype} was given) and nothing in it can be ignored (ignore_index={ignore_index})"
        )
    probabilities = target.astype(log_probs.dtype) * (1 - label_smoothing) + label_smoothing / max(input.shape[-1], 1)
    if weight is not None:
        log_probs = log_probs * _class_weights(weight, log_probs)
    return reduce(-jnp.sum(log_probs * probabilities, -1), reduction).astype(input.dtype)


def nll_loss(
    input: jax.Array, target: jax.Array, weight: Factor = None, *, ignore_index: int = -100,
    reduction: str = "mean",
) -> jax.Array:
    """The negative log-probability of the target classes.

    Args:
        input: log-probabilities [..., classes].
        target: class indices, integers [...].
        weight: as in `cross_entropy`, like the other options.
        ignore_index: positions with this target add nothing to the loss.
        reduction: "mean", "sum" or "none".

    Returns:
        A scalar, or [...] if `reduction` is "none"; NaN for a target that is neither a class nor ignored.
    """
    return _class_loss(
        "nll_loss", at_least_float32(input), target, weight, ignore_index, reduction, 0.0
    ).astype(input.dtype)


def multi_margin_loss(
    input: jax.Array, target: jax.Array, p: int = 1, margin: float = 1.0, weight: Factor = None, *,
    reduction: str = "mean",
) -> jax.Array:
    """The sum of `max(0, margin - x[y] + x[i]) ** p` over classes i other than y, divided by the number of classes.

    Args:
        input: scores x, [..., classes].
        target: class indices y, integers [...]; an index that is not a class makes the loss NaN. As in torch, a score
            that is NaN does not: it adds nothing.
        p: 1 or 2.
        margin: by how much the target's score should exceed the others.
        weight: [classes], a factor for positions with this target.
        reduction: "mean", "sum" or "none".
    """
    if integer(p, "multi_margin_loss: p") not in (1, 2):
        raise ValueError(f"multi_margin_loss takes p=1 or p=2; it is {p}")
    target = _class_indices("multi_margin_loss", input, target)
    wide = at_least_float32(input)
    differences = margin - _at_class(wide, target)[..., None] + wide
    violations = jnp.where(differences > 0, differences, 0) ** p
    others = jnp.sum(violations, -1, where=~_is_class(wide, target)) / max(input.shape[-1], 1)
    others = jnp.where((target >= 0) & (target < input.shape[-1]), others, jnp.nan)
    if weight is not None:
        others = others * _at_class(_class_weights(weight, wide), target)
    return reduce(others, reduction).astype(input.dtype)


def _class_loss(
    function: str, log_probs: jax.Array, target: jax.Array, weight: Factor, ignore_index: int, reduction: str,
    smoothing: float,
) -> jax.Array:
    target = _class_indices(function, log_probs, target)
    kept = target != integer(ignore_index, f"{function}: ignore_index")
    if weight is None:
        total_weight = jnp.sum(kept, dtype=log_probs.dtype)
    else:
        weights = _class_weights(weight, log_probs)
        log_probs = weights * log_probs
        total_weight = jnp.sum(_at_class(weights, target), where=kept)
    loss = -_at_class(log_probs, target)
    if smoothing > 0:
        loss = (1 - smoothing) * loss - smoothing * jnp.mean(log_probs, -1)
    return reduce(jnp.where(kept, loss, 0), reduction, total_weight)


def _class_indices(function: str, input: jax.Array, target: jax.Array) -> jax.Array:
    """`target` in int32.

    Raises:
        ValueError: it does not hold one integer for each position of `input` [..., classes].
    """
    if not jnp.issubdtype(target.dtype, jnp.integer):
        raise ValueError(
            f"{function} takes integer class indices, for an input of shape {input.shape}, "
            f"and got {target.dtype} {target.shape}"
        )
    if target.shape == input.shape[:-1]:
        return target.astype(jnp.int32)
    hint = f"a target of shape {input.shape[:-1]} is expected"
    if input.ndim > 2 and target.shape == (input.shape[0], *input.shape[2:]):
        hint += "; the input looks like torch's [batch, classes, ...]: pass jnp.moveaxis(input, 1, -1)"
    raise ValueError(
        f"{function} takes [..., classes] and got {input.shape} with a target of shape {target.shape}: {hint}"
    )


def _class_weights(weight: jax.Array | Sequence[float], scores: jax.Array) -> jax.Array:
    """One weight per class in the shape of `scores` [..., classes]."""
    weights = jnp.asarray(weight).astype(scores.dtype)
    if weights.shape != scores.shape[-1:]:
        raise ValueError(f"weight has one number for each of {scores.shape[-1]} classes; its shape is {weights.shape}")
    return broadcast_to(weights, scores.shape, scores)


def _is_class(scores: jax.Array, target: jax.Array) -> jax.Array:
    """A boolean array of the shape of `scores` [..., classes], True at the target class of each position."""
    return lax.broadcasted_iota(jnp.int32, scores.shape, scores.ndim - 1) == target[..., None]


def _at_class(scores: jax.Array, target: jax.Array) -> jax.Array:
    """`scores[..., target]`, or NaN where the target is not a class."""
    is_class = (target >= 0) & (target < scores.shape[-1])
    return jnp.where(is_class, _chosen(scores, jnp.where(is_class, target, 0)), jnp.nan)


@jax.custom_jvp
def _chosen(scores: jax.Array, target: jax.Array) -> jax.Array:
    """`scores[..., target]`. The gradient of the gather would be a scatter, so the derivative compares all classes."""
    return jnp.take_along_axis(scores, target[..., None], -1)[..., 0]


@_chosen.defjvp
def _chosen_jvp(primals: tuple[jax.Array, jax.Array], tangents: tuple[jax.Array, jax.Array]) -> Any:
    scores, target = primals
    return _chosen(scores, target), jnp.sum(tangents[0], -1, where=_is_class(scores, target))


# Probabilities of two outcomes


def binary_cross_entropy(
    input: jax.Array, target: jax.Array, weight: Factor = None, *, reduction: str = "mean"
) -> jax.Array:
    """The negative log-likelihood of `target` under the probabilities `input`.

    `binary_cross_entropy_with_logits` is more accurate where logits are available.

    Args:
        input: probabilities from 0 to 1, [...]; outside, the loss is NaN. Logarithms are clamped to -100, so that the
            loss is finite.
        target: probabilities from 0 to 1, of the same shape.
        weight: a factor that broadcasts to the shape of `input`.
        reduction: "mean", "sum" or "none".
    """
    x, y = operands("binary_cross_entropy", input, target)
    return reduce(factor(weight, x, "weight") * _bce(x, y), reduction).astype(input.dtype)


@jax.custom_jvp
def _bce(x: jax.Array, y: jax.Array) -> jax.Array:
    return -(y * jnp.maximum(jnp.log(x), -100) + (1 - y) * jnp.maximum(jnp.log1p(-x), -100))


# Differentiating the clamped logarithms would give 0 * inf at x = 0 and 1. Torch bounds the denominator instead, so
# that the gradient moves a wrong x away from there. It does not clamp the derivative with respect to y.
_bce.defjvps(
    lambda tangent, loss, x, y: tangent * (x - y) / jnp.maximum(x * (1 - x), 1e-12),
    lambda tangent, loss, x, y: tangent * (jnp.log1p(-x) - jnp.log(x)),
)


def binary_cross_entropy_with_logits(
    input: jax.Array, target: jax.Array, weight: Factor = None, *, pos_weight: Factor = None,
    reduction: str = "mean",
) -> jax.Array:
    """The negative log-likelihood of `target` under `sigmoid(input)`.

    Args:
        input: logits, [...].
        target: probabilities from 0 to 1, of the same shape.
        weight: a factor of the loss that broadcasts to the shape of `input`.
        pos_weight: a factor of the part of the loss for `target` = 1, which broadcasts to the shape of `input`. One
            number for each class, [classes], trades precision against recall.
        reduction: "mean", "sum" or "none".
    """
    x, y = operands("binary_cross_entropy_with_logits", input, target)
    log_probability = logsigmoid(x)
    if pos_weight is not None:
        log_probability = (1 + (factor(pos_weight, x, "pos_weight") - 1) * y) * log_probability
    loss = (1 - y) * x - log_probability
    return reduce(factor(weight, x, "weight") * loss, reduction).astype(input.dtype)


def soft_margin_loss(input: jax.Array, target: jax.Array, *, reduction: str = "mean") -> jax.Array:
    """`log(1 + exp(-target * input))` for targets 1 and -1, [...]. Finite for large inputs; torch's is infinite."""
    x, y = operands("soft_margin_loss", input, target)
    return reduce(jax.nn.softplus(-y * x), reduction).astype(input.dtype)


# Regression


def mse_loss(
    input: jax.Array, target: jax.Array, *, reduction: str = "mean", weight: jax.Array | None = None
) -> jax.Array:
    """The squared difference.

    Args:
        input: [...].
        target: of the same shape.
        reduction: "mean", "sum" or "none". With `weight` the mean is the weighted one.
        weight: a factor for each element, of the shape of `input`.

    Raises:
        ValueError: the shapes differ (torch would broadcast them and warn).
    """
    x, y = operands("mse_loss", input, target)
    return _weighted(jnp.square(x - y), weight, reduction).astype(input.dtype)


def l1_loss(
    input: jax.Array, target: jax.Array, *, reduction: str = "mean", weight: jax.Array | None = None
) -> jax.Array:
    """The absolute difference. Otherwise like `mse_loss`."""
    x, y = operands("l1_loss", input, target)
    return _weighted(absolute(x - y), weight, reduction).astype(input.dtype)


def smooth_l1_loss(
    input: jax.Array, target: jax.Array, *, reduction: str = "mean", beta: float = 1.0
) -> jax.Array:
    """`d^2 / (2 beta)` where the difference `|d|` is below `beta`, and `|d| - beta / 2` elsewhere.

    See Girshick 2015, https://arxiv.org/abs/1504.08083.

    Args:
        input: [...].
        target: of the same shape.
        reduction: "mean", "sum" or "none".
        beta: 0 or more; 0 is `l1_loss`.
    """
    if beta < 0:
        raise ValueError(f"smooth_l1_loss takes a beta of 0 or more; it is {beta}")
    if beta == 0:
        return l1_loss(input, target, reduction=reduction)
    x, y = operands("smooth_l1_loss", input, target)
    return reduce(_huber(x - y, beta, beta), reduction).astype(input.dtype)


def huber_loss(
    input: jax.Array, target: jax.Array, *, reduction: str = "mean", delta: float = 1.0,
    weight: jax.Array | None = None,
) -> jax.Array:
    """`d^2 / 2` where the difference `|d|` is below `delta`, and `delta * (|d| - delta / 2)` elsewhere (Huber 1964).

    Args:
        input: [...].
        target: of the same shape.
        reduction: "mean", "sum" or "none". As in torch, the mean is over elements also with `weight`.
        delta: above 0.
        weight: a factor for each element, of the shape of `input`.
    """
    if delta <= 0:
        raise ValueError(f"huber_loss takes a positive delta; it is {delta}")
    x, y = operands("huber_loss", input, target)
    loss = _huber(x - y, delta)
    return reduce(loss if weight is None else loss * same_shape(weight, loss), reduction).astype(input.dtype)


def _huber(difference: jax.Array, delta: float, divisor: float = 1.0) -> jax.Array:
    """The Huber loss of a difference, divided by `divisor`, as one expression for both cases.

    A choice between the two formulas would compute the square also where it is not chosen, and it could overflow there.
    The clip has derivative 0, not 0 * inf, at infinity.
    """
    near = jnp.where(difference >= delta, delta, jnp.where(difference <= -delta, -delta, difference))
    return near / divisor * (difference - 0.5 * near)


def _weighted(loss: jax.Array, weight: jax.Array | None, reduction: str) -> jax.Array:
    if weight is None:
        return reduce(loss, reduction)
    weight = same_shape(weight, loss)
    return reduce(loss * weight, reduction, jnp.sum(weight))


# Distributions


def kl_div(input: jax.Array, target: jax.Array, *, reduction: str = "mean", log_target: bool = False) -> jax.Array:
    """The Kullback-Leibler divergence `target * (log(target) - input)`.

    Args:
        input: log-probabilities, [...].
        target: probabilities of the same shape, or their logarithms. A probability of 0 adds nothing.
        reduction: "mean" (over elements), "sum", "none", or "batchmean": the sum divided by the size of the first axis,
            which is the mean divergence of a sample.
        log_target: `target` holds logarithms.
    """
    x, y = operands("kl_div", input, target)
    if log_target:
        loss = jnp.exp(y) * (jnp.where(jnp.isneginf(y), 0, y) - x)
    else:
        loss = _x_log_x(y) - y * x
    if reduction == "batchmean":
        return (jnp.sum(loss) / (input.shape[0] if input.ndim else 1)).astype(input.dtype)
    return reduce(loss, reduction).astype(input.dtype)


def gaussian_nll_loss(
    input: jax.Array, target: jax.Array, var: jax.Array | float, *, full: bool = False, eps: float = 1e-6,
    reduction: str = "mean",
) -> jax.Array:
    """The negative log-likelihood of `target` under normal distributions (Nix and Weigend 1994).

    Args:
        input: means, [...].
        target: observations, of the same shape.
        var: variances: one number, or the shape of `input`, or that shape without its last axis or with axes of size 1.
        full: add the constant `log(2 pi) / 2`.
        eps: lower bound of the variances. As in torch, the derivative ignores it.
        reduction: "mean", "sum" or "none".
    """
    x, y = operands("gaussian_nll_loss", input, target)
    given = jnp.asarray(var).astype(x.dtype)
    if given.ndim and given.shape == input.shape[:-1]:
        given = given[..., None]
    if given.ndim not in (0, x.ndim) or any(v not in (1, size) for v, size in zip(given.shape, x.shape)):
        raise ValueError(
            f"gaussian_nll_loss cannot broadcast variances of shape {given.shape} over an input of shape {x.shape}"
        )
    variance = at_least(given, eps)
    loss = 0.5 * (jnp.log(variance) + jnp.square(x - y) / variance)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return reduce(loss, reduction).astype(input.dtype)


def poisson_nll_loss(
    input: jax.Array, target: jax.Array, *, log_input: bool = True, full: bool = False, eps: float = 1e-8,
    reduction: str = "mean",
) -> jax.Array:
    """The negative log-likelihood of counts under Poisson distributions of rate `exp(input)`.

    Args:
        input: logarithms of the rates, or the rates themselves, [...].
        target: counts, of the same shape.
        log_input: `input` holds logarithms.
        full: add Stirling's approximation of `log(target!)` where `target` is above 1.
        eps: added to a rate before its logarithm is taken; used without `log_input`.
        reduction: "mean", "sum" or "none".
    """
    x, y = operands("poisson_nll_loss", input, target)
    loss = jnp.exp(x) - y * x if log_input else x - y * jnp.log(x + eps)
    if full:
        many = jnp.where(y > 1, y, 1)
        stirling = many * jnp.log(many) - many + 0.5 * jnp.log(2 * math.pi * many)
        loss = loss + jnp.where(y > 1, stirling, 0)
    return reduce(loss, reduction).astype(input.dtype)


def _x_log_x(x: jax.Array) -> jax.Array:
    """`x * log(x)`, with value and derivative 0 at 0. The true derivative there is infinite and would give NaN."""
    safe = jnp.where(x == 0, 1, x)
    return jnp.where(x == 0, 0, safe * jnp.log(safe))
