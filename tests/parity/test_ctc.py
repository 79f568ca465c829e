"""CTC loss against torch: value and gradient, every way to give targets and lengths, impossible alignments."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torch.nn.functional as TF
from jax.test_util import check_grads

from funcvision import functional as F
from funcvision import nn

from .reference import assert_close, assert_same_with_gradients, back, random, same

LOGITS = random(0, 7, 4, 6)
TARGETS = np.array([[1, 1, 2, 5], [2, 0, 0, 0], [3, 5, 3, 5], [0, 0, 0, 0]])  # repeated classes, an empty target
STEPS, LENGTHS = (7, 5, 4, 6), (3, 1, 4, 0)
SHORT = (2, 0, 3, 0)  # an infinite loss, for a repeated class; no steps; an infinite loss; nothing at all
LOG_PROBS = np.asarray(jax.nn.log_softmax(jnp.asarray(LOGITS)))


def theirs(log_probs, targets, steps, lengths, *options):
    return TF.ctc_loss(log_probs, same(targets), torch.tensor(steps), torch.tensor(lengths), *options)


@pytest.mark.parametrize(("blank", "reduction"), [(0, "none"), (4, "mean"), (5, "sum")])
def test_value_and_gradient_with_respect_to_logits(blank, reduction):
    targets = np.where(blank == TARGETS, 1, TARGETS)
    assert_same_with_gradients(
        lambda x: F.ctc_loss(jax.nn.log_softmax(x), jnp.asarray(targets), STEPS, LENGTHS, blank, reduction),
        lambda x: theirs(x.log_softmax(-1), targets, STEPS, LENGTHS, blank, reduction),
        [LOGITS], to_torch=[same], from_torch=[back], out=back,
    )


def test_the_gradient_with_respect_to_log_probabilities_is_torchs():
    assert_same_with_gradients(
        lambda x: F.ctc_loss(x, jnp.asarray(TARGETS), STEPS, LENGTHS, 4, "none"),
        lambda x: theirs(x, TARGETS, STEPS, LENGTHS, 4, "none"),
        [LOG_PROBS], to_torch=[same], from_torch=[back], out=back,
    )


@pytest.mark.parametrize(("zero_infinity", "reduction"), [(False, "none"), (True, "mean")])
def test_too_few_steps_for_the_target(zero_infinity, reduction):
    assert_same_with_gradients(
        lambda x: F.ctc_loss(x, jnp.asarray(TARGETS), SHORT, LENGTHS, 4, reduction, zero_infinity),
        lambda x: theirs(x, TARGETS, SHORT, LENGTHS, 4, reduction, zero_infinity),
        [LOG_PROBS], to_torch=[same], from_torch=[back], out=back,
    )


def test_targets_one_after_another():
    """Also with traced lengths, of which the longest is not known."""
    targets = np.concatenate([target[:n] for target, n in zip(TARGETS, LENGTHS, strict=True)])
    expected = theirs(same(LOG_PROBS), targets, STEPS, LENGTHS, 4)
    known = jax.jit(lambda *arrays: F.ctc_loss(*arrays, STEPS, LENGTHS, 4))
    assert_close(known(LOG_PROBS, targets), expected)
    traced = jax.jit(lambda *arrays: F.ctc_loss(*arrays, 4))
    assert_close(traced(LOG_PROBS, targets, np.array(STEPS), np.array(LENGTHS)), expected)


@pytest.mark.parametrize(("steps", "length", "reduction"), [(7, 3, "none"), ((7,), (3,), "mean")])
def test_one_sequence_without_a_batch(steps, length, reduction):
    ours = jax.jit(lambda *arrays: F.ctc_loss(*arrays, steps, length, 4, reduction))
    expected = theirs(same(LOG_PROBS[:, 0]), TARGETS[0, :3], 7, 3, 4, reduction)
    assert_close(ours(LOG_PROBS[:, 0], TARGETS[0, :3]), expected)


def test_classes_that_are_impossible():
    """Values are torch's. The gradient of a class with probability 0 is 0, where torch has NaN."""
    log_probs = LOG_PROBS.copy()
    log_probs[2, :, 1] = log_probs[:, :, 0] = -np.inf
    f = lambda x: F.ctc_loss(x, jnp.asarray(TARGETS), STEPS, LENGTHS, 4, "none")
    tensor = same(log_probs).requires_grad_()
    expected = theirs(tensor, TARGETS, STEPS, LENGTHS, 4, "none")
    value, pullback = jax.vjp(jax.jit(f), jnp.asarray(log_probs))
    assert_close(value, expected)
    gradient = np.asarray(pullback(jnp.ones_like(value))[0])
    expected.sum().backward()
    possible = np.isfinite(log_probs)
    assert_close(gradient[possible], tensor.grad.numpy()[possible])
    np.testing.assert_array_equal(gradient[~possible], 0)


def test_many_steps_do_not_underflow():
    logits, targets = 10 * random(1, 300, 1, 5, dtype="float64"), np.random.default_rng(2).integers(1, 5, (1, 100))
    with jax.enable_x64(True):
        assert_same_with_gradients(
            lambda x: F.ctc_loss(jax.nn.log_softmax(x), jnp.asarray(targets), (300,), (100,)),
            lambda x: theirs(x.log_softmax(-1), targets, (300,), (100,)),
            [logits], to_torch=[same], from_torch=[back], out=back,
        )


def test_layer():
    ours, expected = nn.CTCLoss(4, "sum", zero_infinity=True), torch.nn.CTCLoss(4, "sum", zero_infinity=True)
    given = expected(same(LOG_PROBS), same(TARGETS), torch.tensor(SHORT), torch.tensor(LENGTHS))
    assert_close(jax.jit(lambda *arrays: ours(*arrays, SHORT, LENGTHS))(LOG_PROBS, TARGETS), given)


def test_second_derivatives_and_forward_mode():
    with jax.enable_x64(True):
        x = jnp.asarray(LOGITS[:4, :1], "float64")
        f = jax.jit(lambda x: F.ctc_loss(jax.nn.log_softmax(x), jnp.asarray([[1, 2]]), (4,), (2,), 4))
        check_grads(f, (x,), 2, modes=("fwd", "rev"))
