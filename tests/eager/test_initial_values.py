"""Initial values of the layers of the eager face: they compile nothing, and `manual_seed` decides them."""

import numpy as np
import pytest

from funcvision import eager
from funcvision import nn as pure
from funcvision.eager import nn

from .test_new_shapes import compilations


def values(layer):
    return {name: np.asarray(tensor.detach().array) for name, tensor in layer.named_parameters()}


def test_new_layers_compile_nothing():
    nn.Linear(3, 2)  # the key is compiled once
    with compilations() as found:
        nn.Conv2d(3, 7, 5, groups=1)
        nn.BatchNorm2d(7)
        nn.LSTM(5, 3, num_layers=2)
        nn.Embedding(11, 3)
        nn.MultiheadAttention(6, 2)
        nn.init.normal_(eager.empty(5, 13), 0.0, 0.02)
        nn.init.zeros_(eager.empty(5, 13))
    assert found == []


def test_the_seed_decides_the_values():
    made = []
    for seed in (3, 3, 4):
        eager.manual_seed(seed)
        made.append((values(nn.Linear(6, 5)), values(nn.Linear(6, 5))))
    for first, second in zip(made[0], made[1], strict=True):
        for name in first:
            np.testing.assert_array_equal(first[name], second[name])
    assert not np.array_equal(made[0][0]["weight"], made[2][0]["weight"])
    assert not np.array_equal(made[0][0]["weight"], made[0][1]["weight"])


@pytest.mark.parametrize(
    ("init", "mean", "variance", "bound"),
    [
        (pure.init.uniform(-1.0, 3.0), 1.0, 16 / 12, 3.0),
        (pure.init.normal(2.0, 0.5), 2.0, 0.25, np.inf),
        (pure.init.trunc_normal(0.0, 1.0, -1.0, 1.0), 0.0, 0.2911, 1.0),
        (pure.init.kaiming_normal(nonlinearity="relu"), 0.0, 2 / 200, np.inf),
        (pure.init.constant(0.25), 0.25, 0.0, 0.25),
    ],
)
def test_distributions(init, mean, variance, bound):
    weight = values(nn.Linear(200, 150, weight_init=init))["weight"]
    assert weight.dtype == np.float32
    assert weight.max() <= bound
    assert abs(weight.mean() - mean) < 4 * np.sqrt(variance / weight.size) + 1e-7
    assert weight.var() == pytest.approx(variance, rel=0.05)


def test_dtypes_and_axes():
    layer = nn.Conv2d(3, 4, (1, 5), dtype=eager.bfloat16)
    assert layer.weight.shape == (4, 3, 1, 5)
    assert layer.weight.dtype == layer.bias.dtype == eager.bfloat16
    norm = nn.BatchNorm2d(3, dtype=eager.bfloat16)
    assert norm.running_mean.dtype == eager.float32
    assert norm.running_var.tolist() == [1, 1, 1]


def test_an_initialiser_that_is_not_elementwise():
    weight = values(nn.Linear(4, 4, weight_init=pure.init.orthogonal()))["weight"]
    np.testing.assert_allclose(weight @ weight.T, np.eye(4), atol=1e-5)
