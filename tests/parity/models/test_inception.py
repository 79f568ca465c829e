"""Inception v3 against torchvision's.

The whole network compiles slowly. These tests compare gradients of its blocks, and of the network with a single
convolution in place of each block; of the whole network they compare the outputs, and with `-m slow` the gradients.
"""

import functools

import jax
import jax.numpy as jnp
import pytest
import torch
import torchvision.models.inception as reference

from funcvision import nn
from funcvision.vision import models
from funcvision.vision.models import inception
from tests.parity.layers import assert_layer_equal
from tests.parity.reference import random
from tests.parity.zoo import (
    assert_captures_equal,
    assert_initial_distributions_equal,
    assert_models_equal,
    theirs,
)


@pytest.mark.parametrize(("build", "size"), [
    (lambda module: module.InceptionA(5, pool_features=6), (7, 9)),
    (lambda module: module.InceptionB(5), (8, 7)),
    (lambda module: module.InceptionC(5, channels_7x7=6), (7, 9)),
    (lambda module: module.InceptionD(5), (8, 7)),
    (lambda module: module.InceptionE(5), (4, 5)),
    (lambda module: module.InceptionAux(5, 6), (17, 20)),
], ids=["A", "B", "C", "D", "E", "Aux"])
def test_blocks(build, size):
    x = random(0, 2, *size, 5)
    assert_layer_equal(
        build(inception), build(reference), [x], dtype="float64", train=True, channels_last=True, rtol=1e-8
    )


def with_small_blocks(module, head, **options):
    """A network in which each Inception block is a single 1x1 convolution."""
    small = functools.partial(module.BasicConv2d, kernel_size=1)
    blocks = [
        module.BasicConv2d,
        lambda in_channels, pool_features: small(in_channels, 224 + pool_features),
        lambda in_channels: small(in_channels, in_channels + 480, stride=2),
        lambda in_channels, channels_7x7: small(in_channels, 768),
        lambda in_channels: small(in_channels, in_channels + 512, stride=2),
        lambda in_channels: small(in_channels, 2048),
        head,
    ]
    return module.Inception3(9, inception_blocks=blocks, **{"init_weights": True, "dropout": 0.0} | options)


def small_head(layers):
    """A head for smaller feature maps than `InceptionAux` takes, from the layers of funcvision or of torchvision."""
    return lambda in_channels, num_classes: layers.Sequential(
        layers.AdaptiveAvgPool2d(1), layers.Flatten(), layers.Linear(in_channels, num_classes)
    )


@pytest.mark.parametrize(("train", "options"), [(True, {"transform_input": True}), (False, {})])
def test_net_around_the_blocks(train, options):
    ours = with_small_blocks(inception, small_head(nn), **options)
    theirs = with_small_blocks(reference, small_head(torch.nn), **options)
    assert_models_equal(ours, theirs, (2, 49, 56), train=train)


def outputs_in_training(model):
    """The shapes of a model's outputs for two images."""
    params, state = jax.eval_shape(model.init, jax.random.key(0))
    x = jnp.zeros((2, 49, 56, 3))
    return jax.eval_shape(lambda p, s: model.apply(p, s, x, train=True)[0], params, state)


def test_outputs_are_named_as_torchvisions():
    outputs = outputs_in_training(with_small_blocks(inception, small_head(nn)))
    assert isinstance(outputs, models.InceptionOutputs)
    assert outputs._fields == reference.InceptionOutputs._fields
    assert {logits.shape for logits in outputs} == {(2, 9)}


def test_without_a_head_training_returns_logits():
    model = with_small_blocks(inception, inception.InceptionAux, aux_logits=False)
    assert outputs_in_training(model).shape == (2, 9)
    assert not [name for name in model.declarations() if name.startswith("AuxLogits")]


@pytest.mark.parametrize("init_weights", [True, False])
def test_initial_distributions(init_weights):
    ours = with_small_blocks(inception, inception.InceptionAux, init_weights=init_weights)

    def build():
        return with_small_blocks(reference, reference.InceptionAux, init_weights=init_weights)

    assert_initial_distributions_equal(ours, build)


def test_whole_net_forward_and_captures():
    options = {"num_classes": 9, "init_weights": False, "aux_logits": False}
    names = [
        "Conv2d_1a_3x3.conv", "Conv2d_2b_3x3.relu", "maxpool2", "Mixed_5c.avg_pool2d", "Mixed_6a.max_pool2d",
        "Mixed_6c.branch7x7dbl_4", "Mixed_6e", "Mixed_7b.branch3x3dbl_3a", "Mixed_7c", "avgpool", "flatten", "fc",
    ]
    assert_captures_equal(models.inception_v3(**options), theirs("inception_v3", **options), (1, 75, 83), names)


def test_options_are_checked():
    with pytest.raises(ValueError, match=r"inception_blocks takes constructors.*got 2"):
        models.inception_v3(inception_blocks=inception.BLOCKS[:2])
    with pytest.raises(ValueError, match="transform_input=True is for RGB images, and in_channels=4"):
        models.inception_v3(in_channels=4, transform_input=True)
