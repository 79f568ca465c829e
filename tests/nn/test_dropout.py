import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funcvision import nn

ALL = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"]
X = jnp.ones((2, 3, 3, 3, 8))
KEY = jax.random.key(0)


@pytest.mark.parametrize("name", ALL)
def test_acts_in_training_only(name):
    model = getattr(nn, name)(0.5, inplace=True)
    assert model.apply({}, {}, X, key=KEY)[0] is X
    trained, _ = jax.jit(lambda x: model.apply({}, {}, x, train=True, key=KEY))(X)
    assert len(np.unique(trained)) == 2
    assert repr(model) == f"{name}(p=0.5)"


def test_each_layer_and_each_use_draws_by_itself():
    class Net(nn.Module):
        def __init__(self):
            self.a, self.b = nn.Dropout(), nn.Dropout()

        def forward(self, x):
            return self.a(x), self.a(x), self.b(x)

    draws, _ = Net().apply({}, {}, jnp.ones(100), train=True, key=KEY)
    again, _ = Net().apply({}, {}, jnp.ones(100), train=True, key=KEY)
    np.testing.assert_array_equal(draws, again)
    assert len({np.asarray(draw).tobytes() for draw in draws}) == 3


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_nothing_to_draw_needs_no_key(p):
    y, _ = nn.Dropout(p).apply({}, {}, X, train=True)
    np.testing.assert_array_equal(y, X * (1 - p))


def test_errors():
    with pytest.raises(ValueError, match=r"Dropout2d drops with a probability from 0 to 1; p=1.5"):
        nn.Dropout2d(1.5)
    with pytest.raises(ValueError, match=r"layer '1' \(Dropout\(p=0.5\)\) draws random numbers, but .* got no key"):
        nn.Sequential(nn.ReLU(), nn.Dropout()).apply({}, {}, X, train=True)
