"""Transformers: distinct layers, dropout, captures, dtypes, errors. tests/parity compares with torch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funcvision import nn

X = jax.random.normal(jax.random.key(1), (3, 5, 8))


def encoder(**options):
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, **options)
    return nn.TransformerEncoder(layer, 2, nn.LayerNorm(8))


@pytest.mark.parametrize("activation", ["relu", jax.nn.gelu, nn.GELU()])
def test_each_layer_has_parameters_and_first_values_of_its_own(activation):
    model = encoder(activation=activation)
    params, state = model.init(jax.random.key(0))
    assert not np.array_equal(params["layers.0.linear1.weight"], params["layers.1.linear1.weight"])
    wanted = ("layers.0", "layers.1", "layers.1.self_attn")
    y, _, found = jax.jit(lambda x: model.apply(params, state, x, capture=wanted))(X)
    assert y.shape == X.shape
    assert np.abs(found["layers.0"] - found["layers.1"]).max() > 0.1
    assert found["layers.1.self_attn"][1] is None, "the weights of attention are not wanted here"


def test_dropout_acts_in_training_and_by_key():
    model = encoder(dropout=0.3)
    params, state = model.init(jax.random.key(0))
    run = jax.jit(lambda key: model.apply(params, state, X, train=True, key=key)[0])
    first, again, other = run(jax.random.key(1)), run(jax.random.key(1)), run(jax.random.key(2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1
    with pytest.raises(ValueError, match=r"layer 'layers.0.self_attn' \(MultiheadAttention.*got no key"):
        model.apply(params, state, X, train=True)


def test_is_causal_hides_what_comes_later():
    model = encoder()
    params, state = model.init(jax.random.key(0))
    run = jax.jit(lambda x: model.apply(params, state, x, is_causal=True)[0])
    y, changed = run(X), run(X.at[:, 3:].add(1.0))
    np.testing.assert_array_equal(y[:, :3], changed[:, :3])
    assert np.abs(y[:, 3:] - changed[:, 3:]).max() > 0.1


def test_bfloat16_in_bfloat16_out():
    model = nn.Transformer(8, 2, 1, 1, 16, batch_first=True)
    params, state = jax.eval_shape(model.init, jax.random.key(0))
    small = X.astype(jnp.bfloat16)
    y, _ = jax.eval_shape(lambda p, s: model.apply(p, s, small, small[:, :2], tgt_is_causal=True), params, state)
    assert (y.dtype, y.shape) == (jnp.bfloat16, (3, 2, 8))


def test_activation_is_known():
    with pytest.raises(ValueError, match="activation='tanh'; give"):
        nn.TransformerEncoderLayer(8, 2, activation="tanh")
