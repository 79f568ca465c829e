"""GoogLeNet against torchvision's.

The whole network compiles slowly. These tests compare gradients of its blocks, and of the network with a single
convolution in place of each block; of the whole network they compare the outputs, and with `-m slow` the gradients.
"""

import importlib

import jax
import jax.numpy as jnp
import pytest

from funcvision.vision import models
from tests.parity.layers import assert_layer_equal
from tests.parity.reference import random
from tests.parity.zoo import (
    assert_captures_equal,
    assert_initial_distributions_equal,
    assert_models_equal,
    theirs,
)

# The packages export builders under the names of these modules, so that an import statement would find the builders.
googlenet = importlib.import_module("funcvision.vision.models.googlenet")
reference = importlib.import_module("torchvision.models.googlenet")


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("build", [
    lambda module: module.Inception(10, 4, 3, 6, 2, 5, 7),
    lambda module: module.InceptionAux(10, 6, dropout=0.0),
], ids=["Inception", "InceptionAux"])
def test_blocks(build, train):
    x = random(0, 2, 7, 9, 10)
    assert_layer_equal(
        build(googlenet), build(reference), [x], dtype="float64", train=train, channels_last=True, rtol=1e-8
    )


def with_small_blocks(module, **options):
    """A network in which each Inception block is a single 1x1 convolution."""

    def block(in_channels, ch1x1, ch3x3red, ch3x3, ch5x5red, ch5x5, pool_proj):
        return module.BasicConv2d(in_channels, ch1x1 + ch3x3 + ch5x5 + pool_proj, kernel_size=1)

    blocks = [module.BasicConv2d, block, module.InceptionAux]
    return module.GoogLeNet(9, blocks=blocks, **{"init_weights": True, "dropout": 0.0, "dropout_aux": 0.0} | options)


@pytest.mark.parametrize(("train", "options"), [(True, {"transform_input": True}), (False, {})])
def test_net_around_the_blocks(train, options):
    ours, theirs = (with_small_blocks(module, **options) for module in (googlenet, reference))
    assert_models_equal(ours, theirs, (2, 41, 33), train=train)


def outputs_in_training(model):
    """The shapes of a model's outputs for two images."""
    params, state = jax.eval_shape(model.init, jax.random.key(0))
    x = jnp.zeros((2, 33, 40, 3))
    return jax.eval_shape(lambda p, s: model.apply(p, s, x, train=True)[0], params, state)


def test_outputs_are_named_as_torchvisions():
    outputs = outputs_in_training(with_small_blocks(googlenet))
    assert isinstance(outputs, models.GoogLeNetOutputs)
    assert outputs._fields == reference.GoogLeNetOutputs._fields
    assert {logits.shape for logits in outputs} == {(2, 9)}


def test_without_heads_training_returns_logits():
    model = with_small_blocks(googlenet, aux_logits=False)
    assert outputs_in_training(model).shape == (2, 9)
    assert not [name for name in model.declarations() if name.startswith("aux")]


@pytest.mark.parametrize("init_weights", [True, False])
def test_initial_distributions(init_weights):
    ours = with_small_blocks(googlenet, init_weights=init_weights)
    assert_initial_distributions_equal(ours, lambda: with_small_blocks(reference, init_weights=init_weights))


def test_whole_net_forward_and_captures():
    options = {"num_classes": 9, "init_weights": False, "aux_logits": False}
    names = [
        "conv1.conv", "conv1.relu", "maxpool2", "inception3a.branch3", "inception3b", "inception4d.branch4.0",
        "maxpool4", "inception5b", "avgpool", "flatten", "fc",
    ]
    assert_captures_equal(models.googlenet(**options), theirs("googlenet", **options), (1, 40, 33), names)


def test_options_are_checked():
    with pytest.raises(ValueError, match=r"blocks takes a convolution.*got 2"):
        models.googlenet(blocks=(googlenet.BasicConv2d, googlenet.Inception))
    with pytest.raises(ValueError, match="transform_input=True is for RGB images, and in_channels=1"):
        models.googlenet(in_channels=1, transform_input=True)
