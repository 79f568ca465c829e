"""Attention: dropout, transformations and errors. Equality with torch is tested in tests/parity."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funcvision import functional as F

KEY = jax.random.key(0)
Q, K, V = (jax.random.normal(jax.random.key(i), (2, 3, n, 4)) for i, n in enumerate((5, 6, 6)))


def test_dropout_depends_on_the_key_and_keeps_the_mean():
    run = jax.jit(lambda key: F.scaled_dot_product_attention(Q, K, V, dropout_p=0.3, dropout_key=key))
    whole = F.scaled_dot_product_attention(Q, K, V)
    np.testing.assert_array_equal(run(KEY), run(KEY))
    assert np.abs(run(KEY) - whole).max() > 0.1
    many = np.stack([run(jax.random.key(seed)) for seed in range(500)])
    np.testing.assert_allclose(many.mean(0), whole, atol=0.15)


def test_dropout_of_everything_needs_no_key():
    np.testing.assert_array_equal(F.scaled_dot_product_attention(Q, K, V, dropout_p=1.0), jnp.zeros_like(Q))


def test_under_jit_and_vmap():
    mask = jnp.tri(5, 6, dtype=bool)
    expected = F.scaled_dot_product_attention(Q, K, V, mask)
    over_batch = jax.jit(jax.vmap(F.scaled_dot_product_attention, (0, 0, 0, None)))(Q, K, V, mask)
    np.testing.assert_allclose(over_batch, expected, rtol=1e-5)
    np.testing.assert_allclose(F.scaled_dot_product_attention(Q, K, V, is_causal=True), expected, rtol=1e-5)


def test_forward_derivatives_of_a_query_without_keys_are_zero():
    mask = jnp.zeros((5, 6), bool)
    attend = jax.jit(lambda q: F.scaled_dot_product_attention(q, K, V, mask))
    _, tangent = jax.jvp(attend, (Q,), (jnp.ones_like(Q),))
    np.testing.assert_array_equal(tangent, jnp.zeros_like(Q))


@pytest.mark.parametrize(("arrays", "options", "error", "match"), [
    ((Q, K[..., :3], V), {}, ValueError, r"key \[..., S, E\].*got query \(2, 3, 5, 4\), key \(2, 3, 6, 3\)"),
    ((Q, K, V[:, :, :5]), {}, ValueError, r"value \(2, 3, 5, 4\)"),
    ((Q[0, 0, 0], K, V), {}, ValueError, r"got query \(4,\)"),
    ((Q.astype(jnp.bfloat16), K, V), {}, TypeError, "one dtype and got query bfloat16, key float32"),
    (tuple(x.astype(jnp.int32) for x in (Q, K, V)), {}, TypeError, "floating-point arrays"),
    ((Q, K, V, jnp.ones((5, 5), bool)), {}, ValueError, r"\(5, 5\) does not broadcast .* \(2, 3, 5, 6\)"),
    ((Q, K, V, jnp.ones((4, 2, 3, 5, 6), bool)), {}, ValueError, "does not broadcast"),
    ((Q, K, V, jnp.ones((5, 6), jnp.int32)), {}, TypeError, "attn_mask is of int32; give booleans"),
    ((Q, K, V, jnp.ones((5, 6), bool)), {"is_causal": True}, ValueError, "attn_mask and is_causal"),
    ((Q, K, V), {"dropout_p": 0.1}, ValueError, "needs dropout_key"),
    ((Q, K, V), {"dropout_p": 1.1, "dropout_key": KEY}, ValueError, "probability from 0 to 1; p=1.1"),
    ((Q, K[:, :2], V), {"enable_gqa": True}, ValueError, "as many heads in key and value as divide"),
])
def test_errors(arrays, options, error, match):
    with pytest.raises(error, match=match):
        F.scaled_dot_product_attention(*arrays, **options)
