import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funcvision import nn


def test_layers_without_arrays_are_called_as_they_are():
    layers = nn.Sequential(nn.ReLU(inplace=True), nn.Hardtanh(0.0, 2.0))
    np.testing.assert_array_equal(layers(jnp.array([-1.0, 3.0])), [0, 2])
    assert repr(nn.ELU(0.5, inplace=True)) == "ELU(alpha=0.5)"


def test_prelu_learns_one_slope_for_each_channel():
    model = nn.PReLU(3, init=0.5)
    params, state = model.init(jax.random.key(0))
    np.testing.assert_array_equal(params["weight"], [0.5, 0.5, 0.5])
    gradient = jax.grad(lambda p: model.apply(p, state, -jnp.ones((2, 4, 4, 3)))[0].sum())(params)
    np.testing.assert_array_equal(gradient["weight"], [-32, -32, -32])


def test_rrelu_draws_in_training_only():
    model, x = nn.RReLU(0.1, 0.5), -jnp.ones(50)
    np.testing.assert_allclose(model.apply({}, {}, x)[0], -0.3, rtol=1e-6)
    drawn, _ = model.apply({}, {}, x, train=True, key=jax.random.key(0))
    assert len(np.unique(drawn)) > 40
    with pytest.raises(ValueError, match=r"RReLU\(.*draws random numbers, but `apply` got no key"):
        model.apply({}, {}, x, train=True)
