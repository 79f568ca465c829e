"""Recurrent layers: equal to their cells in a loop, dtypes, dropout, errors. tests/parity compares with torch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funcvision import nn

X = jax.random.normal(jax.random.key(1), (5, 2, 3))
KEY = jax.random.key(0)


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_a_layer_is_its_cell_in_a_loop(name):
    layer, cell = getattr(nn, name)(3, 4), getattr(nn, f"{name}Cell")(3, 4)
    params, _ = layer.init(KEY)
    (outputs, last), _ = jax.jit(layer.apply)(params, {}, X)
    cell_params = {name.removesuffix("_l0"): array for name, array in params.items()}
    step = jax.jit(cell.apply)
    state = None
    for t in range(5):
        state, _ = step(cell_params, {}, X[t], state)
        np.testing.assert_allclose(outputs[t], state[0] if name == "LSTM" else state, atol=1e-6)
    for of_layer, of_cell in zip(jax.tree.leaves(last), jax.tree.leaves(state), strict=True):
        np.testing.assert_allclose(of_layer[0], of_cell, atol=1e-6)


@pytest.mark.parametrize("name", ["LSTM", "GRU"])
def test_lengths_are_as_good_as_single_sequences(name):
    layer = getattr(nn, name)(3, 4, bidirectional=True, batch_first=True)
    params, _ = layer.init(KEY)
    x = X.swapaxes(0, 1)
    run = jax.jit(layer.apply)
    (outputs, last), _ = run(params, {}, x, None, jnp.array([5, 3]))
    (whole, _), _ = run(params, {}, x[:1])
    (short, short_last), _ = run(params, {}, x[1:, :3])
    np.testing.assert_allclose(outputs[:1], whole, atol=1e-6)
    np.testing.assert_allclose(outputs[1:, :3], short, atol=1e-6)
    assert not outputs[1, 3:].any()
    for of_batch, of_one in zip(jax.tree.leaves(last), jax.tree.leaves(short_last), strict=True):
        np.testing.assert_allclose(of_batch[:, 1:], of_one, atol=1e-6)
    with pytest.raises(ValueError, match="one length for each of the 2 sequences"):
        layer.apply(params, {}, x, None, jnp.array([5]))


def test_a_cell_takes_any_leading_axes():
    cell = nn.GRUCell(3, 4)
    params, _ = cell.init(KEY)
    run = jax.jit(cell.apply)
    (y, _), (row, _) = run(params, {}, X), run(params, {}, X[1, 1])
    assert y.shape == (5, 2, 4)
    np.testing.assert_allclose(y[1, 1], row, rtol=1e-5)


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell"])
def test_bfloat16_in_bfloat16_out(name):
    layer = getattr(nn, name)(3, 4)
    params, _ = jax.eval_shape(layer.init, KEY)
    x = (X if "Cell" not in name else X[0]).astype(jnp.bfloat16)
    output, _ = jax.eval_shape(lambda params: layer.apply(params, {}, x), params)
    assert {leaf.dtype.name for leaf in jax.tree.leaves(output)} == {"bfloat16"}
    assert {leaf.dtype.name for leaf in params.values()} == {"float32"}


def test_dropout_draws_anew_between_each_two_layers():
    layer = nn.GRU(3, 4, num_layers=3, dropout=0.5)
    params, _ = layer.init(KEY)
    run = jax.jit(lambda key, train: layer.apply(params, {}, X, train=train, key=key)[0][1], static_argnums=1)
    last, again, other = run(KEY, True), run(KEY, True), run(jax.random.key(1), True)
    np.testing.assert_array_equal(last, again)
    np.testing.assert_array_equal(last[0], run(KEY, False)[0])  # there is no dropout before the first layer
    assert (np.abs(last - other).max((1, 2)) > 1e-3).tolist() == [False, True, True]
    with pytest.raises(ValueError, match=r"GRU\(.*got no key"):
        layer.apply(params, {}, X, train=True)


def test_dropout_of_a_single_layer_warns():
    with pytest.warns(UserWarning, match="dropout=0.5 has no effect with num_layers=1") as caught:
        nn.LSTM(3, 4, dropout=0.5)
    assert caught[0].filename == __file__


H, C = jnp.zeros((1, 2, 4)), jnp.zeros((1, 2, 4))


@pytest.mark.parametrize(("name", "options", "arguments", "match"), [
    ("LSTM", {}, (X[..., :2],), r"LSTM takes \[length, batch, 3\] or \[length, 3\]; got shape \(5, 2, 2\)"),
    ("LSTM", {"batch_first": True}, (X[0, 0],), r"\[batch, length, 3\]"),
    ("LSTM", {}, (X, H), "h_0, c_0.*; got 1 arrays"),
    ("LSTM", {}, (X, (H, C[:, :1])), r"needs c_0 of float32\[1, 2, 4\] here; got float32\[1, 1, 4\]"),
    ("LSTM", {"proj_size": 2}, (X, (H, C)), r"h_0 of float32\[1, 2, 2\]"),
    ("GRU", {"num_layers": 2}, (X, H), r"hx of float32\[2, 2, 4\]"),
    ("RNN", {}, (X[:, 0], H), r"hx of float32\[1, 4\]"),
    ("RNN", {}, (X.astype(jnp.bfloat16), H), r"hx of bfloat16\[1, 2, 4\] here; got float32"),
    ("GRUCell", {}, (X[0, :, :2],), r"GRUCell takes \[..., 3\]; got shape \(2, 2\)"),
    ("LSTMCell", {}, (X[0], (H[0], C)), r"c_0 of float32\[2, 4\]"),
])
def test_errors_of_a_call(name, options, arguments, match):
    layer = getattr(nn, name)(3, 4, **options)
    params, _ = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), jax.eval_shape(layer.init, KEY))
    with pytest.raises(ValueError, match=match):
        layer.apply(params, {}, *arguments)


@pytest.mark.parametrize(("build", "match"), [
    (lambda: nn.RNN(3, 4, nonlinearity="gelu"), "nonlinearity='gelu'; give 'tanh' or 'relu'"),
    (lambda: nn.LSTM(3, 4, proj_size=4), "proj_size=4 must be less than hidden_size=4"),
    (lambda: nn.GRU(3, 0), "hidden_size=0"),
    (lambda: nn.GRU(3, 4, num_layers=2, dropout=1.5), "dropout=1.5 is not a probability"),
])
def test_errors_of_construction(build, match):
    with pytest.raises(ValueError, match=match):
        build()
