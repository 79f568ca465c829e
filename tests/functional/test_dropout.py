import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcvision.functional as F

KEY = jax.random.key(0)
ALL = ["alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout", "feature_dropout"]


@pytest.mark.parametrize("name", ALL)
def test_unchanged_in_evaluation(name):
    x = jnp.ones((2, 3, 3, 3, 4))
    drop = getattr(F, name)
    assert drop(x, 0.5, training=False) is x
    assert drop(x, 0.0, training=True) is x
    np.testing.assert_array_equal(drop(x, 1.0, training=True), 0)


@pytest.mark.parametrize("name", ALL)
def test_errors(name):
    x = jnp.ones((2, 3, 3, 3, 4))
    with pytest.raises(ValueError, match=rf"{name} draws random numbers while training and got no key: pass key="):
        getattr(F, name)(x, 0.5, training=True)
    for p in (-0.1, 1.1):
        with pytest.raises(ValueError, match=f"{name} drops with a probability from 0 to 1; p={p}"):
            getattr(F, name)(x, p, training=False)
    if name not in ("dropout", "alpha_dropout"):
        with pytest.raises(ValueError, match=rf"{name} takes .* channels\] and got an array of shape \(4,\)"):
            getattr(F, name)(jnp.ones(4), 0.5, training=True, key=KEY)


@pytest.mark.parametrize("p", [0.1, 0.7])
def test_dropout_drops_a_fraction_p_and_keeps_the_mean(p):
    y = F.dropout(jnp.ones(100_000), p, key=KEY)
    np.testing.assert_allclose(np.unique(y), [0, 1 / (1 - p)], rtol=1e-6)
    np.testing.assert_allclose((y == 0).mean(), p, atol=0.01)
    np.testing.assert_allclose(y.mean(), 1, atol=0.03)


def test_dropped_nan_and_infinity_become_zero():
    y = F.dropout(jnp.full(100, jnp.nan, jnp.bfloat16), key=KEY)
    assert y.dtype == jnp.bfloat16
    assert set(jnp.isnan(y).tolist()) == {True, False}
    assert not y[~jnp.isnan(y)].any()


def test_same_key_same_result_under_jit_and_vmap():
    x = jax.random.normal(KEY, (2, 3, 4, 6))
    drop = lambda x, key: F.dropout2d(x, 0.5, key=key)
    keys = jax.random.split(KEY, 2)
    samples = jax.jit(jax.vmap(drop))(x, keys)
    np.testing.assert_allclose(samples[1], drop(x[1], keys[1]), rtol=1e-5)
    assert ((samples[0] == 0) != (samples[1] == 0)).any()


@pytest.mark.parametrize("name", ["dropout", "dropout2d"])
def test_gradient_is_the_mask(name):
    x = jax.random.uniform(KEY, (2, 3, 4, 6), minval=1.0)
    y, pullback = jax.vjp(lambda x: getattr(F, name)(x, 0.2, key=KEY), x)
    np.testing.assert_allclose(pullback(jnp.ones_like(y))[0], np.where(y == 0, 0, 1 / 0.8), rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "axes", "batch"),
    [("dropout2d", 2, ()), ("dropout1d", 1, (64,)), ("dropout2d", 2, (64,)), ("dropout3d", 3, (4, 16))],
)
def test_whole_channels_are_dropped_independently_for_each_sample(name, axes, batch):
    spatial = (3, 2, 4)[:axes]
    y = np.asarray(getattr(F, name)(jnp.ones((*batch, *spatial, 50)), 0.3, key=KEY))
    over = tuple(range(len(batch), len(batch) + axes))
    np.testing.assert_array_equal(y.max(over), y.min(over))
    if batch:
        kept = y.max(over).reshape(-1, 50) > 0
        np.testing.assert_allclose(kept.mean(), 0.7, atol=0.03)
        assert len({row.tobytes() for row in kept}) == 64


def test_alpha_dropout_keeps_mean_and_variance():
    p = 0.3
    x = jax.random.normal(KEY, (200_000,))
    y, pullback = jax.vjp(lambda x: F.alpha_dropout(x, p, training=True, key=jax.random.key(1)), x)
    np.testing.assert_allclose([y.mean(), y.std()], [0, 1], atol=0.01)
    limit = -1.7580993408473766
    scale = ((1 - p) * (1 + p * limit**2)) ** -0.5
    (gradient,) = pullback(jnp.ones_like(y))
    np.testing.assert_allclose(np.unique(gradient), [0, scale], rtol=1e-5)
    dropped = np.asarray(gradient == 0)
    np.testing.assert_allclose(dropped.mean(), p, atol=0.01)
    np.testing.assert_allclose(y[dropped], scale * limit * (1 - p), rtol=1e-5)
    np.testing.assert_allclose(y[~dropped], scale * (x[~dropped] - limit * p), atol=1e-5)


def test_feature_alpha_dropout_drops_channels_of_each_sample():
    y = F.feature_alpha_dropout(jnp.zeros((40, 3, 5, 20)), 0.5, training=True, key=KEY)
    np.testing.assert_array_equal(y.max((1, 2)), y.min((1, 2)))
    assert len(np.unique(y)) == 2
    assert len({row.tobytes() for row in np.asarray(y[:, 0, 0])}) == 40


def test_feature_dropout_drops_whole_channels_of_each_sample():
    y = F.feature_dropout(jnp.ones((5, 3, 4, 50)), 0.5, key=KEY)
    np.testing.assert_array_equal(y.min((1, 2)), y.max((1, 2)))
    assert set(np.unique(y)) == {0.0, 2.0}
    assert (y[0, 0, 0] != y[1, 0, 0]).any()
