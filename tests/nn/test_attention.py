"""MultiheadAttention: dropout, dtypes, a causal mask alone, errors. tests/parity compares its results with torch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funcvision import nn

X = jax.random.normal(jax.random.key(1), (3, 5, 8))


def build(**options):
    layer = nn.MultiheadAttention(8, 2, batch_first=True, **options)
    return layer, *layer.init(jax.random.key(0))


def test_dropout_of_weights_draws_from_the_key_of_apply():
    layer, params, state = build(dropout=0.5)
    run = jax.jit(lambda key: layer.apply(params, state, X, X, X, train=True, key=key)[0])
    (y, weights), (same, _), (other, _) = run(jax.random.key(2)), run(jax.random.key(2)), run(jax.random.key(3))
    (whole, full), _ = layer.apply(params, state, X, X, X)
    np.testing.assert_array_equal(y, same)
    assert np.abs(y - other).max() > 0.01
    assert np.abs(y - whole).max() > 0.01
    np.testing.assert_allclose(full.sum(-1), np.ones((3, 5)), rtol=1e-6)
    assert (weights == 0).any(), "the weights that come back are those in use, after dropout"
    with pytest.raises(ValueError, match=r"MultiheadAttention\(.*draws random numbers, but `apply` got no key"):
        layer.apply(params, state, X, X, X, train=True)


def test_is_causal_needs_no_mask_and_adds_to_one():
    layer, params, state = build(add_bias_kv=True)
    run = jax.jit(
        lambda mask, is_causal: layer.apply(params, state, X, X, X, attn_mask=mask, is_causal=is_causal)[0],
        static_argnums=1,
    )
    causal, corner = ~np.tri(5, dtype=bool), np.arange(25).reshape(5, 5) == 20
    y, weights = run(None, True)
    np.testing.assert_array_equal(y, run(causal, False)[0])
    np.testing.assert_array_equal(weights[:, :, :5] == 0, np.broadcast_to(causal, (3, 5, 5)))
    np.testing.assert_array_equal(run(corner, True)[0], run(corner | causal, False)[0])


def test_bfloat16_in_bfloat16_out():
    layer = nn.MultiheadAttention(8, 2, add_bias_kv=True, add_zero_attn=True)
    params, state = jax.eval_shape(layer.init, jax.random.key(0))
    x = jax.ShapeDtypeStruct((5, 3, 8), jnp.bfloat16)
    mask = jax.ShapeDtypeStruct((3, 5), jnp.float32)
    (y, weights), _ = jax.eval_shape(lambda p, s, x, mask: layer.apply(p, s, x, x, x, mask), params, state, x, mask)
    assert (y.dtype, weights.dtype) == (jnp.bfloat16, jnp.bfloat16)


@pytest.mark.parametrize(("arrays", "options", "match"), [
    ((X[..., :7], X, X), {}, r"takes query \[batch, length, 8\].*got \(3, 5, 7\)"),
    ((X[0], X, X), {}, "or all without the batch axis"),
    ((X[:2], X, X), {}, r"got \(2, 5, 8\), \(3, 5, 8\)"),
    ((X, X, X[:, :4]), {}, r"\(3, 4, 8\)"),
    ((X, X, X), {"key_padding_mask": jnp.zeros((5, 3), bool)}, r"shape \(5, 3\); these keys need \(3, 5\)"),
    ((X, X, X), {"attn_mask": jnp.zeros((3, 5, 5), bool)}, r"\(3, 5, 5\); these arrays need \(5, 5\) or \(6, 5, 5\)"),
])
def test_errors(arrays, options, match):
    layer, params, state = build()
    with pytest.raises(ValueError, match=match):
        layer.apply(params, state, *arrays, **options)


def test_masks_of_integers_are_refused():
    layer, params, state = build()
    with pytest.raises(TypeError, match="key_padding_mask is of int32; give booleans"):
        layer.apply(params, state, X, X, X, jnp.zeros((3, 5), jnp.int32))


@pytest.mark.parametrize(("options", "match"), [
    ({"num_heads": 3}, "embed_dim=8 must be a positive multiple of num_heads=3"),
    ({"num_heads": 2, "dropout": 1.5}, "dropout=1.5 is not a probability"),
])
def test_errors_of_construction(options, match):
    with pytest.raises(ValueError, match=match):
        nn.MultiheadAttention(8, **options)
