import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funcvision import functional as F

LOG_PROBS = jax.nn.log_softmax(jnp.asarray(np.random.default_rng(0).standard_normal((4, 2, 3)), jnp.float32))


def collapsed(path):
    """The labels of an alignment: equal neighbours are merged, then blanks (0) are removed."""
    return tuple(label for label, _ in itertools.groupby(path) if label)


def test_the_loss_sums_over_all_alignments():
    """By enumeration of all 81 paths; the probabilities of all targets sum to 1."""
    paths = list(itertools.product(range(3), repeat=4))
    probability = {}
    for path in paths:
        p = np.exp(sum(float(LOG_PROBS[t, 0, label]) for t, label in enumerate(path)))
        probability[collapsed(path)] = probability.get(collapsed(path), 0) + p
    loss = jax.jit(lambda target, length: F.ctc_loss(LOG_PROBS[:, 0], target, 4, length, reduction="none"))
    for target, expected in probability.items():
        padded = jnp.array([*target, *[0] * (4 - len(target))])[None]
        np.testing.assert_allclose(np.exp(-loss(padded, len(target))), expected, rtol=1e-5)


def test_vmap_over_sequences():
    targets, steps, lengths = jnp.array([[1, 2], [2, 0]]), jnp.array([4, 3]), jnp.array([2, 1])
    each = jax.vmap(lambda x, y, n, m: F.ctc_loss(x, y[None], n, m, reduction="none"), in_axes=(1, 0, 0, 0))
    batch = jax.jit(lambda *arrays: F.ctc_loss(*arrays, reduction="none"))(LOG_PROBS, targets, steps, lengths)
    np.testing.assert_allclose(jax.jit(each)(LOG_PROBS, targets, steps, lengths), batch, rtol=1e-6)


def test_targets_one_after_another_in_64_bits():
    with jax.enable_x64(True):
        x, y = LOG_PROBS.astype("float64"), jnp.array([1, 2, 2])
        joined = jax.jit(F.ctc_loss)(x, y, jnp.array([4, 4]), jnp.array([2, 1]))
        assert joined.dtype == jnp.float64
        rows = jax.jit(lambda y: F.ctc_loss(x, y, (4, 4), (2, 1)))(jnp.array([[1, 2], [2, 0]]))
        np.testing.assert_allclose(joined, rows)


def test_half_types_are_computed_in_float32_and_returned():
    x = LOG_PROBS.astype(jnp.bfloat16)
    loss = F.ctc_loss(x, jnp.array([[1], [2]]), (4, 4), (1, 1))
    assert loss.dtype == jnp.bfloat16
    expected = F.ctc_loss(x.astype(jnp.float32), jnp.array([[1], [2]]), (4, 4), (1, 1))
    assert loss == expected.astype(jnp.bfloat16)


TARGETS, ONES = jnp.array([[1], [2]]), (1, 1)


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda: F.ctc_loss(LOG_PROBS[0, 0], TARGETS, ONES, ONES), ValueError, r"\[time, classes\] and got shape \(3,\)"),
    (lambda: F.ctc_loss(LOG_PROBS, TARGETS[:1], ONES, ONES), ValueError, r"targets \[2, length\].*got shape \(1, 1\)"),
    (lambda: F.ctc_loss(LOG_PROBS, TARGETS.astype(float), ONES, ONES), TypeError, "as targets and got float32"),
    (lambda: F.ctc_loss(LOG_PROBS, TARGETS, (1, 1, 1), ONES), ValueError, r"input_lengths of shape \(2,\)"),
    (lambda: F.ctc_loss(LOG_PROBS, TARGETS, ONES, (1.0, 1.0)), TypeError, "integers as target_lengths and got float32"),
    (lambda: F.ctc_loss(LOG_PROBS, TARGETS, ONES, ONES, 3), ValueError, "blank=3 is no class of 3"),
    (lambda: F.ctc_loss(LOG_PROBS, TARGETS, ONES, ONES, reduction="max"), ValueError, "reduction='max' is unknown"),
])
def test_errors(call, error, match):
    with pytest.raises(error, match=match):
        call()
