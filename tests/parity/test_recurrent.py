"""Recurrent layers and cells against torch: outputs, last states, gradients of inputs, states and parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from funcvision import nn
from tests.parity.layers import assert_layer_equal
from tests.parity.reference import assert_close, random


def both(name, *args, **options):
    return getattr(nn, name)(*args, **options), getattr(torch.nn, name)(*args, **options)


def states(name, layers, *batch, hidden=4, output=4):
    """An initial state: one array, or two for the LSTM."""
    h, c = random(1, layers, *batch, output), random(2, layers, *batch, hidden)
    return (h, c) if name == "LSTM" else h


@pytest.mark.parametrize("options", [
    {}, {"bias": False, "batch_first": True}, {"num_layers": 2, "bidirectional": True, "batch_first": True},
])
@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_layers_from_zeros(name, options):
    assert_layer_equal(*both(name, 3, 4, **options), [random(0, 5, 2, 3)], train=True)


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_layers_from_a_given_state_in_float64(name):
    ours, theirs = both(name, 3, 4, bidirectional=True)
    assert_layer_equal(ours, theirs, [random(0, 7, 1, 3), states(name, 2, 1)], dtype="float64")


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_layers_without_a_batch(name):
    ours, theirs = both(name, 3, 4, num_layers=3, batch_first=True)
    assert_layer_equal(ours, theirs, [random(0, 1, 3), states(name, 3)])


def test_rectifying_rnn():
    assert_layer_equal(*both("RNN", 3, 4, 2, "relu"), [random(0, 5, 2, 3), states("RNN", 2, 2)])


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True, "batch_first": True, "bias": False}])
def test_projected_lstm(options):
    layers = options.get("num_layers", 1) * (2 if options else 1)
    x = random(0, 2, 5, 3) if options else random(0, 5, 2, 3)
    ours, theirs = both("LSTM", 3, 4, proj_size=2, **options)
    assert_layer_equal(ours, theirs, [x, states("LSTM", layers, 2, output=2)])


@pytest.mark.parametrize("options", [{}, {"bias": False}])
@pytest.mark.parametrize("name", ["RNNCell", "LSTMCell", "GRUCell"])
def test_cells(name, options):
    ours, theirs = both(name, 3, 4, **options)
    given = (random(1, 2, 4), random(2, 2, 4)) if name == "LSTMCell" else random(1, 2, 4)
    assert_layer_equal(ours, theirs, [random(0, 2, 3), given])
    assert_layer_equal(ours, theirs, [random(0, 3)], dtype="float64")


def test_rectifying_cell():
    assert_layer_equal(*both("RNNCell", 3, 4, nonlinearity="relu"), [random(0, 2, 3)])


def test_dropout_is_between_layers_only():
    """With p=1 everything is dropped, so torch's different random numbers do not matter."""
    ours, theirs = both("LSTM", 3, 4, num_layers=2, dropout=1.0)
    assert_layer_equal(ours, theirs, [random(0, 5, 2, 3)], train=True, key=jax.random.key(0))


@pytest.mark.parametrize("mode", ["RNN_TANH", "RNN_RELU", "GRU", "LSTM"])
def test_the_base_computes_what_its_mode_names(mode):
    named = {"RNN_TANH": nn.RNN(3, 4), "RNN_RELU": nn.RNN(3, 4, nonlinearity="relu")}
    layer = named.get(mode) or getattr(nn, mode)(3, 4)
    base = nn.RNNBase(mode, 3, 4)
    assert isinstance(layer, nn.RNNBase)
    params, state = base.init(jax.random.key(0))
    x = random(0, 5, 2, 3)
    ours, expected = base.apply(params, state, x)[0], layer.apply(params, state, x)[0]
    jax.tree.map(assert_close, ours, expected)


def test_errors_of_the_bases():
    with pytest.raises(ValueError, match="mode='SRU'; give one of RNN_TANH, RNN_RELU, GRU, LSTM"):
        nn.RNNBase("SRU", 3, 4)
    with pytest.raises(ValueError, match="proj_size=2 is for the LSTM only"):
        nn.RNNBase("GRU", 3, 4, proj_size=2)
    assert isinstance(nn.GRUCell(3, 4), nn.RNNCellBase)
    cell = nn.RNNCellBase(3, 4, True, num_chunks=2)
    with pytest.raises(NotImplementedError, match="RNNCellBase has no step"):
        cell.apply(*cell.init(jax.random.key(0)), jnp.ones((2, 3)))


def test_a_cell_of_ones_own():
    class Doubling(nn.RNNCellBase):
        def __init__(self, size):
            super().__init__(size, size, bias=False, num_chunks=1)

        def step(self, from_input, from_hidden, state):
            return (2 * from_input + from_hidden,)

    cell = Doubling(2)
    params = {"weight_ih": jnp.eye(2), "weight_hh": 3 * jnp.eye(2)}
    y, _ = cell.apply(params, {}, jnp.ones((1, 2)), jnp.ones((1, 2)))
    np.testing.assert_array_equal(y, [[5, 5]])
