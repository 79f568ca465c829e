"""Adaptive softmax against torch: log-probabilities, loss and gradients of all parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from funcvision import nn

from .layers import arrays_of, assert_layer_equal, randomise
from .reference import assert_close, random, same

OPTIONS = [{}, {"head_bias": True, "div_value": 2.0}]


def both(**options):
    args = 64, 20, [4, 9, 15]
    return nn.AdaptiveLogSoftmaxWithLoss(*args, **options), torch.nn.AdaptiveLogSoftmaxWithLoss(*args, **options)


class _WithoutTarget(torch.nn.Module):
    """The layer's `log_prob` as a module whose parameters have the names of the layer."""

    def __init__(self, layer):
        super().__init__()
        self.head, self.tail = layer.head, layer.tail
        object.__setattr__(self, "layer", layer)

    def forward(self, x):
        return self.layer.log_prob(x)


@pytest.mark.parametrize("options", OPTIONS)
def test_outputs_and_gradients(options):
    """Targets of every cluster, at the borders, and one cluster that has none."""
    inputs = random(0, 6, 64)
    for target in ([0, 3, 4, 8, 15, 19], [1, 2, 4, 5, 19, 19], [0, 1, 2, 3, 3, 0]):
        assert_layer_equal(*both(**options), [inputs, np.array(target)])


def test_one_input_without_a_batch():
    for target in (2, 17):
        assert_layer_equal(*both(), [random(0, 64), np.array(target)])


@pytest.mark.parametrize("options", OPTIONS)
def test_log_probabilities_of_all_classes(options):
    ours, theirs = both(**options)
    assert_layer_equal(ours, _WithoutTarget(theirs), [random(0, 6, 64)])


def test_the_most_probable_class():
    class Prediction(nn.Module):
        def __init__(self, layer):
            self.layer = layer

        def forward(self, x):
            return self.layer.predict(x)

    ours, theirs = both(head_bias=True)
    randomise(theirs)
    params, state = arrays_of(ours, theirs)
    x = random(0, 50, 64)
    params = {f"layer.{name}": array for name, array in params.items()}
    predicted, _ = jax.jit(Prediction(ours).apply)(params, state, x)
    assert_close(predicted, theirs.predict(same(x)).numpy().astype("int32"))


def test_a_target_that_is_no_class_is_nan():
    layer, _ = both()
    arrays = layer.init(jax.random.key(0))
    (output, loss), _ = layer.apply(*arrays, jnp.ones((3, 64)), jnp.array([-1, 20, 5]))
    np.testing.assert_array_equal(np.isnan(output), [True, True, False])
    assert np.isnan(loss)


@pytest.mark.parametrize("cutoffs", [[], [3, 3], [5, 4], [0, 4], [20], [4, 21]])
def test_cutoffs_that_are_refused(cutoffs):
    with pytest.raises(ValueError, match="cutoffs"):
        nn.AdaptiveLogSoftmaxWithLoss(16, 20, cutoffs)


def test_shapes_that_are_refused():
    layer, _ = both()
    arrays = layer.init(jax.random.key(0))
    with pytest.raises(ValueError, match=r"got shapes \(3, 64\) and \(2,\)"):
        layer.apply(*arrays, jnp.ones((3, 64)), jnp.array([1, 2]))
