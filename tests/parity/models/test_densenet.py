"""DenseNet against torchvision's."""

import jax
import jax.numpy as jnp
import pytest
import torchvision

from funcvision.vision import models
from tests.parity.zoo import (
    assert_captures_equal,
    assert_initial_distributions_equal,
    assert_models_equal,
)

SMALL = {"growth_rate": 6, "block_config": (3, 1), "num_init_features": 10, "bn_size": 3, "num_classes": 9}
"""A small network with every kind of layer, which compiles quickly; `-m slow` compares the full models."""


@pytest.mark.parametrize("train", [False, True])
def test_numbers(train):
    ours, reference = models.DenseNet(**SMALL), torchvision.models.DenseNet(**SMALL)
    assert_models_equal(ours, reference, (2, 41, 33), train=train)


def test_numbers_with_less_memory():
    ours, reference = (kind(**SMALL, memory_efficient=True) for kind in (models.DenseNet, torchvision.models.DenseNet))
    assert_models_equal(ours, reference, (2, 41, 33), train=True)


def test_initial_distributions():
    options = {"block_config": (2, 1), "num_classes": 300}
    ours = models.DenseNet(**options)
    assert_initial_distributions_equal(ours, lambda: torchvision.models.DenseNet(**options))


def test_captures():
    names = [
        "features.pool0", "features.denseblock1.denselayer3.relu1", "features.denseblock1.denselayer3",
        "features.denseblock1", "features.transition1", "relu", "adaptive_avg_pool2d", "flatten",
    ]  # without features.norm5: torchvision's ReLU after it overwrites its output
    ours, reference = models.DenseNet(**SMALL), torchvision.models.DenseNet(**SMALL)
    assert_captures_equal(ours, reference, (1, 40, 33), names)


def test_layers_drop_out():
    ours = models.DenseNet(6, (2,), 10, drop_rate=0.5)
    params, state = ours.init(jax.random.key(0))
    name = "features.denseblock1.denselayer2"
    run = lambda key: ours.apply(params, state, jnp.ones((2, 33, 32, 3)), train=True, key=key, capture=(name,))
    _, _, seen = jax.jit(run)(jax.random.key(1))
    dropped = (seen[name] == 0).mean()
    assert 0.3 < dropped < 0.7
    with pytest.raises(ValueError, match=r"denselayer1.dropout.*got no key"):
        jax.eval_shape(lambda: run(None))
