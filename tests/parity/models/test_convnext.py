"""ConvNeXt against torchvision's."""

import functools

import jax
import jax.numpy as jnp
import pytest
import torch
import torchvision.models.convnext as reference

from funcvision import nn
from funcvision.vision import models
from funcvision.vision.models import convnext
from tests.parity.zoo import (
    assert_captures_equal,
    assert_initial_distributions_equal,
    assert_models_equal,
    assert_settings_equal,
    theirs_without_arrays,
)

NAMES = [name for name in models.list_models() if name.startswith("convnext")]


def small(package, last=None, **options):
    """A small network with every kind of block, which compiles quickly; `-m slow` compares the full models."""
    setting = [package.CNBlockConfig(8, 12, 1), package.CNBlockConfig(12, last, 2)]
    return package.ConvNeXt(setting, **{"num_classes": 9} | options)


@pytest.mark.parametrize("train", [False, True])
def test_numbers(train):
    assert_models_equal(small(convnext), small(reference), (2, 41, 33), train=train)


def test_norm_layer_block_and_a_convolution_behind_the_last_stage():
    """The norms outside of the blocks are BatchNorm2d, those inside are LayerNorms with another epsilon."""
    blocks = (
        functools.partial(package.CNBlock, norm_layer=functools.partial(library.LayerNorm, eps=1e-2))
        for package, library in ((convnext, nn), (reference, torch.nn))
    )
    ours, theirs = (
        small(package, last=10, norm_layer=library.BatchNorm2d, block=block, layer_scale=0.3)
        for (package, library), block in zip(((convnext, nn), (reference, torch.nn)), blocks, strict=True)
    )
    assert_models_equal(ours, theirs, (3, 33, 47), train=True)


def test_stochastic_depth_prob_can_be_overridden():
    options = {"stochastic_depth_prob": 0.3}
    reference = theirs_without_arrays("convnext_tiny", **options)
    assert_settings_equal(models.convnext_tiny(**options), reference)


def test_one_block():
    """torchvision divides by zero for a single block."""
    model = models.ConvNeXt([convnext.CNBlockConfig(8, None, 1)], 3, in_channels=1, stochastic_depth_prob=0.5)
    shapes = jax.eval_shape(model.init, jax.random.key(0))
    train = lambda params, state, x: model.apply(params, state, x, train=True)  # no key is needed: the probability is 0
    logits, _ = jax.eval_shape(train, *shapes, jnp.ones((2, 8, 8, 1), jnp.bfloat16))
    assert logits.shape == (2, 3)
    assert logits.dtype == jnp.bfloat16


def test_stochastic_depth_drops_blocks_sample_by_sample():
    block = convnext.CNBlock(4, 1.0, 0.5)
    params, state = block.init(jax.random.key(0))
    x = jax.random.normal(jax.random.key(1), (16, 4, 4, 4))
    run = lambda train: jax.jit(lambda key: block.apply(params, state, x, train=train, key=key)[0])(jax.random.key(2))
    y, whole = run(True), run(False)
    dropped = (y == x).all((1, 2, 3))
    assert 2 < dropped.sum() < 14
    wide = jnp.broadcast_to(dropped[:, None, None, None], x.shape)
    assert jnp.allclose(y, jnp.where(wide, x, x + 2 * (whole - x)), atol=1e-5)


def test_initial_distributions():
    options = {"num_classes": 100, "layer_scale": 1e-3}
    assert_initial_distributions_equal(small(convnext, **options), lambda: small(reference, **options))


def test_captures():
    names = [
        "features.0", "features.1.0.block.1", "features.1.0.block.5", "features.1.0.block.6",
        "features.3.1.stochastic_depth", "features.2", "avgpool", "classifier.0", "classifier.1",
    ]
    assert_captures_equal(small(convnext), small(reference), (1, 40, 33), names)


def test_settings_that_make_no_sense():
    with pytest.raises(ValueError, match="block_setting is empty"):
        models.ConvNeXt([])
    with pytest.raises(TypeError, match=r"block_setting must hold CNBlockConfig objects; got \(8, None, 1\)"):
        models.ConvNeXt([(8, None, 1)])
