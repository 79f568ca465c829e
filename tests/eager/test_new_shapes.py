"""Shapes that were never seen before: small operations on them compile nothing; after many calls they are compiled."""

import contextlib
import gc

import jax
import numpy as np
import pytest

from funcvision import eager
from funcvision.eager import _operation, _tiered
from funcvision.eager._operation import Operation

EVENT = "/jax/core/compile/backend_compile_duration"


@contextlib.contextmanager
def compilations():
    """Counts the programs that XLA compiles in the context, or takes from the compilation cache."""
    counted = []

    def count(event, seconds, **options):
        counted.append(event)

    jax.monitoring.register_event_duration_secs_listener(count)
    found = []
    try:
        yield found
    finally:
        jax.monitoring.unregister_event_duration_listener(count)
        found.extend(event for event in counted if event == EVENT)


def episode(length, weights):
    """The gradient of a loss as that of REINFORCE, for an episode of this length."""
    rng = np.random.default_rng(length)
    states = eager.tensor(rng.standard_normal((length, 4)).astype(np.float32))
    gains = eager.tensor(rng.standard_normal(length).astype(np.float32))
    gains = (gains - gains.mean()) / (gains.std() + 1e-6)
    scores = (states @ weights).tanh().log_softmax(1)
    chosen = scores.gather(1, eager.tensor(rng.integers(0, 3, (length, 1)))).squeeze(1)
    parts = [-score * gain for score, gain in zip(chosen, gains, strict=True)]
    loss = eager.stack(parts).sum() + eager.cat([chosen, gains]).sum() + scores.mean()
    weights.grad = None
    loss.backward()
    return loss.item(), weights.grad.numpy()


def test_a_new_length_compiles_nothing():
    weights = eager.tensor(np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32), requires_grad=True)
    for length in (5, 6, 30, 31):  # what does not depend on the length may be compiled here
        episode(length, weights)
    with compilations() as found:
        results = [episode(length, weights) for length in (7, 13, 8)]
    assert found == []
    with pytest.MonkeyPatch.context() as patch:  # everything is compiled
        patch.setattr(_tiered, "LARGEST", 0)
        for operation in _operations():
            operation._programs.clear()
        with compilations() as found:
            expected = episode(7, weights)
    assert len(found) > 5
    np.testing.assert_allclose(results[0][0], expected[0], rtol=1e-5)
    np.testing.assert_allclose(results[0][1], expected[1], rtol=1e-4, atol=1e-6)


def _operations():
    """All operations that exist."""
    return [found for found in gc.get_objects() if type(found) is Operation]


def test_a_shape_that_is_used_often_is_compiled_once():
    x = eager.ones(3, 17)
    function = eager.lift(lambda x: x * 2 + 1)
    with compilations() as found:
        for _ in range(_tiered.INTERPRETED_CALLS):
            assert function(x).sum().item() == 153
    before = len(found)
    with compilations() as found:
        for _ in range(5):
            assert function(x).sum().item() == 153
    assert before <= 1  # the identity that puts scalars on the device, of which other tests make many, too
    assert 1 <= len(found) <= 3  # the function, the sum, and the identity


def test_shapes_that_are_seldom_used_are_forgotten(monkeypatch):
    monkeypatch.setattr(_operation, "MOST_PROGRAMS", 5)
    before = set(_operations())
    function = eager.lift(lambda x: x + 1)
    (operation,) = set(_operations()) - before
    for length in range(1, 12):
        assert function(eager.ones(length)).tolist() == [2] * length
        assert len(operation._programs) <= 5


def test_results_on_a_chosen_device_stay_there():
    other = jax.devices()[1]
    function = eager.lift(lambda x: x * 3)
    x = eager.tensor([1.0, 2.0])
    assert function(x).array.device == jax.devices()[0]
    moved = eager.Tensor(jax.device_put(x.array, other), requires_grad=True)
    result = function(moved)
    assert result.array.device == other
    result.sum().backward()
    assert moved.grad.array.device == other


def test_an_operation_that_was_too_large_once_is_interpreted_for_other_shapes():
    function = eager.lift(lambda x: (x[:, None] * x[None, :]).sum())
    assert function(eager.ones(200)).item() == 40_000  # the product has too many elements
    with compilations() as found:
        assert function(eager.ones(11)).item() == 121
    assert found == []


def test_a_loop_of_many_turns_is_compiled():
    function = eager.lift(lambda x: jax.lax.while_loop(lambda x: x[0] < 5000, lambda x: x + 1, x))
    with compilations() as found:
        assert function(eager.zeros(2)).tolist() == [5000, 5000]
    assert len(found) == 1


def test_large_arrays_are_compiled_at_once():
    function = eager.lift(lambda x: x - 0.5)
    large = eager.Tensor(jax.numpy.ones(_tiered.LARGEST + 1))
    with compilations() as found:
        assert function(large).array[0].item() == 0.5
    assert len(found) >= 1


def test_traced_values_are_not_interpreted():
    function = eager.lift(lambda x: x * 2)

    @jax.jit
    def traced(array):
        return function(eager.Tensor(array)).array

    np.testing.assert_array_equal(traced(np.ones(3, np.float32)), [2, 2, 2])


def test_draws_of_new_shapes_compile_nothing():
    eager.randn(2), eager.rand(2), eager.empty(2).normal_(), eager.empty(2).uniform_(-1, 1)
    with compilations() as found:
        for length in (101, 102, 103):
            drawn = [eager.randn(length), eager.empty(length).normal_(3, 0.5), eager.empty(length).uniform_(-0.1, 0.1)]
            assert all(np.isfinite(part.numpy()).all() for part in (*drawn, eager.rand(length)))
            assert abs(drawn[1].mean().item() - 3) < 0.3
            assert drawn[2].abs().max().item() < 0.1
    assert found == []
