"""EfficientNet against torchvision's."""

import functools

import jax
import jax.numpy as jnp
import pytest
import torch
import torchvision.models.efficientnet as reference

from funcvision import nn
from funcvision.vision import models
from funcvision.vision.models import efficientnet
from tests.parity.zoo import (
    assert_captures_equal,
    assert_initial_distributions_equal,
    assert_models_equal,
    theirs,
)

NAMES = [name for name in models.list_models() if name.startswith("efficientnet")]


def small(package, **options):
    """A small network with every kind of block, which compiles quickly; `-m slow` compares the full models."""
    setting = [
        package.FusedMBConvConfig(1, 3, 1, 8, 8, 1),
        package.FusedMBConvConfig(2, 3, 2, 8, 16, 2),
        package.MBConvConfig(1, 5, 1, 12, 12, 1, width_mult=1.3),
        package.MBConvConfig(4, 3, 2, 12, 20, 1, width_mult=1.3, depth_mult=1.1),
    ]
    return package.EfficientNet(setting, num_classes=9, **{"dropout": 0.0, "stochastic_depth_prob": 0.0} | options)


@pytest.mark.parametrize("train", [False, True])
def test_numbers(train):
    norms = (functools.partial(torch.nn.BatchNorm2d, eps=1e-2), functools.partial(nn.BatchNorm2d, eps=1e-2))
    theirs, ours = (
        small(package, norm_layer=norm, last_channel=40)
        for package, norm in zip((reference, efficientnet), norms, strict=True)
    )
    assert_models_equal(ours, theirs, (2, 41, 33), train=train)


def test_the_builders_defaults_can_be_overridden():
    norm_layer = lambda channels: nn.GroupNorm(1, channels)
    for name in ("efficientnet_b5", "efficientnet_v2_s"):
        model = models.get_model(
            name, num_classes=5, norm_layer=norm_layer, dropout=0.7, last_channel=96, stochastic_depth_prob=0
        )
        kinds = {type(module) for _, module in model.named_modules()}
        assert nn.GroupNorm in kinds
        assert nn.BatchNorm2d not in kinds
        assert model.classifier[0].p == 0.7
        assert model.declarations()["classifier.1.weight"].shape == (5, 96)
        assert {module.p for path, module in model.named_modules() if path.endswith("stochastic_depth")} == {0}


def test_in_channels():
    assert models.efficientnet_b0(in_channels=1).declarations()["features.0.0.weight"].shape == (32, 1, 3, 3)


def test_stochastic_depth_drops_blocks_sample_by_sample():
    model = efficientnet.FusedMBConv(efficientnet.FusedMBConvConfig(1, 3, 1, 8, 8, 1), 0.5, nn.BatchNorm2d)
    params, state = model.init(jax.random.key(0))
    x = jax.random.normal(jax.random.key(1), (16, 4, 4, 8))
    run = lambda model: jax.jit(lambda key: model.apply(params, state, x, train=True, key=key)[0])(jax.random.key(2))
    y, kept = run(model), run(model.replace("stochastic_depth", nn.Identity()))
    dropped = (y == x).all((1, 2, 3))
    assert 2 < dropped.sum() < 14
    wide = jnp.broadcast_to(dropped[:, None, None, None], x.shape)
    assert jnp.allclose(y, jnp.where(wide, x, x + 2 * (kept - x)), atol=1e-5)


def test_initial_distributions():
    assert_initial_distributions_equal(models.efficientnet_b0(200), lambda: theirs("efficientnet_b0", num_classes=200))


def test_captures():
    names = ["features.0", "features.2.1.block", "features.3.0", "features.5", "avgpool", "flatten", "classifier.1"]
    assert_captures_equal(small(efficientnet), small(reference), (1, 40, 33), names)


def test_bfloat16():
    model = small(efficientnet)
    shapes = jax.eval_shape(model.init, jax.random.key(0))
    assert jax.eval_shape(model.apply, *shapes, jnp.ones((1, 32, 32, 3), jnp.bfloat16))[0].dtype == jnp.bfloat16


def test_settings_that_make_no_sense():
    with pytest.raises(ValueError, match="inverted_residual_setting is empty"):
        models.EfficientNet([])
    with pytest.raises(TypeError, match="MBConvConfig or FusedMBConvConfig; got 3"):
        models.EfficientNet([3])
    with pytest.raises(ValueError, match="FusedMBConv has stride 1 or 2; stride=3"):
        models.EfficientNet([efficientnet.FusedMBConvConfig(1, 3, 3, 8, 8, 1)])
