"""Fake quantisation and its gradients against torch's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch.ao.quantization import FakeQuantize, MovingAverageMinMaxObserver

from funcvision import nn, quantize

from .reference import assert_close, random


@pytest.mark.parametrize(("scale", "zero_point"), [(0.013, 0), (0.02, -128), (0.007, 37)])
def test_fake_quantize_per_tensor(scale, zero_point):
    x, cotangent = random(0, 64, 33), random(1, 64, 33)
    theirs = torch.tensor(x, requires_grad=True)
    expected = torch.fake_quantize_per_tensor_affine(theirs, scale, zero_point, -128, 127)
    expected.backward(torch.from_numpy(cotangent))
    ours, pull = jax.vjp(lambda x: quantize.fake_quantize(x, jnp.float32(scale), jnp.int32(zero_point)), jnp.asarray(x))
    np.testing.assert_array_equal(ours, expected.detach().numpy())
    (gradient,) = pull(jnp.asarray(cotangent))
    np.testing.assert_array_equal(gradient, theirs.grad)
    assert 0 < np.count_nonzero(gradient) < x.size, "some numbers must be clipped and some not"


@pytest.mark.parametrize("clip", [1.0, 0.5])
def test_fake_quantize_per_channel(clip):
    weight, cotangent = random(0, 3, 3, 8, 16), random(1, 3, 3, 8, 16)
    scale = clip * np.abs(weight).max((0, 1, 2)) / np.float32(127)
    theirs = torch.tensor(weight, requires_grad=True)
    zeros = torch.zeros(16, dtype=torch.int32)
    expected = torch.fake_quantize_per_channel_affine(theirs, torch.from_numpy(scale), zeros, 3, -127, 127)
    expected.backward(torch.from_numpy(cotangent))
    zero_point = jnp.zeros(16, jnp.int32)
    ours, pull = jax.vjp(
        lambda x: quantize.fake_quantize(x, jnp.asarray(scale), zero_point, -127, 127), jnp.asarray(weight)
    )
    np.testing.assert_array_equal(ours, expected.detach().numpy())
    (gradient,) = pull(jnp.asarray(cotangent))
    np.testing.assert_array_equal(gradient, theirs.grad)
    assert (np.count_nonzero(gradient) < weight.size) == (clip < 1)


def test_weights_use_the_whole_range_of_each_channel():
    weight = random(0, 5, 7, 16)
    scale = np.abs(weight).max((0, 1)) / np.float32(127)
    zeros = torch.zeros(16, dtype=torch.int32)
    expected = torch.fake_quantize_per_channel_affine(
        torch.from_numpy(weight), torch.from_numpy(scale), zeros, 2, -127, 127
    )
    assert_close(quantize.fake_quantize_weight(jnp.asarray(weight)), expected)
    integers, ours = quantize.quantize_weight(jnp.asarray(weight))
    assert_close(ours, scale)
    assert integers.dtype == jnp.int8
    assert abs(np.asarray(integers)).max((0, 1)).tolist() == [127] * 16


def test_inputs_of_a_prepared_layer_follow_torchs_observer():
    """Three batches: the ranges, the outputs and the gradient with respect to the input are those of FakeQuantize."""
    fake = FakeQuantize(
        MovingAverageMinMaxObserver, quant_min=-128, quant_max=127, dtype=torch.qint8, averaging_constant=0.01
    )
    layer = nn.Linear(33, 33, bias=False)
    identity = {"weight": jnp.eye(33, dtype=jnp.float32)}  # so that the outputs are the inputs
    prepared, params, state = quantize.prepare_training(layer, identity, {})
    for seed in range(3):
        x = random(seed, 64, 33) * (seed + 1) + 0.1
        theirs = torch.tensor(x, requires_grad=True)
        expected = fake(theirs)
        expected.backward(torch.ones_like(theirs))

        def run(x, state=state):
            return prepared.apply(params, state, x, train=True)

        ours, pull, state = jax.vjp(run, jnp.asarray(x), has_aux=True)
        assert_close(ours, expected)
        assert_close(pull(jnp.ones_like(ours))[0], theirs.grad)
        observer = fake.activation_post_process
        assert_close(state["input_low"], observer.min_val)
        assert_close(state["input_high"], observer.max_val)
    assert np.count_nonzero(np.asarray(theirs.grad) == 0), "the last batch must be clipped somewhere"
