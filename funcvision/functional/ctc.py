"""Connectionist temporal classification (Graves et al. 2006, https://doi.org/10.1145/1143844.1143891)."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer

from ._check import integer
from ._loss_terms import reduce
from ._precision import at_least_float32

__all__ = ["ctc_loss"]

Lengths = jax.Array | np.ndarray | Sequence[int] | int


def ctc_loss(
    log_probs: jax.Array, targets: jax.Array, input_lengths: Lengths, target_lengths: Lengths, blank: int = 0,
    reduction: str = "mean", zero_infinity: bool = False,
) -> jax.Array:
    """The negative log-probability of target sequences, summed over all alignments with the time steps.

    An alignment has one class for each time step. Merging equal neighbours and then removing blanks gives the target.

    As in torch, the gradient with respect to `log_probs` assumes that they are the output of `log_softmax`. It is the
    gradient with respect to the logits, which `log_softmax` leaves unchanged. Where a class has probability 0, the
    gradient is 0; torch's is NaN.

    Args:
        log_probs: log-probabilities [time, batch, classes], or [time, classes] for one sequence.
        targets: classes without blanks, integers. Either [batch, length], where positions beyond a sequence's length
            are ignored, or all sequences one after another in one axis.
        input_lengths: the number of time steps of each sequence, up to `time`: [batch], or one integer without a batch.
        target_lengths: the number of classes of each target, of the same shape.
        blank: the class that stands for no label.
        reduction: "none", "sum", or "mean": each loss is divided by its target's length, or by 1 for an empty target,
            and the result is averaged over the batch.
        zero_infinity: replace infinite losses, and their gradients, by 0. A loss is infinite if there are too few time
            steps for the target. Otherwise its gradient is NaN.

    Returns:
        A scalar, or [batch] if `reduction` is "none", in the dtype of `log_probs`; computed in float32 at least.
        Lengths and classes that are out of range cannot be checked, because they may be traced.

    Raises:
        ValueError: shapes do not fit together, or an option is out of its range.
        TypeError: `targets` or lengths are not integers.

    >>> log_probs = jax.nn.log_softmax(jnp.zeros((12, 2, 5)))
    >>> loss = ctc_loss(log_probs, jnp.array([[1, 2, 2], [3, 4, 0]]), (12, 10), (3, 2))
    >>> print(f"{loss:.3f}")
    4.357
    """
    if log_probs.ndim not in (2, 3):
        raise ValueError(
            f"ctc_loss takes log_probs [time, batch, classes] or [time, classes] and got shape {log_probs.shape}"
        )
    batched = log_probs.ndim == 3
    wide = at_least_float32(log_probs if batched else log_probs[:, None])
    time, batch, classes = wide.shape
    blank = integer(blank, "ctc_loss: blank", 0)
    if blank >= classes:
        raise ValueError(f"ctc_loss: blank={blank} is no class of {classes}")
    steps, lengths = _lengths("input_lengths", input_lengths, batch), _lengths("target_lengths", target_lengths, batch)
    labels = _labels(targets, target_lengths, lengths, batch)
    loss = _negative_log_likelihood(wide, labels, steps, lengths, blank)
    infinite = jnp.isinf(loss)
    # The derivative of the sum of all probabilities turns the derivative of the loss into that with respect to logits.
    kept = jnp.arange(time, dtype=jnp.int32)[:, None] < steps[None]
    total = jnp.sum(jnp.exp(wide), (0, 2), where=kept[..., None])
    loss = loss + _zero(total, jnp.where(infinite, 0.0 if zero_infinity else jnp.nan, 1.0).astype(loss.dtype))
    if zero_infinity:
        loss = jnp.where(infinite, 0, loss)
    if reduction == "mean":
        loss = loss / jnp.maximum(lengths, 1).astype(loss.dtype)
    return reduce(loss if batched else loss[0], reduction).astype(log_probs.dtype)


def _lengths(name: str, lengths: Lengths, batch: int) -> jax.Array:
    """Lengths as int32 [batch]."""
    array = jnp.asarray(lengths)
    if not jnp.issubdtype(array.dtype, jnp.integer):
        raise TypeError(f"ctc_loss takes integers as {name} and got {array.dtype}")
    if array.size != batch or array.ndim > 1:
        raise ValueError(f"ctc_loss takes {name} of shape ({batch},), one for each sequence; got shape {array.shape}")
    return array.reshape(batch).astype(jnp.int32)


def _labels(targets: jax.Array, given: Lengths, lengths: jax.Array, batch: int) -> jax.Array:
    """Targets as int32 [batch, length], with class 0 beyond the end of each sequence.

    If they are given in one axis under `jit`, the longest target is not known, and `length` is that of all together.
    """
    if not jnp.issubdtype(targets.dtype, jnp.integer):
        raise TypeError(f"ctc_loss takes integers as targets and got {targets.dtype}")
    if targets.ndim == 2 and len(targets) == batch:
        labels = targets
    elif targets.ndim == 1:
        traced = isinstance(given, Tracer)
        longest = len(targets) if traced else int(np.max(np.asarray(given), initial=0))
        index = (jnp.cumsum(lengths, dtype=jnp.int32) - lengths)[:, None] + jnp.arange(longest, dtype=jnp.int32)[None]
        labels = jnp.take(targets, index, mode="fill", fill_value=0)
    else:
        raise ValueError(f"ctc_loss takes targets [{batch}, length] or [sum of lengths]; got shape {targets.shape}")
    position = jnp.arange(labels.shape[1], dtype=jnp.int32)
    return jnp.where(position[None] < lengths[:, None], labels, 0).astype(jnp.int32)


def _negative_log_likelihood(
    log_probs: jax.Array, labels: jax.Array, steps: jax.Array, lengths: jax.Array, blank: int
) -> jax.Array:
    """The loss of each sequence, by the forward algorithm over the states blank, label, blank, label, ..., blank."""
    _, batch, _ = log_probs.shape
    states = 2 * labels.shape[1] + 1
    extended = jnp.full((batch, states), blank, jnp.int32).at[:, 1::2].set(labels)
    emitted = jnp.take_along_axis(log_probs, extended[None], axis=2, mode="fill")
    # A blank between two labels may be left out if they differ.
    before = jnp.pad(extended, ((0, 0), (2, 0)), constant_values=blank)[:, :states]
    skips = (extended != blank) & (extended != before)
    impossible = jnp.full((batch, 2), -jnp.inf, log_probs.dtype)
    start = jnp.full((batch, states), -jnp.inf, log_probs.dtype).at[:, 0].set(0)

    def step(alpha: jax.Array, now: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        emission, time = now
        shifted = jnp.concatenate([impossible, alpha], 1)
        one, two = shifted[:, 1:-1], jnp.where(skips, shifted[:, :-2], -jnp.inf)
        new = _log_sum_exp(alpha, one, two) + emission
        return jnp.where((time < steps)[:, None], new, alpha), None

    alpha, _ = lax.scan(step, start, (emitted, jnp.arange(len(emitted), dtype=jnp.int32)))
    last = 2 * lengths[:, None]
    at_blank = jnp.take_along_axis(alpha, last, axis=1)[:, 0]
    at_label = jnp.take_along_axis(alpha, jnp.maximum(last - 1, 0), axis=1)[:, 0]
    return -_log_sum_exp(at_blank, jnp.where(lengths > 0, at_label, -jnp.inf))


def _log_sum_exp(*terms: jax.Array) -> jax.Array:
    """`log(sum(exp(terms)))`, elementwise. Where all terms are minus infinity, so is it, with derivative 0."""
    largest = lax.stop_gradient(jnp.max(jnp.stack(terms), 0))
    none = jnp.isneginf(largest)
    base = jnp.where(none, 0, largest)
    total = sum(jnp.exp(term - base) for term in terms)
    return jnp.where(none, -jnp.inf, jnp.log(jnp.where(none, 1, total)) + base)


@jax.custom_jvp
def _zero(x: jax.Array, slope: jax.Array) -> jax.Array:
    """0, with the derivative `slope` with respect to `x`."""
    return jnp.zeros_like(x)


_zero.defjvps(lambda tangent, y, x, slope: tangent * slope, None)
